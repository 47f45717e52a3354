"""Recomputes, from the text of the chapter on tanh's gain and with other seeds:

the gain 1 / sqrt(E[tanh(Z)^2]); the variance of gain times f(Z) for ReLU and sigmoid; the signal with gain 5/3 over that with
the exact gain after 50 layers; the signal's shrinking at half that gain and the gradient's growth at twice it; the loss of
networks of ten layers that push their activations apart in the last layer or in every one, less the entropy.

    python tests/independent/tanh_gain.py      from the root of the project
"""

from __future__ import annotations

import csv
import json
import math
import random
from pathlib import Path

import numpy as np
import torch
from scipy import integrate, stats

torch.set_num_threads(1)
BOOK = Path("results/tanh_gain")
NUMBERS = json.loads((BOOK / "result.json").read_text())["numbers"]
disagreements = 0


def table(name: str) -> list[dict[str, str]]:
    with (BOOK / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def compare(what: str, own: float, half: float, book: float, book_half: float) -> None:
    """Print one line; the two agree within 1.5 joint 95 % intervals: three standard errors, since several are compared."""
    global disagreements
    agrees = abs(own - book) <= 1.5 * math.hypot(half, book_half) + 1e-12
    disagreements += not agrees
    word = "agrees" if agrees else "DISAGREES"
    print(f"{what}: own {own:.5f} ± {half:.5f}, the book's {book:.5f} ± {book_half:.5f}: {word}")


def interval(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def normal_mean(function) -> float:
    halves = [
        integrate.quad(lambda z: function(z) * math.exp(-z * z / 2), *ends, epsabs=1e-13)[0]
        for ends in ((-30, 0), (0, 30))
    ]
    return sum(halves) / math.sqrt(2 * math.pi)


# What is exact

gain = 1 / math.sqrt(normal_mean(lambda z: math.tanh(z) ** 2))
compare("ideal gain", gain, 1e-9, NUMBERS["ideal_gain"], 0)
activations = {row["activation"]: row for row in table("activations")}
for name, f in (("relu", lambda z: max(z, 0.0)), ("sigmoid", lambda z: 1 / (1 + math.exp(-z)))):
    square = normal_mean(lambda z, f=f: f(z) ** 2)
    variance = 1 - normal_mean(f) ** 2 / square
    compare(f"variance of gain f(Z), {name}", variance, 1e-5, float(activations[name]["variance"]), 0)

# Signals and gradients: 50 layers of 256 units, 64 inputs

ratio, shrinking, growth = [], [], []
for seed in range(5000, 5012):
    torch.manual_seed(seed)
    weights = [torch.randn(256, 256) / 16 for _ in range(50)]
    x, top = torch.randn(64, 256), torch.randn(64, 256)
    ends = {}
    for factor in (gain, 5 / 3, gain / 2, 2 * gain):
        layers = []
        signal = x
        for weight in weights:
            signal = torch.tanh(factor * signal @ weight).requires_grad_()
            layers.append(signal)
        ends[factor] = [layer.square().mean().sqrt().item() for layer in (layers[0], layers[-1])]
        if factor == 2 * gain:
            below = torch.autograd.grad(layers[-1], layers[0], top)[0]
            growth.append(math.log10(below.square().mean().sqrt() / top.square().mean().sqrt()))
    ratio.append(ends[5 / 3][1] / ends[gain][1])
    shrinking.append(math.log10(ends[gain / 2][1] / ends[gain / 2][0]))
for what, values, name in (
    ("RMS at 5/3 over RMS at the ideal gain", ratio, "rms_ratio"),
    ("log10 of the signal at half the ideal gain", shrinking, "log_signal"),
    ("log10 of the gradient at twice the ideal gain", growth, "log_gradient"),
):
    compare(what, *interval(values), NUMBERS[name]["mean"], NUMBERS[name]["half_width"])

# Values pushed apart: ten layers of 64 tanh units on the names

lines = Path("data/names.txt").read_text().split()
random.Random(42).shuffle(lines)
lines = lines[: int(0.8 * len(lines))]
letters = ".abcdefghijklmnopqrstuvwxyz"
padded = ["..." + line + "." for line in lines]
pairs = [([letters.index(c) for c in p[i : i + 3]], letters.index(p[i + 3])) for p in padded for i in range(len(p) - 3)]
x, y = torch.tensor([context for context, _ in pairs]), torch.tensor([target for _, target in pairs])
shares = torch.bincount(y) / len(y)
entropy = -(shares * shares.log()).sum().item()
some = torch.randperm(len(x), generator=torch.Generator().manual_seed(77))[:30_000]


def trained(seed: int, pushes: str, lr: float) -> float:
    """Return the training loss less the entropy after 1,000 steps of SGD on batches of 32."""
    torch.manual_seed(seed)
    embedding = torch.nn.Embedding(27, 10)
    layers = [torch.nn.Linear(30 if place == 0 else 64, 64) for place in range(10)]
    last = torch.nn.Linear(64, 27)
    for place, layer in enumerate(layers):
        far = pushes == "every" or (pushes == "last" and place == 9)
        torch.nn.init.normal_(layer.weight, std=(10 if far else gain) / layer.in_features**0.5)
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.normal_(last.weight, std=0.1 / 8)
    torch.nn.init.zeros_(last.bias)
    hidden = [module for layer in layers for module in (layer, torch.nn.Tanh())]
    network = torch.nn.Sequential(embedding, torch.nn.Flatten(), *hidden, last)
    optimiser = torch.optim.SGD(network.parameters(), lr=lr)
    for _ in range(1000):
        batch = torch.randint(len(x), (32,))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimiser.step()
    with torch.no_grad():
        return torch.nn.functional.cross_entropy(network(x[some]), y[some]).item() - entropy


for row in table("pushed"):
    if row["depth"] == "10" and row["pushes"] != "none":
        found = [trained(seed, row["pushes"], float(row["lr"])) for seed in range(900, 906)]
        half = (float(row["excess_high"]) - float(row["excess_low"])) / 2
        compare(f"loss less entropy, {row['where']} pushes", *interval(found), float(row["excess"]), half)

raise SystemExit(disagreements > 0)
