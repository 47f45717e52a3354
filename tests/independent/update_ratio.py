"""Numbers of the chapter on the ratio of update to data, recomputed from its text alone: PyTorch's layers and own seeds.

1. The median layer's ratio, with batch norm at the lecture's learning rate.
2. How far the loss at a ratio of 1e-3 lies above that at the best rate, with batch norm.
3. The same for five layers with Adam.
4. Where the ratio settles with weight decay.

    python tests/independent/update_ratio.py      from the root of the project
"""

from __future__ import annotations

import csv
import json
import math
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

STORED = Path("results/update_ratio")
PARAMS = json.loads((STORED / "result.json").read_text(encoding="utf-8"))["params"]
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
SEEDS = (811, 812, 813)
MORE = tuple(range(811, 821))  # for Adam: most runs lie close together, and some lie far above; six had none of these


def rows(table: str) -> list[dict[str, str]]:
    with (STORED / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def examples() -> tuple[torch.Tensor, torch.Tensor]:
    lines = Path(PARAMS["data"]).read_text(encoding="utf-8").split()
    random.Random(42).shuffle(lines)
    x, y = [], []
    for name in lines[: int(0.8 * len(lines))]:
        codes = [0, 0, 0, *(LETTERS.index(letter) for letter in name), 0]
        for end in range(3, len(codes)):
            x.append(codes[end - 3 : end])
            y.append(codes[end])
    return torch.tensor(x), torch.tensor(y)


X, Y = examples()


def network(norm: bool) -> nn.Sequential:
    """Build the deep network: tanh's gain 5/3 in the hidden layers, a small last layer, no biases at first."""
    width, layers = PARAMS["deep_width"], [nn.Embedding(27, 10), nn.Flatten()]
    for fan_in in [30] + [width] * (PARAMS["depth"] - 1):
        linear = nn.Linear(fan_in, width, bias=not norm)
        nn.init.normal_(linear.weight, std=5 / 3 / math.sqrt(fan_in))
        if not norm:
            nn.init.zeros_(linear.bias)
        layers += [linear, *([nn.BatchNorm1d(width)] if norm else []), nn.Tanh()]
    last = nn.Linear(width, 27)
    nn.init.normal_(last.weight, std=0.1 / math.sqrt(width))
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def train(
    seed: int,
    norm: bool,
    optimiser: Callable[[nn.Sequential], torch.optim.Optimizer],
    steps: int,
    watched: Iterable[int],
) -> tuple[nn.Sequential, np.ndarray]:
    """Return the trained network and the log10 of update over data, [watched step, weight matrix]."""
    torch.manual_seed(seed)
    model, logs = network(norm), []
    update = optimiser(model)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    for step in range(1, steps + 1):
        chosen = torch.randint(len(X), (PARAMS["batch"],))
        loss = F.cross_entropy(model(X[chosen]), Y[chosen])
        update.zero_grad()
        loss.backward()
        before = [p.detach().clone() for p in matrices] if step in watched else []
        decay = [group["weight_decay"] * group["lr"] for group in update.param_groups for _ in group["params"]]
        share = dict(zip([id(p) for group in update.param_groups for p in group["params"]], decay, strict=True))
        update.step()
        if before:
            changes = [p.detach() - (1 - share[id(p)]) * old for p, old in zip(matrices, before, strict=True)]
            logs.append([(c.std() / b.std()).log10().item() for c, b in zip(changes, before, strict=True)])
    return model, np.array(logs)


@torch.no_grad()
def loss(model: nn.Sequential) -> float:
    """Return the loss over all examples, batch norm's statistics being those of all examples as well."""
    return F.cross_entropy(model.train()(X), Y).item()


def interval(values: list[float]) -> tuple[float, float]:
    quantile = float(stats.t.ppf(0.975, len(values) - 1))
    return float(np.mean(values)), quantile * float(np.std(values, ddof=1)) / len(values) ** 0.5


def compare(what: str, own: tuple[float, float], book: tuple[float, float]) -> bool:
    """Print a line; whether the two intervals meet."""
    agrees = abs(own[0] - book[0]) <= own[1] + book[1]
    word = "agrees" if agrees else "DISAGREES"
    print(f"{what}: {own[0]:.4f} ± {own[1]:.4f}; the book has {book[0]:.4f} ± {book[1]:.4f}: {word}")
    return agrees


def stored(row: dict[str, str], column: str) -> tuple[float, float]:
    return float(row[column]), float(row[f"{column}_high"]) - float(row[column])


def main() -> int:
    torch.set_num_threads(1)
    right = []
    best = {row["network"]: float(row["best_lr"]) for row in rows("settings")}
    target = {row["network"]: row for row in rows("targets") if float(row["target"]) == 1e-3}
    steps, late = PARAMS["steps"], range(PARAMS["steps"] // 2 + 1, PARAMS["steps"] + 1, 25)

    ratios: list[float] = []
    variants = (("batch norm", True, torch.optim.SGD, SEEDS), ("Adam", False, torch.optim.Adam, MORE))
    for name, norm, kind, seeds in variants:
        excess = []
        for seed in seeds:
            found = []
            for lr in (best[name], float(target[name]["lr"])):
                optimiser = lambda model, lr=lr, kind=kind: kind(model.parameters(), lr=lr)  # noqa: E731
                model, _ = train(seed, norm, optimiser, steps, ())
                found.append(loss(model))
            excess.append(found[1] - found[0])
        right.append(compare(f"{name}: loss at 1e-3 above the best", interval(excess), stored(target[name], "excess")))
    for seed in SEEDS:
        _, logs = train(seed, True, lambda model: torch.optim.SGD(model.parameters(), lr=PARAMS["lr"]), steps, late)
        ratios.append(float(np.median(logs.mean(0))))
    row = next(r for r in rows("sweep") if r["network"] == "batch norm" and math.isclose(float(r["lr"]), PARAMS["lr"]))
    right.append(compare("batch norm, the lecture's rate: log ratio", interval(ratios), stored(row, "ratio")))

    row = max(rows("decay"), key=lambda r: (float(r["lr"]), float(r["predicted"])))  # the one that settles first

    def decayed(model: nn.Sequential) -> torch.optim.Optimizer:
        hidden = [p for p in list(model.parameters())[1:-2] if p.ndim == 2]
        others = [p for p in model.parameters() if all(p is not h for h in hidden)]
        groups = [{"params": hidden, "weight_decay": float(row["decay"])}, {"params": others}]
        return torch.optim.SGD(groups, lr=float(row["lr"]))

    settled = []
    for seed in SEEDS:
        _, logs = train(seed, True, decayed, 1000, range(501, 1001, 10))
        settled.append(float(np.sqrt(np.mean(10 ** (2 * logs[:, 1:-1])))))
    right.append(compare("weight decay: ratio", interval(settled), stored(row, "ratio")))
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
