"""Why do deep networks explode or vanish?

Method  Linear networks whose weights are a multiple of the identity are compared with powers of that multiple, computed
        as fractions.  Networks of normal weights, at gains near 1, pass signals forward and gradients back, at several
        widths; theory gives their exponent exactly.  Chains of equal layers run until floating point has no number left.
Cost    About 15 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "weights very similar to identity matrices".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import pandas as pd
import torch

from experiments.identity_depth import float_range, identity_chain, noisy_identity
from lab.claims import Above, All, Below, Caveat, Claim, Equals, Interval, Lines, rows
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
    widths: tuple[int, ...] = (4, 8, 16, 32, 128, 256)  # units; also tried, at the gains near 1
    inputs: int = 8  # per network
    seeds: int = 64  # independent networks
    gains: tuple[float, ...] = (0.5, 0.9, 1.0, 1.1, 1.5)  # standard deviation of the weights times sqrt(width)
    gains_near_one: Annotated[tuple[float, ...], "> 0"] = (0.99, 1.0, 1.01, 1.1)  # for all widths
    noises: Annotated[tuple[float, ...], "> 0"] = (0.1, 0.2, 0.5, 1.0)  # gain of normal weights added to the identity
    factors: tuple[float, ...] = (3.0, 1.5, 1.1, 1.01, 0.99, 0.9, 0.75, 0.5, 0.25)  # times the identity, in float32


SMOKE = Params(
    depth=6, width=8, widths=(4,), inputs=2, seeds=4, gains=(0.5, 1.5), noises=(0.5,), factors=(1.5, 0.75, 0.5)
)
MINUTE = Params(seeds=40)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  The exponent is the growth of the logarithm of the RMS, a layer."""

    params: Params
    growth_error: float  # largest relative error of signal and gradient at 1.5 times the identity, against 1.5^layers
    halving_error: float  # the same for 0.5
    exact_layers: int  # layers at which 1.5 times the identity makes no rounding error at all
    exponent_offset: Estimate  # exponent of the signal less the logarithm of the gain, the same at all gains
    exponent_offset_gradient: Estimate  # the same of the gradient
    exponent_offset_predicted: float  # by theory, for this width
    scaling_error: float  # largest difference, in ln, between signals at any gain and gain^layer times those at gain 1
    layers: pd.DataFrame  # per gain and layer: mean squares of signal and gradient, typical and by theory
    factors: pd.DataFrame  # per gain and direction: factor on the mean square, by theory and measured
    widths: pd.DataFrame  # per width and gain near 1: exponent, by theory and measured
    noisy_identity: pd.DataFrame  # per noise on the identity: exponent, by theory and measured
    float_limits: pd.DataFrame  # per dtype and factor: layer of overflow, of the first subnormal, of zero, fixed point
    float32_signals: pd.DataFrame  # per factor and layer, float32: log2 of the signal
    alignment: (
        pd.DataFrame
    )  # per width: |cosine| between two inputs' signals at the last layer, and of independent ones


EVENTS = ("overflow", "subnormal", "zero", "fixed_point")  # what can become of a signal in floating point
PLOTTED = (1.5, 1.1, 0.9, 0.5)  # factors whose signals are kept layer by layer, and tried in other dtypes
SLIGHTLY = 1.01  # a weight "slightly above 1"
SLIGHTLY_LESS = 0.99  # a weight "slightly less than 1"


def _roundings(r: Result, error: float) -> float:
    return error * 2**53 / float(r.layers["layer"].max())


def _misses(r: Result, offset: float) -> list[float]:
    """Return how far an offset lies outside of the exponents' intervals, forward and backward; 0 for inside."""
    both = (r.exponent_offset, r.exponent_offset_gradient)
    return [max(found.low - offset, offset - found.high, 0.0) for found in both]


def _exponents(r: Result) -> list[Interval]:
    """Return the intervals of the exponents at a gain slightly above 1, one for each width."""
    return rows(r.widths[r.widths["gain"] == SLIGHTLY], "exponent")


def _largest(r: Result) -> Interval:
    """Return the largest lower and the largest upper end: above 0 if one width surely grows."""
    ends = _exponents(r)
    return max((low for low, _ in ends), default=math.nan), max((high for _, high in ends), default=math.nan)


