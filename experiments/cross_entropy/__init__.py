"""Why not write the loss yourself?

Method  Cross-entropy is written in four ways: the printed formula in three lines, the same with the largest logit
        subtracted, softmax followed by a logarithm, and the library's.  A search finds the last logit at which each
        still gives a finite number, in four precisions; hooks count what each keeps for the backward pass, and how much
        memory it holds at the worst moment; and they take turns against the clock, with two controls: the library's formula
        an operation at a time, and the two functions that the library's consists of.  Everything but the times is exact.  The ratios of times differ from run to run (see
        `timing`), and `Result` says which they are, so that `lab verify` does not hold them against the book's: what
        must come out the same is the verdict.
Cost    About 5 s on one core, nearly all of it for the times.
Notes   000_10f5d5d0f6910b7a.txt, question 1; 003_0e3f15bdf12e2faf.txt, "Backpropagating Losses".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

import pandas as pd

from experiments.cross_entropy import cost, limits, one_hot
from experiments.cross_entropy.formulas import (
    FORMULAS,
    LARGEST_SUBTRACTED,
    LIBRARY,
    LOG_SOFTMAX_BY_HAND,
    SOFTMAX_THEN_LOG,
    THREE_LINES,
)
from lab.claims import Above, All, Below, Caveat, Claim, Equals, Lines, rows
from lab.estimate import Estimate, rough

TOLERANCE = 0.01  # error, in nats or in probability, above which a value or a gradient is called wrong
SAME = 1e-6  # relative difference below which two routes to one loss agree
MODEST_SHIFT = 1000.0  # beyond any logit that a training run should meet


@dataclass(frozen=True)
class Params:
    """The logits that are tried."""

    classes: int = 27  # the letters of the names and the end of a name
    batch: int = 32  # examples
    precisions: tuple[str, ...] = ("float16", "bfloat16", "float32", "float64")  # formats that are searched
    seeds: int = 16  # independent sets of random logits
    map_limit: Annotated[float, "> 0"] = 150.0  # largest logit on the map of two logits; the smallest is its negative
    map_step: Annotated[float, "> 0"] = 5.0  # from one logit on the map to the next
    mistakes_limit: Annotated[float, "> 0"] = 120.0  # largest logit of a wrong class, where only that one grows
    mistakes_step: Annotated[float, "> 0"] = 1.0  # from one such logit to the next
    shifts: tuple[float, ...] = (1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)  # added to all logits
    stds: tuple[float, ...] = (1.0, 10.0, 20.0, 30.0, 50.0, 100.0)  # standard deviations of the logits
    examples: int = 1000  # a seed, for each standard deviation
    vocabularies: tuple[int, ...] = (27, 100, 1000, 10_000, 50_257)  # classes; names, ..., GPT-2
    calls: tuple[int, ...] = (50, 50, 20, 3, 1)  # timed together, for each vocabulary
    rounds: int = 31  # in which the formulas take turns against the clock


SMOKE = Params(
    precisions=("float16", "float32"),
    seeds=2,
    map_step=50.0,
    mistakes_step=20.0,
    shifts=(1.0, 1e8),
    stds=(1.0, 100.0),
    examples=20,
    vocabularies=(27,),
    calls=(2,),
    rounds=6,
)


@dataclass(frozen=True)
class Result:
    """What was found.  A gap is how far the target's logit lies below the largest; thresholds are in float32."""

    params: Params
    overflow: float  # the last logit at which the three lines give a loss
    overflow_gradient: float  # ... and at which they give a gradient
    underflow: float  # the last gap at which the three lines give a loss
    underflow_gradient: float  # ... and at which they give a gradient
    zero_gradient: float  # the last logit of a wrong class, the target's at 0, at which its gradient is not 0
    subtracted_overflow: float  # the last logit with a finite gradient, the largest subtracted; NaN: there is none
    subtracted_underflow: float  # ... and the last gap
    library_error: float  # largest of the library, with logits up to 1e38: relative, or in nats below one nat
    zero_loss: float  # the last lead of the target's logit at which the library's loss is not yet 0
    parts_difference: float  # largest, of the library from log_softmax followed by nll_loss, in loss and gradient
    one_hot_difference: float  # largest, relative, of sum and one term, and of the library given either target
    one_term_error: float  # largest relative difference of the one term from the library, where it is finite
    nan_share: Estimate  # of examples in which the sum over classes is NaN and the one term is finite: worst std
    thresholds: pd.DataFrame  # per precision and formula: last logits and gaps that work; NaN where all do
    limits: pd.DataFrame  # per precision: the thresholds that its largest and smallest numbers predict
    error_map: pd.DataFrame  # per pair of logits: 0 correct, 1 gradient wrong, 2 value wrong; a column for each formula
    mistakes: (
        pd.DataFrame
    )  # per logit of a wrong class, the target's at 0, and formula: loss and gradient of that logit
    shifts: pd.DataFrame  # per precision and shift: largest relative change of a probability, and the one predicted
    one_hot: pd.DataFrame  # per standard deviation of the logits: nan_share with low and high, and the one predicted
    # per vocabulary and formula: what is kept for the backward pass, peaks of memory, and time over the library's
    costs: pd.DataFrame = field(metadata={"times": ("time", "time_low", "time_high")})


