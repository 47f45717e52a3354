"""Can all weights start at zero?

Method  The names network is trained from several starts with the same batches: all zero; all one constant; constant
        layers on drawn letters; only the last layer zero; all drawn, but tiny; drawn as one should.  A network of a
        single unit, with rates chosen so that algebra makes it equal to the constant one, is the control.  The loss is
        that of the whole training set.  Separate short runs time how fast tiny weights, and tiny differences, grow.
Cost    About 55 s on one core.
Notes   000_10f5d5d0f6910b7a.txt, "can we set our initial weights to 0?" and question 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.zero_init import escape_time, monitored_training
from lab.claims import Claim, Verdict, side, within
from lab.estimate import Estimate
from lab.tasks import spread
from nets import initialisation, mlp, threshold_crossing, unigram_baseline
from nets.mlp import LearningRates, Weights

Array = NDArray[np.float64]
Plan = tuple[Weights, LearningRates]

DIMENSION = 10  # of a letter's embedding
HEARD = 0.1  # spread of the logits over contexts at which letters count as heard: odds that differ by 10 %
BRIEF = ("zero layers", "zero first layer")  # starts of which only the first gradients are wanted
NOISE = 1000  # added to a seed for the noise on constant layers
PARTED = 0.1  # distance between units, in their length, at which they count as parted
ROUNDING = 1e-5  # relative difference between units that float32 (6e-8) can make within ten steps, with room to spare
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %


@dataclass(frozen=True)
class Params:
    """The names network and how long it trains."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    batch: int = 32  # examples
    steps: int = 4000  # of plain SGD
    rate: float = 0.1  # learning rate
    looks: tuple[int, ...] = (10, 32, 100, 316, 562, 1000, 1500, 2000, 2500, 3000)  # steps; besides first and last
    seeds: int = 16  # independent networks: draws and batches
    constant: float = 0.1  # every weight of the constant start: pre-activations of 0.4, where tanh bends a little
    tiny: tuple[float, ...] = (0.1, 0.01)  # of a good start, all weights, trained to the end; largest first
    small: tuple[float, ...] = (0.1, 0.05, 0.025)  # of a good start, all weights, until the letters are heard
    faint: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)  # of a good start, layers only, until the letters are heard
    jitter: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)  # relative noise on constant layers, until units part


