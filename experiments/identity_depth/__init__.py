"""Why do deep networks explode or vanish?

Method  Linear networks whose weights are a multiple of the identity are compared with powers of that multiple, computed
        as fractions.  Networks of normal weights, of a spread near 1, carry signals up and gradients down, at several
        widths; theory gives their exponent exactly.  Chains of equal layers run until floating point has no number left.
Cost    About 15 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "weights very similar to identity matrices".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch

from experiments.identity_depth import float_range, identity_chain, noisy_identity
from lab.claims import Claim, Verdict
from lab.estimate import Estimate
from lab.progress import track
from lab.tasks import spread
from nets import finite_width, signal_propagation
from nets.signal_propagation import identity, propagate


@dataclass(frozen=True)
class Params:
    """What the networks are made of."""

    depth: int = 100  # layers
    width: int = 64  # units per layer
    widths: tuple[int, ...] = (4, 8, 16, 32, 128, 256)  # units; also tried, at the spreads near 1
    inputs: int = 8  # per network
    seeds: int = 64  # independent networks
    spreads: tuple[float, ...] = (0.5, 0.9, 1.0, 1.1, 1.5)  # of the weights, times the root of the width
    near: tuple[float, ...] = (0.99, 1.0, 1.01, 1.1)  # spreads near 1, for all widths
    noises: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)  # spread of normal weights added to the identity
    factors: tuple[float, ...] = (3.0, 1.5, 1.1, 1.01, 0.99, 0.9, 0.75, 0.5, 0.25)  # times the identity, in float32


SMOKE = Params(
    depth=6, width=8, widths=(4,), inputs=2, seeds=4, spreads=(0.5, 1.5), noises=(0.5,), factors=(1.5, 0.75, 0.5)
)


@dataclass(frozen=True)
class Result:
    """What was found.  "Exponent" is the growth of the logarithm of the spread, a layer."""

    grown: (
        float  # largest relative error of 1.5 to the power of the layer, signal and gradient of 1.5 times the identity
    )
    halved: float  # the same for 0.5
    exact: int  # layers at which 1.5 times the identity makes no rounding error at all
    excess: Estimate  # exponent of the signal less the logarithm of the weights' spread, the same at all spreads
    excess_gradient: Estimate  # the same of the gradient
    excess_predicted: float  # by theory, for this width
    homogeneity: float  # largest difference, in ln, between signals at any spread and spread^layer times those at 1
    layers: pd.DataFrame  # per spread and layer: mean squares of signal and gradient, typical and by theory
    exponents: pd.DataFrame  # per spread and direction: factor on the mean square, by theory and measured
    widths: pd.DataFrame  # per width and spread near 1: exponent, by theory and measured; growth of the mean square
    noisy: pd.DataFrame  # per noise on the identity: exponent, by theory and measured
    limits: pd.DataFrame  # per kind of number and factor: layer of overflow, of lost precision, of zero, resting place
    fates: pd.DataFrame  # per factor and layer, float32: log2 of the signal


EVENTS = ("overflow", "subnormal", "zero", "rest")  # what can become of a signal in floating point
DRAWN = (1.5, 1.1, 0.9, 0.5)  # factors of which the whole course is kept, and tried in other kinds of number


def _random_verdict(r: Result) -> Verdict:
    if any(
        found.low > r.excess_predicted or found.high < r.excess_predicted for found in (r.excess, r.excess_gradient)
    ):
        return Verdict.FAILS
    plain = all(found.low <= 0 <= found.high for found in (r.excess, r.excess_gradient))
    return Verdict.HOLDS if plain else Verdict.CAVEAT


def _slightly_verdict(r: Result) -> Verdict:
    above = r.widths[r.widths["spread"] == 1.01]
    grows, shrinks = above["exponent_low"] > 0, above["exponent_high"] < 0
    if grows.any() and shrinks.any():
        return Verdict.CAVEAT
    return Verdict.HOLDS if grows.all() else Verdict.FAILS if shrinks.all() else Verdict.UNDECIDED


def _as_predicted(r: Result) -> pd.Series:
    rows = r.limits[r.limits["numbers"] == "float32"]
    pairs = [rows[event].fillna(-1) == rows[f"{event}_predicted"].fillna(-1) for event in EVENTS]
    return pairs[0] & pairs[1] & pairs[2] & pairs[3]


EXACT_LINE = (
    "Holds if no layer is off by more than one rounding in float64 ($2^{-53}$) for each layer passed, against powers "
    "computed as fractions: in floating point “exactly” cannot mean more."
)

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="grow",
        text="Weights of [1.5]{.given} times the identity multiply the signal by [1.5]{.given} in every layer, and the "
        "gradient too.",
        source="N3, “since w is 1.5 the values will explode”",
        line=EXACT_LINE,
        verdict=lambda r: Verdict.HOLDS if r.grown <= 100 * 2**-53 else Verdict.FAILS,
        number=lambda r: f"{r.grown * 2**53:.1f} roundings at worst",
    ),
    Claim(
        name="halve",
        text="Weights of [0.5]{.given} times the identity halve both in every layer.",
        source="N3, “if w is slightly less than 1 … the gradients will exponentially vanish”",
        line="The same line.",
        verdict=lambda r: Verdict.HOLDS if r.halved <= 100 * 2**-53 else Verdict.FAILS,
        number=lambda r: f"{r.halved * 2**53:g} roundings at worst",
    ),
    Claim(
        name="random",
        text="Random matrices follow the same law: weights of spread $s$ change the signal by $s$ a layer.",
        source="N3, “weights very similar to identity matrices”",
        line="Holds if the intervals of the exponents, up and down, contain $\\ln s$; with a caveat if they do not but "
        "contain the exponent of the exact law at this width; else it fails, as theory would have no excuse.",
        verdict=_random_verdict,
        number=lambda r: f"off by {r.excess} where theory says {_signed(r.excess_predicted)}",
    ),
    Claim(
        name="slightly",
        text="Weights slightly above 1 are enough for values to explode.",
        source="N3, “Suppose, they are just slightly above 1”",
        line="Holds if random networks of spread [1.01]{.given} grow at every width tried, fails if they shrink at "
        "every width, each by its interval; with a caveat if some grow and some shrink.",
        verdict=_slightly_verdict,
        number=lambda r: (
            "; ".join(
                f"{word} at {', '.join(str(width) for width in rows['width'])}"
                for word, rows in (
                    ("shrinks", r.widths.query("spread == 1.01 and exponent_high < 0")),
                    ("grows", r.widths.query("spread == 1.01 and exponent_low > 0")),
                )
            )
            + " units"
        ),
    ),
    Claim(
        name="limits",
        text="The layer at which float32 overflows or underflows can be read off the logarithm of the weight.",
        source="N3, “the values will explode”, “the gradients will exponentially vanish”",
        line="Holds if every layer predicted is found, exactly: rounding, $2^{-24}$ a layer, shifts it by less than a "
        "tenth of a layer.",
        verdict=lambda r: Verdict.HOLDS if _as_predicted(r).all() else Verdict.FAILS,
        number=lambda r: f"{_as_predicted(r).sum()} of {len(_as_predicted(r))} factors",
    ),
)


def run(params: Params) -> Result:
    """Multiply by the identity, by random matrices, and until no number is left; compare each with theory."""
    law = finite_width.linear(params.width)
    spreads = np.array(sorted({*params.spreads, *params.near}))
    runs = spread(partial(_network, params, spreads), range(params.seeds), "networks")
    up, down, narrow, noisy = (np.stack(kind) for kind in zip(*runs, strict=True))  # [seed, ...]
    one = list(spreads).index(1.0)
    growth = 2 * np.log(spreads)
    layers = np.arange(1, params.depth + 1)[:, None]
    every = {width: narrow[:, place] for place, width in enumerate(params.widths)}
    every[params.width] = up[:, np.isin(spreads, params.near), -1]
    grown, halved = identity_chain.errors(1.5, params.depth), identity_chain.errors(0.5, params.depth)

    tables: dict[str, list[pd.DataFrame]] = {"course": [], "factors": []}
    for index, size in enumerate(spreads):
        arguments = (up[:, index], down[:, index], float(growth[index]), law)
        tables["course"].append(signal_propagation.by_layer(*arguments).assign(spread=size))
        tables["factors"].append(signal_propagation.layer_factors(*arguments).assign(spread=size))
    return Result(
        grown=float(grown.max()),
        halved=float(halved.max()),
        exact=int((grown.max(0) == 0).sum()),
        excess=Estimate.of(up[:, one, -1].mean(1) / 2 / params.depth),
        excess_gradient=Estimate.of(down[:, one, 0].mean(1) / 2 / (params.depth - 1)),
        excess_predicted=law.mean / 2,
        homogeneity=float(np.abs(up - up[:, one : one + 1] - growth[:, None, None] * layers).max()),
        layers=pd.concat(tables["course"], ignore_index=True),
        exponents=pd.concat(tables["factors"], ignore_index=True),
        widths=pd.DataFrame([row for width in sorted(every) for row in _width(params, width, every[width])]),
        noisy=pd.DataFrame([_noisy(params, *pair) for pair in zip(params.noises, noisy.T, strict=True)]),
        limits=_limits(params),
        fates=_fates(),
    )


def _network(params: Params, spreads: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Measure one linear network: logarithms of lengths up and down, at other widths in the end, exponents with noise.

    [spread, layer, input], the same, [width, spread, input] for the spreads near 1, [noise].
    """
    near, size = np.array(params.near), {"depth": params.depth, "inputs": params.inputs, "seed": seed}
    up, down = signal_propagation.log_mean_squares(
        propagate(spreads, identity, torch.ones_like, width=params.width, **size)
    )
    narrow = [
        signal_propagation.log_mean_squares(propagate(near, identity, torch.ones_like, width=w, **size))[0]
        for w in params.widths
    ]
    noisy = [noisy_identity.exponents(noise, width=params.width, **size).mean() for noise in params.noises]
    return up, down, np.stack(narrow)[:, :, -1], np.array(noisy)


