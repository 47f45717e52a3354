"""Does tanh need a gain of 5/3?

Method  The gain that keeps a unit-variance signal, 1 / sqrt(E[tanh(Z)^2]), comes from quadrature.  Deep tanh networks
        with weights of variance gain^2 / width then carry standard normal inputs through many layers and a random
        gradient back; for each seed the weights before scaling are the same at every gain.  Mean-field theory
        (infinite width) predicts both.  Last, tanh networks whose weights push the activations far apart, towards -1
        and 1, train on names: in their one hidden layer, in the last of many, in every one of many, and in none.
Cost    About 2 minutes on one core.
Notes   000_10f5d5d0f6910b7a.txt, "calculate means and std" and the last lines; 003_0e3f15bdf12e2faf.txt, "The problem
        with tanh".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch

from lab.claims import Above, Below, Caveat, Claim, Equals, Interval, Lines, Within, rows
from lab.estimate import Estimate
from lab.tasks import spread
from nets import deep_tanh, mlp, names, unigram_baseline
from nets.mean_field import fixed_point_variance, gaussian_mean, gradient_factor, next_variance
from nets.signal_propagation import propagate, tanh_derivative

FIVE_THIRDS = 5 / 3  # torch.nn.init.calculate_gain("tanh"); the lecture's value
SATURATED = 0.97  # an activation beyond ±0.97 counts as saturated: tanh's derivative there is below 0.06
PLAIN = deep_tanh.Architecture()  # no normalisation, no residual connections


@dataclass(frozen=True)
class Params:
    """What the networks are made of."""

    depth: int = 50  # layers
    width: int = 256  # units per layer
    batch: int = 64  # inputs per network
    seeds: int = 16  # independent networks
    gains: Annotated[tuple[float, ...], "> 0"] = (1.0, 1.1, 1.15, 1.25, 2.0)  # beside 5/3, ideal, its half and double
    data: Path = Path("data/names.txt")  # one name a line
    trained_depth: int = 10  # hidden layers of the deep networks that are trained
    trained_width: int = 64  # units per layer of the trained networks
    trained_seeds: int = 8  # independent trained networks of each kind
    pushing_gain: Annotated[float, "> 0"] = 10.0  # of layers that push their activations far apart
    lrs: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)  # learning rates; each kind of network may choose
    trained_batch: int = 32  # examples
    steps: int = 1000  # of plain SGD


SMOKE = Params(
    depth=6, width=64, batch=16, seeds=3, gains=(1.0,),
    trained_depth=2, trained_width=8, trained_seeds=2, lrs=(0.1, 0.3), trained_batch=8, steps=10,
)  # fmt: skip
MINUTE = Params(trained_seeds=3)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  RMS is the root mean square over units and inputs; means are zero by construction."""

    params: Params
    ideal_gain: float  # 1 / sqrt(E[tanh(Z)^2]), Z standard normal, by quadrature
    pre_activation_rms: Estimate  # RMS of the last layer's pre-activations at the ideal gain; theory says 1
    rms_ratio: Estimate  # last-layer activation RMS at gain 5/3 over that at the ideal gain, seed by seed
    log_signal: Estimate  # log10 of the last layer's activation RMS over the first's, at half the ideal gain
    log_gradient: (
        Estimate  # log10 of the gradient's RMS at the first layer over that at the last, at twice the ideal gain
    )
    entropy: float  # of the characters in the training set, nats: what a network that ignores its input can reach
    layers: pd.DataFrame  # per gain and layer: RMS of activations and gradient, measured and predicted
    gains: pd.DataFrame  # per gain: RMS at the fixed point and measured at the last layer, saturation, gradient growth
    fixed_points: pd.DataFrame  # the theory's curve: gain, and the RMS of activations that it settles at
    activations: pd.DataFrame  # per activation: gain by the formula, its f(Z)'s variance, gain in PyTorch (nan: none)
    training: pd.DataFrame  # per kind of network and learning rate: training loss after the last step
    pushed: pd.DataFrame  # per kind of network: share saturated at initialisation; loss less entropy at its best lr


NAMES = {"tanh": "tanh", "relu": "ReLU", "sigmoid": "sigmoid"}  # of activations, in words


