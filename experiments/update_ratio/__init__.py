"""How large should an update be?

Method  Four networks learn names at learning rates over three decades: one hidden layer by SGD, five by SGD (the lecture's
        network, without and with batch norm) and five by Adam.  In each weight matrix the standard deviation of the
        update over that of the weights is logged, as in the lecture, and of the gradient too.  What the first sweep found
        is then acted on: the learning rates that give the median layer a ratio of a tenth of 1e-3, 1e-3 and ten times it
        are run; so are rates of each layer's own, corrected until the ratio is nearly the same in all layers; and one layer at a
        time gets a larger rate.  The one-layer network trains on, to see what the length of a run changes.  Last, batch
        norm with weight decay, for which there is a theory.
Cost    About 4 minutes on one core with a C++ compiler.
Notes   000_10f5d5d0f6910b7a.txt, "keep track of grad to data ratio" and "around 1e-3 is good".

Modules: `training` trains and watches, `tables` compares; `plain` is what a reader would write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from experiments.update_ratio import tables, training
from experiments.update_ratio.tables import Sweep
from experiments.update_ratio.training import Array, Recipe
from lab.claims import Above, Below, Caveat, Claim, Interval, Lines, Within, rows
from lab.estimate import Estimate
from lab.tasks import spread

ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %
GOOD = 1e-3  # the ratio that the notes call good
TARGETS = (GOOD / 10, GOOD, GOOD * 10)  # ratios that are run
LONG, DECAYED = "long", "decayed"  # trainings beside the four networks' sweeps


@dataclass(frozen=True)
class Params:
    """The networks, how they train, and the learning rates."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units of the network of one hidden layer
    deep_width: int = 100  # units in each layer of the others, as in the lecture
    depth: int = 5  # hidden layers of the others, as in the lecture
    batch: int = 32  # examples
    steps: int = 1000  # as far as the lecture watches its ratios
    lr: Annotated[float, "> 0"] = 0.1  # SGD's learning rate in the lecture; one of its grid
    adam_lr: Annotated[float, "> 0"] = 0.001  # Adam's in PyTorch; one of its grid
    per_decade: int = 3  # learning rates
    below: int = 5  # learning rates below that one
    above: int = 4  # and above it
    rounds: int = 2  # of measuring the layers' ratios and correcting each layer's learning rate by them
    calibrated: int = 2  # seeds that these rounds train
    own_below: int = 0  # places of the grid by which all layers' own learning rates are then lowered together
    own_above: int = 5  # places by which they are raised
    faster: Annotated[float, "> 1"] = 3.0  # times the learning rate, for one layer at a time
    seeds: int = 5  # independent runs
    watched: int = 20  # steps whose ratios are logged, evenly over the run
    doublings: int = 6  # of the run's length
    long_below: int = 2  # learning rates of the long runs below the lecture's
    long_above: int = 1  # and above it
    above_doublings: int = 3  # of the run's length for those above it: far longer runs want less
    long_seeds: int = 7  # independent runs
    decayed: Annotated[tuple[float, ...], "> 0"] = (0.06, 0.08, 0.1)  # ratios that weight decay should settle at
    decay_lrs: Annotated[tuple[float, ...], "> 0"] = (0.1, 0.3)  # learning rates of these
    decay_steps: int = 3000  # of SGD with weight decay
    decay_watched: int = 100  # steps whose ratios are logged, over the second half
    decay_seeds: int = 3  # independent runs


