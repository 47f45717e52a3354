"""Why 2/n?

Method  Deep ReLU networks pass standard normal inputs forward and a random gradient back, with weights of variance 2/n,
        1/n and 1 made from the same standard normal numbers.  Theory is exact at every width: a layer multiplies a mean
        square by a random factor of known law.  Then ReLU networks of several depths train on names from the three
        initialisations, at several learning rates.
Cost    About 80 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "Weight initialization reasons"; 000_10f5d5d0f6910b7a.txt, "divide by sqrt(fanin)".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtr

from lab.claims import Above, All, Below, Caveat, Claim, Lines, Within
from lab.estimate import Estimate
from lab.progress import track
from lab.tasks import spread
from nets import deep_relu, finite_width, mlp, names, signal_propagation, unigram_baseline
from nets.mean_field import next_cosine
from nets.signal_propagation import propagate, relu_derivative

INITS = {"2/n": (2, 1), "1/n": (1, 1), "1": (1, 0)}  # variance of the weights: numerator, and power of n it is over
FACTOR_OF_TWO = np.log(2)  # in either direction: what a single layer of variance 1/n does to the mean square


@dataclass(frozen=True)
class Params:
    """What the networks are made of."""

    depth: int = 50  # layers, for the signals
    width: int = 256  # units per layer, for the signals
    widths: tuple[int, ...] = (16, 32, 64, 128)  # units; also tried, at 2/n
    inputs: int = 8  # per network
    seeds: int = 64  # independent networks, for the signals
    plotted: int = 24  # networks whose signals are kept layer by layer
    data: Path = Path("data/names.txt")  # one name a line
    depths: tuple[int, ...] = (1, 3, 8, 20)  # hidden layers of the trained networks
    trained_width: int = 64  # units per layer of the trained networks
    trained_seeds: int = 16  # independent trained networks
    lrs: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # learning rates; each initialisation may choose
    batch: int = 32  # examples
    steps: int = 200  # of plain SGD
    sample: int = 4000  # training examples over which the loss is taken


SMOKE = Params(
    depth=6, width=24, widths=(12,), inputs=3, seeds=6, plotted=2, depths=(1, 3), trained_width=8, trained_seeds=2,
    lrs=(0.1,), batch=8, steps=10, sample=200,
)  # fmt: skip
MINUTE = Params(seeds=32, trained_seeds=8)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  "Factor" is a layer's on the mean square, its geometric mean over layers and inputs."""

    params: Params
    signal_factor: Estimate  # factor of the signal at 2/n
    gradient_factor: Estimate  # factor of the gradient at 2/n
    signal_factor_1_over_n: Estimate  # factor of the signal at 1/n
    log_signal_unit_variance: Estimate  # log10 of the last layer's RMS over the inputs', at variance 1
    mean_square: Estimate  # at the last layer over the inputs', 2/n, plain mean over networks; theory says 1
    beyond_two: Estimate  # share of signals at 2/n that end more than a factor of 2 from where they began
    beyond_two_gradient: Estimate  # the same for gradients
    beyond_two_predicted: float  # the same by theory, taking the sum of the layers' logarithms to be normal
    scaling_error: float  # largest relative difference between 1/n's mean squares and 2^-layer times those of 2/n
    entropy: float  # of the next letter in the sample, nats: what a network that ignores its input can reach
    loss_difference: Estimate  # loss at 1/n less loss at 2/n, deepest networks, each at its best learning rate, nats
    loss_difference_shallow: Estimate  # the same for the shallowest
    diverged: float  # share of the deepest networks at variance 1, at any learning rate, whose loss is NaN or infinite
    layers: pd.DataFrame  # per initialisation and layer: mean squares of signal and gradient, typical and by theory
    factors: pd.DataFrame  # per initialisation and direction: a layer's factor, by theory (mean, typical) and measured
    widths: pd.DataFrame  # per width at 2/n: drift of the logarithm a layer, its final standard deviation, and theory
    networks: pd.DataFrame  # per width, network and layer at 2/n: mean square of one input's signal
    cosines: pd.DataFrame  # per layer at 2/n: cosine between two inputs' signals, by theory and measured
    training: pd.DataFrame  # per initialisation, depth and learning rate: loss after the last step, share finite