def _excess(r: Result) -> list[Interval]:
    """Return the intervals of the loss less the entropy, one for each kind of network that pushes activations apart."""
    return rows(r.pushed[r.pushed["pushes"] != "none"], "excess")


def _worst_excess(r: Result) -> Interval:
    """Return the largest lower and the largest upper end: above a line if one kind of network surely is."""
    return max(low for low, _ in _excess(r)), max(high for _, high in _excess(r))


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="value",
        text="$1/\\sqrt{\\operatorname{E}[f(Z)^2]}$ is about [1.592]{.given} for tanh.",
        source=Lines("N0", 85, 85),
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
        text="A deep tanh network with that gain keeps unit variance from layer to layer.",
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
        name="any-activation",
        text="Multiplied by its gain, $f(Z)$ has unit variance, whatever the activation $f$.",
        source=Lines("N0", 84, 84),
        rule=Caveat(
            Within(
                "the variance of gain times $f(Z)$, for every activation tried,",
                lambda r: list(r.activations["variance"]),
                0.95,
                1.05,
                reason="the same 5 %",
            ),
            Within(
                "that of tanh alone",
                lambda r: list(r.activations[r.activations["activation"] == "tanh"]["variance"]),
                0.95,
                1.05,
            ),
        ),
        number=lambda r: ", ".join(
            f"{variance:.2f} for {NAMES[activation]}"
            for activation, variance in zip(r.activations["activation"], r.activations["variance"], strict=True)
            if activation in NAMES
        ),
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
            reason="a tenth, a choice: it is half of what a single layer takes away at half the ideal gain",
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
    Claim(
        name="pushed-apart",
        text="Activations pushed far apart make the network not converge.",
        source=Lines("N3", 4, 4),
        line=lambda params: (
            f"Holds if after {params.steps:,} steps at its best learning rate every kind of network that pushes activations "
            "apart has learnt next to nothing: its training loss is less than [0.1]{.given} nats below the entropy of the "
            "characters, which a network that ignores its input can reach. With a caveat if this is so of one kind only."
        ),
        rule=Caveat(
            Above(
                "the training loss less the entropy of the characters, in every kind of network", _excess, -0.1, "nats"
            ),
            Above("that of the kind that comes off worst", _worst_excess, -0.1, "nats"),
        ),
        number=lambda r: (
            "loss against ignoring the input, in nats: "
            + ", ".join(
                f"{excess:+.2f} ({where})".replace("-", "−")
                for where, pushes, excess in zip(r.pushed["where"], r.pushed["pushes"], r.pushed["excess"], strict=True)
                if pushes != "none"
            )
        ),
    ),
)


