"""Are trained weights normal?

Method  Networks with two hidden layers are initialised from a normal and from a uniform distribution of the same standard
        deviation.  Each trains on names by SGD, without and with weight decay, and by Adam, on the same batches.  Per layer
        we measure moments, quantiles, the distance from a normal distribution and a test's verdict, and how much of the
        initial weights is still there.  Controls: the weights before training; normal numbers in place of weights; each
        hidden unit's weights by themselves; and, for the singular values, the same weights in random order.
Cost    About two minutes on one core.
Notes   003_0e3f15bdf12e2faf.txt, "Food for thoughts".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import erf, ndtri

from lab.claims import Above, All, Below, Caveat, Claim, Interval, Lines, Within, rows
from lab.estimate import Estimate
from lab.tasks import spread
from nets import deep_tanh, mlp, names
from nets.activations import FAST_TANH

Array = NDArray[np.float64]

GAIN = 5 / 3  # of the hidden layers
DEPTH = 2  # hidden layers
PLAIN = deep_tanh.Architecture()  # no normalisation, no residual connections
UNIFORM_SEED = 2_000_003  # added to a seed for uniform weights, so that they share no random numbers with normal ones
LATE, SLOWER = 0.8, 0.1  # after this share of the steps the learning rate is multiplied by that
INITS = ("normal", "uniform")
SGD, ADAM, INITIAL = "SGD", "Adam", "initial"  # recipes, and the state before any
LAYERS = ("embedding", "first hidden", "second hidden", "output")
MATRICES = LAYERS[1:]  # large enough for a law of large matrices
TOGETHER = "all"  # the weights of all layers in one heap
ENSEMBLE = {SGD: 3, ADAM: 4}  # seeds that train side by side: enough to keep a core busy
UNIFORM_KURTOSIS = -1.2  # excess kurtosis of a uniform distribution
TESTED = 0.05  # level of the test of normality
TAIL = 10  # singular values that a power law's tail must have at least
LEVELS = np.concatenate([[0.002, 0.005, 0.01, 0.02], np.arange(0.04, 0.97, 0.04), [0.98, 0.99, 0.995, 0.998]])


@dataclass(frozen=True)
class Params:
    """The network, and how it is trained."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 100  # units per hidden layer
    batch: int = 32  # examples
    steps: int = 15_000  # of each recipe
    lr: Annotated[float, "> 0"] = 0.3  # of SGD, at first
    adam_lr: Annotated[float, "> 0"] = 0.003  # of Adam, at first
    decays: Annotated[tuple[float, ...], "> 0"] = (0.0001, 0.001)  # weight decay of SGD, besides none
    eval_steps: tuple[int, ...] = (100, 300, 1000, 3000, 6000, 9000, 12_000)  # besides the first and the last
    seeds: int = 6  # independent networks of each kind that train by SGD
    adam_seeds: int = 8  # and by Adam