SIGNAL_KEPT: Within[Result] = Within(
    "a layer's factor on the signal's mean square", lambda r: r.signal_factor, 0.95, 1.05
)
GRADIENT_KEPT: Within[Result] = Within(
    "a layer's factor on the gradient's mean square", lambda r: r.gradient_factor, 0.95, 1.05
)
KEPT_LINE = (
    "Holds if a layer's factor on the mean square lies within 5 % of 1, the line of @sec-tanh-gain; with a caveat if it "
    "does but more than 5 % end more than a factor of 2 from where they began (that is what one layer of variance $1/n$ "
    "takes away)."
)

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="signal",
        text="Weights of variance $2/n$ keep a ReLU network's signal.",
        source=Lines("N3", 55, 58),
        line=KEPT_LINE,
        rule=Caveat(
            All(
                SIGNAL_KEPT,
                Below(
                    "the share of signals that end beyond a factor of 2, at the lower end of its interval,",
                    lambda r: r.beyond_two.low,  # a caveat must be certain
                    0.05,
                ),
            ),
            SIGNAL_KEPT,
        ),
        number=lambda r: f"factor {r.signal_factor} a layer; {100 * r.beyond_two.mean:.0f} % end beyond a factor of 2",
    ),
    Claim(
        name="gradient",
        text="They keep the gradient too: neither vanishing nor exploding.",
        source=Lines("N3", 60, 60),
        line="The same line, for the gradient on its way back.",
        rule=Caveat(
            All(
                GRADIENT_KEPT,
                Below(
                    "the share of gradients that end beyond a factor of 2, at the lower end of its interval,",
                    lambda r: r.beyond_two_gradient.low,  # a caveat must be certain
                    0.05,
                ),
            ),
            GRADIENT_KEPT,
        ),
        number=lambda r: (
            f"factor {r.gradient_factor} a layer; {100 * r.beyond_two_gradient.mean:.0f} % end beyond a factor of 2"
        ),
    ),
    Claim(
        name="half",
        text="Variance $1/n$ halves the signal's mean square in every layer.",
        source=None,
        rule=Within(
            "a layer's factor on the mean square at variance $1/n$",
            lambda r: r.signal_factor_1_over_n,
            0.475,
            0.525,
            reason="1/2 to within the same 5 % as for “kept”",
        ),
        number=lambda r: f"factor {r.signal_factor_1_over_n} a layer",
    ),
    Claim(
        name="unit",
        text="With weights of standard deviation 1 the signal explodes.",
        source=None,
        rule=Above(
            "the growth of the signal's RMS through the network, as a power of ten,",
            lambda r: r.log_signal_unit_variance,
            2,
            reason="a factor of 100, the line of @sec-tanh-gain",
        ),
        number=lambda r: f"its RMS grows by 10^{r.log_signal_unit_variance.mean:.1f}^",
    ),
    Claim(
        name="training",
        text="A deep ReLU network learns faster from $2/n$ than from $1/n$.",
        source=Lines("N3", 55, 60),
        rule=Above(
            "the loss of the deepest networks from $1/n$ less that from $2/n$, after the same steps and each initialisation at "
            "its best learning rate,",
            lambda r: r.loss_difference,
            0.01,
            unit="nats",
            reason="1 % in perplexity, the line of @sec-zero-init",
        ),
        number=lambda r: f"{r.loss_difference} nats lower",
    ),
)


def run(params: Params) -> Result:
    """Send signals and gradients through random ReLU networks, compare with theory, and train some of them."""
    gains = np.array([_variance(init, params.width) * params.width for init in INITS]) ** 0.5
    runs = spread(partial(_network, params, params.width, gains), range(params.seeds), "networks")
    up, down, cosine = (
        np.stack(arrays) for arrays in zip(*runs, strict=True)
    )  # [seed, init, layer, input]; logarithms
    narrow = {
        width: np.stack([_network(params, width, gains[:1], seed)[0] for seed in range(params.seeds)])
        for width in track(params.widths, "widths")
    }
    every = narrow | {params.width: up[:, :1]}
    law = finite_width.relu_layer(params.width)
    training, loss_difference, loss_difference_shallow, entropy = _training(params)

    def tables(of: Callable[[np.ndarray, np.ndarray, float, finite_width.LogFactor], pd.DataFrame]) -> pd.DataFrame:
        growth = 2 * np.log(gains) - np.log(2)  # ln of a layer's factor, in the mean over networks
        each = [of(up[:, index], down[:, index], float(growth[index]), law) for index in range(len(INITS))]
        return pd.concat([table.assign(init=init) for init, table in zip(INITS, each, strict=True)], ignore_index=True)

    below, above = ndtr(
        (np.array([-FACTOR_OF_TWO, FACTOR_OF_TWO]) - params.depth * law.mean) / np.sqrt(params.depth * law.variance)
    )
    deepest = training[(training["init"] == "1") & (training["depth"] == max(params.depths))]
    halves = 2.0 ** -np.arange(1, params.depth + 1)[:, None]
    return Result(
        params=params,
        signal_factor=signal_propagation.layer_factor(up[:, 0, -1], params.depth),
        gradient_factor=signal_propagation.layer_factor(down[:, 0, 0], params.depth - 1),
        signal_factor_1_over_n=signal_propagation.layer_factor(up[:, 1, -1], params.depth),
        log_signal_unit_variance=Estimate.of(up[:, 2, -1].mean(1) / 2 / np.log(10)),
        mean_square=Estimate.of(np.exp(up[:, 0, -1]).mean(1)),
        beyond_two=Estimate.of((np.abs(up[:, 0, -1]) > FACTOR_OF_TWO).mean(1)),
        beyond_two_gradient=Estimate.of((np.abs(down[:, 0, 0]) > FACTOR_OF_TWO).mean(1)),
        beyond_two_predicted=float(1 - above + below),
        scaling_error=float(np.abs(np.exp(up[:, 1] - up[:, 0]) / halves - 1).max()),
        entropy=entropy,
        loss_difference=loss_difference,
        loss_difference_shallow=loss_difference_shallow,
        diverged=float(1 - deepest["finite"].mean()),
        layers=tables(signal_propagation.by_layer),
        factors=tables(signal_propagation.layer_factors),
        widths=pd.DataFrame(
            [
                {"width": width}
                | signal_propagation.compare_with_law(
                    every[width][:, 0, -1, 0], params.depth, finite_width.relu_layer(width)
                )
                for width in sorted(every)
            ]
        ),
        networks=_networks(params, every),
        cosines=_cosines(cosine),
        training=training,
    )