SMOKE = Params(
    width=12, deep_width=10, depth=2, batch=4, steps=24, below=1, above=1, own_below=1, own_above=1,
    seeds=2, watched=4, doublings=1, long_below=1, long_above=1, decayed=(0.1,), decay_steps=12,
    decay_watched=4, decay_seeds=2, long_seeds=2,
)  # fmt: skip
MINUTE = Params(seeds=2, doublings=3, long_seeds=4, decay_steps=1500)  # on two cores: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  A ratio is that of the median layer, over the second half of the run; losses are the training set's.

    Logarithms are to the base 10.  Losses are compared seed by seed, in nats.
    """

    params: Params
    length_slope: Estimate  # change of the best ratio's logarithm for each decade of steps
    lr_slope: Estimate  # the same of the best learning rate's
    rank: Estimate  # with Adam, correlation over layers of the logarithms of both ratios: gradient's and update's
    settings: pd.DataFrame  # per network: the best learning rate, the ratio there, and what the notes' advice does
    sweep: pd.DataFrame  # per network and learning rate: loss and both ratios
    targets: pd.DataFrame  # per network and target ratio: the learning rate run, the ratio found, loss above the best
    layers: pd.DataFrame  # per network and layer, at the best rate: both ratios, equalised, and a larger rate's gain
    watch: pd.DataFrame  # per network, learning rate and step: ratio of embedding, hidden layers' median, last layer
    equal: pd.DataFrame  # per network and factor on the layers' own rates: loss
    length: pd.DataFrame  # per number of steps: best learning rate and its ratio, and how far 1e-3 is from the best
    decay: pd.DataFrame  # per learning rate and decay: the ratio predicted and measured in the hidden layers


def _least(intervals: list[Interval]) -> Interval:
    """Return the interval of the smallest: below a line if one of them surely is."""
    return min(low for low, _ in intervals), min(high for _, high in intervals)


def _most(intervals: list[Interval]) -> Interval:
    return max(low for low, _ in intervals), max(high for _, high in intervals)


def _at_good(r: Result) -> list[Interval]:
    """Return the loss at a ratio of 1e-3 less the best loss, network by network and length by length."""
    return rows(r.targets[r.targets["target"] == GOOD], "excess") + rows(r.length, "excess")


def _sizes(r: Result) -> list[Interval]:
    """Return how strongly the gradient's ratio answers to the learning rate, up or down, network by network."""
    return [
        (0.0 if low < 0 < high else min(abs(low), abs(high)), max(abs(low), abs(high)))
        for low, high in rows(r.settings, "gradient_slope")
    ]


def _words(r: Result, column: str, places: int = 3) -> str:
    """Return the range of a column over the networks."""
    values = r.settings[column]
    return f"{values.min():.{places}f} to {values.max():.{places}f}".replace("-", "−")


def _good_number(r: Result) -> str:
    excess = [*r.targets[r.targets["target"] == GOOD]["excess"], *r.length["excess"]]
    return f"loss above the best by {min(excess):.3f} to {max(excess):.3f} nats"


