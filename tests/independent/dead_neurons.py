"""Dead ReLU units, again, in plain PyTorch: by code that shares nothing with the project, with other seeds.

    python tests/independent/dead_neurons.py      (from the project's root)

Recomputed: the share of units dead at initialisation three standard deviations below zero, and in the last of thirty
layers, and what theory expects there; at learning rate 2, the share that dies with trained and with frozen embeddings, the
share of the dead that come back, and that none does with frozen ones; what reviving lowers the loss by where biases had
put units out of reach.
"""

import csv
import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.integrate import quad
from scipy.stats import norm, t

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "results/dead_neurons"
BOOK = json.loads((RESULT / "result.json").read_text(encoding="utf-8"))["numbers"]
ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
WIDTH, STEPS, BATCH, EVERY = 100, 2000, 32, 25
SEEDS = range(7000, 7006)
Half = tuple[float, float]


def examples() -> tuple[torch.Tensor, torch.Tensor]:
    words = (ROOT / "data/names.txt").read_text(encoding="ascii").split()
    random.Random(42).shuffle(words)
    x, y = [], []
    for word in words[: int(0.8 * len(words))]:
        context = [0, 0, 0]
        for character in word + ".":
            place = ALPHABET.index(character)
            x.append(context)
            y.append(place)
            context = [*context[1:], place]
    return torch.tensor(x), torch.tensor(y)


