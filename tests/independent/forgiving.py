"""What forgives an inexact initialisation, again, in plain PyTorch: by code that shares nothing with the project.

    python tests/independent/forgiving.py      (from the project's root)

Recomputed with other seeds, one network at a time: the loss of the plain and of the batch-norm network at gains around the
edges of their windows; what gain 1 costs the plain network against gain 1.47; where a plain network should begin to learn
and to overshoot, by quadrature; that a batch-norm network whose hidden learning rates are multiplied by the square of the
gain learns at a gain of a tenth as it does at gain 1.
"""

import csv
import json
import math
import random
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm, t
from torch import nn

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "results/forgiving"
BOOK = json.loads((RESULT / "result.json").read_text(encoding="utf-8"))["numbers"]
ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
DEPTH, WIDTH, BATCH, STEPS = 10, 64, 32, 800
SEEDS = range(31_000, 31_004)


def examples(words: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = [], []
    for word in words:
        context = [0, 0, 0]
        for character in word + ".":
            place = ALPHABET.index(character)
            x.append(context)
            y.append(place)
            context = [*context[1:], place]
    return torch.tensor(x), torch.tensor(y)


class Net(nn.Module):
    """Embeddings, equal tanh layers at a gain, with batch norm if wanted, and small first logits."""

    def __init__(self, gain: float, normed: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, 10)
        sizes = [30] + [WIDTH] * DEPTH
        self.hidden = nn.ModuleList(nn.Linear(n, m, bias=not normed) for n, m in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH) if normed else nn.Identity() for _ in self.hidden)
        self.output = nn.Linear(WIDTH, 27)
        for layer in self.hidden:
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.output.weight, std=0.1 / math.sqrt(WIDTH))
        nn.init.zeros_(self.output.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        signal = self.embedding(x).flatten(1)
        for layer, layer_norm in zip(self.hidden, self.norms, strict=True):
            signal = torch.tanh(layer_norm(layer(signal)))
        return self.output(signal)


def interval(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(
        t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    )


def main() -> int:
    wrong = 0

    def compare(what: str, own: tuple[float, float], book: tuple[float, float]) -> None:
        nonlocal wrong
        agrees = abs(own[0] - book[0]) <= own[1] + book[1] + 1e-12
        wrong += not agrees
        verdict = "agrees" if agrees else "DISAGREES"
        print(f"{what}: {own[0]:.4g} ± {own[1]:.2g}, the book {book[0]:.4g} ± {book[1]:.2g}: {verdict}")

    def table(name: str) -> list[dict[str, str]]:
        with (RESULT / f"{name}.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def of_row(row: dict[str, str], name: str) -> tuple[float, float]:
        return float(row[name]), (float(row[f"{name}_high"]) - float(row[f"{name}_low"])) / 2

    words = (ROOT / "data/names.txt").read_text(encoding="ascii").split()
    random.Random(42).shuffle(words)
    first, second = 8 * len(words) // 10, 9 * len(words) // 10
    x, y = examples(words[:first])
    x_held, y_held = examples(words[first:second])

    def loss(gain: float, seed: int, lr: float, normed: bool = False, compensated: bool = False) -> float:
        """Train one network, and return its validation loss; at most ln 27."""
        torch.manual_seed(seed)
        net = Net(gain, normed)
        hidden = [parameter for layer in net.hidden for parameter in layer.parameters()]
        ids = {id(parameter) for parameter in hidden}
        rest = [parameter for parameter in net.parameters() if id(parameter) not in ids]
        optimiser = torch.optim.SGD(
            [{"params": hidden, "lr": lr * (gain**2 if compensated else 1)}, {"params": rest}], lr=lr
        )
        for _ in range(STEPS):
            pick = torch.randint(len(x), (BATCH,))
            optimiser.zero_grad()
            F.cross_entropy(net(x[pick]), y[pick]).backward()
            optimiser.step()
        with torch.no_grad():
            if normed:  # statistics of many training examples, in place of the running ones
                for layer_norm in net.norms:
                    layer_norm.reset_running_stats()
                    layer_norm.momentum = None
                net(x[torch.randint(len(x), (4000,))])
            net.eval()
            found = float(F.cross_entropy(net(x_held), y_held))
        return min(found, math.log(27)) if math.isfinite(found) else math.log(27)

    windows = {row["remedy"]: row for row in table("windows")}
    losses = {(row["remedy"], round(float(row["gain"]), 3)): row for row in table("losses")}
    ends: dict[tuple[str, float], list[float]] = {}
    for name, gains in (("plain", (1.0, 1.468, 3.162)), ("batch norm", (1.0, 4.642))):
        lr = float(windows[name]["lr"])
        for short in gains:
            gain = float(losses[name, short]["gain"])
            ends[name, short] = [loss(gain, seed, lr, name != "plain") for seed in SEEDS]
            compare(f"{name}, loss at gain {short:g}", interval(ends[name, short]), of_row(losses[name, short], "loss"))
    if round(float(windows["plain"]["other_gain"]), 3) == 1.468:
        costs = [one - best for one, best in zip(ends["plain", 1.0], ends["plain", 1.468], strict=True)]
        compare("nats that gain 1 costs the plain network", interval(costs), of_row(windows["plain"], "cost"))

    lr = float(windows["batch norm"]["lr"])
    small = [loss(0.1, seed, lr, normed=True, compensated=True) for seed in SEEDS]
    (row,) = (
        row for row in table("compensated") if row["remedy"] == "batch norm" and abs(float(row["gain"]) - 0.1) < 1e-6
    )
    compare("batch norm, gain 0.1, learning rates compensated", interval(small), of_row(row, "loss"))

    lr = float(windows["plain"]["lr"])
    compare("should learn from", ((lr * STEPS) ** (-1 / DEPTH), 1e-6), (BOOK["predicted_low"], 0))

    def mean(function: Callable[[float], float], spread: float) -> float:
        return quad(lambda z: function(spread * z) * norm.pdf(z), -9, 9, limit=200)[0]

    def growth(gain: float) -> float:
        """The gradient's variance at the first hidden layer over that at the last, for inputs of unit variance."""
        signal, whole = 1.0, 1.0
        for layer in range(DEPTH):
            spread = gain * math.sqrt(signal)
            if layer:
                whole *= gain**2 * mean(lambda u: math.cosh(u) ** -4, spread)
            signal = mean(lambda u: math.tanh(u) ** 2, spread)
        return whole

    edge = brentq(lambda gain: lr * growth(gain) - 1, 1.05, 6)
    compare("should end at", (edge, 0.01), (BOOK["predicted_high"], 0))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