SMOKE = Params(width=8, batch=4, steps=20, decays=(0.01,), eval_steps=(10,), seeds=2, adam_seeds=2)
MINUTE = Params(seeds=4, adam_seeds=4)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  Excess kurtosis is 0 for a normal distribution; biases are left out throughout."""

    params: Params
    moments: pd.DataFrame  # per init, recipe, layer and step: kurtosis and the like on the way
    shapes: (
        pd.DataFrame
    )  # per init, recipe and layer: distance from a normal, test, what is left of the initial weights
    quantiles: pd.DataFrame  # per init, recipe and layer: standardised weights' quantiles beside a normal's
    spectra: pd.DataFrame  # per init, recipe and matrix: singular values over the edge, and with weights shuffled
    singular: (
        pd.DataFrame
    )  # per recipe from a normal, and rank: the second hidden layer's singular values over the edge
    losses: pd.DataFrame  # per init and recipe: training and validation loss after the last step


NEAR = 0.5  # excess kurtosis; the line of the claims on normality
_WHY_NEAR = (
    "as near as Student’s t with 16 degrees of freedom, whose distribution function is nowhere further than 0.01 from the "
    "normal’s"
)


def recipes(params: Params) -> list[str]:
    """Return the names of the recipes."""
    return [SGD, *(decayed(decay) for decay in params.decays), ADAM]


def decayed(decay: float) -> str:
    """Return the name of SGD with weight decay."""
    return f"decay {decay:g}"


def _kurtosis(r: Result, init: str, recipe: str, layers: tuple[str, ...]) -> list[Interval]:
    steps = 0 if recipe == INITIAL else r.params.steps
    found = r.moments[(r.moments["init"] == init) & (r.moments["step"] == steps) & r.moments["layer"].isin(layers)]
    return rows(found[found["recipe"] == (SGD if recipe == INITIAL else recipe)], "kurtosis")


def _trained(r: Result, layers: tuple[str, ...]) -> list[Interval]:
    kinds = product(INITS, recipes(r.params))
    return [interval for init, recipe in kinds for interval in _kurtosis(r, init, recipe, layers)]


def _size(intervals: list[Interval]) -> list[Interval]:
    """Return the intervals of a quantity's absolute value."""
    return [(max(low, -high, 0.0), max(-low, high)) for low, high in intervals]


def _nearest(r: Result, layers: tuple[str, ...]) -> list[Interval]:
    """Return the excess kurtosis, layer by layer, of the networks whose worst layer is nearest to a normal distribution."""
    kinds = [_kurtosis(r, init, recipe, layers) for init, recipe in product(INITS, recipes(r.params))]
    return min(kinds, key=lambda intervals: max(high for _, high in _size(intervals)))


def _extremes(intervals: list[Interval]) -> str:
    middles = [(low + high) / 2 for low, high in intervals]
    low, high = (f"{round(end, 1) + 0:.1f}".replace("-", "−") for end in (min(middles), max(middles)))
    return f"from {low} to {high}"


def _shape(r: Result, column: str, init: str, recipe: str, layers: tuple[str, ...]) -> list[Interval]:
    found = r.shapes[(r.shapes["init"] == init) & (r.shapes["recipe"] == recipe) & r.shapes["layer"].isin(layers)]
    return rows(found, column)


def _change(r: Result, init: str, layers: tuple[str, ...] = LAYERS) -> list[Interval]:
    return _shape(r, "change", init, SGD, layers)


def _kept(r: Result, recipe: str) -> list[Interval]:
    return [interval for init in INITS for interval in _shape(r, "kept", init, recipe, LAYERS[:-1])]


def _top(r: Result, column: str = "top") -> Interval:
    found = r.spectra[(r.spectra["init"] == "normal") & (r.spectra["recipe"] == SGD)]
    return rows(found[found["layer"] == "second hidden"], column)[0]


