"""Numbers of the chapter on the distribution of weights, recomputed from its text alone: numpy, scipy, PyTorch, own seeds.

1. The excess kurtosis of all weights together before training, from a normal initialisation.
2. Excess kurtosis of the first hidden layer's weights after SGD from a uniform initialisation.
3. What share of the variance of the embedding and the hidden layers is the initial weights'.
4. The largest singular value of the second hidden layer over the edge of Marchenko and Pastur, and in random order.

    python tests/independent/weight_distribution.py      from the root of the project
"""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "results/weight_distribution"
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
NAMES = ("embedding", "first hidden", "second hidden", "output")
SEEDS = 5


def rows(table: str, **where: str) -> list[dict[str, str]]:
    with (STORED / f"{table}.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if all(row[name] == value for name, value in where.items())]


def book(table: str, column: str, **where: str) -> tuple[float, float]:
    (row,) = rows(table, **where)
    return float(row[column]), float(row[f"{column}_high"]) - float(row[column])


def examples(names: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = [], []
    for name in names:
        codes = [0, 0, 0, *(LETTERS.index(letter) for letter in name), 0]
        for end in range(3, len(codes)):
            x.append(codes[end - 3 : end])
            y.append(codes[end])
    return torch.tensor(x), torch.tensor(y)


def initial(seed: int, width: int, kind: str) -> list[torch.Tensor]:
    """Return embedding, two hidden layers and output layer; biases come later and are zero."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (
        (27, 10, 1.0),
        (30, width, 5 / 3 / 30**0.5),
        (width, width, 5 / 3 / width**0.5),
        (width, 27, 0.1 / width**0.5),
    )
    if kind == "normal":
        return [std * torch.randn(low, high, generator=generator) for low, high, std in sizes]
    return [std * 12**0.5 * (torch.rand(low, high, generator=generator) - 0.5) for low, high, std in sizes]


def train(nets: list[list[torch.Tensor]], params: dict, x: torch.Tensor, y: torch.Tensor) -> list[list[torch.Tensor]]:
    """Train all networks side by side by plain SGD, on batches of their own, with the gradient written out."""
    embedding, one, two, last = (torch.stack(layer) for layer in zip(*nets, strict=True))
    b1, b2, b3 = (torch.zeros(len(nets), 1, layer.shape[2]) for layer in (one, two, last))
    which = torch.arange(len(nets))[:, None, None]
    generator, size = torch.Generator().manual_seed(4321), params["batch"]
    for step in range(params["steps"]):
        lr = params["lr"] * (1 if step < 0.8 * params["steps"] else 0.1)
        chosen = torch.randint(len(x), (len(nets), size), generator=generator)
        seen, target = x[chosen], y[chosen]
        e = embedding[which, seen].flatten(2)
        h1 = torch.tanh(e @ one + b1)
        h2 = torch.tanh(h1 @ two + b2)
        d3 = torch.softmax(h2 @ last + b3, 2)
        d3.scatter_add_(2, target[..., None], torch.full((*target.shape, 1), -1.0))
        d3 /= size
        d2 = (d3 @ last.mT) * (1 - h2 * h2)
        d1 = (d2 @ two.mT) * (1 - h1 * h1)
        back = (d1 @ one.mT).view(*seen.shape, -1)
        for weight, bias, below, error in ((last, b3, h2, d3), (two, b2, h1, d2), (one, b1, e, d1)):
            weight -= lr * below.mT @ error
            bias -= lr * error.sum(1, keepdim=True)
        embedding.index_put_((which, seen), -lr * back, accumulate=True)
    return [[layer[net] for layer in (embedding, one, two, last)] for net in range(len(nets))]


def interval(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def compare(what: str, own: tuple[float, float], theirs: tuple[float, float]) -> bool:
    agrees = abs(own[0] - theirs[0]) <= own[1] + theirs[1]
    said = "agrees" if agrees else "DISAGREES"
    print(f"{what}: own {own[0]:.3f} ± {own[1]:.3f}, the book's {theirs[0]:.3f} ± {theirs[1]:.3f}: {said}")
    return agrees


def edge_ratio(weights: np.ndarray) -> float:
    z = (weights - weights.mean()) / weights.std()
    return float(np.linalg.norm(z, 2) / (z.shape[0] ** 0.5 + z.shape[1] ** 0.5))


def main() -> int:
    torch.set_num_threads(1)
    params = json.loads((STORED / "result.json").read_text(encoding="utf-8"))["params"]
    lines = (ROOT / params["data"]).read_text(encoding="utf-8").split()
    random.Random(42).shuffle(lines)
    x, y = examples(lines[: int(0.8 * len(lines))])
    kinds = ["normal", "uniform"] * SEEDS
    before = [initial(8800 + place, params["width"], kind) for place, kind in enumerate(kinds)]
    after = train(before, params, x, y)
    flat = [
        [[layer.double().numpy() for layer in net] for net, kind in zip(nets, kinds, strict=True) if kind == wanted]
        for nets in (before, after)
        for wanted in ("normal", "uniform")
    ]
    normal_before, uniform_before, normal_after, uniform_after = flat
    right = []

    heaps = [np.concatenate([layer.ravel() for layer in net]) for net in normal_before]
    own = interval([float(stats.kurtosis(heap, bias=False)) for heap in heaps])
    theirs = book("moments", "kurtosis", init="normal", recipe="SGD", layer="all", step="0")
    right.append(compare("all weights before training, excess kurtosis", own, theirs))

    own = interval([float(stats.kurtosis(net[1].ravel(), bias=False)) for net in uniform_after])
    theirs = book("moments", "kurtosis", init="uniform", recipe="SGD", layer="first hidden", step=str(params["steps"]))
    right.append(compare("first hidden layer after SGD from a uniform, excess kurtosis", own, theirs))

    for place in range(3):
        pairs = zip(uniform_before, uniform_after, strict=True)
        kept = [float(np.corrcoef(one[place].ravel(), other[place].ravel())[0, 1] ** 2) for one, other in pairs]
        theirs = book("shapes", "kept", init="uniform", recipe="SGD", layer=NAMES[place])
        right.append(compare(f"{NAMES[place]}, share of the initial weights", interval(kept), theirs))

    where = {"init": "normal", "recipe": "SGD", "layer": "second hidden"}
    own = interval([edge_ratio(net[2]) for net in normal_after])
    right.append(compare("largest singular value over the edge", own, book("spectra", "top", **where)))
    generator = np.random.default_rng(5)
    mixed = [generator.permutation(net[2].ravel()).reshape(net[2].shape) for net in normal_after]
    own = interval([edge_ratio(weights) for weights in mixed])
    right.append(compare("the same in random order", own, book("spectra", "top_shuffled", **where)))
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
