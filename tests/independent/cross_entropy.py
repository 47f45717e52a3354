"""Recomputes deciding numbers of the chapter on writing cross-entropy oneself, from its text alone.

The logit above which three lines give NaN, the gaps at which their value and their gradient fail, and at which the gradient
silently becomes 0; the peak of memory of forward and backward pass, by PyTorch's profiler; that fusing is what makes the
library fast; the share of NaN among sums over one-hot targets.
"""

import json
import math
import os
import sys
import time
from contextlib import contextmanager
from csv import DictReader
from pathlib import Path

import numpy as np
import torch
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
BOOK = json.loads((ROOT / "results/cross_entropy/result.json").read_text())["numbers"]
disagreements = []


def compare(what, own, book, agrees, tolerance=""):
    print(f"{what}: own {own}, book {book}{tolerance}: {'agrees' if agrees else 'DISAGREES'}")
    if not agrees:
        disagreements.append(what)


def rows(table):
    with (ROOT / f"results/cross_entropy/{table}.csv").open() as file:
        return list(DictReader(file))


def mine(z, y):
    e = torch.exp(z)
    p = e / e.sum(1, keepdim=True)
    return -torch.log(p[torch.arange(len(y)), y]).mean()


def stable(z, y):
    z = z - z.max(1, keepdim=True).values
    q = z - torch.log(torch.exp(z).sum(1, keepdim=True))
    return -q[torch.arange(len(y)), y].mean()


def last_that_works(works, high):
    """Walk down from coarse to fine steps."""
    size, step = 0.0, high
    while step > 1e-5:
        while size + step < high and works(size + step):
            size += step
        step /= 4
    return size


def loss_and_gradient(right, wrong):
    z = torch.tensor([[right, wrong]], dtype=torch.float32, requires_grad=True)
    loss = mine(z, torch.tensor([0]))
    loss.backward()
    return loss.item(), z.grad[0].tolist()


@contextmanager
def quiet_stderr():
    """The profiler's library writes lines of its own."""
    saved, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)


def profiled_peak(loss, z, y):
    """Add up what the allocator hands out and takes back."""
    with quiet_stderr(), torch.profiler.profile(profile_memory=True) as profile:
        gradient = torch.autograd.grad(loss(z, y), z)
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    del gradient
    return peak / z.nbytes


def seconds(loss, z, y):
    start = time.process_time()
    for _ in range(20):
        torch.autograd.grad(loss(z, y), z)
    return time.process_time() - start


if __name__ == "__main__":
    torch.set_num_threads(1)
    own = {
        "overflow": last_that_works(lambda s: math.isfinite(loss_and_gradient(s, 0.0)[0]), 200.0),
        "underflow": last_that_works(lambda s: math.isfinite(loss_and_gradient(-s, 0.0)[0]), 200.0),
        "underflow_gradient": last_that_works(lambda s: np.isfinite(loss_and_gradient(-s, 0.0)[1]).all(), 200.0),
        "zero_gradient": last_that_works(lambda s: loss_and_gradient(0.0, s)[1][1] > 0, 80.0),
    }
    for name, value in own.items():
        compare(name, f"{value:.4f}", f"{BOOK[name]:.4f}", abs(value - BOOK[name]) < 1e-3)

    costs = {(row["formula"], int(row["vocabulary"])): row for row in rows("costs")}
    for classes in sorted({classes for _, classes in costs})[:3]:
        torch.manual_seed(99)
        z, y = torch.randn(32, classes, requires_grad=True), torch.randint(classes, (32,))
        for name, loss in (("three lines", mine), ("library", torch.nn.functional.cross_entropy)):
            peak, book = profiled_peak(loss, z, y), float(costs[name, classes]["peak"])
            compare(f"peak memory, {name}, {classes} classes", f"{peak:.3f}", f"{book:.3f}", abs(peak - book) < 0.15)
        for _ in range(3):
            seconds(stable, z, y)
        ratios = [seconds(stable, z, y) / seconds(torch.nn.functional.cross_entropy, z, y) for _ in range(15)]
        slower = np.median(ratios)
        book = float(costs["log-softmax by hand", classes]["time"])
        compare(f"not fused, slower at {classes} classes", f"{slower:.1f}", f"{book:.1f}", slower > 1 and book > 1)

    for row in rows("one_hot"):
        std, shares = float(row["std"]), []
        for seed in range(8):
            random = np.random.default_rng(50_000 + seed)
            z = torch.tensor(std * random.standard_normal((2000, 27)), dtype=torch.float32)
            y = torch.tensor(random.integers(0, 27, 2000))
            logarithms = torch.softmax(z, 1).log()
            total = -(torch.nn.functional.one_hot(y, 27) * logarithms).sum(1)
            term = -logarithms[torch.arange(2000), y]
            shares.append((total.isnan() & term.isfinite()).double().mean().item())
        half = stats.t.ppf(0.975, 7) * np.std(shares, ddof=1) / 8**0.5
        book = float(row["nan_share"])
        both = half + (float(row["nan_share_high"]) - float(row["nan_share_low"])) / 2 + 1e-9
        agrees = abs(np.mean(shares) - book) <= both
        compare(f"NaN share at std {std:g}", f"{np.mean(shares):.4f}", f"{book:.4f}", agrees, f" ± {both:.4f}")
    sys.exit(bool(disagreements))