def rows(table: str) -> list[dict[str, str]]:
    with (RESULT / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def interval(values: list[float]) -> Half:
    return float(np.mean(values)), float(
        t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    )


def of_row(row: dict[str, str], name: str) -> Half:
    return float(row[name]), (float(row[f"{name}_high"]) - float(row[f"{name}_low"])) / 2


class Net:
    """Embeddings of ten numbers, one ReLU layer, small first logits."""

    def __init__(self, seed: int, shift: float) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.embedding = torch.randn(27, 10, generator=draw)
        self.hidden = torch.randn(30, WIDTH, generator=draw) * math.sqrt(2 / 30)
        self.bias = torch.full((WIDTH,), -shift * math.sqrt(2))
        self.output = 0.1 / math.sqrt(WIDTH) * torch.randn(WIDTH, 27, generator=draw)
        self.last = torch.zeros(27)

    def pre(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding[x].flatten(1) @ self.hidden + self.bias

    def dead(self, contexts: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.pre(contexts).amax(0) <= 0

    def train(
        self, seed: int, x: torch.Tensor, y: torch.Tensor, contexts: torch.Tensor, lr: float, frozen: bool, revive: bool
    ) -> torch.Tensor:
        """Train in place; return which units were dead at each evaluation, [evaluation, unit]."""
        draw = torch.Generator().manual_seed(seed + 50)
        parameters = [self.hidden, self.bias, self.output, self.last] + ([] if frozen else [self.embedding])
        seen = []
        for step in range(STEPS + 1):
            if step % EVERY == 0:
                dead = self.dead(contexts)
                seen.append(dead)
                if revive and dead.any() and step < STEPS:
                    with torch.no_grad():
                        self.bias[dead] -= self.pre(contexts)[:, dead].median(0).values
            if step == STEPS:
                break
            pick = torch.randint(len(x), (BATCH,), generator=draw)
            for parameter in parameters:
                parameter.requires_grad_()
            loss = F.cross_entropy(torch.relu(self.pre(x[pick])) @ self.output + self.last, y[pick])
            gradients = torch.autograd.grad(loss, parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.requires_grad_(False).sub_(lr * gradient)
        return torch.stack(seen)

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> float:
        with torch.no_grad():
            return float(F.cross_entropy(torch.relu(self.pre(x)) @ self.output + self.last, y))


def fates(seen: torch.Tensor) -> tuple[float, int, int]:
    """Return the share that died, how many died before the last evaluation, and how many of those were alive later."""
    died = seen.any(0)
    before = seen[:-1].any(0)
    back = ((seen[:-1].cumsum(0) > 0) & ~seen[1:]).any(0)
    return float(died.float().mean()), int(before.sum()), int((before & back).sum())


def main() -> int:
    wrong = 0

    def compare(what: str, own: Half, book: Half) -> None:
        nonlocal wrong
        agrees = abs(own[0] - book[0]) <= own[1] + book[1] + 1e-12
        wrong += not agrees
        verdict = "agrees" if agrees else "DISAGREES"
        print(f"{what}: {own[0]:.4g} ± {own[1]:.2g}, the book {book[0]:.4g} ± {book[1]:.2g}: {verdict}")

    x, y = examples()
    contexts = x.unique(dim=0)
    compare("distinct contexts", (len(contexts), 0), (BOOK["contexts"], 0))

    dead = [float(Net(seed, 3.0).dead(contexts).float().mean()) for seed in range(7000, 7024)]
    (shifted,) = (row for row in rows("shifted") if float(row["shift"]) == 3.0)
    compare("share dead with biases 3 standard deviations down", interval(dead), of_row(shifted, "dead"))

    shares = []
    for seed in range(7100, 7116):
        draw = torch.Generator().manual_seed(seed)
        signal = torch.randn(27, 10, generator=draw)[contexts].flatten(1)
        for layer in range(30):
            weight = torch.randn(signal.shape[1], 128, generator=draw) * math.sqrt(2 / signal.shape[1])
            signal = torch.relu(signal @ weight)
            del weight, layer
        shares.append(float((signal.amax(0) == 0).float().mean()))
    book = BOOK["deep_dead_at_init"]
    compare("share dead in layer 30", interval(shares), (book["mean"], book["half_width"]))

    cosine = 0.0
    for _ in range(29):
        angle = math.acos(cosine)
        cosine = (math.sin(angle) + (math.pi - angle) * cosine) / math.pi
    pull = math.sqrt(cosine / (1 - cosine))
    expected, _ = quad(lambda z: norm.cdf(pull * z) ** len(contexts) * norm.pdf(z), -9, 9, limit=500, epsabs=1e-10)
    compare("share that theory expects in layer 30", (expected, 1e-4), (float(rows("deep")[-1]["predicted"]), 0))

    final = {(row["activation"], row["init"], row["embeddings"], float(row["lr"])): row for row in rows("final")}
    for embeddings in ("trained", "frozen"):
        died, before, back, shares_back = [], 0, 0, []
        for seed in SEEDS:
            net = Net(seed, 0.0)
            seen = net.train(seed, x, y, contexts, 2.0, embeddings == "frozen", revive=False)
            if not math.isfinite(net.loss(x[:1000], y[:1000])):
                continue
            share, lost, revived = fates(seen)
            died.append(share)
            before, back = before + lost, back + revived
            if lost:
                shares_back.append(revived / lost)
        row = final["relu", "good", embeddings, 2.0]
        compare(
            f"share that dies at learning rate 2, embeddings {embeddings}", interval(died), of_row(row, "ever_inactive")
        )
        if embeddings == "trained":
            compare("share of those that come back", interval(shares_back), of_row(row, "revived"))
        else:
            compare(f"units that come back, of {before}", (back, 0), (BOOK["frozen_revived"], 0))

    gains = []
    for seed in SEEDS:
        ends = []
        for revive in (False, True):
            net = Net(seed, 3.0)
            net.train(seed, x, y, contexts, BOOK["best_lr"], frozen=False, revive=revive)
            ends.append(net.loss(x, y))
        gains.append(ends[0] - ends[1])
    (row,) = (
        row for row in rows("benefits") if row["setting"].endswith("by biases") and row["arm"] == "dead units revived"
    )
    compare("nats that reviving lowers the loss by, shifted biases", interval(gains), of_row(row, "benefit"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
