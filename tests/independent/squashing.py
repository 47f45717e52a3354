"""Recomputes deciding numbers of the chapter on squashing, from its text alone.

Bits that tanh keeps at standard deviations 1 and 10, and the best standard deviation; the share of units whose weights all get
gradients of one sign, by theory and in a batch of 32 and of 8.
"""

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import integrate, optimize, stats

ROOT = Path(__file__).resolve().parents[2]
BOOK = json.loads((ROOT / "results/squashing/result.json").read_text())["numbers"]
SEED = 777_000  # far from the book's own
disagreements = []


def compare(what, own, book, tolerance):
    """Print one line; `tolerance` is the joint 95 % interval, or rounding."""
    agrees = abs(own - book) <= tolerance
    print(f"{what}: own {own:.5g}, book {book:.5g}, tolerance {tolerance:.2g}: {'agrees' if agrees else 'DISAGREES'}")
    if not agrees:
        disagreements.append(what)


def interval(values):
    """Return mean and half-width of a 95 % t-interval."""
    values = np.asarray(values)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return values.mean(), half


def bits_by_sorting(std, levels, samples=4_000_000):
    """Squash random numbers, round them down to levels, count."""
    z = np.random.default_rng(SEED).standard_normal(samples)
    codes = np.minimum(np.floor((np.tanh(std * z) + 1) / 2 * levels), levels - 1)
    _, counts = np.unique(codes, return_counts=True)
    share = counts / samples
    return -(share * np.log2(share)).sum()


def contexts_and_next():
    """Read the names that networks learn from: three characters each, and the next."""
    import random

    words = (ROOT / "data/names.txt").read_text().split()
    random.Random(42).shuffle(words)
    x, y = [], []
    for word in words[: 8 * len(words) // 10]:
        padded = "..." + word + "."
        for place in range(len(word) + 1):
            x.append([".abcdefghijklmnopqrstuvwxyz".index(c) for c in padded[place : place + 3]])
            y.append(".abcdefghijklmnopqrstuvwxyz".index(padded[place + 3]))
    return torch.tensor(x), torch.tensor(y)


def one_sign_shares(x, y, networks=300, width=200, sizes=(8, 32)):
    """Backpropagate through untrained networks of two sigmoid layers; look at the second layer's gradient."""
    found = {size: [] for size in sizes}
    for network in range(networks):
        torch.manual_seed(SEED + network)
        table = torch.randn(27, 10)
        first, last = torch.randn(30, width) / 30**0.5, torch.randn(width, 27) / width**0.5
        second = (torch.randn(width, width) / width**0.5).requires_grad_()
        chosen = torch.randint(len(x), (max(sizes),))
        for size in sizes:
            hidden = torch.sigmoid(table[x[chosen[:size]]].reshape(size, 30) @ first)
            logits = torch.sigmoid(hidden @ second) @ last
            loss = torch.nn.functional.cross_entropy(logits, y[chosen[:size]])
            (gradient,) = torch.autograd.grad(loss, second)
            positive = (gradient > 0).sum(0)
            found[size].append(((positive == 0) | (positive == width)).float().mean().item())
    return {size: interval(shares) for size, shares in found.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with (ROOT / "results/squashing/bits.csv").open() as file:
        rows = {(row["activation"], float(row["std"])): row for row in csv.DictReader(file)}
    for std in (1.0, 10.0):
        row = rows["tanh", std]
        width = (float(row["bits_high"]) - float(row["bits_low"])) / 2
        compare(f"bits of tanh at std {std:g}", bits_by_sorting(std, 256), float(row["bits"]), 2 * width + 0.002)

    def slope(std):
        mean = integrate.quad(lambda z: stats.norm.pdf(z) / math.cosh(std * z) ** 2, -12, 12)[0]
        return 2 * std**2 * mean - 1

    compare("best std", optimize.brentq(slope, 0.1, 5), BOOK["best_std"], 1e-6)

    sigmoid = [integrate.quad(lambda z, k=k: stats.norm.pdf(z) / (1 + math.exp(-z)) ** k, -12, 12)[0] for k in (1, 2)]
    ratio = sigmoid[0] / math.sqrt(sigmoid[1] - sigmoid[0] ** 2)
    share = 2 * integrate.quad(lambda z: stats.norm.pdf(z) * stats.norm.cdf(ratio * z) ** 200, -12, 12)[0]
    compare("share of one sign, theory", share, BOOK["same_sign_predicted"], 1e-6)

    x, y = contexts_and_next()
    for size, key in ((32, "same_sign_batch"), (8, "same_sign_batches")):
        own, half = one_sign_shares(x, y, sizes=(size,))[size]
        compare(f"share of one sign, batch of {size}", own, BOOK[key]["mean"], half + BOOK[key]["half_width"])

    sys.exit(bool(disagreements))
