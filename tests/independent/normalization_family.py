"""Numbers of the chapter on the family of norms, recomputed from its text alone: PyTorch's layers and own seeds.

1. How far exchanging the other examples of a batch moves an example's logits, with batch norm and with layer norm.
2. What batch norm costs against layer norm in small batches, each at the learning rate that the book found best.
3. How much higher batch norm's loss in training mode is than in evaluation mode, in the same batches.
4. The share of the squared gradient that batch norm lets through.
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
STORED = ROOT / "results/normalization_family"
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
SEEDS = (811, 812, 813, 814)
Pair = tuple[torch.Tensor, torch.Tensor]


def rows(table: str) -> list[dict[str, str]]:
    with (STORED / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def find(table: str, **wanted: str) -> dict[str, str]:
    (row,) = [row for row in rows(table) if all(row[name] == value for name, value in wanted.items())]
    return row


def measured(row: dict[str, str], column: str) -> tuple[float, float]:
    return float(row[column]), float(row[f"{column}_high"]) - float(row[column])


def examples(names: list[str]) -> Pair:
    x, y = [], []
    for name in names:
        codes = [0, 0, 0, *(LETTERS.index(letter) for letter in name), 0]
        for end in range(3, len(codes)):
            x.append(codes[end - 3 : end])
            y.append(codes[end])
    return torch.tensor(x), torch.tensor(y)


def network(seed: int, width: int, norm: nn.Module) -> nn.Sequential:
    """Make the names network: pre-activations of unit variance, small first logits."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Embedding(27, 10), nn.Flatten(), nn.Linear(30, width, bias=False), norm, nn.Tanh(), nn.Linear(width, 27)
    )
    with torch.no_grad():
        net[2].weight.normal_(std=30**-0.5)
        net[5].weight.normal_(std=0.1 * width**-0.5)
        net[5].bias.zero_()
    return net


def trained(seed: int, width: int, norm: nn.Module, data: Pair, size: int, steps: int, lr: float) -> nn.Sequential:
    net = network(seed, width, norm)
    parameters = list(net.parameters())
    chosen = torch.randint(len(data[1]), (steps, size), generator=torch.Generator().manual_seed(seed))
    for batch in chosen:
        gradients = torch.autograd.grad(F.cross_entropy(net(data[0][batch]), data[1][batch]), parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-lr)
    return net


@torch.no_grad()
def loss(net: nn.Sequential, population: Pair, data: Pair) -> float:
    """Evaluate with the statistics of all training examples, where the norm is a batch norm."""
    if isinstance(net[3], nn.BatchNorm1d):
        values = net[:3](population[0])
        net[3].running_mean, net[3].running_var = values.mean(0), values.var(0, unbiased=False)
    return F.cross_entropy(net.eval()(data[0]), data[1]).item()


@torch.no_grad()
def mode_gap(net: nn.Sequential, data: Pair, size: int) -> float:
    """Return the loss in training mode, in random batches, less that with the running averages that training left."""
    evaluation = F.cross_entropy(net.eval()(data[0]), data[1]).item()
    averages = [tensor.clone() for tensor in net[3].buffers()]
    order = torch.randperm(len(data[1]), generator=torch.Generator().manual_seed(5))
    net.train()
    training = [F.cross_entropy(net(data[0][part]), data[1][part]).item() for part in order.split(size)[:3000]]
    for tensor, before in zip(net[3].buffers(), averages, strict=True):
        tensor.copy_(before)
    return float(np.mean(training)) - evaluation


def moved(norm: nn.Module, width: int, data: Pair, seed: int, probed: int) -> float:
    """Return the RMS change of the first example's logits when the others are exchanged."""
    net = network(seed, width, norm).train()
    rows = torch.randint(len(data[1]), (2, probed), generator=torch.Generator().manual_seed(seed))
    rows[1, 0] = rows[0, 0]
    with torch.no_grad():
        return (net(data[0][rows[0]])[0] - net(data[0][rows[1]])[0]).square().mean().sqrt().item()


def share(width: int, data: Pair, seed: int, size: int) -> float:
    """Return the squared gradient with moving statistics over that with statistics held still."""
    net = network(seed, width, nn.BatchNorm1d(width))
    batch = torch.randint(len(data[1]), (size,), generator=torch.Generator().manual_seed(seed))
    values = net[:3](data[0][batch]).detach().requires_grad_()
    mean, deviation = values.mean(0), (values.var(0, unbiased=False) + 1e-5).sqrt()
    squares = []
    for mu, sigma in ((mean, deviation), (mean.detach(), deviation.detach())):
        logits = net[5](torch.tanh((values - mu) / sigma))
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, data[1][batch]), values, retain_graph=True)
        squares.append((gradient * deviation.detach()).double().square().sum().item())
    return squares[0] / squares[1]


def interval(values: list[float]) -> tuple[float, float]:
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
    params = json.loads((STORED / "result.json").read_text(encoding="utf-8"))["params"]
    lines = (ROOT / params["data"]).read_text(encoding="utf-8").split()
    random.Random(42).shuffle(lines)
    first, second = int(0.8 * len(lines)), int(0.9 * len(lines))
    learnt, validation, test = (examples(part) for part in (lines[:first], lines[first:second], lines[second:]))
    width, here = params["width"], {"network": "names network"}

    right = []
    for name, norm in (("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)):
        own = [moved(norm(width), width, learnt, seed, params["probed"]) for seed in range(900, 920)]
        book = measured(find("coupling", norm=name, **here), "change")
        right.append(compare(f"{name} norm, change with other mates", interval(own), book))

    for size in (4, 8):
        losses, gaps = {}, []
        for name, norm in (("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)):
            lr = float(find("losses", size=str(size), norm=name, **here)["lr"])
            steps = params["examples"] // size
            nets = [
                trained(seed, width, norm(width), learnt, size, steps, lr) for seed in SEEDS[: 3 if size == 4 else 4]
            ]
            if name == "batch":
                gaps = [mode_gap(net, validation, size) for net in nets]
            losses[name] = np.array([loss(net, learnt, test) for net in nets])
        book = measured(find("losses", size=str(size), norm="batch", **here), "over_layer")
        right.append(
            compare(
                f"batch norm above layer norm, batches of {size}", interval(losses["batch"] - losses["layer"]), book
            )
        )
        book = measured(find("modes", size=str(size), **here), "gap")
        right.append(compare(f"training mode above evaluation, batches of {size}", interval(gaps), book))
        own = interval([share(width, learnt, seed, size) for seed in range(900, 920)])
        book = measured(find("gradients", size=str(size), norm="batch", **here), "initial")
        right.append(compare(f"share of the squared gradient, batches of {size}", own, book))
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