def modest_change(r: Result) -> float:
    """Return the largest relative change of a float32 probability at shifts up to MODEST_SHIFT."""
    shifts = r.shifts[(r.shifts["precision"] == "float32") & (r.shifts["shift"] <= MODEST_SHIFT)]
    return float(shifts["change"].max())


def costs_of(r: Result, formula: str) -> pd.DataFrame:
    """Return one formula's rows of `costs`, by vocabulary."""
    return r.costs[r.costs["formula"] == formula].reset_index(drop=True)


def fewer(r: Result) -> list[float]:
    """Return by how many nodes and tensors the library has fewer than the three lines, at each vocabulary."""
    counts = ["nodes", "tensors"]
    return (costs_of(r, THREE_LINES)[counts] - costs_of(r, LIBRARY)[counts]).to_numpy().ravel().tolist()


def peaks_by_hand(r: Result) -> list[float]:
    """Return the peak of memory of every formula written by hand over the library's, at each vocabulary."""
    by_hand = (THREE_LINES, LARGEST_SUBTRACTED, SOFTMAX_THEN_LOG, LOG_SOFTMAX_BY_HAND)
    library = costs_of(r, LIBRARY)["peak"]
    return [ratio for formula in by_hand for ratio in costs_of(r, formula)["peak"] / library]


