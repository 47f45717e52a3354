"""What lets us get away with an inexact initialisation?

Method  A deep tanh network learns names from initial gains over two decades: plain, with batch norm, with layer norm,
        with residual connections, and with Adam instead of SGD; each at one learning rate, chosen on other seeds.  For
        each seed all share their random numbers and batches.  The window of a remedy is the range of gains around its
        best one that ends within a tolerance of it.  What gain 1 costs is measured on further seeds, against the best other gain, which the first seeds chose.
        Theory for infinite width says what the first step meets at every gain.
Cost    About 7 minutes on one core.
Notes   000_10f5d5d0f6910b7a.txt, "no need to be super exact", and code 3, "techniques that let us get away with not so
        exact initialization".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.forgiving import at_initialisation, gain_sweep, tolerance_window
from experiments.forgiving.gain_sweep import Plan, Size
from lab.claims import Above, All, Below, Caveat, Claim, Interval, Lines
from lab.estimate import Estimate
from nets import unigram_baseline

Array = NDArray[np.float64]

REMEDIES = ("residual", "batch norm", "layer norm", "Adam")
NORMALISED = ("batch norm", "layer norm")
TOLERANCE = 0.05  # nats; in perplexity, exp(loss), 5 %
TWICE = float(np.log10(2))  # decades: a window twice as wide, as a factor
TOLERANCES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28)  # nats; also tried
TUNING_SEED = 1000  # added to a seed for the choice of the learning rates, so that it is made on other networks


@dataclass(frozen=True)
class Params:
    """What is trained, and from which gains."""

    data: Path = Path("data/names.txt")  # one name a line
    depth: int = 10  # hidden layers
    width: int = 64  # units in each
    batch: int = 32  # examples
    steps: int = 800  # of training
    decades: Annotated[float, "> 0"] = 1.0  # the gains reach so far below and above 1
    per_decade: int = 6  # gains
    seeds: int = 10  # independent networks
    fresh_seeds: int = 16  # further ones, on which gain 1 is compared with the best other gain
    lrs: Annotated[tuple[float, ...], "> 0"] = (0.01, 0.03, 0.1, 0.3, 1.0)  # learning rates to choose from, for SGD
    adam_lrs: Annotated[tuple[float, ...], "> 0"] = (0.0003, 0.001, 0.003)  # and for Adam
    tuning_seeds: int = 2  # other networks, on which the learning rates are chosen, at every other gain
    depths: tuple[int, ...] = (5, 20)  # hidden layers; plain networks also tried
    few_seeds: int = 4  # for those, and for the normalised networks with compensated learning rates
    sample: int = 4000  # training examples that batch norm's statistics are taken from in the end


SMOKE = Params(
    depth=3, width=8, batch=8, steps=6, decades=1.5, per_decade=2, seeds=2, lrs=(0.1,), adam_lrs=(0.01,), depths=(2,), few_seeds=2, fresh_seeds=2,
    sample=200,
)  # fmt: skip
MINUTE = Params(steps=200, seeds=4, fresh_seeds=6, few_seeds=2)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """Losses are over the validation set, in nats, and at most ln 27; widths are in decades, log10 of high over low."""

    params: Params
    entropy: float  # of the validation set's characters: what a network that ignores its input can reach
    plain_width: Estimate  # of the plain network's window
    residual_wider: Estimate  # how much wider the window is than the plain network's, seed by seed
    batch_norm_wider: Estimate
    layer_norm_wider: Estimate
    adam_wider: Estimate
    predicted_low: float  # gain at which the plain network should begin to learn at all
    predicted_high: float  # gain at which its steps should begin to overshoot
    windows: pd.DataFrame  # per remedy: its learning rate, best gain, window, best other gain than 1, what gain 1 costs
    losses: pd.DataFrame  # per remedy and gain: loss after the last step, share of networks clipped
    runs: pd.DataFrame  # per remedy, seed and gain: the same, one by one
    tolerances: pd.DataFrame  # per remedy and tolerance: width of the window
    tuning: pd.DataFrame  # per remedy, learning rate and gain: loss of the tuning networks
    compensated: pd.DataFrame  # per normalisation and gain: loss with hidden learning rates times gain squared
    at_initialisation: pd.DataFrame  # per remedy and gain: signal and gradient before the first step, and theory
    depths: pd.DataFrame  # per depth of the plain network: window, where learning begins, and both by theory


def _column(r: Result, name: str) -> dict[str, float]:
    return {str(remedy): float(value) for remedy, value in zip(r.windows["remedy"], r.windows[name], strict=True)}


def _open(r: Result, remedy: str) -> bool:
    """Tell whether any network's window runs off the grid of gains, and so is wider than was seen."""
    return _column(r, "open_low")[remedy] + _column(r, "open_high")[remedy] > 0


