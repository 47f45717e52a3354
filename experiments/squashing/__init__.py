"""What do sigmoid and tanh do to a signal?

Method  Range, slope and rounding of the two functions are read off on a grid, from autograd and by bisection.  A normal
        signal of given spread is squashed and rounded to one of 256 levels; the entropy of the levels, counted over
        samples, is set against the exact probabilities.  The gradients of a layer's weights are checked for units whose
        gradients all have one sign: for one example and for batches, in random layers and in a names network with
        two hidden layers, with sigmoid, with the same sigmoid less 1/2, and with tanh.
Cost    About 6 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "the problem with tanh" and "sigmoid"; 000_10f5d5d0f6910b7a.txt, question 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from experiments.squashing import gradient_signs, quantisation, ranges
from lab.claims import Claim, Verdict, side
from lab.estimate import Estimate
from lab.progress import track
from nets import names

Array = NDArray[np.float64]

SATURATED = 0.97  # an activation beyond it has a slope under 6 % of full
TAIL = 4.0  # spreads on either side of 0 that the unsquashed code covers; 6 in 100,000 lie beyond
ORDINARY, WIDE = 1.0, 10.0  # spreads of the signal, before squashing, that decide the claim on information
FIVE_THIRDS = 5 / 3  # the gain that people use before tanh
START = 0.75  # the notes' value, to be squashed again and again
PROBE = 32  # batch that decides the claim on signs: the names network's


@dataclass(frozen=True)
class Params:
    """Spreads, sizes and repetitions."""

    data: Path = Path("data/names.txt")  # one name a line
    levels: int = 256  # of an eight-bit output
    spreads: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the signal, before squashing
    samples: int = 100_000  # of the signal, per seed
    gains: tuple[float, ...] = (1.0, 3.0)  # factors before each of repeated squashings, besides 5/3
    repeats: int = 30  # squashings, one after the other
    seeds: int = 16  # independent signals
    width: int = 200  # weights into a unit, and units
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # examples that a gradient is averaged over
    pool: int = 1024  # examples that the mean error is taken over, where it is removed; the batches are among them
    networks: int = 64  # independent ones, each with its own examples


SMOKE = Params(spreads=(0.3,), samples=4000, repeats=4, seeds=2, width=20, batches=(2,), pool=64, networks=2)


@dataclass(frozen=True)
class Result:
    """What was found."""

    lowest: float  # sigmoid over the grid, float64
    highest: float
    sigmoid_one: float  # largest input at which float32 sigmoid is still below 1
    sigmoid_zero: float  # largest x at which float32 sigmoid of -x is still above 0
    tanh_one: float  # largest input at which float32 tanh is still below 1
    steepest: float  # largest slope of the sigmoid over the grid
    literal: float  # tanh(0.75)
    factor: float  # that 0.75 must be multiplied by to be pushed to 0.97
    stretch: float  # largest distance of two neighbouring grid points after tanh, over that before
    slope_zero: float  # of float32 tanh, where its output is exactly 0
    slope_one: float  # the largest of float32 tanh where its output is exactly 1 or -1
    linear: float  # bits that the same levels keep of an unsquashed signal, spread over four of its spreads either side
    best_spread: float  # of the signal, at which tanh keeps the most bits
    best_bits: float  # there
    ordinary: Estimate  # bits that tanh keeps at spread 1, less those of the unsquashed code
    wide: Estimate  # the same at spread 10
    tied_one: float  # smallest share of tied units, over seeds: sigmoid in the names network, one example
    untied_one: float  # largest share of tied units, over seeds: tanh in the names network, one example
    tied_batch: Estimate  # share of tied units: sigmoid in the names network, batch of 32
    tied_expected: float  # by theory, for errors that know nothing of the inputs, large batch
    functions: pd.DataFrame  # per input: sigmoid and tanh, and their slopes
    bits: pd.DataFrame  # per squash and spread: bits, measured (mean, low, high) and predicted
    curve: pd.DataFrame  # per spread: bits that each squash keeps by theory, and tanh in the limit of many levels
    repeated: pd.DataFrame  # per gain and number of squashings: where 0.75 has got to, bits of a standard normal signal
    ties: pd.DataFrame  # per errors, squash and batch: share of tied units (mean, low, high)


def _range(r: Result) -> Verdict:
    if not 0 < r.lowest < r.highest < 1:
        return Verdict.FAILS
    return Verdict.CAVEAT if min(r.sigmoid_one, r.sigmoid_zero) < np.inf else Verdict.HOLDS


def _information(r: Result) -> Verdict:
    found = [side(-kept.high, -kept.low, above=1) for kept in (r.ordinary, r.wide)]
    if found[0] is found[1]:
        return found[0]
    return Verdict.UNDECIDED if Verdict.UNDECIDED in found else Verdict.CAVEAT


def _signs(r: Result) -> Verdict:
    if r.tied_one < 1 or r.untied_one > 0.5:
        return Verdict.FAILS
    most = side(r.tied_batch.low, r.tied_batch.high, above=0.5)
    return Verdict.CAVEAT if most is Verdict.FAILS else most


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="range",
        text="Sigmoid maps every number to one between 0 and 1.",
        source="N3, “sigmoid”",
        line="In exact arithmetic it cannot fail, since $e^{-x}$ is positive and finite; fails if a float64 value on "
        "the grid from −30 to 30 is 0, 1 or beyond. Holds with a caveat if float32 rounds it to 0 or 1 somewhere.",
        verdict=_range,
        number=lambda r: f"1 above {r.sigmoid_one:.1f}, 0 below −{r.sigmoid_zero:.1f}",
    ),
    Claim(
        name="slope",
        text="The slope of the sigmoid never exceeds 1/4.",
        source="N3, “sigmoid”",
        line="Holds if no slope on the grid exceeds 1/4 at all: 1/4 is a floating-point number and the bound is exact, "
        "so there is no tolerance to grant.",
        verdict=lambda r: Verdict.HOLDS if r.steepest <= 0.25 else Verdict.FAILS,
        number=lambda r: f"{r.steepest:g}",
    ),
    Claim(
        name="literal",
        text="Tanh pushes [0.75]{.given} to 1.",
        source="N3, “the problem with tanh”",
        line="Holds if tanh of it is beyond [0.97]{.given}, where the slope is under 6 % of full: "
        "to a network that is as good as 1.",
        verdict=lambda r: Verdict.HOLDS if r.literal > SATURATED else Verdict.FAILS,
        number=lambda r: f"{r.literal:.3f}",
    ),
    Claim(
        name="apart",
        text="Tanh pushes values far apart.",
        source="N3, “the problem with tanh”",
        line="Holds if any two neighbours on the grid are farther apart after tanh than before; the slope of tanh is "
        "at most 1, so a single pair would refute the algebra.",
        verdict=lambda r: Verdict.HOLDS if r.stretch > 1 else Verdict.FAILS,
        number=lambda r: f"at most {r.stretch:.5f} of the distance",
    ),
    Claim(
        name="information",
        text="Squashing loses information.",
        source="N3, “the problem with tanh”",
        line="Never in exact arithmetic, where tanh can be undone. With 256 levels it loses if it keeps 1 bit less "
        "(half of the levels gone) than the same levels laid evenly over four spreads either side of the unsquashed "
        "signal. Holds if it loses at spread 1, which a good start gives, and at 10; with a caveat if at one of them.",
        verdict=_information,
        number=lambda r: f"{r.ordinary.mean:+.2f} bits at spread 1, {r.wide.mean:+.2f} at 10".replace("-", "−"),
    ),
    Claim(
        name="passes",
        text="Where tanh puts out 0, the gradient passes unchanged.",
        source="N0, question 6",
        line="Holds if the slope that autograd gives there is 1 exactly.",
        verdict=lambda r: Verdict.HOLDS if r.slope_zero == 1 else Verdict.FAILS,
        number=lambda r: f"slope {r.slope_zero:g}",
    ),
    Claim(
        name="vanishes",
        text="Where tanh puts out 1 or −1, the gradient vanishes.",
        source="N0, question 6",
        line="Holds if the slope that autograd gives is 0 exactly wherever float32 rounds the output to 1 or −1; "
        "exact arithmetic never gets there.",
        verdict=lambda r: Verdict.HOLDS if r.slope_one == 0 else Verdict.FAILS,
        number=lambda r: f"slope {r.slope_one:g}, from inputs of {r.tanh_one:.2f}",
    ),
    Claim(
        name="signs",
        text="All-positive activations tie the signs of the next layer's weight gradients together.",
        source="N3, “sigmoid”: “a positive facing act. func.”",
        line="For one example it is algebra: fails unless every unit is tied with sigmoid, and most are not with tanh. "
        "Training averages over batches: holds if in a batch of 32 more than half of the units are tied still, "
        "with a caveat if fewer.",
        verdict=_signs,
        number=lambda r: (
            f"{100 * r.tied_one:g} % of units for one example; in a batch of 32, a share of {r.tied_batch}"
        ),
    ),
)


def run(params: Params) -> Result:
    """Read off what is exact, count the bits that survive, and look for tied signs."""
    spreads, batches = sorted({*params.spreads, ORDINARY, WIDE}), sorted({*params.batches, 1, PROBE})
    signals = track(range(params.seeds), "signals")
    bits = quantisation.measure(spreads, params.levels, params.samples, signals)
    x, y = names.contexts(names.split(names.load(params.data)).train)
    networks = track(range(params.networks), "networks")
    shares = gradient_signs.measure(x, y, params.width, batches, max(params.pool, *batches), networks)
    linear = quantisation.bits(lambda y: TAIL * y, 1.0, params.levels)
    best = quantisation.best_spread()
    sigmoid, tanh = shares["names", "sigmoid"], shares["names", "tanh"]
    one, probe = batches.index(1), batches.index(PROBE)
    return Result(
        functions=ranges.functions(np.linspace(-6, 6, 121)),
        **ranges.read_off()._asdict(),
        literal=float(np.tanh(START)),
        factor=float(np.arctanh(SATURATED) / START),
        linear=linear,
        best_spread=best,
        best_bits=quantisation.bits(np.arctanh, best, params.levels),
        ordinary=Estimate.of(bits["tanh", ORDINARY] - linear),
        wide=Estimate.of(bits["tanh", WIDE] - linear),
        tied_one=float(sigmoid[:, one].min()),
        untied_one=float(tanh[:, one].max()),
        tied_batch=Estimate.of(sigmoid[:, probe]),
        tied_expected=gradient_signs.expected(expit, params.width),
        bits=pd.DataFrame(
            [
                {"squash": squash, "spread": spread, **_interval("bits", found)}
                | {"predicted": quantisation.bits(quantisation.SQUASHES[squash].inverse, spread, params.levels)}
                for (squash, spread), found in bits.items()
            ]
        ),
        curve=quantisation.curve(np.geomspace(spreads[0], spreads[-1], 81), params.levels),
        repeated=_repeated(params),
        ties=pd.DataFrame(
            [
                {"errors": errors, "squash": squash, "batch": batch, **_interval("tied", share)}
                for (errors, squash), found in shares.items()
                for batch, share in zip(batches, found.T, strict=True)
            ]
        ),
    )


def _repeated(params: Params) -> pd.DataFrame:
    rows = []
    for gain in sorted({*params.gains, FIVE_THIRDS}):
        value = START
        for squashings in range(params.repeats + 1):
            kept = quantisation.repeated_bits(gain, squashings, params.levels)
            rows.append({"gain": gain, "squashings": squashings, "value": value, "bits": kept})
            value = float(np.tanh(gain * value))
    return pd.DataFrame(rows)


def _interval(name: str, values: Array) -> dict[str, float]:
    estimate = Estimate.of(values)
    return {name: estimate.mean, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
