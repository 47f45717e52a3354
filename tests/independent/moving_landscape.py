"""Recomputes deciding numbers of the chapter on the loss that moves, from its text alone and with other seeds.

Along the gradient at one step of the run of the plain network: what another batch, and what one step of the weights, changes
of the curvature; what the law says from single examples; how far SGD's own step moves the minimum of the loss over all data.

    python tests/independent/moving_landscape.py      from the root of the project
"""

from __future__ import annotations

import csv
import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats

torch.set_num_threads(1)
BOOK = Path("results/moving_landscape")
SETTINGS = json.loads((BOOK / "result.json").read_text())["params"]
AT, SEEDS, PAIRS = 1000, range(9000, 9006), 32
disagreements = 0


def row(table: str, **where: str) -> dict[str, str]:
    with (BOOK / f"{table}.csv").open() as file:
        return next(line for line in csv.DictReader(file) if all(line[name] == value for name, value in where.items()))


def compare(what: str, own: list[float], book: dict[str, str], column: str) -> None:
    """Print one line; the two agree within 1.5 joint 95 % intervals: three standard errors, since several are compared."""
    global disagreements
    mean = float(np.mean(own))
    half = float(stats.t.ppf(0.975, len(own) - 1) * stats.sem(own))
    theirs = float(book[column])
    agrees = abs(mean - theirs) <= 1.5 * math.hypot(half, float(book[f"{column}_high"]) - theirs)
    disagreements += not agrees
    print(f"{what}: own {mean:.4f} ± {half:.4f}, the book's {theirs:.4f}: {'agrees' if agrees else 'DISAGREES'}")


lines = Path(SETTINGS["data"]).read_text().split()
random.Random(42).shuffle(lines)
letters = ".abcdefghijklmnopqrstuvwxyz"
padded = ["..." + line + "." for line in lines[: 8 * len(lines) // 10]]
pairs = [([letters.index(c) for c in p[i : i + 3]], letters.index(p[i + 3])) for p in padded for i in range(len(p) - 3)]
x, y = torch.tensor([context for context, _ in pairs]), torch.tensor([target for _, target in pairs])
contexts, where = torch.unique(x, dim=0, return_inverse=True)
share = torch.zeros(len(contexts), 27).index_put_((where, y), torch.ones(len(y)), accumulate=True) / len(y)


def forward(net: list[torch.Tensor], context: torch.Tensor) -> torch.Tensor:
    embedding, hidden, hidden_bias, output, output_bias = net
    return torch.relu(embedding[context].flatten(-2) @ hidden + hidden_bias) @ output + output_bias


def all_data(net: list[torch.Tensor]) -> torch.Tensor:
    return -(forward(net, contexts).log_softmax(1) * share).sum()


def curvature_and_place(values: list[float], distances: np.ndarray) -> tuple[float, float]:
    square, slope, _ = np.polyfit(distances, values, 2)
    return 2 * square, -slope / (2 * square)


found: dict[str, list[float]] = {"batch": [], "weights": [], "law": [], "moved": []}
for seed in SEEDS:
    torch.manual_seed(seed)
    width, batch, lr = SETTINGS["width"], SETTINGS["batch"], SETTINGS["lr"]
    net = [
        torch.randn(27, 10), 5 / 3 / 30**0.5 * torch.randn(30, width), torch.zeros(width),
        0.1 / width**0.5 * torch.randn(width, 27), torch.zeros(27),
    ]  # fmt: skip
    for tensor in net:
        tensor.requires_grad_()
    for step in range(AT + 1):
        if step == AT:
            before = [tensor.detach().clone() for tensor in net]
        chosen = torch.randint(len(x), (batch,))
        gradient = torch.autograd.grad(F.cross_entropy(forward(net, x[chosen]), y[chosen]), net)
        with torch.no_grad():
            for tensor, change in zip(net, gradient, strict=True):
                tensor -= lr * change
    after = [tensor.detach().clone() for tensor in net]

    leaves = [tensor.clone().requires_grad_() for tensor in before]
    downhill = [-part for part in torch.autograd.grad(all_data(leaves), leaves)]
    length = math.sqrt(sum(float(part.square().sum()) for part in downhill))
    distances = np.linspace(-SETTINGS["near"], SETTINGS["near"], SETTINGS["points"])
    line = [[tensor + s / length * part for tensor, part in zip(before, downhill, strict=True)] for s in distances]
    later = [[tensor + s / length * part for tensor, part in zip(after, downhill, strict=True)] for s in distances]
    kappa, _ = curvature_and_place([float(all_data(there)) for there in line], distances)

    batches = torch.randint(len(x), (PAIRS, batch))
    curves = [
        [[float(F.cross_entropy(forward(there, x[b]), y[b])) for there in points] for b in batches]
        for points in (line, later)
    ]
    ours, stepped = (np.array([curvature_and_place(curve, distances)[0] for curve in each]) for each in curves)
    found["batch"].append(float(np.sqrt(2) * ours.std(ddof=1) / kappa))
    found["weights"].append(float(np.sqrt(np.mean((stepped - ours) ** 2)) / kappa))

    some = torch.randint(len(x), (20_000,))
    single = torch.stack([F.cross_entropy(forward(there, x[some]), y[some], reduction="none") for there in line])
    alone = 2 * np.polyfit(distances, single.numpy().astype(float), 2)[0]
    found["law"].append(float(alone.std() / kappa * math.sqrt(2 / batch)))

    step_taken = [new - old for new, old in zip(after, before, strict=True)]
    length = math.sqrt(sum(float(part.square().sum()) for part in step_taken))
    places = []
    for start in (before, after):
        values = [
            float(all_data([tensor + s / length * part for tensor, part in zip(start, step_taken, strict=True)]))
            for s in distances
        ]
        places.append(curvature_and_place(values, distances)[1])
    found["moved"].append((places[1] - places[0]) / length)

shapes = row("shapes", variant="plain", lr=str(SETTINGS["lr"]), direction="gradient", step=str(AT))
compare("change of the curvature by another batch", found["batch"], shapes, "batch")
compare("the same by the law", found["law"], shapes, "batch_law")
compare("change by one step of the weights", found["weights"], shapes, "weights")
compare("minimum moved by SGD's own step, in steps", found["moved"], row("steps", step=str(AT)), "moved")
sys.exit(disagreements > 0)