def _near_own_best(r: Result, remedy: str, wider: Estimate) -> Interval:
    """Return a remedy's window over the plain network's, as a factor; without an upper end if it is wider than was seen."""
    return 10**wider.low, float("inf") if _open(r, remedy) else 10**wider.high


def _near_both(r: Result, remedy: str, wider: Estimate) -> list[Interval]:
    """Return the same, and then that of the windows of losses near the best of all."""
    low, high = (10 ** _column(r, f"shared_wider_{end}")[remedy] for end in ("low", "high"))
    return [_near_own_best(r, remedy, wider), (low, high)]


def _wider_number(r: Result, remedy: str, wider: Estimate) -> str:
    least = "at least " if _open(r, remedy) else ""
    own, shared = _near_both(r, remedy, wider)
    return (
        f"window (largest over smallest gain) {least}{10**wider.mean:.2f} times plain SGD's ({own[0]:.2f} to "
        f"{10**wider.high:.2f}) by its own best loss, {10 ** _column(r, 'shared_wider')[remedy]:.2f} times ({shared[0]:.2f} to "
        f"{shared[1]:.2f}) by the best of all"
    )


def _cost(r: Result, remedies: Sequence[str]) -> list[Interval]:
    """Return what gain 1 costs, in nats, with each remedy."""
    low, high = _column(r, "cost_low"), _column(r, "cost_high")
    return [(low[remedy], high[remedy]) for remedy in remedies]


def _told(r: Result, *remedies: str) -> str:
    """Say the most that gain 1 costs with these remedies."""
    cost = max(_column(r, "cost")[remedy] for remedy in remedies)
    return f"{cost:.3f} nats" if cost > 0 else "nothing"


def _smallest_cost(r: Result) -> Interval:
    lows, highs = zip(*_cost(r, REMEDIES), strict=True)
    return min(lows), min(highs)


def _forgives(remedy: str, wider: Callable[[Result], Estimate]) -> Caveat[Result]:
    """Return the rule for one remedy: its window is twice as wide; with a caveat if it is wider at all."""
    return Caveat(
        Above(_BOTH, lambda r: _near_both(r, remedy, wider(r)), 2, reason=_FACTOR),
        Above(
            "the ratio, by both measures,",
            lambda r: _near_both(r, remedy, wider(r)),
            1,
            reason="wider, but not twice as wide",
        ),
    )