def _smallest(r: Result) -> Interval:
    """Return the smallest lower and the smallest upper end: below 0 if one width surely shrinks."""
    ends = _exponents(r)
    return min((low for low, _ in ends), default=math.nan), min((high for _, high in ends), default=math.nan)


def _layer(r: Result, event: str, factor: float) -> float:
    """Return the layer at which a factor's signal comes to an event in float32; infinite if never, NaN if not tried."""
    found = r.float_limits[(r.float_limits["dtype"] == "float32") & (r.float_limits["factor"] == factor)]
    return float(found[event].fillna(math.inf).iloc[0]) if len(found) else math.nan


def _as_predicted(r: Result) -> pd.Series:
    found = r.float_limits[r.float_limits["dtype"] == "float32"]
    pairs = [found[event].fillna(-1) == found[f"{event}_predicted"].fillna(-1) for event in EVENTS]
    return pairs[0] & pairs[1] & pairs[2] & pairs[3]


DEEP = 1000  # layers: few networks that are trained have more

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="grow",
        text="Weights of [1.5]{.given} times the identity multiply the signal by [1.5]{.given} in every layer, and the "
        "gradient too.",
        source=Lines("N3", 61, 68),
        rule=Equals(
            "the largest relative error of signal and gradient, in roundings of float64 ($2^{-53}$) for each layer,",
            lambda r: _roundings(r, r.growth_error),
            0,
            tolerance=1,
            reason="against powers computed as fractions; in floating point “exactly” cannot mean more",
        ),
        number=lambda r: (
            f"off by at most {r.growth_error * 2**53:.1f} roundings in all, after {r.layers['layer'].max():.0f} layers"
        ),
    ),
    Claim(
        name="halve",
        text="Weights of [0.5]{.given} times the identity halve both in every layer.",
        source=Lines("N3", 70, 70),
        rule=Equals(
            "the largest relative error of signal and gradient, in roundings of float64 ($2^{-53}$) for each layer,",
            lambda r: _roundings(r, r.halving_error),
            0,
            tolerance=1,
            reason="the same line",
        ),
        number=lambda r: (
            f"off by at most {r.halving_error * 2**53:g} roundings in all, after {r.layers['layer'].max():.0f} layers"
            if r.halving_error
            else f"exact at each of {r.layers['layer'].max():.0f} layers"
        ),
    ),
    Claim(
        name="close",
        text="Weights very similar to the identity make values grow, though on average they are the identity.",
        source=Lines("N3", 60, 60),
        line="Holds if the exponent (the growth of the logarithm a layer) is above 0 at every size of noise on the identity "
        "that was tried.",
        rule=Above("the exponent at every size of noise", lambda r: rows(r.noisy_identity, "exponent"), 0),
        number=lambda r: (
            f"at the smallest noise, {r.noisy_identity['noise'].iloc[0]:g}, by a factor of "
            f"{math.exp(r.noisy_identity['exponent'].iloc[0] * r.params.depth):.2f} over {r.params.depth} layers"
        ),
    ),
    Claim(
        name="random",
        text="Random matrices follow the law of the identity: weights of gain $s$ change the signal by $s$ a layer.",
        source=None,
        line="Holds if the intervals of the exponents (the growth of the logarithm a layer), forward and backward, contain "
        "$\\ln s$; else it fails.",
        rule=Equals(
            "the distance from the exponents' intervals, forward and backward, to $\\ln s$", lambda r: _misses(r, 0), 0
        ),
        number=lambda r: f"exponent {r.exponent_offset} at gain 1, where this law says 0",
    ),
    Claim(
        name="slightly",
        text="Weights slightly above 1, times the identity, are enough for values to explode.",
        source=Lines("N3", 61, 61),
        line=f"Holds if with weights of [{SLIGHTLY}]{{.given}} times the identity the signal overflows in float32 within "
        f"[{DEEP:,}]{{.given}} layers: few networks that are trained have more. With a caveat if it does so later.",
        rule=Caveat(
            Below("the layer at which float32 overflows", lambda r: _layer(r, "overflow", SLIGHTLY), DEEP),
            Below("the same layer", lambda r: _layer(r, "overflow", SLIGHTLY), math.inf),
        ),
        number=lambda r: f"float32 overflows at layer {_layer(r, 'overflow', SLIGHTLY):,.0f}",
    ),
    Claim(
        name="slightly-less",
        text="Weights slightly less than 1, times the identity, make the gradients vanish.",
        source=Lines("N3", 70, 70),
        line=f"Holds if with weights of [{SLIGHTLY_LESS}]{{.given}} times the identity a number, signal or gradient, falls below "
        f"the smallest that float32 holds with all its digits within [{DEEP:,}]{{.given}} layers; with a caveat if it does so "
        "later.",
        rule=Caveat(
            Below(
                "the layer from which on float32 has fewer digits",
                lambda r: _layer(r, "subnormal", SLIGHTLY_LESS),
                DEEP,
            ),
            Below("the same layer", lambda r: _layer(r, "subnormal", SLIGHTLY_LESS), math.inf),
        ),
        number=lambda r: f"below 2^−126^ from layer {_layer(r, 'subnormal', SLIGHTLY_LESS):,.0f} on",
    ),
    Claim(
        name="slightly-random",
        text="For random matrices, too, a gain slightly above 1 is enough for the signal to grow.",
        source=None,
        line=f"Holds if random networks of gain [{SLIGHTLY}]{{.given}} grow at every width tried, fails if they shrink at "
        "every width, each by its interval; with a caveat if some grow and some shrink.",
        rule=Caveat(
            Above("the exponent at every width tried", _exponents, 0),
            All(
                Above("the exponent at the width that grows most", _largest, 0),
                Below("the exponent at the width that shrinks most", _smallest, 0),
            ),
        ),
        number=lambda r: (
            "; ".join(
                f"{word} at {', '.join(str(width) for width in rows['width'])}"
                for word, rows in (
                    ("shrinks", r.widths.query("gain == @SLIGHTLY and exponent_high < 0")),
                    ("grows", r.widths.query("gain == @SLIGHTLY and exponent_low > 0")),
                    ("undecided", r.widths.query("gain == @SLIGHTLY and exponent_low <= 0 <= exponent_high")),
                )
                if len(rows)
            )
            + " units"
        ),
    ),
    Claim(
        name="limits",
        text="The layer at which float32 overflows or underflows can be read off the logarithm of the weight.",
        source=Lines("N3", 68, 70),
        rule=Equals(
            "the number of factors for which a layer predicted is not the one found",
            lambda r: (~_as_predicted(r)).sum(),
            0,
            reason="rounding, $2^{-24}$ a layer, shifts it by less than a tenth of a layer",
        ),
        number=lambda r: f"right to the layer for {_as_predicted(r).sum()} of {len(_as_predicted(r))} factors",
    ),
)


