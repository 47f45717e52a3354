"""Does tanh need a gain of 5/3?

Method  The gain that keeps a unit-variance signal, 1 / sqrt(E[tanh(Z)^2]), comes from quadrature.  Deep tanh networks
        with weights of variance gain^2 / width then carry standard normal inputs through 50 layers and a random
        gradient back, each seed with the same draws at every gain.  Mean-field theory (infinite width) predicts both.
Cost    About 10 s on one core.
Notes   000_10f5d5d0f6910b7a.txt, "calculate means and std" and the last lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch

from lab.claims import Claim, Verdict, side, within
from lab.estimate import Estimate
from lab.tasks import spread
from nets.mean_field import fixed_point_variance, gaussian_mean, gradient_factor, next_variance
from nets.signal_propagation import propagate, tanh_derivative

FIVE_THIRDS = 5 / 3  # torch.nn.init.calculate_gain("tanh"); the lecture's value


@dataclass(frozen=True)
class Params:
    """What the networks are made of."""

    depth: int = 50  # layers
    width: int = 256  # units per layer
    batch: int = 64  # inputs per network
    seeds: int = 16  # independent networks
    gains: tuple[float, ...] = (0.8, 1.0, 1.25, 2.0, 3.2)  # beside 5/3 and the ideal one; its half and double are in


SMOKE = Params(depth=6, width=64, batch=16, seeds=3, gains=(0.8, 3.2))


@dataclass(frozen=True)
class Result:
    """What was found.  "Spread" is the root mean square over units and inputs."""

    ideal_gain: float  # 1 / sqrt(E[tanh(Z)^2]), Z standard normal, by quadrature
    kept: Estimate  # spread of the last layer's pre-activations at the ideal gain; theory says 1
    ratio: Estimate  # last-layer activation spread at gain 5/3 over that at the ideal gain, seed by seed
    faded: Estimate  # log10 of the last layer's activation spread over the first's, at the smallest gain
    swollen: Estimate  # log10 of the gradient's spread at the first layer over that at the last, at the largest gain
    layers: pd.DataFrame  # per gain and layer: spread and gradient, measured (mean, low, high) and predicted
    gains: (
        pd.DataFrame
    )  # per gain: what theory says it settles at, what the last layer shows, saturation, gradient growth
    settling: pd.DataFrame  # the theory's curve: gain, and the spread of activations that it settles at
    activations: pd.DataFrame  # per activation: gain by the formula, gain in PyTorch (nan where it has none)


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="value",
        text="$1/\\sqrt{\\operatorname{E}[f(Z)^2]}$ is about [1.592]{.given} for tanh.",
        source="N0, last lines",
        line="Holds within [0.001]{.given} of it: the notes give three decimals, so “about” cannot mean less than one unit of the last.",
        verdict=lambda r: Verdict.HOLDS if abs(r.ideal_gain - 1.592) <= 1e-3 else Verdict.FAILS,
        number=lambda r: f"{r.ideal_gain:.6f}",
    ),
    Claim(
        name="unit-variance",
        text="With that gain a layer hands on unit variance.",
        source="N0, last lines",
        line="Holds if the pre-activations' spread at the last layer lies within 5 % of 1: "
        "5 % a layer, were it to compound, would be a factor of ten over the depth, so less is “kept”.",
        verdict=lambda r: within(r.kept.low, r.kept.high, lower=0.95, upper=1.05),
        number=lambda r: f"spread {r.kept}",
    ),
    Claim(
        name="close",
        text="It is close to the 5/3 that people use.",
        source="N0, last lines",
        line="Holds if the spread that 5/3 settles at differs by less than 10 % from the ideal gain's: "
        "the spread over 200 units already varies by 5 % ($1/\\sqrt{2 \\cdot 200}$) from draw to draw, and two of those are invisible.",
        verdict=lambda r: within(r.ratio.low, r.ratio.high, lower=0.9, upper=1.1),
        number=lambda r: f"ratio {r.ratio}",
    ),
    Claim(
        name="too-small",
        text="The gain must not be too small.",
        source="N0, “Gain shouldn't be too large or too small”",
        line="Holds if at half the ideal gain the signal loses a factor of 100 or more on its way: that is 10 % a layer, over 50 layers.",
        verdict=lambda r: side(-r.faded.high, -r.faded.low, above=2),
        number=lambda r: f"shrinks by 10^{-r.faded.mean:.1f}^",
    ),
    Claim(
        name="too-large",
        text="The gain must not be too large.",
        source="N0, “Gain shouldn't be too large or too small”",
        line="Holds if at twice the ideal gain the gradient grows by a factor of 100 or more on its way back; "
        "the signal itself cannot explode, since tanh stays below 1.",
        verdict=lambda r: side(r.swollen.low, r.swollen.high, above=2),
        number=lambda r: f"gradient grows by 10^{r.swollen.mean:.1f}^",
    ),
)


def run(params: Params) -> Result:
    """Send signals forward and gradients back through random tanh networks, and compare with mean-field theory."""
    ideal = 1 / np.sqrt(gaussian_mean(lambda z: np.tanh(z) ** 2))
    gains = np.array(sorted({*params.gains, FIVE_THIRDS, ideal}))
    runs = spread(partial(_signal, params, gains), range(params.seeds), "networks")
    spreads, before, gradient, saturated = (
        np.stack(arrays) for arrays in zip(*runs, strict=True)
    )  # [seed, gain, layer]
    at = {gain: index for index, gain in enumerate(gains)}
    small, large = at[min(params.gains)], at[max(params.gains)]
    return Result(
        ideal_gain=float(ideal),
        kept=Estimate.of(before[:, at[ideal], -1]),
        ratio=Estimate.of(spreads[:, at[FIVE_THIRDS], -1] / spreads[:, at[ideal], -1]),
        faded=Estimate.of(np.log10(spreads[:, small, -1] / spreads[:, small, 0])),
        swollen=Estimate.of(np.log10(gradient[:, large, 0])),
        layers=_layers(gains, spreads, gradient),
        gains=_gains(gains, spreads, gradient, saturated),
        settling=_settling(np.linspace(0.7, max(params.gains), 61)),
        activations=_activations(),
    )


def _signal(params: Params, gains: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Measure one network: spreads of activations, pre-activations and gradients, saturated share; each [gain, layer]."""
    size = {"depth": params.depth, "width": params.width, "inputs": params.batch}
    found = propagate(gains, torch.tanh, tanh_derivative, **size, seed=seed)
    spread, before, gradient = (
        torch.stack([_spread(layer) for layer in layers], 1).numpy()
        for layers in (found.activations, found.pre_activations, found.gradients)
    )
    saturated = torch.stack([(layer.abs() > 0.97).double().mean((1, 2)) for layer in found.activations], 1)
    return spread, before, gradient / gradient[:, -1:], saturated.numpy()


