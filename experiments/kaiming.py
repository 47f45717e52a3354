"""Why 2/n?

Method  Deep ReLU networks carry standard normal inputs up and a random gradient down, with weights of variance 2/n, 1/n
        and 1 made from the same draws.  Theory is exact at every width: a layer multiplies a squared length by a random
        factor of known law.  Then ReLU networks of several depths train on names from the three starts, at three rates.
Cost    About 35 s on one core.
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

from lab.claims import Claim, Verdict, side, within
from lab.estimate import Estimate
from lab.progress import track
from lab.tasks import spread
from nets import deep_relu, finite_width, mlp, names, signal_propagation, unigram_baseline
from nets.mean_field import next_cosine
from nets.signal_propagation import propagate, relu_derivative

STARTS = {"2/n": (2, 1), "1/n": (1, 1), "1": (1, 0)}  # variance of the weights: numerator, and power of n it is over
ASTRAY = np.log(2)  # in either direction: what a single layer of variance 1/n does to the mean square


@dataclass(frozen=True)
class Params:
    """What the networks are made of."""

    depth: int = 50  # layers, for the signals
    width: int = 256  # units per layer, for the signals
    widths: tuple[int, ...] = (16, 32, 64, 128)  # units; also tried, at 2/n
    inputs: int = 8  # per network
    seeds: int = 64  # independent networks, for the signals
    shown: int = 24  # networks whose walks are kept, for the picture
    data: Path = Path("data/names.txt")  # one name a line
    depths: tuple[int, ...] = (1, 3, 8, 20)  # hidden layers of the trained networks
    trained_width: int = 64  # units per layer of the trained networks
    trained_seeds: int = 16  # independent trained networks: draws and batches
    rates: tuple[float, ...] = (0.03, 0.1, 0.3)  # learning rates; each start may choose
    batch: int = 32  # examples
    steps: int = 200  # of plain SGD
    sample: int = 4000  # training examples over which the loss is taken


SMOKE = Params(
    depth=6, width=24, widths=(12,), inputs=3, seeds=6, shown=2, depths=(1, 3), trained_width=8, trained_seeds=2,
    rates=(0.1,), batch=8, steps=10, sample=200,
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What was found.  "Factor" is a layer's on the mean square, its geometric mean over layers and inputs."""

    kept: Estimate  # factor of the signal at 2/n
    kept_gradient: Estimate  # factor of the gradient at 2/n
    halved: Estimate  # factor of the signal at 1/n
    swollen: Estimate  # log10 of the last layer's spread (root mean square) over the inputs', at variance 1
    average: Estimate  # mean square at the last layer over the inputs', 2/n, plain mean over networks; theory says 1
    astray: Estimate  # share of signals at 2/n that end more than a factor of 2 from the mean square they began with
    astray_gradient: Estimate  # the same for gradients
    astray_predicted: float  # the same by theory, taking the sum of the layers' logarithms to be normal
    homogeneity: float  # largest relative difference between 1/n's mean squares and 2^-layer times those of 2/n
    entropy: float  # of the next letter in the sample, nats: what a network that ignores its input can reach
    worth: Estimate  # loss at 1/n less loss at 2/n, deepest networks, each at its best rate, seed by seed, nats
    worth_shallow: Estimate  # the same for the shallowest
    broken: float  # share of the deepest networks at variance 1, at any rate, whose loss is no longer a number
    layers: pd.DataFrame  # per start and layer: signal and gradient relative to where they began, typical and by theory
    factors: pd.DataFrame  # per start and direction: a layer's factor, by theory (mean, typical) and measured
    widths: pd.DataFrame  # per width at 2/n: drift of the logarithm a layer, scatter at the end, by theory and measured
    walks: pd.DataFrame  # per width, network and layer at 2/n: mean square of one input's signal
    cosines: pd.DataFrame  # per layer at 2/n: cosine between two inputs' signals, by theory and measured
    training: pd.DataFrame  # per start, depth and rate: loss after the last step, share of networks still finite


def _kept_verdict(factor: Estimate, astray: Estimate) -> Verdict:
    kept = within(factor.low, factor.high, lower=0.95, upper=1.05)
    return Verdict.CAVEAT if kept is Verdict.HOLDS and astray.low > 0.05 else kept


