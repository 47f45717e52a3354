"""Units without a gradient, watched through training: which die, when, how deep, and which come back.

A unit is dead if its slope is zero for every example of the training set, so that no example moves its weights.  It is
off if its pre-activation is at most zero for every example: for ReLU the same thing, for leaky ReLU the place where a
unit would be dead if it had no leak.
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

    steps: NDArray[np.int64]  # at which the units were looked at, [look]
    dead: Flags  # [look, seed, unit]
    off: Flags  # [look, seed, unit]
    depth: Array  # how far below zero at the first look when off, in spreads over examples; nan: never, [seed, unit]
    kept: int  # pairs of looks at a unit, one after the other, that found it dead
    into: int  # of those, pairs between which a weight into the unit, or its bias, changed by a bit or more
    out: int  # of those, pairs between which a weight out of it did
    broken: Flags  # whether a network ended with weights that are no numbers, [seed]
    loss: Array  # over the training set after the last step, nats, [seed]
    idle: Flags  # off for every example of the last batch, after the last step, [seed, unit]
    awake: Flags  # then turned on by a context that the training set lacks, [seed, unit]
    above: Flags  # its bias then above zero, [seed, unit]


def watch(
    start: Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    rates: LearningRates,
    activation: Activation,
    data: Counts,
    unseen: torch.Tensor,
    looks: Sequence[int],
) -> History:
    """Train on batches x [step, seed, batch, context], y [step, seed, batch]; look at each unit with all contexts.

    `looks` are steps, ascending; `unseen` are contexts that the training set lacks, [context, place].
    """
    dead: list[torch.Tensor] = []
    off: list[torch.Tensor] = []
    depth = torch.full((len(start.embedding), start.hidden.shape[2]), torch.nan, dtype=torch.float64)
    kept = into = out = 0
    before: Weights | None = None
    for _, weights in mlp.checkpoints(start, x, y, rates, looks, activation):
        now_dead, now_off = _look(weights, activation, data.contexts, depth)
        if before is not None:
            stayed = dead[-1] & now_dead  # [seed, unit]
            kept += int(stayed.sum())
            entered = (weights.hidden != before.hidden).any(1) | (weights.hidden_bias != before.hidden_bias)[:, 0]
            into += int((entered & stayed).sum())
            out += int(((weights.output != before.output).any(2) & stayed).sum())
        before = Weights(*(kind.clone() for kind in weights))
        dead.append(now_dead)
        off.append(now_off)
    broken = ~torch.stack([kind.isfinite().flatten(1).all(1) for kind in weights]).all(0)
    return History(
        steps=np.array(looks),
        dead=torch.stack(dead).numpy(),
        off=torch.stack(off).numpy(),
        depth=depth.numpy(),
        kept=kept,
        into=into,
        out=out,
        broken=broken.numpy(),
        loss=mlp.losses(weights, data.contexts, data.next_counts, activation).numpy(),
        idle=idle(weights, x[-1]),
        awake=~idle(weights, unseen),
        above=(weights.hidden_bias[:, 0] > 0).numpy(),
    )


def _look(
    weights: Weights, activation: Activation, contexts: torch.Tensor, depth: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which units are dead and which are off, [seed, unit]; fill in the depth of those off for the first time."""
    dead, off = [], []
    for seed, alone in enumerate(mlp.one_by_one(weights)):
        inner = mlp.pre_activations(alone, contexts)[0]  # [context, unit]
        top = inner.amax(0)
        lively = activation.function(activation.steepest(inner))
        dead.append((activation.derivative(lively) == 0) & lively.isfinite())
        off.append(top <= 0)
        new = (off[-1] & depth[seed].isnan()).nonzero()[:, 0]
        if len(new):
            depth[seed, new] = (-top[new] / inner[:, new].std(0)).double()
    return torch.stack(dead), torch.stack(off)


def idle(weights: Weights, x: torch.Tensor) -> Flags:
    """Return which units are off for all examples x [example, context]: [seed, unit]."""
    found: Flags = (mlp.pre_activations(weights, x) <= 0).all(1).numpy()
    return found


def any_look(state: Flags) -> Flags:
    """Return which units were out of work at any look, `state` [look, seed, unit]: [seed, unit]."""
    found: Flags = np.logical_or.reduce(state, axis=0)
    return found


def found(state: Flags, born: bool) -> Flags:
    """Return which units went out of work, `state` [look, seed, unit], before the last look: at once, or later if not `born`."""
    at_once: Flags = state[0]
    return at_once if born else ~at_once & any_look(state[1:-1])


def returned(state: Flags) -> Flags:
    """Return which units were found working at a look after one that found them out of work: [seed, unit]."""
    return any_look(np.logical_or.accumulate(state[:-1]) & ~state[1:])


def shares(part: Flags, whole: Flags) -> Array:
    """Return for each seed how many of `whole` [..., seed, unit] are in `part`, as a share of them; nan where none is."""
    axes = tuple(axis for axis in range(whole.ndim) if axis != whole.ndim - 2)
    among, all_ = (part & whole).sum(axes), whole.sum(axes)
    return np.where(all_ > 0, among / np.maximum(all_, 1), np.nan)
