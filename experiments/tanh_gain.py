"""Does tanh need a gain of 5/3?

Method  The gain that keeps a unit-variance signal, 1 / sqrt(E[tanh(Z)^2]), comes from quadrature.  Deep tanh networks
        with weights of variance gain^2 / width then carry standard normal inputs through many layers and a random
        gradient back; for each seed the weights before scaling are the same at every gain.  Mean-field theory
        (infinite width) predicts both.
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

from lab.claims import Above, Below, Claim, Equals, Lines, Within
from lab.estimate import Estimate
from lab.tasks import spread
from nets.mean_field import fixed_point_variance, gaussian_mean, gradient_factor, next_variance
from nets.signal_propagation import propagate, tanh_derivative

FIVE_THIRDS = 5 / 3  # torch.nn.init.calculate_gain("tanh"); the lecture's value
SATURATED = 0.97  # an activation beyond ±0.97 counts as saturated: tanh's derivative there is below 0.06


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
    """What was found.  RMS is the root mean square over units and inputs; means are zero by construction."""

    params: Params
    ideal_gain: float  # 1 / sqrt(E[tanh(Z)^2]), Z standard normal, by quadrature
    pre_activation_rms: Estimate  # RMS of the last layer's pre-activations at the ideal gain; theory says 1
    rms_ratio: Estimate  # last-layer activation RMS at gain 5/3 over that at the ideal gain, seed by seed
    log_signal: Estimate  # log10 of the last layer's activation RMS over the first's, at the smallest gain
    log_gradient: Estimate  # log10 of the gradient's RMS at the first layer over that at the last, at the largest gain
    layers: pd.DataFrame  # per gain and layer: RMS of activations and gradient, measured and predicted
    gains: pd.DataFrame  # per gain: RMS at the fixed point and measured at the last layer, saturation, gradient growth
    fixed_points: pd.DataFrame  # the theory's curve: gain, and the RMS of activations that it settles at
    activations: pd.DataFrame  # per activation: gain by the formula, gain in PyTorch (nan where it has none)


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="value",
        text="$1/\\sqrt{\\operatorname{E}[f(Z)^2]}$ is about [1.592]{.given} for tanh.",
        source=Lines("N0", 84, 85),
        rule=Equals(
            "the ideal gain",
            lambda r: r.ideal_gain,
            1.592,
            tolerance=0.001,
            reason="the notes give three decimals, so “about” cannot mean less than one unit of the last",
        ),
        number=lambda r: f"{r.ideal_gain:.6f}",
    ),
    Claim(
        name="unit-variance",
        text="With that gain a layer hands on unit variance.",
        source=Lines("N0", 84, 84),
        rule=Within(
            "the RMS of the last layer's pre-activations",
            lambda r: r.pre_activation_rms,
            0.95,
            1.05,
            reason="5 % a layer, were it to compound, would be a factor of ten over the depth, so less is “kept”",
        ),
        number=lambda r: f"RMS {r.pre_activation_rms}",
    ),
    Claim(
        name="close",
        text="It is close to the 5/3 that people use.",
        source=Lines("N0", 85, 85),
        rule=Within(
            "the activations' RMS at the last layer with a gain of 5/3, over that with the ideal gain,",
            lambda r: r.rms_ratio,
            0.9,
            1.1,
            reason="the RMS over [200]{.given} units, the lecture's, already varies by 5 % ($1/\\sqrt{2 \\cdot 200}$) from "
            "seed to seed, and two of those are invisible",
        ),
        number=lambda r: f"ratio {r.rms_ratio}",
    ),
    Claim(
        name="too-small",
        text="The gain must not be too small.",
        source=Lines("N0", 76, 76),
        line=lambda params: (
            "Holds if at half the ideal gain the signal shrinks by a factor of 100 or more: "
            f"that is {100 * (1 - 100 ** (-1 / params.depth)):.0f} % a layer, over {params.depth} layers."
        ),
        rule=Below(
            "the signal's growth from the first layer to the last at half the ideal gain, as a power of ten,",
            lambda r: r.log_signal,
            -2,
        ),
        number=lambda r: f"shrinks by 10^{-r.log_signal.mean:.1f}^",
    ),
    Claim(
        name="too-large",
        text="The gain must not be too large.",
        source=Lines("N0", 76, 76),
        rule=Above(
            "the gradient's growth on its way back at twice the ideal gain, as a power of ten,",
            lambda r: r.log_gradient,
            2,
            reason="a factor of 100; the signal itself cannot explode, since tanh stays below 1",
        ),
        number=lambda r: f"gradient grows by 10^{r.log_gradient.mean:.1f}^",
    ),
)


def run(params: Params) -> Result:
    """Send signals forward and gradients back through random tanh networks, and compare with mean-field theory."""
    ideal = 1 / np.sqrt(gaussian_mean(lambda z: np.tanh(z) ** 2))
    gains = np.array(sorted({*params.gains, FIVE_THIRDS, ideal}))
    runs = spread(partial(_propagated, params, gains), range(params.seeds), "networks")
    rms, pre_rms, gradient, saturated = (np.stack(arrays) for arrays in zip(*runs, strict=True))  # [seed, gain, layer]
    at = {gain: index for index, gain in enumerate(gains)}
    small, large = at[min(params.gains)], at[max(params.gains)]
    return Result(
        params=params,
        ideal_gain=float(ideal),
        pre_activation_rms=Estimate.of(pre_rms[:, at[ideal], -1]),
        rms_ratio=Estimate.of(rms[:, at[FIVE_THIRDS], -1] / rms[:, at[ideal], -1]),
        log_signal=Estimate.of(np.log10(rms[:, small, -1] / rms[:, small, 0])),
        log_gradient=Estimate.of(np.log10(gradient[:, large, 0])),
        layers=_layers(gains, rms, gradient),
        gains=_gains(gains, rms, gradient, saturated),
        fixed_points=_fixed_points(np.linspace(0.7, max(params.gains), 61)),
        activations=_activations(),
    )


def signal_rms(gain: float, depth: int, width: int, inputs: int) -> list[float]:
    """Pass standard normal inputs through random tanh layers; return the RMS of every layer's activations."""
    signal = torch.randn(inputs, width)
    found = []
    for _ in range(depth):
        weight = gain / width**0.5 * torch.randn(width, width)
        signal = torch.tanh(signal @ weight)  # [input, unit]
        found.append(signal.square().mean().sqrt().item())
    return found