def _fast_number(r: Result) -> str:
    falls = r.settings["speeding"]
    return f"from a tenth of it to 1e-3 the loss falls by {falls.min():.2f} nats or more"


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="good",
        text="A ratio of update to data around [1e-3]{.given} is good.",
        source=Lines("N0", 81, 81),
        rule=Caveat(
            Below(
                "the loss at a ratio of 1e-3, minus the loss at the best learning rate (in each network, and at each length of "
                "run)",
                _at_good,
                ONE_PERCENT,
                "nats",
                "1 % in perplexity",
            ),
            Below("the same, in the setting where it is smallest,", lambda r: _least(_at_good(r)), ONE_PERCENT, "nats"),
        ),
        number=_good_number,
    ),
    Claim(
        name="best",
        text="At the best learning rate the ratio is around [1e-3]{.given}.",
        source=Lines("N0", 81, 81),
        rule=Caveat(
            Within(
                "the logarithm (base 10) of the ratio at the best learning rate (in each network)",
                lambda r: rows(r.settings, "best_ratio"),
                -3.5,
                -2.5,
                reason="closer to 1e-3 than to 1e-4 or 1e-2",
            ),
            Below(
                "the distance of that logarithm from −3, in the network where it is smallest,",
                lambda r: _least([_distance(low, high) for low, high in rows(r.settings, "best_ratio")]),
                0.5,
            ),
        ),
        number=lambda r: f"logarithms from {_words(r, 'best_ratio', 2)}",
    ),
    Claim(
        name="fast-enough",
        text="The ratio tells whether one trains fast enough: well below [1e-3]{.given}, a larger learning rate does better.",
        source=Lines("N0", 81, 81),
        rule=Above(
            "the loss at a ratio of 1e-4, minus the loss at a ratio of 1e-3 (in each network)",
            lambda r: rows(r.settings, "speeding"),
            ONE_PERCENT,
            "nats",
            "1 % in perplexity",
        ),
        number=_fast_number,
    ),
    Claim(
        name="slow-layer",
        text="The ratio tells which layer learns too slowly.",
        source=Lines("N0", 81, 81),
        rule=Caveat(
            Above(
                "the fall of the loss when the layer with the smallest ratio gets a larger learning rate, minus the largest "
                "fall when another layer gets it (in each network),",
                lambda r: rows(r.settings, "slowest_over_next"),
                0,
                "nats",
                "the ratio is meant to find the layer that gains most",
            ),
            Above(
                "the same fall, minus the mean fall over the other layers (in each network),",
                lambda r: rows(r.settings, "slowest_over_mean"),
                0,
                "nats",
            ),
        ),
        number=lambda r: (
            "a larger rate in the layer with the smallest ratio lowers the loss by "
            f"{_words(r, 'slowest_over_next', 4)} nats more than in the next"
        ),
    ),
    Claim(
        name="own-rates",
        text="All layers should not have the same learning rate: the same ratio in each is better.",
        source=Lines("N0", 81, 81),
        rule=Caveat(
            Above(
                "the loss at the best single learning rate, minus the loss at the best rates that make the ratio the same in "
                "every layer (in each network),",
                lambda r: rows(r.settings, "equal_gain"),
                ONE_PERCENT,
                "nats",
                "1 % in perplexity",
            ),
            Above(
                "the same difference, in the network where it is largest,",
                lambda r: _most(rows(r.settings, "equal_gain")),
                ONE_PERCENT,
                "nats",
            ),
        ),
        number=lambda r: f"lower by {_words(r, 'equal_gain')} nats",
    ),
    Claim(
        name="gradient",
        text="Keeping track of the ratio of gradient to data tells how fast one trains.",
        source=Lines("N0", 79, 79),
        rule=Caveat(
            Above(
                "the change of the ratio’s logarithm for each decade of learning rate, up or down (in each network),",
                _sizes,
                0.5,
                reason="the ratio of update to data moves by about one",
            ),
            Above(
                "the correlation of the logarithms of both ratios over the layers, with Adam,",
                lambda r: r.rank,
                0.5,
                reason="then it still tells the layers apart",
            ),
        ),
        number=lambda r: (
            f"a decade of learning rate moves it by {_words(r, 'gradient_slope', 2)} decades; with Adam it correlates with the "
            f"other ratio over the layers, {r.rank}"
        ),
    ),
    Claim(
        name="length",
        text="The longer the run, the smaller the best ratio.",
        source=None,
        rule=Below(
            "the change of the best ratio's logarithm for each decade of steps",
            lambda r: r.length_slope,
            -0.1,
            reason="less than a fifth for ten times the steps is no rule to go by",
        ),
        number=lambda r: f"the best ratio moves by {r.length_slope} decades for each decade of steps".replace("-", "−"),
    ),
)


def _distance(low: float, high: float) -> Interval:
    """Return how far an interval of logarithms lies from -3."""
    ends = abs(low + 3), abs(high + 3)
    return (0.0 if low < -3 < high else min(ends), max(ends))


def recipes(params: Params) -> dict[str, Recipe]:
    """Return the four networks by name."""
    deep = Recipe(params.depth, params.deep_width)
    return {
        "one layer": Recipe(1, params.width),
        "deep": deep,
        "batch norm": deep._replace(norm=True),
        "Adam": deep._replace(adam=True),
    }


