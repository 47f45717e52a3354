"""Does batch norm make the gain and the learning rate irrelevant?

Method  A deep tanh network learns names from initial gains over two decades, each at learning rates over three,
        with batch norm and without; for each seed all share their random numbers and batches.  The ratio of update to
        weights is followed through training.  Then all gains train once more with the hidden layers' learning rates
        multiplied by the square of the gain, which should undo its effect.  Last, a random gradient goes back through many
        layers with batch norm, for three activations and gains over two decades.
Cost    About 2 minutes on one core.
Notes   000_10f5d5d0f6910b7a.txt, "before batch norm", "batch norm avoids the need for doing it", and "significantly more
        robust to initialization and gain".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.batchnorm_gain import at_initialisation, explosion, sweep
from experiments.batchnorm_gain.sweep import Member, Size, Trained
from lab.claims import Above, All, Below, Caveat, Claim, Equals, Interval, Lines, Within
from lab.estimate import Estimate
from lab.tasks import spread
from nets import ghost_norm, unigram_baseline
from nets.deep_tanh import Architecture

Array = NDArray[np.float64]

NORMED, PLAIN = "batch norm", "plain"  # kinds of network
FIVE_THIRDS = 5 / 3  # torch.nn.init.calculate_gain("tanh"); the lecture's value
DEFAULT = 1 / 3**0.5  # what nn.Linear starts with: uniform weights of standard deviation 1 / sqrt(3 n)
TOLERANCE = 0.05  # nats; in perplexity, exp(loss), 5 %
TEN = 10.0  # factor by which a learning rate is taken wrong


@dataclass(frozen=True)
class Params:
    """What is trained, from which gains and at which learning rates."""

    data: Path = Path("data/names.txt")  # one name a line
    depth: int = 5  # hidden layers, as in the lecture
    width: int = 64  # units in each
    batch: int = 32  # examples
    steps: int = 600  # of plain SGD
    gains: Annotated[tuple[float, ...], "> 0"] = (0.1, 0.18, 0.32, 1.0, 3.2, 5.6, 10.0)  # besides 5/3 and 1/√3
    lrs: Annotated[tuple[float, ...], "> 0"] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # learning rates
    seeds: int = 6  # independent networks
    sample: int = 4000  # training examples that batch norm's statistics are taken from in the end
    deep: int = 50  # layers through which a random gradient goes back
    deep_width: int = 256  # units in each
    deep_batch: int = 128  # examples
    deep_gains: Annotated[tuple[float, ...], "> 0"] = (0.1, 1.0, 10.0)  # of those layers


SMOKE = Params(
    depth=3, width=8, batch=8, steps=6, gains=(0.1, 1.0, 10.0), lrs=(0.01, 0.1, 1.0), seeds=2, sample=200,
    deep=6, deep_width=16, deep_batch=16, deep_gains=(0.1, 10.0),
)  # fmt: skip
MINUTE = Params(seeds=4)  # about that long on two cores: what the notebook runs


@dataclass(frozen=True)
class Result:
    """Losses are over the validation set, in nats, and at most ln 27.

    The *one* learning rate of a kind of network is the best at gain 5/3.  A cost is the loss less that from gain 5/3 at
    that rate, seed by seed.
    """

    params: Params
    normed_lr: float  # the one learning rate with batch norm
    plain_lr: float  # and without
    share_one: Estimate  # mean cost over the other gains with batch norm, as a share of that without; at the one rate
    share_own: Estimate  # the same where each gain has its own best learning rate
    tenth: Estimate  # cost, with batch norm, of a tenth of the one rate, from gain 5/3
    tenfold: Estimate  # and of ten times the one rate
    ratio_slope: Estimate  # of ln(update ratio) at the first step against ln(gain), with batch norm; theory says -2
    ranges: pd.DataFrame  # per kind of network and quantity at initialisation: largest over smallest, over the gains
    losses: pd.DataFrame  # per kind of network, gain and learning rate: loss after the last step
    costs: pd.DataFrame  # per kind and gain: cost at the one rate, at its own best one, and with compensated rates
    ratios: pd.DataFrame  # per kind and gain, at the one rate: update ratios; growth of the weights over summed updates
    initial: pd.DataFrame  # per kind and gain: signal and gradient before the first step, and theory
    explosion: pd.DataFrame  # per activation, norm and gain: a layer's factor on the gradient's mean square, and theory
    deep_layers: pd.DataFrame  # per activation and gain, with batch norm, and layer: the gradient's RMS over the last's


def _costs(r: Result, kind: str, which: str = "cost", gains: Sequence[float] = ()) -> list[Interval]:
    """Return the intervals of a cost of one kind of network, at these gains or at all but 5/3."""
    table = r.costs[r.costs["kind"] == kind]
    rows = table[table["gain"].isin(gains) if gains else table["gain"] != FIVE_THIRDS]
    return list(zip(rows[f"{which}_low"], rows[f"{which}_high"], strict=True))


def _cost(r: Result, kind: str, gain: float, which: str = "cost") -> float:
    return float(r.costs[(r.costs["kind"] == kind) & (r.costs["gain"] == gain)][which].item())


def _ranges(r: Result, kind: str) -> list[Interval]:
    table = r.ranges[r.ranges["kind"] == kind]
    return list(zip(table["range_low"], table["range_high"], strict=True))


def _factors(r: Result, activations: Sequence[str]) -> list[Interval]:
    """Return the intervals of a layer's factor on the gradient's mean square with batch norm, at every gain."""
    table = r.explosion[r.explosion["norm"] & r.explosion["activation"].isin(activations)]
    return list(zip(table["factor_low"], table["factor_high"], strict=True))


def _largest(quantities: list[Interval]) -> Interval:
    low, high = np.max(quantities, axis=0)  # NaN if one of them is: then it decides nothing
    return float(low), float(high)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


_PERPLEXITY = "5 % in perplexity"

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="no-gain",
        text="Batch norm avoids the need for a gain that suits the activation.",
        source=Lines("N0", 76, 76),
        rule=Caveat(
            All(
                Below(
                    "with batch norm, the extra loss of gain 1 and of PyTorch's default (over tanh's 5/3, at the learning "
                    "rate that is best there)",
                    lambda r: _costs(r, NORMED, gains=(1.0, DEFAULT)),
                    TOLERANCE,
                    "nats",
                    _PERPLEXITY,
                ),
                Above(
                    "without batch norm, the extra loss of PyTorch's default",
                    lambda r: _costs(r, PLAIN, gains=(DEFAULT,)),
                    TOLERANCE,
                    "nats",
                    "else there was no need to avoid",
                ),
            ),
            Below(
                "with batch norm, the extra loss of gain 1",
                lambda r: _costs(r, NORMED, gains=(1.0,)),
                TOLERANCE,
                "nats",
            ),
        ),
        number=lambda r: (
            f"PyTorch's default costs {_cost(r, NORMED, DEFAULT):.3f} nats with batch norm and "
            f"{_cost(r, PLAIN, DEFAULT):.3f} without; gain 1 costs {_cost(r, NORMED, 1.0):.3f} and "
            f"{_cost(r, PLAIN, 1.0):.3f}"
        ),
    ),
    Claim(
        name="irrelevant",
        text="With batch norm the gain does not matter at all.",
        source=Lines("N0", 76, 76),
        rule=Caveat(
            Within(
                "the loss from every gain over two decades, minus the loss from 5/3, at one learning rate,",
                lambda r: _costs(r, NORMED),
                -TOLERANCE,
                TOLERANCE,
                "nats",
                _PERPLEXITY,
            ),
            Within(
                "the same with the best learning rate for each gain",
                lambda r: _costs(r, NORMED, "own"),
                -TOLERANCE,
                TOLERANCE,
                "nats",
            ),
        ),
        number=lambda r: (
            f"the smallest gain costs {_cost(r, NORMED, min(r.params.gains)):.3f} nats, the largest "
            f"{_cost(r, NORMED, max(r.params.gains)):.3f}; at learning rates of their own "
            f"{_cost(r, NORMED, min(r.params.gains), 'own'):.3f} and "
            + _signed(_cost(r, NORMED, max(r.params.gains), "own"))
        ),
    ),
    Claim(
        name="activations",
        text="With batch norm, activations and gradients at initialisation are robust to the gain.",
        source=Lines("N0", 82, 82),
        rule=All(
            Below(
                "the largest over the smallest value over two decades of gains, of the last hidden layer's activations and "
                "of the gradient's growth, with batch norm,",
                lambda r: _ranges(r, NORMED),
                1.05,
                reason="5 %",
            ),
            Above("the same without batch norm", lambda r: _ranges(r, PLAIN), 1.05),
        ),
        number=lambda r: "; ".join(
            f"{row.quantity}: factor {row.range:.4g} with batch norm, {other.range:,.0f} without"
            for row, other in zip(
                r.ranges[r.ranges["kind"] == NORMED].itertuples(),
                r.ranges[r.ranges["kind"] == PLAIN].itertuples(),
                strict=True,
            )
        ),
    ),
    Claim(
        name="robust",
        text="Batch norm makes the result of training significantly more robust to the gain.",
        source=Lines("N0", 82, 82),
        rule=Caveat(
            Below(
                "the mean cost of the other gains over two decades with batch norm, as a share of that without (at one "
                "learning rate, and at the best for each gain),",
                lambda r: [r.share_one, r.share_own],
                0.5,
                reason="at most half: “significantly”",
            ),
            Below("the same share", lambda r: [r.share_one, r.share_own], 1, reason="robust, but not significantly"),
        ),
        number=lambda r: (
            f"a wrong gain costs {100 * r.share_one.mean:.0f} % of what it costs without batch norm; with the best "
            f"learning rate for each gain, {100 * r.share_own.mean:.0f} %"
        ),
    ),
    Claim(
        name="learning-rate",
        text="With batch norm one still needs to fiddle with the learning rate.",
        source=Lines("N0", 82, 82),
        rule=Caveat(
            Above(
                "the extra loss at a tenth and at ten times the best learning rate, with batch norm from gain 5/3,",
                lambda r: [r.tenth, r.tenfold],
                TOLERANCE,
                "nats",
                _PERPLEXITY,
            ),
            Above(
                "the larger of the two",
                lambda r: _largest([(r.tenth.low, r.tenth.high), (r.tenfold.low, r.tenfold.high)]),
                TOLERANCE,
                "nats",
            ),
        ),
        number=lambda r: f"a tenth costs {r.tenth} nats, ten times at least {r.tenfold.mean:.2f}",
    ),
    Claim(
        name="ratio",
        text="With batch norm the ratio of update to weights moves with the gain, as its inverse square.",
        source=None,
        rule=Equals(
            "the exponent of the gain in the ratio at the first step",
            lambda r: r.ratio_slope,
            -2,
            tolerance=0.05,
            reason="more would be a tenth or more of the ratio over the gains tried",
        ),
        number=lambda r: f"exponent {r.ratio_slope}",
    ),
    Claim(
        name="effective-rate",
        text="To a network with batch norm, the gain is nothing but a learning rate of its hidden layers.",
        source=None,
        rule=Within(
            "the loss from every gain, minus the loss from 5/3, with the hidden layers' learning rate in proportion to the "
            "square of the gain,",
            lambda r: _costs(r, NORMED, "compensated"),
            -TOLERANCE,
            TOLERANCE,
            "nats",
            _PERPLEXITY,
        ),
        number=lambda r: (
            f"so compensated, a gain costs at most {max(abs(_cost(r, NORMED, gain, 'compensated')) for gain in r.params.gains):.1g} nats"
        ),
    ),
    Claim(
        name="explodes",
        text="In a deep network with batch norm the gradient explodes at initialisation, at any gain.",
        source=None,
        line=lambda params: (
            "Holds if with ReLU and with tanh a layer multiplies the mean square of the gradient by more than "
            f"[1.05]{{.given}}, at every gain: over {params.deep} layers that is a factor of {1.05**params.deep:.0f}."
        ),
        rule=Above(
            "a layer's factor on the mean square of the gradient, with ReLU and with tanh, at every gain,",
            lambda r: _factors(r, ("ReLU", "tanh")),
            1.05,
        ),
        number=lambda r: "; ".join(
            f"{name}: {found['factor'].min():.3f} to {found['factor'].max():.3f} a layer"
            for name, found in r.explosion[r.explosion["norm"]].groupby("activation")
            if name != "linear"
        ),
    ),
)


def run(params: Params) -> Result:
    """Train from every gain at every learning rate, choose rates, compensate, and look at what precedes training."""
    gains = sorted({*params.gains, DEFAULT, FIVE_THIRDS})
    members = [Member(gain, lr, lr) for gain in gains for lr in params.lrs]
    shape = len(gains), len(params.lrs)
    trained = _train_all(params, dict.fromkeys(_kinds(params), members))
    losses = {
        kind: unigram_baseline.clipped(found.loss).reshape(-1, *shape) for kind, found in trained.items()
    }  # [seed, gain, lr]
    base = gains.index(FIVE_THIRDS)
    best = {kind: found.mean(0).argmin(1) for kind, found in losses.items()}  # [gain], places of learning rates
    one = {kind: int(places[base]) for kind, places in best.items()}
    lrs = {kind: params.lrs[place] for kind, place in one.items()}
    repeated = _train_all(params, {
        kind: [Member(gain, lr, lr * (gain / FIVE_THIRDS) ** 2) for gain in gains] for kind, lr in lrs.items()
    })  # fmt: skip
    own = {kind: np.take_along_axis(found, best[kind][None, :, None], 2)[:, :, 0] for kind, found in losses.items()}
    costs = {
        kind: {
            "cost": found[:, :, one[kind]] - found[:, base, one[kind], None],
            "own": own[kind] - found[:, base, one[kind], None],
            "compensated": unigram_baseline.clipped(repeated[kind].loss) - found[:, base, one[kind], None],
        }
        for kind, found in losses.items()
    }  # [seed, gain] each
    ratios = {
        kind: {
            name: getattr(found, name).reshape(-1, *shape)[:, :, one[kind]]
            for name in ("first_ratio", "last_ratio", "growth")
        }
        for kind, found in trained.items()
    }
    wrong = {
        factor: losses[NORMED][:, base, _place(params.lrs, factor * lrs[NORMED])] - losses[NORMED][:, base, one[NORMED]]
        for factor in (1 / TEN, TEN)
        if _place(params.lrs, factor * lrs[NORMED]) is not None
    }
    unknown = Estimate(float("nan"), float("nan"), params.seeds)  # that learning rate was not tried
    others = [place for place in range(len(gains)) if place != base]
    initial, ranges = _initial(params, gains)
    factors, layers = _explosion(params)
    return Result(
        params=params,
        normed_lr=lrs[NORMED],
        plain_lr=lrs[PLAIN],
        share_one=_share(costs, "cost", others),
        share_own=_share(costs, "own", others),
        tenth=Estimate.of(wrong[1 / TEN]) if 1 / TEN in wrong else unknown,
        tenfold=Estimate.of(wrong[TEN]) if TEN in wrong else unknown,
        ratio_slope=Estimate.of(np.polyfit(np.log(gains), np.log(ratios[NORMED]["first_ratio"]).T, 1)[0]),
        ranges=ranges,
        losses=_losses(params, gains, losses, trained),
        costs=_cost_table(params, gains, costs, best),
        ratios=_ratios(params, gains, ratios),
        initial=initial,
        explosion=factors,
        deep_layers=layers,
    )


def _kinds(params: Params) -> dict[str, Architecture]:
    return {NORMED: Architecture(ghost_norm.ghost(params.batch)), PLAIN: Architecture()}


# Training


def _train_all(params: Params, members: dict[str, list[Member]]) -> dict[str, Trained]:
    """Train these members of each kind of network for every seed: [seed, member] each."""
    tasks = [(kind, each, seed) for kind, each in members.items() for seed in range(params.seeds)]
    found = iter(spread(partial(_trained, params), tasks, "ensembles"))
    together = {kind: [next(found) for _ in range(params.seeds)] for kind in members}
    return {kind: Trained(*(np.stack(values) for values in zip(*each, strict=True))) for kind, each in together.items()}


def _trained(params: Params, task: tuple[str, list[Member], int]) -> tuple[Array, ...]:
    kind, members, seed = task
    size = Size(params.depth, params.width, params.batch, params.steps)
    found = sweep.train(_kinds(params)[kind], size, members, seed, sweep.load(params.data, params.sample))
    return found.loss, found.first_ratio, found.last_ratio, found.growth


def _place(lrs: Sequence[float], lr: float) -> int | None:
    """Return the place of a learning rate among those tried, to a rounding error."""
    found = [place for place, each in enumerate(lrs) if np.isclose(each, lr, rtol=1e-6)]
    return found[0] if found else None


def _share(costs: dict[str, dict[str, Array]], which: str, others: list[int]) -> Estimate:
    """Estimate the mean cost of the other gains with batch norm over that without, seed by seed."""
    normed, plain = (costs[kind][which][:, others].mean(1) for kind in (NORMED, PLAIN))
    return Estimate.of(normed / plain)


def _losses(
    params: Params, gains: Sequence[float], losses: dict[str, Array], trained: dict[str, Trained]
) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for kind, found in losses.items():
        raw = trained[kind].loss.reshape(found.shape)
        for place, gain in enumerate(gains):
            for column, lr in enumerate(params.lrs):
                loss = found[:, place, column]
                clipped = float((raw[:, place, column] != loss).mean())  # share of networks
                rows.append(
                    {"kind": kind, "gain": gain, "lr": lr, **Estimate.columns("loss", loss), "clipped": clipped}
                )
    return pd.DataFrame(rows)


def _cost_table(
    params: Params, gains: Sequence[float], costs: dict[str, dict[str, Array]], best: dict[str, Array]
) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for kind, found in costs.items():
        for place, gain in enumerate(gains):
            row: dict[str, object] = {"kind": kind, "gain": gain, "own_lr": params.lrs[int(best[kind][place])]}
            for name, values in found.items():
                row |= Estimate.columns(name, values[:, place])
            rows.append(row)
    return pd.DataFrame(rows)


def _ratios(params: Params, gains: Sequence[float], ratios: dict[str, dict[str, Array]]) -> pd.DataFrame:
    """Tabulate update ratios, geometric means over seeds, and the growth of the weights."""
    rows: list[dict[str, object]] = []
    for kind, found in ratios.items():
        for place, gain in enumerate(gains):
            row: dict[str, object] = {"kind": kind, "gain": gain}
            for name in ("first_ratio", "last_ratio"):
                typical = Estimate.columns(name, np.log(found[name][:, place]))
                row |= {column: float(np.exp(value)) for column, value in typical.items()}
            rows.append(row | Estimate.columns("growth", found["growth"][:, place]))
    return pd.DataFrame(rows)


def ratio_ceiling(steps: int) -> float:
    """Return the update ratio that scale-invariant weights of any initial size come to after many steps, but not above.

    A step adds its own square to the square of the weights' norm, and is one over that norm long.  So the fourth power
    of the norm grows by the same amount in every step, twice the learning rate's square times the gradient's at norm 1.
    It takes a gradient that changes with the norm alone, and a first step not much larger than the weights, which would
    make them too large at once.
    """
    return float((2 * steps) ** -0.5)


# Before training


def _initial(params: Params, gains: list[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate signal and gradient at initialisation, by gain, and how far each ranges over the gains."""
    found = spread(partial(_at_initialisation, params, gains), range(params.seeds), "initialisations")
    rows: list[dict[str, object]] = []
    ranges: list[dict[str, object]] = []
    for place, kind in enumerate(_kinds(params)):
        signal, growth = (np.stack([each[place][which] for each in found]) for which in (0, 1))  # [seed, gain]
        for quantity, values in (("activations", signal), ("gradient", growth)):
            factor = np.exp(np.ptp(np.log(values), axis=1))
            ranges.append({"kind": kind, "quantity": quantity, **Estimate.columns("range", factor)})
        for index, gain in enumerate(gains):
            theory = at_initialisation.predicted(kind == NORMED, params.depth, gain)
            row: dict[str, object] = {"kind": kind, "gain": gain}
            row |= Estimate.columns("signal", signal[:, index]) | {"signal_predicted": theory[0]}
            rows.append(row | Estimate.columns("growth", growth[:, index]) | {"growth_predicted": theory[1]})
    return pd.DataFrame(rows), pd.DataFrame(ranges)