KEPT_LINE = (
    "Holds if a layer's factor on the mean square lies within 5 % of 1, the line of @sec-tanh-gain; with a caveat if, "
    "besides, more than 1 in 20 end further than a factor of 2 from where they began, "
    "which is what one layer of variance $1/n$ does."
)

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="signal",
        text="Weights of variance $2/n$ keep a ReLU network's signal.",
        source="N3, “Weight initialization reasons”",
        line=KEPT_LINE,
        verdict=lambda r: _kept_verdict(r.kept, r.astray),
        number=lambda r: f"factor {r.kept} a layer; {100 * r.astray.mean:.0f} % astray",
    ),
    Claim(
        name="gradient",
        text="They keep the gradient too: neither vanishing nor exploding.",
        source="N3, “To prevent vanishing and exploding gradients”",
        line="The same line, for the gradient on its way down.",
        verdict=lambda r: _kept_verdict(r.kept_gradient, r.astray_gradient),
        number=lambda r: f"factor {r.kept_gradient} a layer; {100 * r.astray_gradient.mean:.0f} % astray",
    ),
    Claim(
        name="half",
        text="Variance $1/n$ does not: it halves the mean square in every layer.",
        source="N0, “divide by sqrt(fanin)”",
        line="Holds if a layer's factor lies within 5 % of 1/2: the same 5 % as for “kept”.",
        verdict=lambda r: within(r.halved.low, r.halved.high, lower=0.475, upper=0.525),
        number=lambda r: f"factor {r.halved} a layer",
    ),
    Claim(
        name="unit",
        text="Unit variance explodes.",
        source="N3, “normal distribution with a mean = 0 and stddev = 1”",
        line="Holds if the spread grows by a factor of 100 or more on its way up: 10 % a layer, the line of "
        "@sec-tanh-gain.",
        verdict=lambda r: side(r.swollen.low, r.swollen.high, above=2),
        number=lambda r: f"grows by 10^{r.swollen.mean:.0f}^",
    ),
    Claim(
        name="training",
        text="A deep ReLU network learns faster from $2/n$ than from $1/n$.",
        source="N3, “Weight initialization reasons”",
        line="Holds if the deepest networks, each start at its best rate, end more than [0.01]{.given} nats lower from "
        "$2/n$ after the same steps: 1 % in perplexity, the line of @sec-zero-init.",
        verdict=lambda r: side(r.worth.low, r.worth.high, above=0.01),
        number=lambda r: f"worth {r.worth} nats",
    ),
)


def run(params: Params) -> Result:
    """Send signals and gradients through random ReLU networks, compare with theory, and train some of them."""
    gains = np.array([_variance(start, params.width) * params.width for start in STARTS]) ** 0.5
    runs = spread(partial(_network, params, params.width, gains), range(params.seeds), "networks")
    up, down, cosine = (np.stack(kind) for kind in zip(*runs, strict=True))  # [seed, start, layer, input]; logarithms
    narrow = {
        width: np.stack([_network(params, width, gains[:1], seed)[0] for seed in range(params.seeds)])
        for width in track(params.widths, "widths")
    }
    every = narrow | {params.width: up[:, :1]}
    law = finite_width.relu(params.width)
    training, worth, worth_shallow, entropy = _training(params)

    def tables(of: Callable[[np.ndarray, np.ndarray, float, finite_width.LogFactor], pd.DataFrame]) -> pd.DataFrame:
        growth = 2 * np.log(gains) - np.log(2)  # ln of a layer's factor, in the mean over networks
        each = [of(up[:, index], down[:, index], float(growth[index]), law) for index in range(len(STARTS))]
        return pd.concat(
            [table.assign(start=start) for start, table in zip(STARTS, each, strict=True)], ignore_index=True
        )

    below, above = ndtr((np.array([-ASTRAY, ASTRAY]) - params.depth * law.mean) / np.sqrt(params.depth * law.variance))
    deepest = training[(training["start"] == "1") & (training["depth"] == max(params.depths))]
    halves = 2.0 ** -np.arange(1, params.depth + 1)[:, None]
    return Result(
        kept=signal_propagation.layer_factor(up[:, 0, -1], params.depth),
        kept_gradient=signal_propagation.layer_factor(down[:, 0, 0], params.depth - 1),
        halved=signal_propagation.layer_factor(up[:, 1, -1], params.depth),
        swollen=Estimate.of(up[:, 2, -1].mean(1) / 2 / np.log(10)),
        average=Estimate.of(np.exp(up[:, 0, -1]).mean(1)),
        astray=Estimate.of((np.abs(up[:, 0, -1]) > ASTRAY).mean(1)),
        astray_gradient=Estimate.of((np.abs(down[:, 0, 0]) > ASTRAY).mean(1)),
        astray_predicted=float(1 - above + below),
        homogeneity=float(np.abs(np.exp(up[:, 1] - up[:, 0]) / halves - 1).max()),
        entropy=entropy,
        worth=worth,
        worth_shallow=worth_shallow,
        broken=float(1 - deepest["finite"].mean()),
        layers=tables(signal_propagation.by_layer),
        factors=tables(signal_propagation.layer_factors),
        widths=pd.DataFrame(
            [
                {"width": width}
                | signal_propagation.compare_with_law(every[width][:, 0, -1, 0], params.depth, finite_width.relu(width))
                for width in sorted(every)
            ]
        ),
        walks=_walks(params, every),
        cosines=_cosines(cosine),
        training=training,
    )