def run(params: Params) -> Result:
    """Multiply by the identity, by random matrices, and until no number is left; compare each with theory."""
    law = finite_width.linear_layer(params.width)
    gains = np.array(sorted({*params.gains, *params.gains_near_one}))
    runs = spread(partial(_network, params, gains), range(params.seeds), "networks")
    up, down, narrow, noisy, cosine = (np.stack(arrays) for arrays in zip(*runs, strict=True))  # [seed, ...]
    one = list(gains).index(1.0)
    growth = 2 * np.log(gains)
    layers = np.arange(1, params.depth + 1)[:, None]
    every = {width: narrow[:, place] for place, width in enumerate(params.widths)}
    every[params.width] = up[:, np.isin(gains, params.gains_near_one), -1]
    growth_error, halving_error = identity_chain.errors(1.5, params.depth), identity_chain.errors(0.5, params.depth)

    tables: dict[str, list[pd.DataFrame]] = {"layers": [], "factors": []}
    for index, gain in enumerate(gains):
        arguments = (up[:, index], down[:, index], float(growth[index]), law)
        tables["layers"].append(signal_propagation.by_layer(*arguments).assign(gain=gain))
        tables["factors"].append(signal_propagation.layer_factors(*arguments).assign(gain=gain))
    return Result(
        params=params,
        growth_error=float(growth_error.max()),
        halving_error=float(halving_error.max()),
        exact_layers=int((growth_error.max(0) == 0).sum()),
        exponent_offset=Estimate.of(up[:, one, -1].mean(1) / 2 / params.depth),
        exponent_offset_gradient=Estimate.of(down[:, one, 0].mean(1) / 2 / (params.depth - 1)),
        exponent_offset_predicted=law.mean / 2,
        scaling_error=float(np.abs(up - up[:, one : one + 1] - growth[:, None, None] * layers).max()),
        layers=pd.concat(tables["layers"], ignore_index=True),
        factors=pd.concat(tables["factors"], ignore_index=True),
        widths=pd.DataFrame([row for width in sorted(every) for row in _width(params, width, every[width])]),
        noisy_identity=pd.DataFrame([_noisy(params, *pair) for pair in zip(params.noises, noisy.T, strict=True)]),
        float_limits=_float_limits(params),
        float32_signals=_float32_signals(),
        alignment=_alignment(params, cosine),
    )