def _variance(init: str, fan_in: int) -> float:
    numerator, power = INITS[init]
    return numerator / float(fan_in) ** power


def gradient_squares(variance: float, depth: int, width: int, inputs: int) -> list[float]:
    """Pass a random gradient back through random ReLU layers; return its mean square at every layer."""
    signals = [torch.randn(inputs, width)]
    for _ in range(depth):
        weight = variance**0.5 * torch.randn(width, width)
        signals.append(torch.relu(signals[-1] @ weight).requires_grad_())  # [input, unit]
    gradients = torch.autograd.grad(signals[-1], signals[1:], torch.randn(inputs, width))
    return [gradient.square().mean().item() for gradient in gradients]


def _network(params: Params, width: int, gains: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the logarithms of mean squares forward and backward, [gain, layer, input], and cosines between inputs, [layer]."""
    size = {"depth": params.depth, "width": width, "inputs": params.inputs}
    found = propagate(gains, torch.relu, relu_derivative, **size, seed=seed)
    above_diagonal = torch.triu(torch.ones(params.inputs, params.inputs), diagonal=1) > 0
    cosine = []  # mean over every pair of inputs, at the first gain
    for layer in [found.inputs, *found.activations]:
        direction = torch.nn.functional.normalize(layer[0], dim=1)  # [input, unit]
        cosine.append(float((direction @ direction.T)[above_diagonal].mean()))
    return *signal_propagation.log_mean_squares(found), np.array(cosine)


def _networks(params: Params, every: dict[int, np.ndarray]) -> pd.DataFrame:
    rows = [
        {"width": width, "network": network, "layer": layer + 1, "mean_square": float(np.exp(every[width][network, 0, layer, 0]))}
        for width in (sorted(every)[max(0, min(1, len(every) - 2))], params.width)
        for network in range(params.plotted)
        for layer in range(params.depth)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _cosines(cosine: np.ndarray) -> pd.DataFrame:
    predicted, rows = 0.0, []  # independent inputs of infinite width are at right angles
    for layer, measured in enumerate(cosine.T):
        rows.append({"layer": layer, "predicted": predicted, **Estimate.columns("cosine", measured)})
        predicted = next_cosine(predicted)
    return pd.DataFrame(rows)


def _training(params: Params) -> tuple[pd.DataFrame, Estimate, Estimate, float]:
    """Train from every initialisation at every depth and learning rate.

    Returns the table, the losses at 1/n less those at 2/n (deepest, shallowest), and the entropy.
    """
    x, y = names.contexts(names.split(names.load(params.data)).train)
    seeds = range(params.trained_seeds)
    order = mlp.batches(seeds, len(x), params.batch, params.steps)
    some = torch.randint(len(x), (params.sample,), generator=torch.Generator().manual_seed(mlp.BATCH_SEED - 1))
    data = names.counts(x[some], y[some])
    rows, best = [], {}  # best: losses at the best learning rate, [seed]
    for depth in track(params.depths, "depths"):
        for init in INITS:
            initial = deep_relu.init(seeds, depth, params.trained_width, partial(_variance, init))
            found = deep_relu.lr_sweep(initial, x[order], y[order], params.lrs, data)  # [lr, seed]
            best[init, depth] = found[np.nan_to_num(found.mean(1), nan=np.inf).argmin()]
            for lr, loss in zip(params.lrs, found, strict=True):
                finite = {"finite": float(np.isfinite(loss).mean())}
                rows.append({"init": init, "depth": depth, "lr": lr, **Estimate.columns("loss", loss), **finite})
    differences = [
        Estimate.of(best["1/n", depth] - best["2/n", depth]) for depth in (max(params.depths), min(params.depths))
    ]
    frequencies = (data.next_counts.sum(0) / data.next_counts.sum()).numpy()
    return pd.DataFrame(rows), differences[0], differences[1], unigram_baseline.entropy(frequencies)