_NOTES = Lines("N3", 43, 44)

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="layers",
        text="In a trained network, the weights of every layer are normally distributed.",
        source=_NOTES,
        rule=Caveat(
            Within(
                "the excess kurtosis, in every layer after every recipe,",
                lambda r: _trained(r, LAYERS),
                -NEAR,
                NEAR,
                reason=_WHY_NEAR,
            ),
            Within(
                "the excess kurtosis in every layer of the networks that come nearest",
                lambda r: _nearest(r, LAYERS),
                -NEAR,
                NEAR,
            ),
        ),
        number=lambda r: (
            f"excess kurtosis {_extremes(_trained(r, LAYERS))}; in the networks that come nearest "
            f"{_extremes(_nearest(r, LAYERS))}"
        ),
    ),
    Claim(
        name="together",
        text="In a trained network, all weights taken together are normally distributed.",
        source=_NOTES,
        rule=Caveat(
            Within(
                "the excess kurtosis of all weights together, after every recipe,",
                lambda r: _trained(r, (TOGETHER,)),
                -NEAR,
                NEAR,
                reason="the same limit",
            ),
            Within(
                "the excess kurtosis in the networks that come nearest", lambda r: _nearest(r, (TOGETHER,)), -NEAR, NEAR
            ),
        ),
        number=lambda r: f"excess kurtosis {_extremes(_trained(r, (TOGETHER,)))}",
    ),
    Claim(
        name="untrained",
        text="In an untrained network initialised from a normal distribution, the weights of a layer are *not* normally distributed.",
        source=_NOTES,
        rule=Above(
            "the size of the excess kurtosis, in every layer,",
            lambda r: _size(_kurtosis(r, "normal", INITIAL, LAYERS)),
            NEAR,
            reason="the same limit, from its other side",
        ),
        number=lambda r: f"excess kurtosis {_extremes(_kurtosis(r, 'normal', INITIAL, LAYERS))}",
    ),
    Claim(
        name="untrained-together",
        text="In an untrained network initialised from a normal distribution, all weights taken together are *not* normally distributed.",
        source=_NOTES,
        rule=Above(
            "the size of the excess kurtosis of all weights together",
            lambda r: _size(_kurtosis(r, "normal", INITIAL, (TOGETHER,))),
            NEAR,
            reason="the same limit",
        ),
        number=lambda r: f"excess kurtosis {_extremes(_kurtosis(r, 'normal', INITIAL, (TOGETHER,))).split()[-1]}",
    ),
    Claim(
        name="training",
        text="Training makes the weights of a layer more normal than they were.",
        source=_NOTES,
        rule=Caveat(
            Below(
                "the change under SGD in the size of the excess kurtosis, in every layer from either initialisation,",
                lambda r: [interval for init in INITS for interval in _change(r, init)],
                0,
                reason="each network is compared with itself before training",
            ),
            Below(
                "this change in both hidden layers from the uniform initialisation",
                lambda r: _change(r, "uniform", LAYERS[1:3]),
                0,
            ),
        ),
        number=lambda r: (
            f"the size of the excess kurtosis changes {_extremes(_change(r, 'normal'))} from a normal, "
            f"{_extremes(_change(r, 'uniform'))} from a uniform initialisation (negative: nearer to normal)"
        ),
    ),
    Claim(
        name="memory",
        text="Below the output layer, trained weights are still mostly what they were initialised to.",
        source=None,
        rule=Caveat(
            Above(
                "the share of the weights’ variance that the initial weights account for, in every layer below the output "
                "and after every recipe,",
                lambda r: [interval for recipe in recipes(r.params) for interval in _kept(r, recipe)],
                0.5,
                reason="“mostly” is more than half",
            ),
            Above("this share after plain SGD", lambda r: _kept(r, SGD), 0.5),
        ),
        number=lambda r: (
            f"from {100 * min(low for low, _ in _kept(r, SGD)):.0f} % (plain SGD), from "
            f"{100 * max(0.0, min(low for recipe in recipes(r.params) for low, _ in _kept(r, recipe))):.0f} % (any recipe)"
        ),
    ),
    Claim(
        name="singular-values",
        text="What training adds to the weights shows in the singular values.",
        source=None,
        rule=All(
            Above(
                "the largest singular value of the second hidden layer after SGD from a normal initialisation, divided by the "
                "edge of Marchenko and Pastur,",
                _top,
                1.05,
                reason="for independent weights it comes out at 0.98 with a standard deviation of 0.02 at this size",
            ),
            Below("the same ratio for the same weights in random order", lambda r: _top(r, "top_shuffled"), 1.05),
        ),
        number=lambda r: "{:.2f} of the edge, in random order {:.2f}".format(
            *(sum(_top(r, column)) / 2 for column in ("top", "top_shuffled"))
        ),
    ),
)