def _network(params: Params, gains: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Measure one linear network: logarithms of mean squares forward and backward, of the last layer at other widths,
    exponents with noise, and |cosine| between inputs at the last layer.

    [gain, layer, input], the same, [width, gain, input] for the gains near 1, [noise], [width] with the first one last.
    """
    near, size = np.array(params.gains_near_one), {"depth": params.depth, "inputs": params.inputs, "seed": seed}
    networks = [propagate(near, identity, torch.ones_like, width=width, **size) for width in params.widths]
    networks.append(propagate(gains, identity, torch.ones_like, width=params.width, **size))
    up, down = signal_propagation.log_mean_squares(networks[-1])
    narrow = [signal_propagation.log_mean_squares(found)[0] for found in networks[:-1]]
    noisy = [noisy_identity.exponents(noise, width=params.width, **size).mean() for noise in params.noises]
    cosine = [_absolute_cosine(found.activations[-1][0]) for found in networks]  # the gain changes no direction
    return up, down, np.stack(narrow)[:, :, -1], np.array(noisy), np.array(cosine)


def _absolute_cosine(signals: torch.Tensor) -> float:
    """Return the mean |cosine| over all pairs of inputs, from [input, unit]."""
    direction = signals / signals.norm(dim=1, keepdim=True)  # `normalize` would not divide by norms under 1e-12
    pairs = torch.triu(torch.ones(len(signals), len(signals)), diagonal=1) > 0
    return float((direction @ direction.T).abs()[pairs].mean())


def _alignment(params: Params, cosine: np.ndarray) -> pd.DataFrame:
    """Return |cosine| at the last layer, from [seed, width], beside that of independent normal vectors."""
    rows = []
    for width, found in sorted(zip((*params.widths, params.width), cosine.T, strict=True), key=lambda pair: pair[0]):
        independent = math.exp(math.lgamma(width / 2) - math.lgamma((width + 1) / 2)) / math.sqrt(math.pi)
        rows.append({"width": width, "independent": independent, **Estimate.columns("cosine", found)})
    return pd.DataFrame(rows)


def _width(params: Params, width: int, ends: np.ndarray) -> list[dict[str, float]]:
    """Return the exponents at the gains near 1, from [seed, gain, input] in logarithms of mean squares."""
    law = finite_width.linear_layer(width)
    return [
        {
            "width": width,
            "gain": gain,
            "predicted": np.log(gain) + law.mean / 2,
            **Estimate.columns("exponent", ends[:, index].mean(1) / 2 / params.depth),
        }
        for index, gain in enumerate(params.gains_near_one)
    ]


def _noisy(params: Params, noise: float, exponents: np.ndarray) -> dict[str, float]:
    predicted = noisy_identity.exponent(noise, params.width)
    return {"noise": noise, "predicted": predicted, **Estimate.columns("exponent", exponents)}


def _float_limits(params: Params) -> pd.DataFrame:
    dtypes = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}
    rows = [("float32", factor) for factor in params.factors]
    rows += [(dtype, factor) for dtype in dtypes if dtype != "float32" for factor in PLOTTED]
    return pd.DataFrame(
        [
            {"dtype": dtype, "factor": factor, **float_range.events(factor, dtypes[dtype])}
            for dtype, factor in track(rows, "limits")
        ]
    )


def _float32_signals() -> pd.DataFrame:
    """Return log2 of the signal in float32 at every layer, for the factors of which a picture is wanted."""
    rows = []
    for factor in PLOTTED:
        values = float_range.powers(factor, torch.float32)
        rows += [
            {"factor": factor, "layer": layer, "log2": np.log2(value)}
            for layer, value in enumerate(values)
            if 0 < value < np.inf
        ]
    return pd.DataFrame(rows)


def _signed(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")
