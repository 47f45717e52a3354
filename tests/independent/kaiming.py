"""Recomputes, from the text of the chapter on 2/n and with other seeds:

a layer's factor on the mean square with variance 2/n, forward and backward, and with 1/n; the share of signals that end more
than a factor of two from where they began; the cosine after the last layer; the loss of networks of 20 layers from 1/n less
that from 2/n after 200 steps.

    python tests/independent/kaiming.py      from the root of the project
"""

from __future__ import annotations

import csv
import json
import math
import random
from pathlib import Path

import numpy as np
import torch
from scipy import stats

torch.set_num_threads(1)
BOOK = Path("results/kaiming")
NUMBERS = json.loads((BOOK / "result.json").read_text())["numbers"]
disagreements = 0


def table(name: str) -> list[dict[str, str]]:
    with (BOOK / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def compare(what: str, own: list[float], book: float, book_half: float) -> None:
    """Print one line; the two agree within 1.5 joint 95 % intervals: three standard errors, since several are compared."""
    global disagreements
    mean, half = float(np.mean(own)), float(stats.t.ppf(0.975, len(own) - 1) * stats.sem(own)) if len(own) > 1 else 0.0
    agrees = abs(mean - book) <= 1.5 * math.hypot(half, book_half) + 1e-12
    disagreements += not agrees
    word = "agrees" if agrees else "DISAGREES"
    print(f"{what}: own {mean:.5f} ± {half:.5f}, the book's {book:.5f} ± {book_half:.5f}: {word}")


# Signals and gradients: 50 layers of 256 ReLU units, 8 inputs

signals, gradients, halves, beyond = [], [], [], []
for seed in range(7000, 7048):
    torch.manual_seed(seed)
    weights = [torch.randn(256, 256) for _ in range(50)]
    x, top = torch.randn(8, 256), torch.randn(8, 256)
    for variance, factors in ((2 / 256, signals), (1 / 256, halves)):
        layers = [x]
        for weight in weights:
            layers.append(torch.relu(layers[-1] @ (variance**0.5 * weight)).requires_grad_())
        ratio = (layers[-1].double().square().mean(1) / x.double().square().mean(1)).log()
        factors.append(math.exp(ratio.mean().item() / 50))
        if variance == 2 / 256:
            beyond.append((ratio.abs() > math.log(2)).double().mean().item())
            below = torch.autograd.grad(layers[-1], layers[1], top)[0]
            back = (below.double().square().mean(1) / top.double().square().mean(1)).log().mean().item()
            gradients.append(math.exp(back / 49))
for what, own, name in (
    ("factor of the signal, 2/n", signals, "signal_factor"),
    ("factor of the gradient, 2/n", gradients, "gradient_factor"),
    ("factor of the signal, 1/n", halves, "signal_factor_1_over_n"),
    ("share of signals beyond a factor of two", beyond, "beyond_two"),
):
    compare(what, own, NUMBERS[name]["mean"], NUMBERS[name]["half_width"])

# Cosines, by drawing: two inputs at right angles, then E[relu(u) relu(v)] / E[relu(u)^2] on a grid of angles

cosine = 0.0
angles = (np.arange(200_000) + 0.5) / 200_000 * 2 * math.pi
for _ in range(50):
    turned = np.cos(angles - math.acos(min(cosine, 1.0)))
    cosine = float((np.maximum(np.cos(angles), 0) * np.maximum(turned, 0)).mean() / 0.25)
last = table("cosines")[-1]
half = (float(last["cosine_high"]) - float(last["cosine_low"])) / 2
compare("cosine after 50 layers", [cosine], float(last["cosine"]), half + 0.003)  # the width of 256 is worth a little

# Training: 20 layers of 64 ReLU units on the names

lines = Path("data/names.txt").read_text().split()
random.Random(42).shuffle(lines)
lines = lines[: int(0.8 * len(lines))]
letters = ".abcdefghijklmnopqrstuvwxyz"
padded = ["..." + line + "." for line in lines]
pairs = [([letters.index(c) for c in p[i : i + 3]], letters.index(p[i + 3])) for p in padded for i in range(len(p) - 3)]
x, y = torch.tensor([context for context, _ in pairs]), torch.tensor([target for _, target in pairs])
some = torch.randperm(len(x), generator=torch.Generator().manual_seed(78))[:10_000]


def trained(seed: int, numerator: float, lr: float) -> float:
    """Return the loss after 200 steps of SGD on batches of 32."""
    torch.manual_seed(seed)
    layers = [torch.nn.Linear(30 if place == 0 else 64, 64) for place in range(20)]
    last = torch.nn.Linear(64, 27)
    for layer in layers:
        torch.nn.init.normal_(layer.weight, std=(numerator / layer.in_features) ** 0.5)
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.normal_(last.weight, std=0.1 / 8)
    torch.nn.init.zeros_(last.bias)
    hidden = [module for layer in layers for module in (layer, torch.nn.ReLU())]
    network = torch.nn.Sequential(torch.nn.Embedding(27, 10), torch.nn.Flatten(), *hidden, last)
    optimiser = torch.optim.SGD(network.parameters(), lr=lr)
    for _ in range(200):
        batch = torch.randint(len(x), (32,))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimiser.step()
    with torch.no_grad():
        return torch.nn.functional.cross_entropy(network(x[some]), y[some]).item()


rows = [row for row in table("training") if row["depth"] == "20" and row["finite"] == "1.0"]
rates = {
    init: min((row for row in rows if row["init"] == init), key=lambda row: float(row["loss"]))
    for init in ("2/n", "1/n")
}
differences = [
    trained(seed, 1, float(rates["1/n"]["lr"])) - trained(seed, 2, float(rates["2/n"]["lr"]))
    for seed in range(300, 310)
]
book = NUMBERS["loss_difference"]
compare("loss from 1/n less that from 2/n, 20 layers", differences, book["mean"], book["half_width"])

raise SystemExit(disagreements > 0)