def run(params: Params) -> Result:
    """Train every network by every recipe, and describe its weights before and after."""
    tasks = [
        (optimiser, tuple(range(seeds))[first : first + ENSEMBLE[optimiser]])
        for optimiser, seeds in ((SGD, params.seeds), (ADAM, params.adam_seeds))
        for first in range(0, seeds, ENSEMBLE[optimiser])
    ]
    found = [one for task in spread(partial(_describe, params), tasks, "ensembles") for one in task]  # a seed each
    by_sgd, by_adam = found[: params.seeds], found[params.seeds :]
    moments, shapes, quantiles, spectra, singular, losses = (
        _by_member(params, one, other)
        for one, other in zip(zip(*by_sgd, strict=True), zip(*by_adam, strict=True), strict=True)
    )
    return Result(
        params=params,
        moments=_moments(params, moments),
        shapes=_shapes(shapes, moments),
        quantiles=_quantiles(quantiles),
        spectra=_spectra(spectra),
        singular=_singular(singular),
        losses=_losses(losses),
    )


# One network: its weights, and what is measured of them


def excess_kurtosis(weights: Array) -> float:
    """Return the excess kurtosis, corrected so that a sample of normal numbers gives 0 on average."""
    n, z = weights.size, weights - weights.mean()
    excess = (z**4).mean() / (z**2).mean() ** 2 - 3
    return float((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6))


def over_the_edge(weights: Array) -> Array:
    """Return a matrix's singular values, the largest first, over the largest that independent weights would have."""
    standardised = (weights - weights.mean()) / weights.std()
    edge = float(np.sqrt(weights.shape).sum())  # Marchenko and Pastur: sqrt(rows) + sqrt(columns)
    values: Array = np.linalg.svd(standardised, compute_uv=False)
    return values / edge


def described(weight: torch.Tensor) -> tuple[float, float]:
    """Return the excess kurtosis of a matrix's weights, and its largest singular value over that of independent weights."""
    z = (weight - weight.mean()) / weight.std()
    edge = sum(side**0.5 for side in weight.shape)
    return (z**4).mean().item() - 3, torch.linalg.svdvals(z)[0].item() / edge


def skewness(weights: Array) -> float:
    """Return the mean cube of the standardised weights; 0 for a symmetric distribution."""
    z = weights - weights.mean()
    return float((z**3).mean() / (z**2).mean() ** 1.5)


def p_value(weights: Array) -> float:
    """Return the p of the test of Jarque and Bera, by its law for large samples: chi-squared with 2 degrees of freedom."""
    z = (weights - weights.mean()) / weights.std()
    excess = (z**4).mean() - 3
    return float(np.exp(-weights.size / 12 * (skewness(weights) ** 2 + excess**2 / 4)))


def distance(weights: Array) -> float:
    """Return the largest distance of the distribution function from that of the normal with the same mean and variance."""
    z = np.sort((weights - weights.mean()) / weights.std())
    normal = 0.5 * (1 + erf(z / 2**0.5))
    steps = np.arange(z.size + 1) / z.size
    return float(max((steps[1:] - normal).max(), (normal - steps[:-1]).max()))


def mixture_kurtosis(groups: Array) -> float:
    """Return the excess kurtosis that [group, weight] would have if each group were normal, with a variance of its own.

    A normal sample's mean square q has E[q^2] = (1 + 2/n) sigma^4, which is taken out.
    """
    square = ((groups - groups.mean()) ** 2).mean(1)
    size = groups.shape[1]
    return float(3 * (square**2).mean() * size / (size + 2) / square.mean() ** 2 - 3)


def tail_exponent(eigenvalues: Array) -> float:
    """Fit a power law to the upper tail by maximum likelihood, from where it fits best (Clauset, Shalizi and Newman)."""
    x = np.sort(eigenvalues)
    best = (np.inf, np.nan)
    for start in range(max(len(x) - TAIL + 1, 1)):
        tail = x[start:]
        logs = np.log(tail / tail[0])
        if logs.sum() == 0:
            continue
        exponent = 1 + len(tail) / logs.sum()
        steps = np.arange(len(tail)) / len(tail)
        misfit = float(np.abs(1 - np.exp((1 - exponent) * logs) - steps).max())
        best = min(best, (misfit, float(exponent)))
    return best[1]


def _members(params: Params, optimiser: str) -> list[tuple[str, str]]:
    """Return initialisation and recipe of each network that shares a seed and an optimiser."""
    return list(product(INITS, [ADAM] if optimiser == ADAM else recipes(params)[:-1]))