def _variance(start: str, fan_in: int) -> float:
    numerator, power = STARTS[start]
    return numerator / float(fan_in) ** power


def _network(params: Params, width: int, gains: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the logarithms of lengths up and down, [gain, layer, input], and cosines between inputs, [layer]."""
    size = {"depth": params.depth, "width": width, "inputs": params.inputs}
    found = propagate(gains, torch.relu, relu_derivative, **size, seed=seed)
    above_diagonal = torch.triu(torch.ones(params.inputs, params.inputs), diagonal=1) > 0
    cosine = []  # mean over every pair of inputs, at the first gain
    for layer in [found.inputs, *found.activations]:
        direction = torch.nn.functional.normalize(layer[0], dim=1)  # [input, unit]
        cosine.append(float((direction @ direction.T)[above_diagonal].mean()))
    return *signal_propagation.log_mean_squares(found), np.array(cosine)


def _walks(params: Params, every: dict[int, np.ndarray]) -> pd.DataFrame:
    rows = [
        {"width": width, "network": network, "layer": layer + 1, "square": float(np.exp(every[width][network, 0, layer, 0]))}
        for width in (sorted(every)[min(1, len(every) - 1)], params.width)
        for network in range(params.shown)
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
    """Train from every start at every depth and rate; return the table, what 2/n is worth deep and shallow, the entropy."""
    x, y = names.contexts(names.split(names.load(params.data)).train)
    seeds = range(params.trained_seeds)
    order = mlp.batches(seeds, len(x), params.batch, params.steps)
    shown, following = x[order], y[order]
    some = torch.randint(len(x), (params.sample,), generator=torch.Generator().manual_seed(mlp.BATCH_SEED - 1))
    data = names.counts(x[some], y[some])
    rows, best = [], {}  # best: losses at the best rate, [seed]
    for depth in track(params.depths, "depths"):
        for start in STARTS:
            begun = deep_relu.init(seeds, depth, params.trained_width, partial(_variance, start))
            found = deep_relu.lr_sweep(begun, shown, following, params.rates, data)  # [rate, seed]
            best[start, depth] = found[np.nan_to_num(found.mean(1), nan=np.inf).argmin()]
            for rate, loss in zip(params.rates, found, strict=True):
                finite = {"finite": float(np.isfinite(loss).mean())}
                rows.append({"start": start, "depth": depth, "rate": rate, **Estimate.columns("loss", loss), **finite})
    worth = [Estimate.of(best["1/n", depth] - best["2/n", depth]) for depth in (max(params.depths), min(params.depths))]
    frequencies = (data.next_counts.sum(0) / data.next_counts.sum()).numpy()
    return pd.DataFrame(rows), worth[0], worth[1], unigram_baseline.entropy(frequencies)
