"""Units without a gradient, followed through training: which die, when, how deep, and which are revived.

A unit is dead if its derivative is zero for every example of the training set, so that no example changes its weights.
It is inactive if its pre-activation is at most zero for every example: for ReLU the same thing, for leaky ReLU the place
where a unit would be dead if it had no leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nets import mlp
from nets.activations import Activation
from nets.mlp import LearningRates, Weights
from nets.names import Counts

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class History(NamedTuple):
    """What became of the units of an ensemble in one training run."""

    steps: NDArray[np.int64]  # [evaluation]
    dead: Flags  # [evaluation, seed, unit]
    inactive: Flags  # [evaluation, seed, unit]
    depth: Array  # below zero when first found inactive, in std over examples; nan: never, [seed, unit]
    dead_pairs: int  # of evaluations of a unit, one after the other, that both found it dead
    changed_in: int  # of those, pairs between which a weight into the unit, or its bias, changed by a bit or more
    changed_out: int  # of those, pairs between which a weight out of it did
    diverged: Flags  # whether a network ended with weights that are not finite, [seed]
    loss: Array  # over the training set after the last step, nats, [seed]
    batch_inactive: Flags  # inactive on every example of the last batch, after the last step, [seed, unit]
    unseen_active: Flags  # then active on a context that the training set lacks, [seed, unit]
    positive_bias: Flags  # then with a bias above zero, [seed, unit]


def record(
    init: Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    lr: LearningRates,
    activation: Activation,
    counts: Counts,
    unseen: torch.Tensor,
    eval_steps: Sequence[int],
) -> History:
    """Train on batches x [step, seed, batch, context], y [step, seed, batch]; evaluate each unit on all contexts.

    `eval_steps` ascend; `unseen` are contexts that the training set lacks, [context, position].
    """
    dead: list[torch.Tensor] = []
    inactive: list[torch.Tensor] = []
    depth = torch.full((len(init.embedding), init.hidden.shape[2]), torch.nan, dtype=torch.float64)
    dead_pairs = changed_in = changed_out = 0
    before: Weights | None = None
    for _, weights in mlp.checkpoints(init, x, y, lr, eval_steps, activation):
        now_dead, now_inactive = _evaluate(weights, activation, counts.contexts, depth)
        if before is not None:
            pairs = dead[-1] & now_dead  # [seed, unit]
            dead_pairs += int(pairs.sum())
            into = (weights.hidden != before.hidden).any(1) | (weights.hidden_bias != before.hidden_bias)[:, 0]
            changed_in += int((into & pairs).sum())
            changed_out += int(((weights.output != before.output).any(2) & pairs).sum())
        before = Weights(*(tensor.clone() for tensor in weights))
        dead.append(now_dead)
        inactive.append(now_inactive)
    diverged = ~torch.stack([tensor.isfinite().flatten(1).all(1) for tensor in weights]).all(0)
    return History(
        steps=np.array(eval_steps),
        dead=torch.stack(dead).numpy(),
        inactive=torch.stack(inactive).numpy(),
        depth=depth.numpy(),
        dead_pairs=dead_pairs,
        changed_in=changed_in,
        changed_out=changed_out,
        diverged=diverged.numpy(),
        loss=mlp.losses(weights, counts.contexts, counts.next_counts, activation).numpy(),
        batch_inactive=inactive_on(weights, x[-1]),
        unseen_active=~inactive_on(weights, unseen),
        positive_bias=(weights.hidden_bias[:, 0] > 0).numpy(),
    )


def _evaluate(
    weights: Weights, activation: Activation, contexts: torch.Tensor, depth: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which units are dead and which inactive, [seed, unit]; fill in the depth of those first found inactive."""
    dead, inactive = [], []
    for seed, one in enumerate(mlp.members(weights)):
        pre = mlp.pre_activations(one, contexts)[0]  # [context, unit]
        largest = pre.amax(0)
        steepest = activation.function(activation.steepest(pre))
        dead.append((activation.derivative(steepest) == 0) & steepest.isfinite())
        inactive.append(largest <= 0)
        new = (inactive[-1] & depth[seed].isnan()).nonzero()[:, 0]
        if len(new):
            depth[seed, new] = (-largest[new] / pre[:, new].std(0)).double()
    return torch.stack(dead), torch.stack(inactive)


def inactive_on(weights: Weights, x: torch.Tensor) -> Flags:
    """Return which units are inactive on every example x [example, context]: [seed, unit]."""
    found: Flags = (mlp.pre_activations(weights, x) <= 0).all(1).numpy()
    return found


def ever(state: Flags) -> Flags:
    """Return which units were dead, or inactive, at any evaluation, `state` [evaluation, seed, unit]: [seed, unit]."""
    found: Flags = np.logical_or.reduce(state, axis=0)
    return found


def lost(state: Flags, at_init: bool) -> Flags:
    """Return which units died, `state` [evaluation, seed, unit], before the last evaluation: at initialisation or later."""
    initially: Flags = state[0]
    return initially if at_init else ~initially & ever(state[1:-1])


def revived(state: Flags) -> Flags:
    """Return which units were found alive at an evaluation after one that found them dead: [seed, unit]."""
    return ever(np.logical_or.accumulate(state[:-1]) & ~state[1:])


def shares(part: Flags, whole: Flags) -> Array:
    """Return for each seed how many of `whole` [..., seed, unit] are in `part`, as a share of them; nan where none is."""
    axes = tuple(axis for axis in range(whole.ndim) if axis != whole.ndim - 2)
    among, all_ = (part & whole).sum(axes), whole.sum(axes)
    return np.where(all_ > 0, among / np.maximum(all_, 1), np.nan)