def initialise(params: Params, seed: int, inits: list[str]) -> deep_tanh.Network:
    """Initialise a network for each of `inits`, with the same standard deviations, layer by layer."""
    network = deep_tanh.init(seed, [GAIN] * len(inits), DEPTH, params.width, PLAIN)
    generator = torch.Generator().manual_seed(UNIFORM_SEED + seed)
    uniform = torch.tensor([init == "uniform" for init in inits])
    for tensor, std in zip(_weights(network), _stds(params), strict=True):
        drawn = 3**0.5 * std * (2 * torch.rand(tensor.shape[1:], generator=generator) - 1)
        tensor[uniform] = drawn
    return network


def _stds(params: Params) -> list[float]:
    """Return the standard deviation of each layer's initial weights."""
    fan_in = names.CONTEXT * 10
    return [1.0, GAIN / fan_in**0.5, GAIN / params.width**0.5, 0.1 / params.width**0.5]


def _weights(network: deep_tanh.Network) -> list[torch.Tensor]:
    return [network.embedding, *network.layers]  # each [member, input, unit]


def learning_rate(params: Params, optimiser: str, step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    at_first = params.adam_lr if optimiser == ADAM else params.lr
    return at_first * (1 if step < LATE * params.steps else SLOWER)


def checkpoints(
    params: Params, network: deep_tanh.Network, recipes_: list[str], seeds: Sequence[int], eval_steps: list[int]
) -> Iterator[int]:
    """Train networks [seed * recipe] in place, all with one optimiser, those of a seed on the same batches; yield after some steps."""
    x, y, _ = names.training_set(params.data)
    order = mlp.batches(seeds, len(x), params.batch, params.steps)
    tensors = network.tensors()
    adam = torch.optim.Adam(tensors, fused=True) if ADAM in recipes_ else None
    by_recipe = {decayed(decay): decay for decay in params.decays}
    decay = torch.tensor([by_recipe.get(recipe, 0.0) for recipe in recipes_]).repeat(len(seeds))[:, None, None]
    for step in range(params.steps + 1):
        if step:
            lr = learning_rate(params, ADAM if adam else SGD, step - 1)
            chosen = order[step - 1].repeat_interleave(len(recipes_), 0)  # [member, example]
            changes = gradient(network, x[chosen], y[chosen]).tensors()
            if adam:
                for tensor, change in zip(tensors, changes, strict=True):
                    tensor.grad = change
                adam.param_groups[0]["lr"] = lr
                adam.step()
            else:
                left = 1 - lr * decay
                for tensor, change in zip(tensors, changes, strict=True):
                    tensor.mul_(left).sub_(change, alpha=lr)
        if step in eval_steps:
            yield step


def gradient(network: deep_tanh.Network, x: torch.Tensor, y: torch.Tensor) -> deep_tanh.Network:
    """Differentiate each member's mean cross-entropy over examples of its own, x [member, example, context], y [member, example].

    `deep_tanh.gradient` has all members see the same examples, so that seeds could not train side by side.
    """
    rows = mlp.embedding_rows(network.embedding, x)
    inputs = [mlp.embed(network.embedding, rows)]  # of each layer, [member, example, unit]
    for layer, shift in zip(network.layers[:-1], network.shifts, strict=False):
        inputs.append(FAST_TANH.function(torch.baddbmm(shift, inputs[-1], layer)))
    error = mlp.logits_gradient(torch.baddbmm(network.shifts[-1], inputs[-1], network.layers[-1]), y)
    layers, shifts = [], []
    for depth in range(DEPTH, -1, -1):
        layers.append(torch.bmm(inputs[depth].mT, error))
        shifts.append(error.sum(1, keepdim=True))
        error = torch.bmm(error, network.layers[depth].mT)
        if depth:
            error.mul_(FAST_TANH.derivative(inputs[depth]))
    embedding = mlp.embedding_gradient(network.embedding, rows, error)
    return deep_tanh.Network(embedding, layers[::-1], shifts[::-1], [])


def _describe(params: Params, task: tuple[str, Sequence[int]]) -> list[list[Array]]:
    """Train the networks of some seeds by one optimiser; return seed by seed what is measured of each, [member, ...]."""
    optimiser, seeds = task
    inits, recipes_ = (list(kind) for kind in zip(*_members(params, optimiser), strict=True))
    network = _side_by_side([initialise(params, seed, inits) for seed in seeds])
    before = _arrays(network)
    steps = checkpoints(params, network, recipes_, seeds, eval_steps(params))
    moments = np.stack([_each(_moments_of, _arrays(network), before) for _ in steps], 2)
    after, losses = _arrays(network), _losses_of(params, network)
    found = []
    for place, seed in enumerate(seeds):
        its = slice(place * len(inits), (place + 1) * len(inits))
        shapes = _before_and_after(seed, before[its], after[its])
        found.append([moments[its], *shapes, losses[its]])  # [member, layer, step, measure]; ...; [member, part]
    return found


def _side_by_side(networks: Sequence[deep_tanh.Network]) -> deep_tanh.Network:
    """Return networks as members of one."""
    embedding = torch.cat([network.embedding for network in networks])
    layers = [torch.cat(layer) for layer in zip(*(network.layers for network in networks), strict=True)]
    shifts = [torch.cat(shift) for shift in zip(*(network.shifts for network in networks), strict=True)]
    return deep_tanh.Network(embedding, layers, shifts, [])


def _before_and_after(seed: int, before: list[list[Array]], after: list[list[Array]]) -> list[Array]:
    """Return what is measured of one seed's networks in both states."""
    random = np.random.default_rng(seed)
    states = (before, after)
    shapes = [_each(partial(_shape_of, random), now, before) for now in states]
    quantiles = [_each(_quantiles_of, now, before) for now in states]
    spectra = [np.stack([[_spectrum_of(random, layer) for layer in member[1:]] for member in now]) for now in states]
    singular = [np.stack([_singular_of(random, member[2]) for member in now]) for now in states]
    return [
        np.stack(shapes, 1),  # [member, state, layer, measure]
        np.stack(quantiles, 1),  # [member, state, layer, level]
        np.stack(spectra, 1),  # [member, state, matrix, measure]
        np.stack(singular, 1),  # [member, state, as it is or shuffled, rank]
    ]


def eval_steps(params: Params) -> list[int]:
    """Return the steps at which weights are described."""
    return sorted({0, params.steps, *(step for step in params.eval_steps if step < params.steps)})


def _arrays(network: deep_tanh.Network) -> list[list[Array]]:
    """Return each member's weights layer by layer, [input, unit] each, in float64."""
    layers = [tensor.double().numpy() for tensor in _weights(network)]
    return [[layer[member] for layer in layers] for member in range(len(layers[0]))]


def _each(
    measure: Callable[[list[Array], list[Array], int], list[float] | Array],
    now: list[list[Array]],
    before: list[list[Array]],
) -> Array:
    """Measure every layer of every member, and last all its weights together: [member, layer, measure]."""
    found = []
    for layers, initial in zip(now, before, strict=True):
        found.append([measure(layers, initial, place) for place in range(len(LAYERS) + 1)])
    return np.array(found)


def _heap(layers: list[Array], place: int) -> Array:
    return layers[place].ravel() if place < len(LAYERS) else np.concatenate([layer.ravel() for layer in layers])


MOMENTS = ("kurtosis", "skewness", "growth", "memory")


def _moments_of(layers: list[Array], before: list[Array], place: int) -> list[float]:
    """Return kurtosis, skewness, standard deviation over the initial one, and slope of the weights on the initial ones."""
    now, initial = _heap(layers, place), _heap(before, place)
    return [excess_kurtosis(now), skewness(now), now.std() / initial.std(), (now @ initial) / (initial @ initial)]


SHAPES = ("kept", "distance", "distance_normal", "p", "within", "mixture")


def _shape_of(random: np.random.Generator, layers: list[Array], before: list[Array], place: int) -> list[float]:
    """Return what `SHAPES` names.

    The share of variance that the initial weights account for; the distance from a normal, and that of as many normal
    numbers; the test's p; and for each hidden unit's weights by themselves the mean excess kurtosis, and what the whole
    would have if each unit's were normal.  Weights go into the unit or, in the output layer, out of it.
    """
    now, initial = _heap(layers, place), _heap(before, place)
    within = mixture = np.nan
    if place == len(LAYERS):
        mixture = _mixture_of_layers(layers)
    elif place:
        units = layers[place] if LAYERS[place] == "output" else layers[place].T  # [unit, weight]
        within, mixture = float(np.mean([excess_kurtosis(unit) for unit in units])), mixture_kurtosis(units)
    kept = float(np.corrcoef(now, initial)[0, 1] ** 2)
    return [kept, distance(now), distance(random.standard_normal(now.size)), p_value(now), within, mixture]


def _mixture_of_layers(layers: list[Array]) -> float:
    """Return the excess kurtosis that all weights together would have if each layer's were normal."""
    share = np.array([layer.size for layer in layers]) / sum(layer.size for layer in layers)
    variance = np.array([layer.var() for layer in layers])
    return float(3 * (share @ variance**2) / (share @ variance) ** 2 - 3)


def _quantiles_of(layers: list[Array], _: list[Array], place: int) -> Array:
    now = _heap(layers, place)
    quantiles: Array = np.quantile((now - now.mean()) / now.std(), LEVELS)
    return quantiles


SPECTRA = ("top", "outside", "top_shuffled", "exponent")


def _spectrum_of(random: np.random.Generator, weights: Array) -> list[float]:
    """Return the largest singular value over the edge, how many lie beyond, the largest after shuffling, and the tail."""
    values = over_the_edge(weights)
    shuffled = over_the_edge(random.permutation(weights.ravel()).reshape(weights.shape))
    return [values[0], float((values > 1).sum()), shuffled[0], tail_exponent(values**2)]


def _singular_of(random: np.random.Generator, weights: Array) -> Array:
    shuffled = random.permutation(weights.ravel()).reshape(weights.shape)
    return np.stack([over_the_edge(weights), over_the_edge(shuffled)])


def _losses_of(params: Params, network: deep_tanh.Network) -> Array:
    found = []
    for counts in (names.training_set(params.data)[2], _validation(params.data)):
        share = counts.next_counts.sum(1) / counts.next_counts.sum()
        found.append(deep_tanh.losses(network, *counts, PLAIN, share).numpy())
    return np.stack(found, 1)


@cache
def _validation(path: Path) -> names.Counts:
    return names.counts(*names.contexts(names.split(names.load(path)).validation))


# Tables: arrays by initialisation and recipe, each [seed, ...]

Members = dict[tuple[str, str], Array]


def _by_member(params: Params, by_sgd: Sequence[Array], by_adam: Sequence[Array]) -> Members:
    """Sort arrays [member, ...] of SGD's seeds and of Adam's by initialisation and recipe."""
    found: Members = {}
    for optimiser, seeds in ((SGD, by_sgd), (ADAM, by_adam)):
        stacked = np.stack(seeds)  # [seed, member, ...]
        found |= {kind: stacked[:, member] for member, kind in enumerate(_members(params, optimiser))}
    return found


def _moments(params: Params, found: Members) -> pd.DataFrame:
    """Table moments [seed, layer, step, measure]; what is predicted of the memory, and of uniform weights' kurtosis."""
    table: list[dict[str, object]] = []
    steps = eval_steps(params)
    for (init, recipe), values in found.items():
        for (place, layer), (at, step) in product(enumerate((*LAYERS, TOGETHER)), enumerate(steps)):
            row: dict[str, object] = {"init": init, "recipe": recipe, "layer": layer, "step": step}
            for measure, name in enumerate(MOMENTS):
                row |= Estimate.columns(name, values[:, place, at, measure])
            kurtosis, _, growth, memory = found["normal", recipe][:, place, at].T  # [seed]
            predicted = kurtosis + UNIFORM_KURTOSIS * (memory / growth) ** 4
            row["memory_predicted"] = memory_predicted(params, recipe, step)
            row["kurtosis_predicted"] = predicted.mean() if init == "uniform" and layer != TOGETHER else np.nan
            table.append(row)
    return pd.DataFrame(table)


def memory_predicted(params: Params, recipe: str, step: int) -> float:
    """Return what weight decay alone leaves of an initial weight."""
    decay = {decayed(decay): decay for decay in params.decays}.get(recipe, 0.0)
    return float(np.prod([1 - learning_rate(params, SGD, done) * decay for done in range(step)]))


def _states(found: Members) -> Iterator[tuple[str, str, Array]]:
    """Yield initialisation, recipe and values [seed, ...] of each state; the initial one once for each initialisation."""
    for init in INITS:
        yield init, INITIAL, found[init, SGD][:, 0]
        for (its, recipe), values in found.items():
            if its == init:
                yield init, recipe, values[:, 1]


def _shapes(found: Members, moments: Members) -> pd.DataFrame:
    """Table shapes [seed, layer, measure]; and what training added to the size of the excess kurtosis."""
    table: list[dict[str, object]] = []
    for (init, recipe, values), (place, layer) in product(_states(found), enumerate((*LAYERS, TOGETHER))):
        here = dict(zip(SHAPES, values[:, place].T, strict=True))  # [seed] each
        first, last = np.abs(moments[init, SGD if recipe == INITIAL else recipe][:, place, [0, -1], 0]).T
        row: dict[str, object] = {"init": init, "recipe": recipe, "layer": layer}
        row |= Estimate.columns("change", 0 * first if recipe == INITIAL else last - first)
        row |= {"rejected": float((here["p"] < TESTED).mean()), "p_median": float(np.median(here.pop("p")))}
        for name, measured in here.items():
            row |= Estimate.columns(name, measured)
        table.append(row)
    return pd.DataFrame(table)


def _quantiles(found: Members) -> pd.DataFrame:
    table: list[dict[str, object]] = []
    for (init, recipe, values), (place, layer) in product(_states(found), enumerate((*LAYERS, TOGETHER))):
        for level, measured in zip(LEVELS, values[:, place].T, strict=True):
            row: dict[str, object] = {"init": init, "recipe": recipe, "layer": layer, "normal": float(ndtri(level))}
            table.append(row | Estimate.columns("weights", measured))
    return pd.DataFrame(table)


def _spectra(found: Members) -> pd.DataFrame:
    table: list[dict[str, object]] = []
    for (init, recipe, values), (place, layer) in product(_states(found), enumerate(MATRICES)):
        row: dict[str, object] = {"init": init, "recipe": recipe, "layer": layer}
        for name, measured in zip(SPECTRA, values[:, place].T, strict=True):
            row |= Estimate.columns(name, measured)
        table.append(row)
    return pd.DataFrame(table)


def _singular(found: Members) -> pd.DataFrame:
    table: list[dict[str, object]] = []
    for init, recipe, values in _states(found):  # values [seed, as it is or shuffled, rank]
        if init == "normal":
            for rank in range(values.shape[2]):
                row: dict[str, object] = {"recipe": recipe, "rank": rank + 1}
                row |= Estimate.columns("value", values[:, 0, rank])
                table.append(row | Estimate.columns("shuffled", values[:, 1, rank]))
    return pd.DataFrame(table)


def _losses(found: Members) -> pd.DataFrame:
    table: list[dict[str, object]] = []
    for (init, recipe), values in found.items():
        train, validation = values.T
        row: dict[str, object] = {"init": init, "recipe": recipe}
        table.append(row | Estimate.columns("train", train) | Estimate.columns("validation", validation))
    return pd.DataFrame(table)