def lrs(params: Params, recipe: Recipe) -> Array:
    """Return the learning rates of a network's sweep, ascending."""
    places = np.arange(-params.below, params.above + 1)
    return np.asarray((params.adam_lr if recipe.adam else params.lr) * 10.0 ** (places / params.per_decade))


def long_lrs(params: Params, steps: int) -> Array:
    """Return the learning rates of the long runs that train for so many steps, ascending: three or more."""
    places = np.arange(-params.long_below, params.long_above + 1)
    if steps > params.steps * 2**params.above_doublings:
        places = places[: max(3, params.long_below + 1)]
    return np.asarray(params.lr * 10.0 ** (places / params.per_decade))


def lengths(params: Params) -> list[int]:
    """Return the numbers of steps of the long runs."""
    return [params.steps * 2**k for k in range(params.doublings + 1)]


def run(params: Params) -> Result:
    """Sweep the learning rate, act on the ratios that were found, and train longer and with weight decay."""
    seeds = range(params.seeds)
    networks = recipes(params)
    pairs = [(name, seed) for name in reversed(networks) for seed in seeds]  # first what takes longest
    tasks = [(LONG, seed) for seed in range(params.long_seeds)]
    tasks += [*((DECAYED, seed) for seed in range(params.decay_seeds)), *pairs]
    found = dict(zip(tasks, spread(partial(_train, params), tasks, "trainings"), strict=True))
    sweeps = {name: Sweep.of(lrs(params, networks[name]), [found[name, seed] for seed in seeds]) for name in networks}
    own = _own_rates(params, sweeps)
    plans = {name: _plan(params, sweep, own[name]) for name, sweep in sweeps.items()}
    acted = dict(
        zip(
            pairs, spread(partial(_act, params), [(*pair, plans[pair[0]]) for pair in pairs], "follow-ups"), strict=True
        )
    )
    follow = {
        name: tables.Follow.of(len(TARGETS), plans[name], [acted[name, seed] for seed in seeds]) for name in networks
    }
    length, ratio_slope, lr_slope = tables.length(
        {steps: long_lrs(params, steps) for steps in lengths(params)},
        [found[LONG, seed] for seed in range(params.long_seeds)],
        GOOD,
    )
    return Result(
        params=params,
        length_slope=ratio_slope,
        lr_slope=lr_slope,
        rank=tables.rank(sweeps["Adam"]),
        settings=tables.settings(sweeps, follow, ONE_PERCENT, params.per_decade),
        sweep=tables.sweep(sweeps),
        targets=tables.targets(sweeps, follow, TARGETS),
        layers=tables.layers(sweeps, follow),
        watch=tables.watch(sweeps, _watched(params)),
        equal=tables.equal(follow, own_factors(params)),
        length=length,
        decay=_decay_table(params, [found[DECAYED, seed] for seed in range(params.decay_seeds)]),
    )