def _at_initialisation(params: Params, gains: list[float], seed: int) -> list[tuple[Array, Array]]:
    data = sweep.load(params.data, params.sample)
    batch = data.x[: 8 * params.batch], data.y[: 8 * params.batch]
    return [
        at_initialisation.measured(architecture, params.depth, params.width, gains, seed, batch)
        for architecture in _kinds(params).values()
    ]


# A deep random network


def _explosion(params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate what a layer does to the gradient's mean square, and the gradient's RMS layer by layer."""
    cases = _cases(params)
    found = np.stack(spread(partial(_deep, params), range(params.seeds), "deep networks"))  # [seed, case, layer]
    factors: list[dict[str, object]] = []
    layers: list[dict[str, object]] = []
    for place, (name, norm, gain) in enumerate(cases):
        logs = np.log(found[:, place] / found[:, place, -1:])
        activation = explosion.activations()[name]
        theory = explosion.growth(activation) if norm else activation.plain_growth
        case: dict[str, object] = {"activation": name, "norm": norm, "gain": gain}
        factor = np.exp(2 * logs[:, 0] / (params.deep - 1))
        factors.append(case | Estimate.columns("factor", factor) | {"factor_predicted": theory})
        if norm:
            for layer in range(params.deep):
                typical = Estimate.columns("gradient", logs[:, layer])
                predicted = float(theory ** ((params.deep - 1 - layer) / 2))
                row = {column: float(np.exp(value)) for column, value in typical.items()}
                layers.append(case | {"layer": layer + 1} | row | {"gradient_predicted": predicted})
    return pd.DataFrame(factors), pd.DataFrame(layers).drop(columns="norm")


def _cases(params: Params) -> list[tuple[str, bool, float]]:
    """Return activation, batch norm or not, and gain of the deep networks; without it, the gain that suits."""
    return [
        (name, norm, gain)
        for name, activation in explosion.activations().items()
        for norm, gains in ((True, params.deep_gains), (False, (activation.gain,)))
        for gain in gains
    ]


def _deep(params: Params, seed: int) -> Array:
    """Return the gradient's RMS at every layer: [case, layer]."""
    found = []
    for name, norm, gain in _cases(params):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # the same random numbers in every case
            activation = explosion.activations()[name].layer
            layers = explosion.deep_network(params.deep, params.deep_width, gain, activation, norm)
            found.append(explosion.gradient_rms(layers, torch.randn(params.deep_batch, params.deep_width)))
    return np.array(found)