SLOWER_BY_HAND: Above[Result] = Above(
    "the median ratio of the processor times that forward and backward pass take by the three lines and by the library, at "
    "every vocabulary,",
    lambda r: rows(costs_of(r, THREE_LINES), "time"),
    1,
)

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="shift",
        text="Softmax stays the same if any number is added to all logits.",
        source=Lines("N0", 21, 21),
        rule=Caveat(
            Below(
                "the largest relative change of a probability in float32, at any shift tried,",
                lambda r: r.shifts.loc[r.shifts["precision"] == "float32", "change"].max(),
                TOLERANCE,
                reason="in exact arithmetic it is an identity",
            ),
            Below(
                f"that change at shifts up to {MODEST_SHIFT:,.0f}",
                modest_change,
                TOLERANCE,
                reason="beyond any logit that a training run should meet",
            ),
        ),
        number=lambda r: (
            f"over {r.params.seeds} sets of random logits, probabilities change by at most {100 * modest_change(r):.2g} % if "
            f"up to {MODEST_SHIFT:,.0f} is added"
        ),
    ),
    Claim(
        name="overflow",
        text="Written in three lines, the loss overflows above a logit of $\\ln(3.4\\cdot 10^{38})$, [88.7]{.given}, in float32.",
        source=Lines("N0", 21, 21),
        rule=Equals(
            "the last logit with a finite value, and with a finite gradient, found by search,",
            lambda r: [math.inf if math.isnan(last) else last for last in (r.overflow, r.overflow_gradient)],
            88.7,
            0.05,
            reason="the claim gives one decimal",
        ),
        number=lambda r: f"finite up to a logit of {r.overflow:.3f}, its gradient up to {r.overflow_gradient:.3f}",
    ),
    Claim(
        name="underflow",
        text="Far enough below, it underflows to $\\log 0$, in value and in gradient.",
        source=Lines("N0", 21, 21),
        line="Holds if the search finds a gap between the target's logit and the largest beyond which the loss is not "
        "finite, and one for the gradient: the true loss there is the gap itself, an ordinary number.",
        rule=Equals(
            "of loss and gradient, the number for which the search finds a gap beyond which it is not finite,",
            lambda r: math.isfinite(r.underflow) + math.isfinite(r.underflow_gradient),
            2,
            reason="the true loss there is the gap itself, an ordinary number",
        ),
        number=lambda r: (
            f"finite up to a gap of {r.underflow:.3f} between the logits, its gradient up to {r.underflow_gradient:.3f}"
        ),
    ),
    Claim(
        name="library",
        text="The library's loss neither overflows nor underflows.",
        source=Lines("N0", 21, 21),
        rule=Below(
            "the largest error of value and gradient, for all pairs of logits up to $10^{38}$, nearly the largest number "
            "there is,",
            lambda r: r.library_error,
            1e-5,
            reason="rounding in a handful of operations costs under $10^{-6}$",
        ),
        number=lambda r: (
            f"off by at most {rough(r.library_error)}: of the loss where it is above one nat, in nats where it is below"
        ),
    ),
    Claim(
        name="subtract",
        text="The library is stable because it subtracts the largest logit.",
        source=Lines("N0", 21, 21),
        line="Holds if the three lines with the largest logit subtracted give finite numbers wherever the library does; "
        "with a caveat if that cures the overflow and not the underflow.",
        rule=Caveat(
            Equals(
                "with the largest logit subtracted, the number of gaps beyond which the gradient is not finite",
                lambda r: not math.isnan(r.subtracted_underflow),
                0,
            ),
            Equals(
                "the number of logits beyond which it is not finite",
                lambda r: not math.isnan(r.subtracted_overflow),
                0,
            ),
        ),
        number=lambda r: (
            "with the largest logit subtracted nothing overflows, but beyond a gap of "
            f"{r.subtracted_underflow:.3f} there is no gradient"
        ),
    ),
    Claim(
        name="fewer",
        text="By hand one creates intermediate tensors that are unnecessary.",
        source=Lines("N0", 19, 19),
        rule=Caveat(
            Above(
                "the number of nodes in the graph that the library saves against the three lines, and that of tensors kept "
                "for the backward pass, at every vocabulary,",
                fewer,
                0,
                reason="both are counts, so one fewer is fewer",
            ),
            Above("the largest of these numbers", lambda r: max(fewer(r)), 0),
        ),
        number=lambda r: (
            "the library takes {} steps backward and keeps {} tensors for them, three lines {} and {}".format(
                *(costs_of(r, formula)[what][0] for formula in (LIBRARY, THREE_LINES) for what in ("nodes", "tensors"))
            )
        ),
    ),
    Claim(
        name="memory",
        text="By hand one needs more memory.",
        source=Lines("N0", 19, 19),
        rule=Caveat(
            Above(
                "the ratio of the most memory that a formula written by hand and the library hold at any moment of the "
                "forward and the backward pass, for every such formula and at every vocabulary tried,",
                peaks_by_hand,
                1.1,
                reason="less than a tenth more seldom decides whether a batch fits",
            ),
            Above("the largest of these ratios", lambda r: max(peaks_by_hand(r)), 1.1),
        ),
        number=lambda r: (
            "three lines {:.1f} times the memory of the logits, the library {:.1f}; the library's formula by hand "
            "{:.1f} to {:.1f}"
        ).format(
            *(costs_of(r, formula)["peak"].iloc[-1] for formula in (THREE_LINES, LIBRARY)),
            *costs_of(r, LOG_SOFTMAX_BY_HAND)["peak"].agg(["min", "max"]),
        ),
    ),
    Claim(
        name="kept",
        text="By hand one keeps more memory for the backward pass.",
        source=Lines("N0", 19, 19),
        rule=Caveat(
            Above(
                "the ratio of the bytes that the three lines and the library keep, at every vocabulary tried,",
                lambda r: costs_of(r, THREE_LINES)["memory"],
                1.1,
                reason="less than a tenth more seldom decides whether a batch fits",
            ),
            Above("the largest of these ratios", lambda r: costs_of(r, THREE_LINES)["memory"].max(), 1.1),
        ),
        number=lambda r: "{:.2f} times as much with {:,} classes, {:.4f} times with {:,}".format(
            *(
                of(place)
                for place in (0, -1)
                for of in (lambda i: costs_of(r, THREE_LINES)["memory"].iloc[i], lambda i: r.params.vocabularies[i])
            )
        ),
    ),
    Claim(
        name="faster",
        text="The library fuses the operations and so is faster.",
        source=Lines("N0", 19, 19),
        line="Holds if, at every vocabulary, the three lines take longer than the library (median ratio of processor times "
        "above [1]{.given}), and so does the library's own formula done an operation at a time; with a caveat if the three "
        "lines take longer at some vocabulary at least.",
        rule=Caveat(
            All(
                SLOWER_BY_HAND,
                Above(
                    "that ratio for the library's own formula written out an operation at a time, where nothing but the fusing "
                    "is gone,",
                    lambda r: rows(costs_of(r, LOG_SOFTMAX_BY_HAND), "time"),
                    1,
                ),
            ),
            Above(
                "the largest of the three lines' ratios",
                lambda r: tuple(costs_of(r, THREE_LINES)[["time_low", "time_high"]].max()),
                1,
            ),
        ),
        number=lambda r: (
            "the three lines take {:.1f} to {:.1f} times as long, the library's own formula, not fused, {:.1f} to {:.1f}"
        ).format(
            *costs_of(r, THREE_LINES)["time"].agg(["min", "max"]),
            *costs_of(r, LOG_SOFTMAX_BY_HAND)["time"].agg(["min", "max"]),
        ),
    ),
    Claim(
        name="one-hot",
        text="With a one-hot target, cross-entropy is minus the logarithm of one probability.",
        source=Lines("N3", 12, 15),
        rule=Caveat(
            All(
                Below(
                    "the largest relative difference of the notes' sum over all classes from their one term, and of the "
                    "library given a one-hot target from the library given an index,",
                    lambda r: r.one_hot_difference,
                    SAME,
                ),
                Equals(
                    "the share of examples in which the sum is NaN and the one term is finite, at every standard deviation of "
                    "the logits,",
                    lambda r: r.one_hot["nan_share"],
                    0,
                ),
            ),
            Below("that difference", lambda r: r.one_hot_difference, SAME),
        ),
        number=lambda r: (
            f"differ by {r.one_hot_difference:g}; sum NaN in up to {100 * r.nan_share.mean:.0f} % of examples"
        ),
    ),
)


