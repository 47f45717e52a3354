"""Numbers of the chapter on what a batch-norm layer adds, recomputed from its text alone: own batch norm and own seeds.

1. The share of ReLU units that die at the second highest learning rate, without batch norm, with it, and with its shift
   frozen at zero.
2. What scale and shift lower the test loss by, against neither, each at its best learning rate.
3. The error of the running mean at two momenta where nothing is learnt.
4. What running averages at momentum 0.001 add to the training loss early in training.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "results/batchnorm_parameters"
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
SEEDS = (911, 912, 913, 914, 915, 916)
Pair = tuple[torch.Tensor, torch.Tensor]
Net = dict[str, torch.Tensor]


def rows(table: str) -> list[dict[str, str]]:
    with (STORED / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cell(row: dict[str, str], name: str) -> tuple[float, float]:
    return float(row[name]), float(row[f"{name}_high"]) - float(row[name])


def examples(names: list[str]) -> Pair:
    x, y = [], []
    for name in names:
        codes = [0, 0, 0, *(LETTERS.index(letter) for letter in name), 0]
        for end in range(3, len(codes)):
            x.append(codes[end - 3 : end])
            y.append(codes[end])
    return torch.tensor(x), torch.tensor(y)


def networks(width: int, gain: float) -> Net:
    """Initialise one network a seed: pre-activations of this standard deviation, small first logits, scale 1, no shift."""
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]

    def normal(*shape: int) -> torch.Tensor:
        return torch.stack([torch.randn(shape, generator=generator) for generator in generators])

    count = len(SEEDS)
    return {
        "embedding": normal(27, 10),
        "hidden": gain * normal(30, width) / 30**0.5,
        "scale": torch.ones(count, 1, width),
        "shift": torch.zeros(count, 1, width),
        "output": 0.1 * normal(width, 27) / width**0.5,
        "last": torch.zeros(count, 1, 27),
    }


def pre_activations(net: Net, x: torch.Tensor) -> torch.Tensor:
    return net["embedding"][torch.arange(len(SEEDS))[:, None, None], x].flatten(2) @ net["hidden"]


def after(net: Net, pre: torch.Tensor, mean: torch.Tensor | None, var: torch.Tensor | None) -> torch.Tensor:
    """Return what the activation is given; without a mean there is no batch norm, and the shift is an ordinary bias."""
    if mean is None or var is None:
        return pre + net["shift"]
    return net["scale"] * (pre - mean) / (var + 1e-5).sqrt() + net["shift"]


def moments(pre: torch.Tensor) -> Pair:
    return pre.mean(1, keepdim=True), pre.var(1, correction=0, keepdim=True)


def train(
    net: Net,
    data: Pair,
    params: dict[str, Any],
    steps: int,
    lr: float,
    *,
    relu: bool,
    norm: bool,
    frozen: tuple[str, ...] = (),
    momentum: float = 0.1,
    stop: tuple[int, ...] = (),
) -> dict[int, tuple[Net, Pair]]:
    """Train by plain SGD; return networks and running averages at the steps of `stop`, and after the last one."""
    activation = torch.relu if relu else torch.tanh
    net = {name: tensor.clone().requires_grad_() for name, tensor in net.items()}
    generators = [torch.Generator().manual_seed(seed + 90_000) for seed in SEEDS]
    x, y = data
    running, found = (torch.zeros_like(net["shift"]), torch.ones_like(net["shift"])), {}
    for step in range(1, steps + 1):
        chosen = torch.stack([torch.randint(len(x), (params["batch"],), generator=g) for g in generators])
        pre = pre_activations(net, x[chosen])
        mean, var = moments(pre)
        running = (
            (1 - momentum) * running[0] + momentum * mean.detach(),
            (1 - momentum) * running[1] + momentum * pre.detach().var(1, keepdim=True),
        )
        logits = activation(after(net, pre, *((mean, var) if norm else (None, None)))) @ net["output"] + net["last"]
        loss = F.cross_entropy(logits.flatten(0, 1), y[chosen].flatten()) * len(SEEDS)
        learnt = [name for name in net if name not in frozen and (norm or name != "scale")]
        with torch.no_grad():
            for name, change in zip(learnt, torch.autograd.grad(loss, [net[name] for name in learnt]), strict=True):
                net[name] -= lr * change
        if step in (*stop, steps):
            found[step] = ({name: tensor.detach().clone() for name, tensor in net.items()}, running)
    return found


def losses(net: Net, statistics: Pair, data: Pair) -> np.ndarray:
    """Return each tanh network's loss with these statistics."""
    x, y = data
    pre = pre_activations(net, x.expand(len(SEEDS), -1, -1))
    logits = torch.tanh(after(net, pre, *statistics)) @ net["output"] + net["last"]
    return np.array([F.cross_entropy(one, y).item() for one in logits])


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