def _watched(params: Params) -> list[int]:
    """Return the steps whose ratios are logged: the last one, and others evenly before it."""
    return [params.steps * k // params.watched for k in range(1, params.watched + 1)]


def _train(params: Params, task: tuple[str, int]) -> Any:
    """Do one of the trainings that wait for nothing: a long one, one with weight decay, or a network's sweep."""
    kind, seed = task
    if kind == LONG:
        return _long(params, seed)
    return _decayed(params, seed) if kind == DECAYED else _sweep(params, task)


def _sweep(params: Params, task: tuple[str, int]) -> training.Runs:
    """Train one seed of a network at every learning rate."""
    name, seed = task
    recipe = recipes(params)[name]
    rates = np.repeat(lrs(params, recipe)[:, None], recipe.depth + 2, 1)  # [lr, layer]
    return training.train(recipe, rates, seed, params.data, params.batch, _watched(params), [params.steps])


def _own_rates(params: Params, sweeps: Mapping[str, Sweep]) -> dict[str, Array]:
    """Return a learning rate for each layer, [layer] by network, with which all should have the ratio of the median one.

    The best rate is corrected by the ratios that it gave, and these rates by those that they give, a few times over:
    faster layers make their weights grow, and other layers' gradients change.
    """
    own, wanted = {}, {}
    for name, sweep in sweeps.items():
        ratios = sweep.log_update[:, sweep.best]
        wanted[name] = float(np.median(ratios.mean(0)))
        own[name] = _corrected(np.full(ratios.shape[1], sweep.lrs[sweep.best]), ratios, wanted[name])
    seeds = range(params.calibrated)
    for _ in range(params.rounds):
        tasks = [(name, seed, rates[None]) for name, rates in own.items() for seed in seeds]
        found = iter(spread(partial(_act, params), tasks, "corrections"))
        for name in own:
            logs = tables.log_ratios([next(found).update for _ in seeds])  # [seed, watched step, 1, layer]
            own[name] = _corrected(own[name], logs.mean(1)[:, 0], wanted[name])
    return own


def _corrected(rates: Array, logs: Array, wanted: float) -> Array:
    """Return rates [layer] that should bring every layer's log ratio to the one wanted, given those found [seed, layer]."""
    return np.asarray(rates * 10 ** (wanted - logs.mean(0)))


def _plan(params: Params, sweep: Sweep, own: Array) -> Array:
    """Return the rates to follow up with, [member, layer]: the target ratios; each layer its own; one layer faster."""
    layers = len(own)
    at_targets = np.repeat([[sweep.lr_at(np.log10(target))] for target in TARGETS], layers, 1)
    one_faster = sweep.lrs[sweep.best] * np.where(np.eye(layers, dtype=bool), params.faster, 1.0)
    return np.concatenate([at_targets, own_factors(params)[:, None] * own, one_faster])


def own_factors(params: Params) -> Array:
    """Return the factors on all layers' own learning rates, ascending."""
    return np.asarray(10.0 ** (np.arange(-params.own_below, params.own_above + 1) / params.per_decade))


def _act(params: Params, task: tuple[str, int, Array]) -> training.Runs:
    """Train one seed of a network with the rates of its plan; the ratios are those of the second half."""
    name, seed, plan = task
    watched = _watched(params)
    late = watched[len(watched) // 2 :]
    return training.train(recipes(params)[name], plan, seed, params.data, params.batch, late, [params.steps])


def _long(params: Params, seed: int) -> tuple[Array, Array]:
    """Train the network of one hidden layer for long: ratios and losses at half the shortest run and at every length."""
    evaluations = [params.steps // 2, *lengths(params)]
    until = {lr: steps for steps in lengths(params) for lr in long_lrs(params, steps).tolist()}
    return training.train_long(params.width, until, seed, params.data, params.batch, evaluations)


def _decayed(params: Params, seed: int) -> Array:
    """Train batch norm with weight decay; return the hidden layers' ratios over the second half, [member, step, layer]."""
    recipe = recipes(params)["batch norm"]
    members = [(lr, ratio**2 / (2 * lr)) for lr in params.decay_lrs for ratio in params.decayed]
    rates = np.repeat([[lr] for lr, _ in members], recipe.depth + 2, 1)
    late = params.decay_steps // 2
    watched = [late + late * k // params.decay_watched for k in range(1, params.decay_watched + 1)]
    decay = np.array([decay for _, decay in members])
    found = training.train(recipe, rates, seed, params.data, params.batch, watched, [params.decay_steps], decay)
    return found.update[:, :, 1:-1].transpose(1, 0, 2)


def _decay_table(params: Params, found: list[Array]) -> pd.DataFrame:
    """Tabulate root mean squares of ratios [seed][member, step, layer], and what theory says."""
    rms = np.sqrt(np.square(np.stack(found)).mean((2, 3)))  # [seed, member]
    members = [(lr, ratio) for lr in params.decay_lrs for ratio in params.decayed]
    return pd.DataFrame(
        [
            {"lr": lr, "decay": ratio**2 / (2 * lr), "predicted": ratio, **Estimate.columns("ratio", values)}
            for (lr, ratio), values in zip(members, rms.T, strict=True)
        ]
    )