def _propagated(params: Params, gains: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Measure one network: RMS of activations, pre-activations and gradients, share saturated; each [gain, layer]."""
    size = {"depth": params.depth, "width": params.width, "inputs": params.batch}
    found = propagate(gains, torch.tanh, tanh_derivative, **size, seed=seed)
    rms, pre_rms, gradient = (
        torch.stack([_rms(layer) for layer in layers], 1).numpy()
        for layers in (found.activations, found.pre_activations, found.gradients)
    )
    saturated = torch.stack([(layer.abs() > SATURATED).double().mean((1, 2)) for layer in found.activations], 1)
    return rms, pre_rms, gradient / gradient[:, -1:], saturated.numpy()


def _rms(values: torch.Tensor) -> torch.Tensor:
    return values.square().mean((1, 2)).sqrt()  # [gain]


def _layers(gains: np.ndarray, rms: np.ndarray, gradient: np.ndarray) -> pd.DataFrame:
    """Table RMS and gradient, [seed, gain, layer] each, beside what theory says."""
    rows: list[dict[str, float]] = []
    depth = rms.shape[2]
    for index, gain in enumerate(gains):
        variances = [gain**2]  # the input has unit variance
        while len(variances) < depth:
            variances.append(next_variance(variances[-1], gain))
        factors = [gradient_factor(variance, gain) for variance in variances]
        for layer in range(depth):
            # Gradients multiply from layer to layer, so they are averaged as logarithms.
            growth = Estimate.columns("gradient", np.log(gradient[:, index, layer]))
            rows.append(
                {
                    "gain": gain,
                    "layer": layer + 1,
                    **Estimate.columns("rms", rms[:, index, layer]),
                    "rms_predicted": np.sqrt(next_variance(variances[layer], gain)) / gain,
                    **{column: np.exp(value) for column, value in growth.items()},
                    "gradient_predicted": np.sqrt(np.prod(factors[layer + 1 :])),
                }
            )
    return pd.DataFrame(rows)


def _gains(gains: np.ndarray, rms: np.ndarray, gradient: np.ndarray, saturated: np.ndarray) -> pd.DataFrame:
    rows: list[dict[str, float]] = []
    steps = rms.shape[2] - 1
    for index, gain in enumerate(gains):
        settled = fixed_point_variance(gain)
        rows.append(
            {
                "gain": gain,
                "rms_fixed_point": np.sqrt(settled) / gain,  # activations, infinite width and depth
                **Estimate.columns("rms", rms[:, index, -1]),
                "saturated": float(saturated[:, index, -1].mean()),  # share of activations, last layer
                "growth_fixed_point": np.sqrt(gradient_factor(settled, gain)),  # of the gradient, per layer
                **Estimate.columns("growth", np.exp(np.log(gradient[:, index, 0]) / steps)),
            }
        )
    return pd.DataFrame(rows)


def _fixed_points(gains: np.ndarray) -> pd.DataFrame:
    dense_above_one = np.concatenate([gains, 1 + np.geomspace(1e-4, 0.3, 24)])  # it rises like a square root there
    return pd.DataFrame(
        [{"gain": gain, "rms": np.sqrt(fixed_point_variance(gain)) / gain} for gain in np.sort(dense_above_one)]
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