_BOTH = (
    f"the window's width over the plain network's, for losses within {TOLERANCE:g} nats of the remedy's own best and for those "
    "near the best of all,"
)
_TWICE_AS_WIDE = (
    "Holds if, by both measures, the window is more than [2]{.given} times as wide as the plain network's; with a caveat if it is "
    "wider at all. A factor of two is more than lies between the gains 1 and 5/3."
)
_FACTOR = "a factor of two is more than lies between the gains 1 and 5/3"

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="residual",
        text="Residual connections forgive an inexact initialisation.",
        source=Lines("N0", 50, 50),
        line=_TWICE_AS_WIDE,
        rule=_forgives("residual", lambda r: r.residual_wider),
        number=lambda r: _wider_number(r, "residual", r.residual_wider),
    ),
    Claim(
        name="batch-norm",
        text="Batch norm forgives an inexact initialisation.",
        source=Lines("N0", 51, 51),
        line=_TWICE_AS_WIDE,
        rule=_forgives("batch norm", lambda r: r.batch_norm_wider),
        number=lambda r: _wider_number(r, "batch norm", r.batch_norm_wider),
    ),
    Claim(
        name="layer-norm",
        text="Layer norm forgives an inexact initialisation.",
        source=Lines("N0", 10, 10),
        line=_TWICE_AS_WIDE,
        rule=_forgives("layer norm", lambda r: r.layer_norm_wider),
        number=lambda r: _wider_number(r, "layer norm", r.layer_norm_wider),
    ),
    Claim(
        name="adam",
        text="A better optimiser, Adam, forgives an inexact initialisation.",
        source=Lines("N0", 52, 52),
        line=_TWICE_AS_WIDE,
        rule=_forgives("Adam", lambda r: r.adam_wider),
        number=lambda r: _wider_number(r, "Adam", r.adam_wider),
    ),
    Claim(
        name="exact",
        text="With these, dividing by the root of the fan-in is enough.",
        source=Lines("N0", 10, 10),
        rule=Caveat(
            All(
                Below(
                    "the loss at gain 1 less that at the best other gain with each of the four (on further seeds)",
                    lambda r: _cost(r, REMEDIES),
                    TOLERANCE,
                    "nats",
                    "the tolerance of the windows",
                ),
                Above("the same for the plain network", lambda r: _cost(r, ["plain"]), TOLERANCE, "nats"),
            ),
            All(
                Below("the smallest of the four", _smallest_cost, TOLERANCE, "nats"),
                Above("that of the plain network", lambda r: _cost(r, ["plain"]), TOLERANCE, "nats"),
            ),
        ),
        number=lambda r: (
            f"gain 1 costs {_told(r, *NORMALISED)} or less with a norm, {_told(r, 'residual')} with residual connections, "
            f"{_told(r, 'Adam')} with Adam"
        ),
    ),
)  # fmt: skip


def run(params: Params) -> Result:
    """Choose the learning rates, train from every gain, find the windows, and compare with theory."""
    data = gain_sweep.load(params.data, params.sample)
    gains, recipes = gain_sweep.grid(params.decades, params.per_decade), gain_sweep.recipes(params.batch)
    tuning, lrs = _tune(params, _every_other(gains))
    swept = gain_sweep.sweeps(_plans(params, gains, lrs), params.data, params.sample)
    found = {name: swept[name] for name in recipes}  # [seed, gain] each
    losses = {name: unigram_baseline.clipped(each) for name, each in found.items()}
    table, wider = tolerance_window.compare(np.log10(gains), losses, TOLERANCE)
    costs = _costs(params, gains, losses, lrs)
    batch = data.x[: 8 * params.batch], data.y[: 8 * params.batch]  # for signal and gradient before the first step
    return Result(
        params=params,
        entropy=data.entropy,
        plain_width=wider["width"],
        residual_wider=wider["residual"],
        batch_norm_wider=wider["batch norm"],
        layer_norm_wider=wider["layer norm"],
        adam_wider=wider["Adam"],
        predicted_low=at_initialisation.least_gain(params.depth, lrs["plain"], params.steps),
        predicted_high=at_initialisation.largest_gain(params.depth, lrs["plain"]),
        windows=table.assign(lr=[lrs[name] for name in recipes]).merge(costs, on="remedy"),
        losses=gain_sweep.means(gains, found),
        runs=gain_sweep.runs(gains, losses),
        tolerances=tolerance_window.tolerances(np.log10(gains), losses, TOLERANCES),
        tuning=tuning,
        compensated=gain_sweep.means(_every_other(gains), {name: swept[f"{name}, compensated"] for name in NORMALISED}),
        at_initialisation=pd.DataFrame(
            [
                {"remedy": name} | row
                for name, recipe in recipes.items()
                if not recipe.adam  # which begins where SGD does
                for row in at_initialisation.by_gain(
                    recipe.architecture, _size(params), range(params.seeds), gains, batch
                )
            ]
        ),
        depths=_depths(params, gains, swept, data.entropy, lrs["plain"]),
    )


def hidden_layer(
    x: torch.Tensor, linear: torch.nn.Module, norm: torch.nn.Module | None = None, residual: bool = False
) -> torch.Tensor:
    """Pass a signal through a tanh layer; the norm is nn.BatchNorm1d or nn.LayerNorm."""
    pre_activations = linear(x) if norm is None else norm(linear(x))
    hidden = torch.tanh(pre_activations)
    return x + hidden if residual else hidden


def _every_other(gains: list[float]) -> list[float]:
    """Return every other gain; 1 is one of them."""
    return gains[gains.index(1.0) % 2 :: 2]