def _width(params: Params, width: int, ends: np.ndarray) -> list[dict[str, float]]:
    """Return the exponents at the spreads near 1, from [seed, spread, input] in logarithms of mean squares."""
    law = finite_width.linear(width)
    return [
        {
            "width": width,
            "spread": spread,
            "predicted": np.log(spread) + law.mean / 2,
            **Estimate.columns("exponent", ends[:, index].mean(1) / 2 / params.depth),
        }
        for index, spread in enumerate(params.near)
    ]


def _noisy(params: Params, noise: float, exponents: np.ndarray) -> dict[str, float]:
    predicted = noisy_identity.exponent(noise, params.width)
    return {"noise": noise, "predicted": predicted, **Estimate.columns("exponent", exponents)}


def _limits(params: Params) -> pd.DataFrame:
    kinds = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}
    rows = [("float32", factor) for factor in params.factors]
    rows += [(numbers, factor) for numbers in kinds if numbers != "float32" for factor in DRAWN]
    return pd.DataFrame(
        [
            {"numbers": numbers, "factor": factor, **float_range.fate(factor, kinds[numbers])}
            for numbers, factor in track(rows, "limits")
        ]
    )


def _fates() -> pd.DataFrame:
    """Return log2 of the signal in float32 at every layer, for the factors of which a picture is wanted."""
    rows = []
    for factor in DRAWN:
        values = float_range.powers(factor, torch.float32)
        rows += [
            {"factor": factor, "layer": layer, "doublings": np.log2(value)}
            for layer, value in enumerate(values)
            if 0 < value < np.inf
        ]
    return pd.DataFrame(rows)


def _signed(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")
