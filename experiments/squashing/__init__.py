"""What do sigmoid and tanh do to a signal?

Method  Range, derivative and rounding of the two functions are read off on a grid, from autograd and by bisection.  A
        normal signal of a given standard deviation is squashed and rounded to one of a few levels; the entropy of the
        levels, counted over samples, is set against the exact probabilities.  The gradients of a layer's weights are
        checked for units whose gradients all have one sign: for one example and for batches, in random layers and in a
        names network with two hidden layers, with sigmoid, with the same sigmoid less 1/2, and with tanh.
Cost    About 20 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "the problem with tanh" and "sigmoid"; 000_10f5d5d0f6910b7a.txt, question 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from scipy.special import expit

from experiments.squashing import gradient_signs, quantisation, ranges
from lab.claims import Above, All, Any, Below, Caveat, Claim, Equals, Lines, Within
from lab.estimate import Estimate
from lab.progress import track
from nets import names

SATURATED = 0.97  # tanh of an input beyond it has a derivative under 6 % of full
LINEAR_RANGE = 4.0  # standard deviations on either side of 0 that the unsquashed code covers; 6 in 100,000 lie beyond
FIVE_THIRDS = 5 / 3  # the gain that people use before tanh
NOTES_VALUE = 0.75  # to be squashed again and again


@dataclass(frozen=True)
class Params:
    """The signals, and the networks whose gradients are looked at."""

    data: Path = Path("data/names.txt")  # one name a line
    levels: int = 256  # of an eight-bit output
    stds: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the signal, before squashing
    usual_std: float = 1.0  # of a signal after a good initialisation; decides the claim on information
    wide_std: Annotated[float, "> 0"] = 10.0  # of a signal far too wide; decides it too
    samples: int = 100_000  # of the signal, per seed
    gains: Annotated[tuple[float, ...], "> 0"] = (3.0,)  # factors before each of repeated squashings, besides 1 and 5/3
    repeats: int = 30  # squashings, one after the other
    seeds: int = 16  # independent signals
    width: int = 200  # weights into a unit, and units
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # examples that a gradient is averaged over
    usual_batch: int = 32  # decides the claim on signs: the batch with which the names network is trained
    pool: int = 1024  # examples that the mean error is taken over, where it is removed; the batches are among them
    networks: int = 64  # independent ones, each with its own examples, for the controls
    sigmoid_networks: int = 1600  # the same, for the case that decides: sigmoid, errors as they are


SMOKE = Params(
    stds=(0.3,),
    samples=4000,
    repeats=4,
    seeds=2,
    width=20,
    batches=(2,),
    pool=64,
    networks=2,
    sigmoid_networks=4,
)


@dataclass(frozen=True)
class Result:
    """What was found."""

    params: Params
    sigmoid_lowest: float  # over the grid, float64
    sigmoid_highest: float
    sigmoid_one: float  # largest input at which float32 sigmoid is still below 1
    sigmoid_zero: float  # largest x at which float32 sigmoid of -x is still above 0
    tanh_one: float  # largest input at which float32 tanh is still below 1
    sigmoid_steepest: float  # largest derivative of the sigmoid over the grid
    tanh_of_notes_value: float
    saturating_factor: float  # that the notes' value must be multiplied by for tanh to saturate
    stretch: float  # largest distance of two neighbouring grid points after tanh, over that before
    derivative_at_zero: float  # of float32 tanh, where its output is exactly 0
    derivative_at_one: float  # the largest of float32 tanh where its output is exactly 1 or -1
    linear_bits: float  # that the same levels keep of an unsquashed signal, laid evenly over its LINEAR_RANGE
    best_std: float  # of the signal, at which tanh keeps the most bits
    best_bits: float  # there
    bits_gained_usual: Estimate  # bits that tanh keeps at the usual std, less those of the unsquashed code
    bits_gained_wide: Estimate  # the same at the wide std
    same_sign_sigmoid: float  # smallest share of same-sign units, over seeds: sigmoid, names network, one example
    same_sign_tanh: float  # largest share of same-sign units, over seeds: tanh, names network, one example
    same_sign_batch: Estimate  # share of same-sign units: sigmoid, names network, the usual batch
    same_sign_batches: Estimate  # the same, at the batch above 1 at which it is smallest
    smallest_batch: int  # that batch
    same_sign_predicted: float  # for errors that are independent of the inputs, large batch
    functions: pd.DataFrame  # per input: sigmoid and tanh, and their derivatives
    bits: pd.DataFrame  # per activation function and std: bits, with low and high, and predicted
    curve: pd.DataFrame  # per std: bits that each function keeps by theory, and tanh in the limit of many levels
    repeated: (
        pd.DataFrame
    )  # per gain and number of squashings: where the notes' value has got to, bits of a standard normal signal
    same_sign: pd.DataFrame  # per errors, activation function and batch: share of same-sign units, with low and high


ABOVE_0: Above[Result] = Above("the smallest value on the grid", lambda r: r.sigmoid_lowest, 0)
BELOW_1: Below[Result] = Below("the largest value on the grid", lambda r: r.sigmoid_highest, 1)
LOST_USUAL: Below[Result] = Below(
    "what tanh keeps of the usual signal, less what the same levels keep unsquashed,",
    lambda r: r.bits_gained_usual,
    -1,
    unit="bits",
)
LOST_WIDE: Below[Result] = Below(
    "what tanh keeps of the wide signal, less what the same levels keep unsquashed,",
    lambda r: r.bits_gained_wide,
    -1,
    unit="bits",
)
ALL_WITH_SIGMOID: Equals[Result] = Equals(
    "the share of units with gradients of one sign, for one example and sigmoid,", lambda r: r.same_sign_sigmoid, 1
)
FEW_WITH_TANH: Within[Result] = Within("the share for one example and tanh", lambda r: r.same_sign_tanh, 0, 0.5)
CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="range",
        text="Sigmoid maps every number to one between 0 and 1.",
        source=Lines("N3", 27, 28),
        line=lambda p: (
            "In exact arithmetic it cannot fail, since $e^{-x}$ is positive and finite; fails if a float64 value on "
            f"the grid from −{-ranges.GRID[0]:g} to {ranges.GRID[-1]:g} is 0, 1 or beyond. Holds with a caveat if float32 "
            "rounds it to 0 or 1 somewhere."
        ),
        rule=Caveat(
            All(
                ABOVE_0,
                BELOW_1,
                Equals(
                    "the number of the two bounds that float32 rounds it to",
                    lambda r: sum(last < np.inf for last in (r.sigmoid_zero, r.sigmoid_one)),
                    0,
                ),
            ),
            All(ABOVE_0, BELOW_1),
        ),
        number=lambda r: f"float32 rounds it to 1 above {r.sigmoid_one:.1f}, and to 0 below −{r.sigmoid_zero:.1f}",
    ),
    Claim(
        name="derivative",
        text="The derivative of the sigmoid never exceeds 1/4.",
        source=Lines("N3", 27, 28),
        rule=Within(
            "the largest derivative on the grid",
            lambda r: r.sigmoid_steepest,
            0,
            0.25,
            reason="1/4 is a floating-point number and the bound is exact, so there is no tolerance to grant",
        ),
        number=lambda r: f"the largest derivative is {r.sigmoid_steepest:g}",
    ),
    Claim(
        name="literal",
        text="Tanh pushes [0.75]{.given} to 1.",
        source=Lines("N3", 3, 3),
        rule=Above(
            "tanh of the notes' value",
            lambda r: r.tanh_of_notes_value,
            SATURATED,
            reason="the derivative there is under 6 % of full: to a network that is as good as 1",
        ),
        number=lambda r: f"tanh of it is {r.tanh_of_notes_value:.3f}",
    ),
    Claim(
        name="apart",
        text="Tanh itself pushes values far apart.",
        source=Lines("N3", 4, 4),
        rule=Above(
            "the largest distance of two neighbours on the grid after tanh, over that before,",
            lambda r: r.stretch,
            1,
            reason="the derivative of tanh is at most 1, so a single pair would refute the algebra",
        ),
        number=lambda r: f"two values keep at most {r.stretch:.5f} of their distance",
    ),
    Claim(
        name="information",
        text="Squashing loses information.",
        source=Lines("N3", 3, 3),
        line=lambda p: (
            f"Never in exact arithmetic, where tanh can be undone. With {p.levels} levels it loses if it keeps 1 bit less "
            f"(half of the levels gone) than the same levels laid evenly over {LINEAR_RANGE:g} standard deviations either "
            f"side of the unsquashed signal. Holds if it loses at a standard deviation of {p.usual_std:g}, which a good "
            f"initialisation gives, and at {p.wide_std:g}; with a caveat if at one of them."
        ),
        rule=Caveat(All(LOST_USUAL, LOST_WIDE), Any(LOST_USUAL, LOST_WIDE)),
        number=lambda r: (
            f"against levels fitted to the signal, tanh keeps {_more(r.bits_gained_usual.mean)} at a standard deviation of "
            f"{r.params.usual_std:g}, and {_more(r.bits_gained_wide.mean)} at {r.params.wide_std:g}"
        ),
    ),
    Claim(
        name="passes",
        text="Where tanh puts out 0, the gradient passes unchanged.",
        source=Lines("N0", 34, 34),
        rule=Equals("the derivative that autograd gives where tanh puts out 0", lambda r: r.derivative_at_zero, 1),
        number=lambda r: f"the derivative there is {r.derivative_at_zero:g}",
    ),
    Claim(
        name="vanishes",
        text="Where tanh puts out 1 or −1, the gradient vanishes.",
        source=Lines("N0", 35, 35),
        rule=Equals(
            "the largest derivative that autograd gives where float32 rounds the output to 1 or −1",
            lambda r: r.derivative_at_one,
            0,
            reason="exact arithmetic never gets there",
        ),
        number=lambda r: f"the derivative is {r.derivative_at_one:g} once the input is above {r.tanh_one:.2f}",
    ),
    Claim(
        name="signs",
        text="All-positive activations give the weights into a unit of the next layer gradients of one sign.",
        source=Lines("N3", 27, 27),
        line=lambda p: (
            "For one example it is algebra: fails unless it is so for every unit with sigmoid, and not for most with tanh. "
            "Training averages over batches: holds if it is so for more than half of the units in a batch of every size "
            f"tried, from {min(b for b in p.batches if b > 1)} to {max(p.batches)}, with a caveat if only for one example."
        ),
        rule=Caveat(
            All(
                ALL_WITH_SIGMOID,
                FEW_WITH_TANH,
                Above(
                    "the share with sigmoid, in the usual batch and in the batch in which it is smallest,",
                    lambda r: [r.same_sign_batch, r.same_sign_batches],
                    0.5,
                ),
            ),
            All(ALL_WITH_SIGMOID, FEW_WITH_TANH),
        ),
        number=lambda r: (
            f"{100 * r.same_sign_sigmoid:g} % of units for one example, {100 * r.same_sign_batch.mean:.1f} % in a batch of "
            f"{r.params.usual_batch}, {100 * r.same_sign_batches.mean:.1f} % in a batch of {r.smallest_batch}"
        ),
    ),
)


def _more(bits: float) -> str:
    return f"{abs(bits):.2f} bits {'more' if bits > 0 else 'less'}"


def run(params: Params) -> Result:
    """Read off what is exact, count the bits that are left, and look for gradients of one sign."""
    stds = sorted({*params.stds, params.usual_std, params.wide_std})
    batches = sorted({*params.batches, 1, params.usual_batch})
    signals = track(range(params.seeds), "signals")
    bits = quantisation.measure_bits(stds, params.levels, params.samples, signals)
    x, y, _ = names.training_set(params.data)
    networks = track(range(params.networks), "networks")
    shares = gradient_signs.measure_same_sign(x, y, params.width, batches, max(params.pool, *batches), networks)
    many = track(range(params.sigmoid_networks), "networks with sigmoid")
    shares["names", "sigmoid"] = gradient_signs.measure_sigmoid(x, y, params.width, batches, many)
    linear = quantisation.bits(lambda y: LINEAR_RANGE * y, 1.0, params.levels)
    best = quantisation.best_std()
    sigmoid, tanh = shares["names", "sigmoid"], shares["names", "tanh"]
    one, usual = batches.index(1), batches.index(params.usual_batch)
    smallest = 1 + int(sigmoid[:, 1:].mean(0).argmin())
    return Result(
        params=params,
        functions=ranges.functions(np.linspace(-6, 6, 121)),
        **ranges.read_off()._asdict(),
        tanh_of_notes_value=float(np.tanh(NOTES_VALUE)),
        saturating_factor=float(np.arctanh(SATURATED) / NOTES_VALUE),
        linear_bits=linear,
        best_std=best,
        best_bits=quantisation.bits(np.arctanh, best, params.levels),
        bits_gained_usual=Estimate.of(bits["tanh", params.usual_std] - linear),
        bits_gained_wide=Estimate.of(bits["tanh", params.wide_std] - linear),
        same_sign_sigmoid=float(sigmoid[:, one].min()),
        same_sign_tanh=float(tanh[:, one].max()),
        same_sign_batch=Estimate.of(sigmoid[:, usual]),
        same_sign_batches=Estimate.of(sigmoid[:, smallest]),
        smallest_batch=batches[smallest],
        same_sign_predicted=gradient_signs.predicted_same_sign(expit, params.width),
        bits=pd.DataFrame(
            [
                {"activation": name, "std": std, **Estimate.columns("bits", found)}
                | {"predicted": quantisation.bits(quantisation.ACTIVATIONS[name].inverse, std, params.levels)}
                for (name, std), found in bits.items()
            ]
        ),
        curve=quantisation.curve(np.geomspace(stds[0], stds[-1], 81), params.levels),
        repeated=_repeated(params),
        same_sign=pd.DataFrame(
            [
                {"errors": errors, "activation": name, "batch": batch, **Estimate.columns("same_sign", share)}
                for (errors, name), found in shares.items()
                for batch, share in zip(batches, found.T, strict=True)
            ]
        ),
    )


def _repeated(params: Params) -> pd.DataFrame:
    rows = []
    for gain in sorted({1.0, FIVE_THIRDS, *params.gains}):
        value = NOTES_VALUE
        for squashings in range(params.repeats + 1):
            kept = quantisation.repeated_bits(gain, squashings, params.levels)
            rows.append({"gain": gain, "squashings": squashings, "value": value, "bits": kept})
            value = float(np.tanh(gain * value))
    return pd.DataFrame(rows)