SMOKE = Params(width=8, batch=8, steps=40, seeds=2, tiny=(0.5,), small=(0.9, 0.8), faint=(0.5, 0.1), jitter=(0.1, 0.01))


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats a letter, over the whole training set, after the last step."""

    entropy: float  # of the next letter, whatever came before
    entropy_context: float  # of the next letter, given the three before it: no network with this context gets below
    noise: float  # by theory, how far above the entropy SGD leaves the all-zero network in the end
    predicted: float  # by theory, the all-zero network's mean loss after the last step
    zero: Estimate  # all-zero start
    constant: Estimate  # constant start
    good: Estimate  # drawn start
    last: Estimate  # drawn start, last layer zero
    tiniest: Estimate  # drawn start at the smallest of the tiny sizes
    moved: float  # largest change of any weight but the last bias in any all-zero run, at any look
    harm: Estimate  # last - good, seed by seed
    width_gap: Estimate  # constant - its single unit, seed by seed
    early: float  # largest relative difference between units of any constant start after ten steps
    units: Estimate  # distinct units in the end, constant start
    units_layers: Estimate  # distinct units in the end, constant layers on drawn letters
    units_held: Estimate  # the same, with the hidden bias held still
    share_tiny: float  # smallest share of units without a twin in the end, over tiny starts and seeds
    parted: Estimate  # step at which rounding alone has parted the units of constant layers on drawn letters
    tiny_exponent: Estimate  # of the steps until heard against size, all weights small; theory says -1
    decade: Estimate  # further steps until heard, a factor of ten in size, letters at full size and last bias settled
    decade_predicted: Estimate  # the same by theory, from the covariance of context and next letter
    decade_ratio: Estimate  # measured over predicted, seed by seed
    jitter_decade: Estimate  # further steps until units part, a factor of ten in noise
    gradients: pd.DataFrame  # per start and kind of weight: norm of the gradient at the first three steps
    curves: pd.DataFrame  # per start and step: loss, distinct units, rank, difference between units
    settling: pd.DataFrame  # all-zero start, per step: loss above the entropy, measured and predicted
    escapes: pd.DataFrame  # per kind and size: step of the escape


def _same_verdict(r: Result) -> Verdict:
    if r.early > ROUNDING:
        return Verdict.FAILS
    return Verdict.HOLDS if max(r.units.high, r.units_layers.high) == 1 else Verdict.CAVEAT


def _tiny_verdict(r: Result) -> Verdict:
    if r.share_tiny < 0.5:
        return Verdict.FAILS
    learnt = side(r.entropy - r.tiniest.high, r.entropy - r.tiniest.low, above=ONE_PERCENT)
    return Verdict.CAVEAT if learnt is Verdict.FAILS else learnt


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="no-gradient",
        text="With every weight zero, no weight but the last bias ever gets a gradient.",
        source="N0, “can we set our initial weights to 0?”, question 4",
        line="Holds if no other weight has moved at all, in any seed: a product with 0 is 0 in floating point too, "
        "so there is no tolerance to grant.",
        verdict=lambda r: Verdict.HOLDS if r.moved == 0 else Verdict.FAILS,
        number=lambda r: f"largest change {r.moved:g}",
    ),
    Claim(
        name="entropy",
        text="The all-zero network's loss settles at the entropy of the letter frequencies.",
        source="N0, question 4",
        line="Holds within [0.01]{.given} nats: that is 1 % in perplexity, and far less than any use of the context "
        "is worth.",
        verdict=lambda r: within(
            r.zero.low - r.entropy, r.zero.high - r.entropy, lower=-ONE_PERCENT, upper=ONE_PERCENT
        ),
        number=lambda r: f"{r.zero} against {r.entropy:.4f}",
    ),
    Claim(
        name="identical",
        text="With every weight the same non-zero constant, all hidden units stay identical for ever.",
        source="N0, “can we set our initial weights to 0?”",
        line="Fails if units differ after ten steps by more than rounding can explain ($10^{-5}$ of their length). "
        "Otherwise it is true in exact arithmetic: it holds if one distinct unit is left at the end, with constant "
        "layers on drawn letters too, and holds with a caveat if rounding has parted them by then.",
        verdict=_same_verdict,
        number=lambda r: f"{r.units.mean:g} unit in the end; {r.units_layers.mean:.1f} on drawn letters",
    ),
    Claim(
        name="width",
        text="A constant network is one effective unit, whatever its width.",
        source="N0, “can we set our initial weights to 0?”",
        line="Holds if its loss ends within [0.01]{.given} nats of a single unit's with matching rates: the two are "
        "equal in exact arithmetic, and 1 % in perplexity is less than a second unit would be worth.",
        verdict=lambda r: within(r.width_gap.low, r.width_gap.high, lower=-ONE_PERCENT, upper=ONE_PERCENT),
        number=lambda r: f"within {1e9 * max(-r.width_gap.low, r.width_gap.high):.0f} billionths of a nat",
    ),
    Claim(
        name="last-layer",
        text="Zeroing only the last layer is harmless.",
        source="N0, “use no bias + small weights”",
        line="Holds if it costs less than [0.01]{.given} nats against the same draws unzeroed: 1 % in perplexity.",
        verdict=lambda r: side(-r.harm.high, -r.harm.low, above=-ONE_PERCENT),
        number=lambda r: f"costs {r.harm}",
    ),
    Claim(
        name="tiny",
        text="Tiny random weights break the symmetry.",
        source="N0, “use no bias + small weights”",
        line="Fails if more than half of the units have a twin: copies come by the hundred, coincidences singly. Holds "
        "if, besides, even the tiniest start has learnt by the end to use the context: a loss more than [0.01]{.given} "
        "nats below the entropy, which no network that ignores it can reach. Units that differ and have learnt nothing "
        "are a caveat.",
        verdict=_tiny_verdict,
        number=lambda r: f"{100 * r.share_tiny:g} % of units distinct; the tiniest start ends at {r.tiniest}",
    ),
)


def run(params: Params) -> Result:
    """Train the names network from every start, and time how tiny weights and tiny differences grow."""
    shown, plans = (
        monitored_training.training_data(params.data, params.seeds, params.batch, params.steps),
        _plans(params),
    )
    data, trained = shown.data, [name for name in plans if name not in BRIEF]
    runs = dict(zip(trained, spread(partial(_run, params), trained, "starts"), strict=True))
    sizes = {"small": params.small, "faint": params.faint, "jitter": params.jitter}
    times = iter(spread(partial(_escape, params), [(kind, size) for kind in sizes for size in sizes[kind]], "escapes"))
    escapes = {kind: np.array([next(times) for _ in each]) for kind, each in sizes.items()}  # steps [size, seed]
    frequencies = (data.next_counts.sum(0) / data.next_counts.sum()).numpy()
    settling = unigram_baseline.expected_loss(frequencies, params.rate, params.batch, params.steps)
    entropy = unigram_baseline.entropy(frequencies)
    final = {name: Estimate.of(found.loss[-1]) for name, found in runs.items()}
    predicted = np.log(10) / np.log(escape_time.faint_growth(plans["good"][0].embedding, data, params.rate).numpy())
    decade = escape_time.slopes(-np.log10(params.faint), escapes["faint"])
    joined = partial(pd.concat, ignore_index=True)
    return Result(
        entropy=entropy,
        entropy_context=unigram_baseline.conditional_entropy(data.next_counts.numpy()),
        noise=unigram_baseline.stationary_excess(frequencies, params.rate, params.batch),
        predicted=float(settling[-1]),
        zero=final["zero"],
        constant=final["constant"],
        good=final["good"],
        last=final["zero last layer"],
        tiniest=final[f"tiny {params.tiny[-1]:g}"],
        moved=float(runs["zero"].moved.max()),
        harm=Estimate.of(runs["zero last layer"].loss[-1] - runs["good"].loss[-1]),
        width_gap=Estimate.of(runs["constant"].loss[-1] - runs["one unit"].loss[-1]),
        early=max(float(runs[name].apart[runs[name].steps <= 10].max()) for name in runs if "constant" in name),
        units=Estimate.of(runs["constant"].distinct[-1]),
        units_layers=Estimate.of(runs["constant layers"].distinct[-1]),
        units_held=Estimate.of(runs["constant layers, bias held"].distinct[-1]),
        share_tiny=min(float(runs[f"tiny {size:g}"].distinct[-1].min()) for size in params.tiny) / params.width,
        tiny_exponent=Estimate.of(escape_time.slopes(np.log(params.small), np.log(escapes["small"]))),
        decade=Estimate.of(decade),
        decade_predicted=Estimate.of(predicted),
        decade_ratio=Estimate.of(decade / predicted),
        jitter_decade=Estimate.of(escape_time.slopes(-np.log10(params.jitter), escapes["jitter"])),
        parted=Estimate.of(
            threshold_crossing.first_crossing(runs["constant layers"].steps, runs["constant layers"].apart, PARTED)
        ),
        gradients=joined(monitored_training.first_gradients(name, *plan, shown) for name, plan in plans.items()),
        curves=joined(monitored_training.curves(name, found) for name, found in runs.items()),
        settling=monitored_training.excess_loss(runs["zero"], entropy, settling),
        escapes=escape_time.table(escapes, sizes),
    )


def _plans(params: Params) -> dict[str, Plan]:
    """Return every start, by name, with its learning rates."""
    rates = mlp.same_lr(params.rate)
    good = initialisation.well_scaled(mlp.init(range(params.seeds), params.width, DIMENSION))
    zero, constant = initialisation.constant(good, 0.0), initialisation.constant(good, params.constant)
    layers = constant._replace(embedding=good.embedding)
    return {
        "zero": (zero, rates),
        "zero layers": (zero._replace(embedding=good.embedding), rates),
        "constant": (constant, rates),
        "one unit": initialisation.single_unit(good, params.constant, params.rate),
        "constant layers": (layers, rates),
        "constant layers, bias held": (layers, rates._replace(hidden_bias=0.0)),
        "zero first layer": (good._replace(hidden=zero.hidden), rates),
        "zero last layer": (good._replace(output=zero.output), rates),
        **{f"tiny {size:g}": (initialisation.scaled(good, size), rates) for size in params.tiny},
        "good": (good, rates),
    }


def _run(params: Params, name: str) -> monitored_training.Run:
    shown = monitored_training.training_data(params.data, params.seeds, params.batch, params.steps)
    return monitored_training.train(*_plans(params)[name], shown, params.looks)


def _escape(params: Params, of: tuple[str, float]) -> Array:
    """Time one kind of escape from one size: steps [seed]."""
    kind, size = of
    shown, plans = (
        monitored_training.training_data(params.data, params.seeds, params.batch, params.steps),
        _plans(params),
    )
    good, rates = plans["good"]
    if kind == "jitter":
        noise = mlp.init([NOISE + seed for seed in range(params.seeds)], params.width, DIMENSION)
        layers = initialisation.perturbed(plans["constant layers"][0], noise, size)._replace(embedding=good.embedding)
        return escape_time.time(layers, shown, rates, escape_time.apart, PARTED)
    start = (
        initialisation.scaled(good, size) if kind == "small" else initialisation.small_layers(good, size, shown.data)
    )
    return escape_time.time(start, shown, rates, escape_time.heard, HEARD)