def _spread(values: torch.Tensor) -> torch.Tensor:
    return values.square().mean((1, 2)).sqrt()  # [gain]


def _layers(gains: np.ndarray, spread: np.ndarray, gradient: np.ndarray) -> pd.DataFrame:
    rows = []
    depth = spread.shape[2]
    for index, gain in enumerate(gains):
        variances = [gain**2]  # the input has unit variance
        while len(variances) < depth:
            variances.append(next_variance(variances[-1], gain))
        factors = [gradient_factor(variance, gain) for variance in variances]
        for layer in range(depth):
            # Gradients multiply from layer to layer, so they are averaged as logarithms.
            growth = (
                Estimate.of(np.log(gradient[:, index, layer]))
                if layer < depth - 1
                else Estimate(0.0, 0.0, len(gradient))
            )
            forward = Estimate.of(spread[:, index, layer])
            rows.append(
                {
                    "gain": gain,
                    "layer": layer + 1,
                    "spread": forward.mean,
                    "spread_low": forward.low,
                    "spread_high": forward.high,
                    "spread_predicted": np.sqrt(next_variance(variances[layer], gain)) / gain,
                    "gradient": np.exp(growth.mean),
                    "gradient_low": np.exp(growth.low),
                    "gradient_high": np.exp(growth.high),
                    "gradient_predicted": np.sqrt(np.prod(factors[layer + 1 :])),
                }
            )
    return pd.DataFrame(rows)


def _gains(gains: np.ndarray, spread: np.ndarray, gradient: np.ndarray, saturated: np.ndarray) -> pd.DataFrame:
    rows = []
    steps = spread.shape[2] - 1
    for index, gain in enumerate(gains):
        settled = fixed_point_variance(gain)
        last = Estimate.of(spread[:, index, -1])
        growth = Estimate.of(np.exp(np.log(gradient[:, index, 0]) / steps))
        rows.append(
            {
                "gain": gain,
                "spread_settled": np.sqrt(settled) / gain,  # activations, infinite width and depth
                "spread": last.mean,
                "spread_low": last.low,
                "spread_high": last.high,
                "saturated": float(saturated[:, index, -1].mean()),  # share of |tanh| > 0.97 in the last layer
                "growth_settled": np.sqrt(gradient_factor(settled, gain)),  # of the gradient, per layer
                "growth": growth.mean,
                "growth_low": growth.low,
                "growth_high": growth.high,
            }
        )
    return pd.DataFrame(rows)


def _settling(gains: np.ndarray) -> pd.DataFrame:
    dense_above_one = np.concatenate([gains, 1 + np.geomspace(1e-4, 0.3, 24)])  # it rises like a square root there
    return pd.DataFrame(
        [{"gain": gain, "spread": np.sqrt(fixed_point_variance(gain)) / gain} for gain in np.sort(dense_above_one)]
    )


def _activations() -> pd.DataFrame:
    functional = torch.nn.functional
    functions: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "tanh": torch.tanh,
        "relu": functional.relu,
        "leaky_relu": functional.leaky_relu,
        "sigmoid": torch.sigmoid,
        "selu": functional.selu,
        "gelu": functional.gelu,
        "silu": functional.silu,
    }
    rows = []
    for name, function in functions.items():
        gain = 1 / np.sqrt(gaussian_mean(partial(_squared, function)))
        try:
            pytorch = torch.nn.init.calculate_gain(name)  # type: ignore[arg-type]
        except ValueError:  # PyTorch knows no gain for it
            pytorch = float("nan")
        rows.append({"activation": name, "gain": float(gain), "pytorch": float(pytorch)})
    return pd.DataFrame(rows)


def _squared(activation: Callable[[torch.Tensor], torch.Tensor], z: np.ndarray) -> np.ndarray:
    applied: np.ndarray = activation(torch.tensor(z)).numpy()
    return applied**2
