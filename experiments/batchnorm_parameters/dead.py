"""Dead ReLU units with and without batch norm: at initialisation, in training, and what brings them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.batchnorm_parameters import networks
from experiments.batchnorm_parameters.networks import Arm, Data, Model
from nets import deep_relu, mlp

Array = NDArray[np.float64]

WITHOUT, WITH, FROZEN = "without batch norm", "batch norm", "batch norm, shift frozen"
ARMS = {
    WITHOUT: Arm("relu", norm=False, bias=True),
    WITH: Arm("relu"),
    FROZEN: Arm("relu", frozen=("bias",)),
}


class Units(NamedTuple):
    """What became of the units of one arm at one learning rate; shares are NaN where a network diverged."""

    died: Array  # share of units alive at initialisation and dead after the last step, [seed]
    dead_at_init: Array  # share of units, [seed]
    revived: Array  # of the units found dead at some evaluation, the share alive at a later one, [seed]; NaN where none was dead
    alive_again: (
        float  # of the units dead after the last step, the share alive normalised without a shift; NaN: none dead
    )
    largest: Array  # each unit's largest normalised value over the training set, after the last step, [seed, unit]
    loss: Array  # training loss after the last step, [seed]


def train(
    arm: Arm,
    lrs: Sequence[float],
    seeds: Sequence[int],
    data: Data,
    *,
    width: int,
    batch: int,
    steps: int,
    eval_every: int,
) -> list[Units]:
    """Train networks, and look at every unit every so many steps, on the whole training set with its own statistics.

    Returns what was found at each learning rate; all train side by side.
    """
    models = networks.initialised(arm, width, [*seeds] * len(lrs))
    eval_steps = sorted({*range(0, steps, eval_every), steps})
    history = [
        np.stack([networks.dead(model, data) for model in trained])
        for _, trained in networks.train(
            models, [*seeds] * len(lrs), data, batch, steps, np.repeat(lrs, len(seeds)).tolist(), eval_steps
        )
    ]
    dead: NDArray[np.bool_] = np.stack(history)  # [evaluation, network, unit]
    places = [slice(place * len(seeds), (place + 1) * len(seeds)) for place in range(len(lrs))]
    return [_found(models[place], dead[:, place], data) for place in places]


def _found(models: Sequence[Model], dead: NDArray[np.bool_], data: Data) -> Units:
    """Return what became of the units of trained networks, from which were dead: [evaluation, seed, unit]."""
    loss = networks.losses(models, data)[networks.TRAIN]
    diverged = ~np.isfinite(loss)
    ever: NDArray[np.bool_] = np.any(dead, 0)  # [seed, unit]
    later: NDArray[np.bool_] = np.any(dead[:-1] & ~dead[1:], 0)
    largest = np.stack([largest_normalised(model, data) for model in models])
    with np.errstate(invalid="ignore"):
        revived = later.sum(1) / np.where(np.any(ever, 1), ever.sum(1), np.nan)
    gone = dead[-1] & ~diverged[:, None]
    again = np.stack([_alive_unshifted(model, data) for model in models])
    return Units(
        died=np.where(diverged, np.nan, (dead[-1] & ~dead[0]).mean(1)),
        dead_at_init=dead[0].mean(1),
        revived=np.where(diverged, np.nan, revived),
        alive_again=float(again[gone].mean()) if gone.any() else float("nan"),
        largest=largest,
        loss=np.where(diverged, np.nan, loss),
    )


def _alive_unshifted(model: Model, data: Data) -> NDArray[np.bool_]:
    """Return which units are active on some context with the shift at zero; normalised, where they were not, [unit]."""
    with torch.no_grad():
        if hasattr(model.norm, "running_mean"):
            kept = model.norm.bias.clone()
            model.norm.bias.zero_()
            found = ~networks.dead(model, data)
            model.norm.bias.copy_(kept)
            return found
        return largest_normalised(model, data) > 0


def largest_normalised(model: Model, data: Data) -> Array:
    """Return each unit's largest value over the training set once normalised with its statistics, [unit].

    A unit with scale γ > 0 and shift β is dead if this is at most -β/γ.
    """
    pre = networks.pre_activations(model, data.contexts)
    mean, variance = networks.moments(pre, data.shares)
    return np.asarray(((pre.amax(0) - mean) / variance.sqrt()).numpy(), dtype=np.float64)


def dead_at_init(seeds: Sequence[int], data: Data, width: int, shift: float) -> dict[str, tuple[Array, Array]]:
    """Return the shares of dead units in one hidden layer without and with batch norm, [seed] each, by how biases begin."""
    found = {}
    for name, below in (("no biases", 0.0), ("biases below", shift)):
        shares = []
        for norm in (False, True):  # with batch norm the same bias comes before it
            models = networks.initialised(Arm("relu", norm=norm, bias=True, shift=below), width, seeds)
            shares.append(np.array([networks.dead(model, data).mean() for model in models]))
        found[name] = (shares[0], shares[1])
    return found


def dead_by_layer(seed: int, data: Data, layers: int, width: int, norm: bool) -> Array:
    """Return the share of dead units in each layer of a deep ReLU network without biases at initialisation, [layer].

    Batch norm has scale 1 and no shift, and the statistics of the training set.
    """
    network, found = deep_relu.init([seed], layers, width, lambda fan_in: 2 / fan_in), []
    signal = mlp.embed(network.embedding, mlp.embedding_rows(network.embedding, data.contexts))[0]
    for weight in network.layers[:-1]:
        pre = signal @ weight[0]  # [context, unit]
        if norm:
            mean, variance = networks.moments(pre, data.shares)
            pre = (pre - mean) / (variance + 1e-5).sqrt()
        signal = torch.relu(pre)
        found.append(float((signal.amax(0) <= 0).double().mean()))
    return np.array(found)