def main() -> int:
    torch.set_num_threads(1)
    stored = json.loads((STORED / "result.json").read_text(encoding="utf-8"))
    params, numbers = stored["params"], stored["numbers"]
    lines = (ROOT / params["data"]).read_text(encoding="utf-8").split()
    random.Random(42).shuffle(lines)
    first, second = int(0.8 * len(lines)), int(0.9 * len(lines))
    data, test = examples(lines[:first]), examples(lines[second:])
    distinct, often = torch.unique(data[0], dim=0, return_counts=True)
    right = []

    # 1. Dead units: after the last step, over all distinct contexts, with the training set's statistics.
    lr, share = sorted(params["dead_lrs"])[-2], (often / often.sum()).float()[None, :, None]
    book = {row["arm"]: cell(row, "died") for row in rows("trained") if float(row["lr"]) == lr}
    for arm, norm, frozen in (
        ("without batch norm", False, ()), ("batch norm", True, ()), ("batch norm, shift frozen", True, ("shift",)),
    ):  # fmt: skip
        start = networks(params["width"], 2**0.5)
        net, _ = train(start, data, params, params["steps"], lr, relu=True, norm=norm, frozen=frozen)[params["steps"]]
        pre = pre_activations(net, distinct.expand(len(SEEDS), -1, -1))
        mean = (share * pre).sum(1, keepdim=True)
        var = (share * (pre - mean) ** 2).sum(1, keepdim=True)
        dead = after(net, pre, *((mean, var) if norm else (None, None))).amax(1) <= 0
        right.append(compare(f"share that died, {arm}, lr {lr:g}", interval(dead.double().mean(1).numpy()), book[arm]))

    # 2. Scale and shift.
    ends: list[np.ndarray] = []
    fixed: tuple[tuple[str, ...], ...] = ((), ("scale", "shift"))
    for lr, still in zip(numbers["best_lrs"], fixed, strict=True):
        start = networks(params["width"], 5 / 3)
        net, _ = train(start, data, params, params["steps"], lr, relu=False, norm=True, frozen=still)[params["steps"]]
        ends.append(losses(net, moments(pre_activations(net, data[0].expand(len(SEEDS), -1, -1))), test))
    worth = numbers["worth"]
    right.append(compare("worth of scale and shift", interval(ends[1] - ends[0]), (worth["mean"], worth["half_width"])))

    # 3. The running mean's error, for one unit's values drawn anew.
    generator = np.random.default_rng(17)
    for momentum in (0.1, 0.5):
        (row,) = [row for row in rows("running") if float(row["momentum"]) == momentum]
        found = []
        for _ in range(20):
            average, squares = np.zeros(300), []
            for step in range(200):
                batch = (
                    generator.exponential(size=(params["batch"], 300)).mean(0) - 1
                )  # any law of standard deviation 1
                average += momentum * (batch - average)
                squares.append(np.square(average).mean() if step >= 100 else 0.0)
            found.append(np.sqrt(np.sum(squares) / 100))
        right.append(
            compare(
                f"error of the running mean, momentum {momentum:g}", interval(np.array(found)), cell(row, "still_error")
            )
        )

    # 4. Running averages while the network learns.
    momentum = min(params["momenta"])
    curve = [row for row in rows("curves") if float(row["momentum"]) == momentum]
    step = min((int(row["step"]) for row in curve), key=lambda step: abs(step - 100))
    start = networks(params["width"], 5 / 3)
    net, running = train(start, data, params, step, params["running_lr"], relu=False, norm=True, momentum=momentum)[
        step
    ]
    exact = moments(pre_activations(net, data[0].expand(len(SEEDS), -1, -1)))
    added = losses(net, running, data) - losses(net, exact, data)
    (row,) = [row for row in curve if int(row["step"]) == step]
    right.append(
        compare(f"added to the loss at step {step}, momentum {momentum:g}", interval(added), cell(row, "excess"))
    )
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
