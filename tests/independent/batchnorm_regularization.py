"""Numbers of the chapter on batch norm as a regulariser, recomputed from its text alone: PyTorch's layers and own seeds.

1. The jitter of groups of four on normal values, by drawing them.
2. The gap between validation and training loss, for the whole batch and for groups of eight.
3. What groups of eight lower the test loss by, against the whole batch.
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

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "results/batchnorm_regularization"
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
SEEDS = (701, 702, 703)
Pair = tuple[torch.Tensor, torch.Tensor]


def rows(table: str) -> dict[str, dict[str, float]]:
    with (STORED / f"{table}.csv").open(encoding="utf-8") as file:
        return {row.pop("variant"): {k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader(file)}


def examples(names: list[str]) -> Pair:
    x, y = [], []
    for name in names:
        codes = [0, 0, 0, *(LETTERS.index(letter) for letter in name), 0]
        for end in range(3, len(codes)):
            x.append(codes[end - 3 : end])
            y.append(codes[end])
    return torch.tensor(x), torch.tensor(y)


def standardised(values: torch.Tensor, size: int) -> torch.Tensor:
    """Normalise [network, example, unit] over groups of examples of this size."""
    groups = values.view(len(values), -1, size, values.shape[2])
    mean, variance = groups.mean(2, keepdim=True), groups.var(2, unbiased=False, keepdim=True)
    return ((groups - mean) / (variance + 1e-5).sqrt()).view_as(values)


def networks(width: int) -> list[torch.Tensor]:
    """Initialise one network a seed: pre-activations of unit variance, small first logits, scale 1 and no shift."""
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]

    def normal(*shape: int) -> torch.Tensor:
        return torch.stack([torch.randn(shape, generator=generator) for generator in generators])

    embedding, hidden, output = normal(27, 10), normal(30, width) / 30**0.5, 0.1 * normal(width, 27) / width**0.5
    count = len(SEEDS)
    return [
        embedding,
        hidden,
        torch.ones(count, 1, width),
        torch.zeros(count, 1, width),
        output,
        torch.zeros(count, 1, 27),
    ]


def pre_activations(net: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return net[0][torch.arange(len(net[0]))[:, None, None], x].flatten(2) @ net[1]


def logits(net: list[torch.Tensor], standard: torch.Tensor) -> torch.Tensor:
    return torch.tanh(standard * net[2] + net[3]) @ net[4] + net[5]


def train(params: dict, data: Pair, size: int) -> list[torch.Tensor]:
    """Train the networks of all seeds side by side."""
    net = [tensor.clone().requires_grad_() for tensor in networks(params["width"])]
    generators = [torch.Generator().manual_seed(seed + 50_000) for seed in SEEDS]
    x, y = data
    for _ in range(params["steps"]):
        chosen = torch.stack([torch.randint(len(x), (params["batch"],), generator=g) for g in generators])
        found = logits(net, standardised(pre_activations(net, x[chosen]), size))
        loss = F.cross_entropy(found.flatten(0, 1), y[chosen].flatten()) * len(SEEDS)
        with torch.no_grad():
            for tensor, change in zip(net, torch.autograd.grad(loss, net), strict=True):
                tensor -= params["lr"] * change
    return [tensor.detach() for tensor in net]


def losses(net: list[torch.Tensor], population: torch.Tensor, data: Pair) -> np.ndarray:
    """Return each network's loss with the statistics of the population."""
    count, (x, y) = len(SEEDS), data
    values = pre_activations(net, x.expand(count, -1, -1))
    all_values = pre_activations(net, population.expand(count, -1, -1))
    mean, variance = all_values.mean(1, keepdim=True), all_values.var(1, unbiased=False, keepdim=True)
    values = (values - mean) / (variance + 1e-5).sqrt()
    return np.array([F.cross_entropy(found, y).item() for found in logits(net, values)])


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the mean and the half-width of its 95 % interval."""
    quantile = float(stats.t.ppf(0.975, len(values) - 1))
    return float(np.mean(values)), quantile * float(np.std(values, ddof=1)) / len(values) ** 0.5


def compare(what: str, own: tuple[float, float], book: tuple[float, float]) -> bool:
    """Print a line; whether the two intervals meet."""
    agrees = abs(own[0] - book[0]) <= own[1] + book[1]
    said = "agrees" if agrees else "DISAGREES"
    print(f"{what}: {own[0]:.4g} ± {own[1]:.2g}; the book has {book[0]:.4g} ± {book[1]:.2g}: {said}")
    return agrees


def drawn_jitter(size: int) -> tuple[float, float]:
    """Return the RMS over examples of the standard deviation over random mates, from ten sets of draws."""
    generator = torch.Generator().manual_seed(9)
    found = []
    for _ in range(10):
        own = torch.randn(500, 1, 1, generator=generator, dtype=torch.float64).expand(-1, 400, -1)
        group = torch.cat([own, torch.randn(500, 400, size - 1, generator=generator, dtype=torch.float64)], 2)
        value = (group[..., 0] - group.mean(2)) / group.std(2, unbiased=False)
        found.append(value.var(1).mean().sqrt().item())
    return interval(np.array(found))


def main() -> int:
    torch.set_num_threads(1)
    stored = json.loads((STORED / "result.json").read_text(encoding="utf-8"))
    params, numbers, book = stored["params"], stored["numbers"], rows("variants")
    smallest = params["groups"][-1]
    right = [
        compare(f"jitter of groups of {smallest}", drawn_jitter(smallest), (book[str(smallest)]["jitter_law"], 1e-9))
    ]

    lines = (ROOT / params["data"]).read_text(encoding="utf-8").split()
    random.Random(42).shuffle(lines)
    first, second = int(0.8 * len(lines)), int(0.9 * len(lines))
    learnt = examples(lines[:first][: params["train_names"]])
    unseen = examples(lines[first:second]), examples(lines[second:])
    gap, test = {}, {}
    whole, best = params["groups"][0], numbers["best"]
    for size in (whole, best):
        net = train(params, learnt, size)
        training, validation, test[size] = (losses(net, learnt[0], data) for data in (learnt, *unseen))
        gap[size] = validation - training
    for size in (whole, best):
        row = book[str(size)]
        right.append(
            compare(f"gap of groups of {size}", interval(gap[size]), (row["gap"], row["gap_high"] - row["gap"]))
        )
    gain = numbers["gain_batch"]
    right.append(
        compare(
            f"test loss lower in groups of {best}",
            interval(test[whole] - test[best]),
            (gain["mean"], gain["half_width"]),
        )
    )
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