def _size(params: Params, depth: int | None = None) -> Size:
    return Size(depth or params.depth, params.width, params.batch, params.steps)


def _tune(params: Params, gains: list[float]) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return losses of other networks at every learning rate, and for each remedy the one with the lowest at its best gain."""
    plans = {
        (name, lr): Plan(recipe, _size(params), range(TUNING_SEED, TUNING_SEED + params.tuning_seeds), gains, lr)
        for name, recipe in gain_sweep.recipes(params.batch).items()
        for lr in (params.adam_lrs if recipe.adam else params.lrs)
    }
    table = pd.DataFrame(
        [
            {"remedy": name, "lr": lr, "gain": gain, "loss": float(loss)}
            for (name, lr), found in gain_sweep.sweeps(plans, params.data, params.sample).items()
            for gain, loss in zip(gains, unigram_baseline.clipped(found).mean(0), strict=True)
        ]
    )
    best = table.loc[table.groupby("remedy")["loss"].idxmin()]
    return table, dict(zip(best["remedy"], best["lr"], strict=True))


def _costs(params: Params, gains: list[float], losses: dict[str, Array], lrs: dict[str, float]) -> pd.DataFrame:
    """Measure on further seeds what gain 1 costs against the best other gain, which `losses` [seed, gain] choose."""
    one, recipes = gains.index(1.0), gain_sweep.recipes(params.batch)
    means = {name: np.where(np.arange(len(gains)) == one, np.inf, each.mean(0)) for name, each in losses.items()}
    others = {name: gains[int(mean.argmin())] for name, mean in means.items()}
    seeds = range(params.seeds, params.seeds + params.fresh_seeds)
    plans = {
        name: Plan(recipe, _size(params), seeds, [1.0, others[name]], lrs[name]) for name, recipe in recipes.items()
    }
    found = {
        name: unigram_baseline.clipped(each)
        for name, each in gain_sweep.sweeps(plans, params.data, params.sample).items()
    }
    return pd.DataFrame(
        [
            {"remedy": name, "other_gain": others[name], **Estimate.columns("cost", each[:, 0] - each[:, 1])}
            for name, each in found.items()
        ]
    )


def _plans(params: Params, gains: list[float], lrs: dict[str, float]) -> dict[str, Plan]:
    """Return what is trained at the learning rates chosen, by name; the deepest networks first, since they take longest."""
    recipes, seeds = gain_sweep.recipes(params.batch), range(params.seeds)
    plans = {name: Plan(recipe, _size(params), seeds, gains, lrs[name]) for name, recipe in recipes.items()}
    few = {name: plan._replace(seeds=range(params.few_seeds)) for name, plan in plans.items()}
    others = sorted({*params.depths} - {params.depth}, reverse=True)
    deep = {f"plain, {depth} layers": few["plain"]._replace(size=_size(params, depth)) for depth in others}
    again = {
        f"{name}, compensated": few[name]._replace(gains=_every_other(gains), compensate=True) for name in NORMALISED
    }
    return deep | plans | again


def _depths(params: Params, gains: list[float], swept: dict[str, Array], entropy: float, lr: float) -> pd.DataFrame:
    """Find the plain network's window at other depths too: where it begins and ends, and where learning begins."""
    places, rows = np.log10(gains), []
    for depth in sorted({params.depth, *params.depths}):
        each = unigram_baseline.clipped(swept["plain" if depth == params.depth else f"plain, {depth} layers"])
        half = tolerance_window.around_best(
            places, each, np.maximum(0, (entropy - each[:, tolerance_window.best_place(each)]) / 2)
        )
        own = tolerance_window.around_best(places, each, TOLERANCE)
        row = {"depth": float(depth), **Estimate.columns("decades", own.width)}
        for kind, values in {
            "learns_from": half.low,
            "window_from": own.low,
            "window_to": own.high,
        }.items():  # log10 of gains
            row |= {column: float(10**value) for column, value in Estimate.columns(kind, values).items()}
        row["learns_from_predicted"] = at_initialisation.least_gain(depth, lr, params.steps)
        rows.append(row | {"window_to_predicted": at_initialisation.largest_gain(depth, lr)})
    return pd.DataFrame(rows)
