"""Numbers of the chapter on batch norm and the gain, recomputed from its text alone: PyTorch's layers and own seeds.

1. A layer's factor on the mean square of the gradient, ReLU with batch norm.
2. What the smallest gain costs with batch norm, at one learning rate.
3. The same with the hidden layers' learning rate in proportion to the square of the gain.
4. The exponent of the gain in the first update ratio, and the ratio over the last steps from the smallest gain.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "results/batchnorm_gain"
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
SEEDS = (701, 702, 703, 704)
BASE = 5 / 3
Pair = tuple[torch.Tensor, torch.Tensor]


def rows(table: str) -> list[dict[str, str]]:
    with (STORED / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pick(table: str, **wanted: object) -> dict[str, str]:
    """Return the one row of a stored table in which these columns have these values."""
    found = [
        row
        for row in rows(table)
        if all(row[k] == v if isinstance(v, str) else np.isclose(float(row[k]), v) for k, v in wanted.items())
    ]
    assert len(found) == 1, (table, wanted, len(found))
    return found[0]


def stored(row: dict[str, str], name: str) -> tuple[float, float]:
    return float(row[name]), float(row[f"{name}_high"]) - float(row[name])


def examples(names: list[str]) -> Pair:
    x, y = [], []
    for name in names:
        codes = [0, 0, 0, *(LETTERS.index(letter) for letter in name), 0]
        for end in range(3, len(codes)):
            x.append(codes[end - 3 : end])
            y.append(codes[end])
    return torch.tensor(x), torch.tensor(y)


def network(gain: float, depth: int, width: int, seed: int) -> nn.Sequential:
    """Make embeddings, hidden layers with batch norm, and a small last layer; equal seeds share their random numbers."""
    generator = torch.Generator().manual_seed(seed)
    embedding = nn.Embedding(27, 10)
    embedding.weight.data = torch.randn(27, 10, generator=generator)
    layers: list[nn.Module] = [embedding, nn.Flatten()]
    for below in [30] + [width] * (depth - 1):
        linear = nn.Linear(below, width, bias=False)
        linear.weight.data = gain / below**0.5 * torch.randn(width, below, generator=generator)
        layers += [linear, nn.BatchNorm1d(width, momentum=None), nn.Tanh()]
    last = nn.Linear(width, 27)
    last.weight.data = 0.1 / width**0.5 * torch.randn(27, width, generator=generator)
    last.bias.data.zero_()
    return nn.Sequential(*layers, last)


def train(model: nn.Sequential, params: dict, lr: float, hidden_lr: float, seed: int, data: Pair) -> list[float]:
    """Train by plain SGD; return the update ratio at every step, its geometric mean over the hidden layers."""
    hidden = [layer.weight for layer in list(model)[:-1] if isinstance(layer, nn.Linear)]
    mine = {id(weight) for weight in hidden}
    others = [parameter for parameter in model.parameters() if id(parameter) not in mine]
    optimiser = torch.optim.SGD([{"params": hidden, "lr": hidden_lr}, {"params": others, "lr": lr}])
    generator = torch.Generator().manual_seed(seed + 50_000)
    x, y = data
    ratios = []
    for _ in range(params["steps"]):
        chosen = torch.randint(len(x), (params["batch"],), generator=generator)
        optimiser.zero_grad()
        F.cross_entropy(model(x[chosen]), y[chosen]).backward()
        ratios.append(
            float(np.exp(np.mean([np.log(hidden_lr * (w.grad.norm() / w.detach().norm()).item()) for w in hidden])))
        )
        optimiser.step()
    return ratios


@torch.no_grad()
def loss(model: nn.Sequential, population: torch.Tensor, data: Pair) -> float:
    """Return the loss with the statistics of a sample of the training set."""
    for layer in model:
        if isinstance(layer, nn.BatchNorm1d):
            layer.reset_running_stats()  # with momentum None: the plain mean over what follows, one batch
    model(population)
    model.eval()
    found = F.cross_entropy(model(data[0]), data[1]).item()
    model.train()
    return found


def growth(depth: int, width: int, batch: int, seed: int) -> float:
    """Return what a ReLU layer with batch norm does to the mean square of a random gradient, at gain 1."""
    torch.manual_seed(seed)
    signal, signals = torch.randn(batch, width), []
    for _ in range(depth):
        weight = torch.randn(width, width) / width**0.5
        signal = F.batch_norm(signal @ weight, None, None, training=True).relu().requires_grad_()
        signals.append(signal)
    first, last = torch.autograd.grad(signal, [signals[0], signals[-1]], torch.randn(batch, width))
    return ((first.square().mean() / last.square().mean()) ** (1 / (depth - 1))).item()


def interval(values: list[float]) -> tuple[float, float]:
    """Return the mean and the half-width of its 95 % interval."""
    quantile = float(stats.t.ppf(0.975, len(values) - 1))
    return float(np.mean(values)), quantile * float(np.std(values, ddof=1)) / len(values) ** 0.5


def compare(what: str, own: tuple[float, float], book: tuple[float, float], slack: float = 0.0) -> bool:
    """Print a line; whether the two intervals meet, to within the slack."""
    agrees = abs(own[0] - book[0]) <= own[1] + book[1] + slack
    said = "agrees" if agrees else "DISAGREES"
    print(f"{what}: {own[0]:.4g} ± {own[1]:.2g}; the book has {book[0]:.4g} ± {book[1]:.2g}: {said}")
    return agrees


def main() -> int:
    torch.set_num_threads(1)
    result = json.loads((STORED / "result.json").read_text(encoding="utf-8"))
    params, numbers = result["params"], result["numbers"]
    lr, smallest = numbers["normed_lr"], min(params["gains"])

    own = [growth(params["deep"], params["deep_width"], params["deep_batch"], seed) for seed in SEEDS]
    row = pick("explosion", activation="ReLU", norm="True", gain=1.0)
    right = [compare("a ReLU layer's factor, gain 1", interval(own), stored(row, "factor"))]

    lines = (ROOT / params["data"]).read_text(encoding="utf-8").split()
    random.Random(42).shuffle(lines)
    first, second = int(0.8 * len(lines)), int(0.9 * len(lines))
    learnt, held = examples(lines[:first]), examples(lines[first:second])
    losses: dict[str, list[float]] = {"base": [], "small": [], "compensated": []}
    exponents, last = [], []
    for seed in SEEDS:
        sample = learnt[0][
            torch.randint(len(learnt[0]), (params["sample"],), generator=torch.Generator().manual_seed(seed))
        ]
        ratios = {}
        for name, gain, hidden_lr in (
            ("base", BASE, lr),
            ("small", smallest, lr),
            ("compensated", smallest, lr * (smallest / BASE) ** 2),
        ):
            model = network(gain, params["depth"], params["width"], seed)
            ratios[name] = train(model, params, lr, hidden_lr, seed, learnt)
            losses[name].append(loss(model, sample, held))
        exponents.append(np.log(ratios["small"][0] / ratios["base"][0]) / np.log(smallest / BASE))
        last.append(float(np.log(ratios["small"][-params["steps"] // 10 :]).mean()))
    costs = pick("costs", kind="batch norm", gain=smallest)
    for name, column in (("small", "cost"), ("compensated", "compensated")):
        found = interval([one - base for one, base in zip(losses[name], losses["base"], strict=True)])
        right.append(compare(f"cost of gain {smallest:g}, {column}", found, stored(costs, column)))
    slope = numbers["ratio_slope"]
    right.append(
        compare("exponent of the first ratio", interval(exponents), (slope["mean"], slope["half_width"]), slack=1e-3)
    )
    row = pick("ratios", kind="batch norm", gain=smallest)
    logs = np.log([float(row["last_ratio"]), float(row["last_ratio_high"])])
    right.append(compare("ln of the last ratio", interval(last), (logs[0], logs[1] - logs[0])))
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
