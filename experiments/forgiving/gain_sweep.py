"""Deep tanh networks trained on the names from many initial gains at once: same random numbers, same batches."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lab.estimate import Estimate
from lab.tasks import spread
from nets import deep_tanh, ghost_norm, mlp, names, optimisers, unigram_baseline
from nets.deep_tanh import Architecture, Network
from nets.ghost_norm import EXAMPLES

SAMPLE_SEED = 999_983  # seed of the training examples that statistics are taken from

Array = NDArray[np.float64]
Name = TypeVar("Name", bound=Hashable)


class Recipe(NamedTuple):
    """A way to build a network, and a way to train it."""

    architecture: Architecture = Architecture()
    adam: bool = False  # else plain SGD


class Size(NamedTuple):
    """How large the networks are, and how long they train."""

    depth: int  # hidden layers
    width: int  # units in each
    batch: int  # examples
    steps: int


class Plan(NamedTuple):
    """Networks to train."""

    recipe: Recipe
    size: Size
    seeds: Sequence[int]
    gains: Sequence[float]
    lr: float
    compensate: bool = False  # a hidden layer's learning rate is multiplied by the square of the gain


class Data(NamedTuple):
    """Names to learn from and to report on."""

    x: torch.Tensor  # [example, context], the training set
    y: torch.Tensor  # [example]
    contexts: torch.Tensor  # [context, position], distinct ones of a training sample and of the validation set
    next_counts: torch.Tensor  # [context, character], how often each character followed in the validation set
    share: torch.Tensor  # [context], in the training sample: what batch norm's statistics weigh it by
    entropy: float  # of the validation set's characters, nats: what a network that ignores its input can reach


def grid(decades: float, per_decade: int) -> list[float]:
    """Return gains evenly spaced on a logarithmic axis, `decades` on either side of 1, which is one of them."""
    reach = round(decades * per_decade)
    return [float(10 ** (place / per_decade)) for place in range(-reach, reach + 1)]


@cache  # read once for all the tasks that a process computes
def load(path: Path, sample: int) -> Data:
    """Read names; batch norm's statistics come from `sample` training examples, losses from the whole validation set."""
    split = names.split(names.load(path))
    x, y = names.contexts(split.train)
    some = torch.randint(len(x), (sample,), generator=torch.Generator().manual_seed(SAMPLE_SEED))
    seen, held = names.counts(x[some], y[some]), names.counts(*names.contexts(split.validation))
    counted = seen.next_counts.sum(1) / seen.next_counts.sum()
    return Data(
        x,
        y,
        torch.cat([seen.contexts, held.contexts]),
        torch.cat([torch.zeros_like(seen.next_counts), held.next_counts]),
        torch.cat([counted, counted.new_zeros(len(held.contexts))]),
        unigram_baseline.entropy((held.next_counts.sum(0) / held.next_counts.sum()).numpy()),
    )


def sweep(plan: Plan, seed: int, data: Data) -> Array:
    """Train one network from each gain, and return their validation losses: [gain], NaN or infinite where it diverged."""
    recipe, size, _, gains, lr, compensate = plan
    network = deep_tanh.init(seed, gains, size.depth, size.width, recipe.architecture)
    weights = network.tensors()
    gain_squared = torch.tensor(gains)[:, None, None] ** 2  # [member, 1, 1]
    hidden = range(1, size.depth + 1)  # places of the hidden layers among the tensors: the embedding comes first
    lrs = [lr * gain_squared if compensate and place in hidden else torch.tensor(lr) for place in range(len(weights))]
    step = (optimisers.adam if recipe.adam else optimisers.sgd)(lrs)
    for batch in mlp.batches([seed], len(data.x), size.batch, size.steps)[:, 0]:
        gradient = deep_tanh.gradient(network, data.x[batch], data.y[batch], recipe.architecture)
        step(weights, gradient.tensors())
    return losses(network, recipe.architecture, data)


def sweeps(plans: Mapping[Name, Plan], path: Path, sample: int) -> dict[Name, Array]:
    """Return what `sweep` finds by each plan and seed, [seed, gain]; a network depends on its own seed alone.

    `path` and `sample` as in `load`.
    """
    pairs = [(plan, seed) for plan in plans.values() for seed in plan.seeds]
    found = iter(spread(partial(_task, path, sample), pairs, "sweeps"))
    return {name: np.stack([next(found) for _ in plan.seeds]) for name, plan in plans.items()}


def _task(path: Path, sample: int, pair: tuple[Plan, int]) -> Array:
    return sweep(*pair, load(path, sample))


def losses(network: Network, architecture: Architecture, data: Data) -> Array:
    """Return the validation loss of every member, [member]; batch norm's statistics are the training sample's."""
    held = data.next_counts.sum(1) > 0
    if architecture.norm.axis == EXAMPLES:
        held = torch.ones_like(
            held
        )  # statistics need the training sample's contexts too, which add nothing to the loss
    x, counts, share = data.contexts[held], data.next_counts[held], data.share[held]
    found = []
    for member in range(len(network.embedding)):  # one by one: what a single network needs stays in the cache
        one = slice(member, member + 1)
        alone = Network(network.embedding[one], *([tensor[one] for tensor in kind] for kind in network[1:]))
        found.append(float(deep_tanh.losses(alone, x, counts, architecture, share)))
    return np.array(found)


def recipes(batch: int) -> dict[str, Recipe]:
    """Return the plain network and its four remedies, by name."""
    return {
        "plain": Recipe(),
        "batch norm": Recipe(Architecture(ghost_norm.ghost(batch))),
        "layer norm": Recipe(Architecture(ghost_norm.LAYER)),
        "residual": Recipe(Architecture(residual=True)),
        "Adam": Recipe(adam=True),
    }


def means(gains: Sequence[float], found: Mapping[str, Array]) -> pd.DataFrame:
    """Tabulate losses [seed, gain] by remedy, a row a gain: means of the clipped ones, and the share that were clipped."""
    rows: list[dict[str, object]] = []
    for name, each in found.items():
        for gain, raw, loss in zip(gains, each.T, unigram_baseline.clipped(each).T, strict=True):
            rows.append(
                {"remedy": name, "gain": gain, **Estimate.columns("loss", loss), "clipped": float((raw != loss).mean())}
            )
    return pd.DataFrame(rows)


def runs(gains: Sequence[float], losses: Mapping[str, Array]) -> pd.DataFrame:
    """Tabulate losses [seed, gain] by remedy, a row a network."""
    rows: list[dict[str, object]] = []
    for name, each in losses.items():
        for seed, row in enumerate(each):
            rows += [
                {"remedy": name, "seed": seed, "gain": gain, "loss": float(loss)}
                for gain, loss in zip(gains, row, strict=True)
            ]
    return pd.DataFrame(rows)