def run(params: Params) -> Result:
    """Send signals forward and gradients back through random tanh networks, and compare with mean-field theory."""
    ideal = 1 / np.sqrt(gaussian_mean(lambda z: np.tanh(z) ** 2))
    gains = np.array(sorted({*params.gains, FIVE_THIRDS, ideal / 2, ideal, 2 * ideal}))
    runs = spread(partial(_propagated, params, gains), range(params.seeds), "networks")
    rms, pre_rms, gradient, saturated = (np.stack(arrays) for arrays in zip(*runs, strict=True))  # [seed, gain, layer]
    at = {gain: index for index, gain in enumerate(gains)}
    small, large = at[ideal / 2], at[2 * ideal]
    training, pushed, entropy = _training(params, float(ideal))
    return Result(
        params=params,
        ideal_gain=float(ideal),
        pre_activation_rms=Estimate.of(pre_rms[:, at[ideal], -1]),
        rms_ratio=Estimate.of(rms[:, at[FIVE_THIRDS], -1] / rms[:, at[ideal], -1]),
        log_signal=Estimate.of(np.log10(rms[:, small, -1] / rms[:, small, 0])),
        log_gradient=Estimate.of(np.log10(gradient[:, large, 0])),
        entropy=entropy,
        layers=_layers(gains, rms, gradient),
        gains=_gains(gains, rms, gradient, saturated),
        fixed_points=_fixed_points(np.linspace(0.7, max(gains), 61)),
        activations=_activations(),
        training=training,
        pushed=pushed,
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
        mean, mean_square = gaussian_mean(partial(_applied, function)), gaussian_mean(partial(_squared, function))
        gain = 1 / np.sqrt(mean_square)
        try:
            pytorch = torch.nn.init.calculate_gain(name)  # type: ignore[arg-type]
        except ValueError:  # PyTorch knows no gain for it
            pytorch = float("nan")
        variance = float(gain**2 * (mean_square - mean**2))  # of gain times f(Z): 1 only where the mean is zero
        rows.append({"activation": name, "gain": float(gain), "variance": variance, "pytorch": float(pytorch)})
    return pd.DataFrame(rows)


def _applied(activation: Callable[[torch.Tensor], torch.Tensor], z: np.ndarray) -> np.ndarray:
    applied: np.ndarray = activation(torch.tensor(z)).numpy()
    return applied


def _squared(activation: Callable[[torch.Tensor], torch.Tensor], z: np.ndarray) -> np.ndarray:
    return _applied(activation, z) ** 2


# Training

KINDS = (  # of trained networks: what to call it, whether it is deep, and the layers that push
    ("one layer", False, "none"),
    ("the only layer", False, "every"),
    ("deep", True, "none"),
    ("last layer", True, "last"),
    ("every layer", True, "every"),
)


def _training(params: Params, ideal: float) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Train every kind of network at every learning rate; return both tables and the entropy of the characters."""
    runs = spread(partial(_trained, params, ideal), range(params.trained_seeds), "trainings")
    losses, saturated = (np.stack(arrays) for arrays in zip(*runs, strict=True))  # [seed, lr, kind], [seed, kind]
    counts = names.training_set(params.data)[2].next_counts.sum(0)
    entropy = unigram_baseline.entropy((counts / counts.sum()).numpy())
    training, pushed = [], []
    for index, (where, deep, pushes) in enumerate(KINDS):
        kind = {"where": where, "depth": params.trained_depth if deep else 1, "pushes": pushes}
        found = losses[:, :, index]  # [seed, lr]
        best = int(np.nan_to_num(found.mean(0), nan=np.inf).argmin())
        training += [
            kind | {"lr": lr} | Estimate.columns("loss", loss) for lr, loss in zip(params.lrs, found.T, strict=True)
        ]
        measured = {**Estimate.columns("saturated", saturated[:, index]), **Estimate.columns("loss", found[:, best])}
        pushed.append(kind | {"lr": params.lrs[best]} | measured | Estimate.columns("excess", found[:, best] - entropy))
    return pd.DataFrame(training), pd.DataFrame(pushed), entropy


def _trained(params: Params, ideal: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Train one network of every kind at every learning rate: loss over the training set, [lr, kind], and the share of
    activations in the last hidden layer that are saturated at initialisation, [kind].

    Kinds of a depth share their random numbers, and all share the batches.
    """
    x, y, data = names.training_set(params.data)
    order = mlp.batches([seed], len(x), params.trained_batch, params.steps)[:, 0]
    share = data.next_counts.sum(1) / data.next_counts.sum()
    losses: list[list[torch.Tensor]] = [[] for _ in params.lrs]
    saturated = []
    for deep, depth in ((False, 1), (True, params.trained_depth)):
        pushes = [layers for _, is_deep, layers in KINDS if is_deep == deep]
        gains = [params.pushing_gain if layers == "every" else ideal for layers in pushes]
        initial = deep_tanh.init(seed, gains, depth, params.trained_width, PLAIN)
        for member, layers in enumerate(pushes):
            if layers == "last":
                initial.layers[depth - 1][member] *= params.pushing_gain / ideal
        last = deep_tanh.forward(initial, data.contexts, PLAIN).activations[-1]  # [kind, context, unit]
        saturated.append(((last.abs() > SATURATED).double().mean(2) * share).sum(1))
        for found, lr in zip(losses, params.lrs, strict=True):
            network = initial.clone()
            for batch in order:
                gradient = deep_tanh.gradient(network, x[batch], y[batch], PLAIN)
                for weight, change in zip(network.tensors(), gradient.tensors(), strict=True):
                    weight.sub_(change, alpha=lr)
            found.append(deep_tanh.losses(network, data.contexts, data.next_counts, PLAIN, share))
    return torch.stack([torch.cat(found) for found in losses]).numpy(), torch.cat(saturated).numpy()