def run(params: Params) -> Result:
    """Search for where each formula stops working, and count and time what it costs."""
    thresholds = limits.thresholds(params.classes, params.precisions)
    three_lines, subtracted = (
        thresholds[(thresholds["precision"] == "float32") & (thresholds["formula"] == formula)].iloc[0]
        for formula in (THREE_LINES, LARGEST_SUBTRACTED)
    )
    hot = one_hot.compare(params.classes, params.examples, params.stds, params.seeds)
    return Result(
        params=params,
        overflow=float(three_lines["logit"]),
        overflow_gradient=float(three_lines["logit_gradient"]),
        underflow=float(three_lines["gap"]),
        underflow_gradient=float(three_lines["gap_gradient"]),
        zero_gradient=limits.zero_gradient(FORMULAS[THREE_LINES]),
        subtracted_overflow=float(subtracted["logit_gradient"]),
        subtracted_underflow=float(subtracted["gap_gradient"]),
        library_error=limits.largest_error(FORMULAS[LIBRARY]),
        zero_loss=limits.zero_loss(FORMULAS[LIBRARY]),
        parts_difference=limits.parts_difference(),
        one_hot_difference=hot.difference,
        one_term_error=hot.one_term_error,
        nan_share=hot.nan_share,
        thresholds=thresholds,
        limits=limits.limits(params.classes, params.precisions),
        error_map=limits.error_map(params.map_limit, params.map_step, TOLERANCE),
        mistakes=limits.mistakes(params.mistakes_limit, params.mistakes_step),
        shifts=limits.shifts(params.classes, params.shifts, params.seeds),
        one_hot=hot.table,
        costs=cost.costs(params.batch, params.vocabularies, params.calls, params.rounds),
    )
