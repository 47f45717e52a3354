"""Numbers of the chapter on what each fix is worth, recomputed from its text alone: numpy, scipy, PyTorch and own seeds.

The final losses take 200,000 steps a run, more than a minute allows.  So the training is repeated for its first 3,162
steps, where the book has losses too, and the final differences are taken again from the stored list of single runs.

1. The loss of the original initialisation before the first step.
2. The entropy of the next letter given the three before it.
3. What fixing the logits, and then tanh, lowers the validation loss by after 3,162 steps.
4. What they lower it by in the end, with Student's interval; what batch norm does; what lowering the learning rate does.
5. How far chance takes two single runs of the gain 5/3 apart.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import Counter, defaultdict
from math import log
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "results/loss_log"
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
STEPS, SEEDS = 3162, 4


def rows(table: str) -> list[dict[str, str]]:
    with (STORED / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def examples(names: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = [], []
    for name in names:
        codes = [0, 0, 0, *(LETTERS.index(letter) for letter in name), 0]
        for end in range(3, len(codes)):
            x.append(codes[end - 3 : end])
            y.append(codes[end])
    return torch.tensor(x), torch.tensor(y)


def networks(seed: int, width: int) -> dict[str, list[torch.Tensor]]:
    """Return the first three variants of one seed: standard normal; small last layer; and small hidden layer besides."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((27, 10), (30, width), (width,), (width, 27), (27,))
    raw = [torch.randn(shape, generator=generator) for shape in shapes]
    logits = [raw[0], raw[1], raw[2], 0.01 * raw[3], 0 * raw[4]]
    tanh = [logits[0], 0.2 * raw[1], 0.01 * raw[2], logits[3], logits[4]]
    return {"original": raw, "logits": logits, "tanh": tanh}


def loss(net: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    hidden = torch.tanh(net[0][x].flatten(1) @ net[1] + net[2])
    return F.cross_entropy(hidden @ net[3] + net[4], y)


def train(nets: list[list[torch.Tensor]], x: torch.Tensor, y: torch.Tensor, params: dict, seeds: list[int]) -> None:
    """Train networks side by side; those of one seed see the same batches.  The gradient is written out."""
    stacked = [torch.stack(tensors) for tensors in zip(*nets, strict=True)]  # [network, ...]
    embedding, hidden, hidden_bias, output, output_bias = stacked
    generators = {seed: torch.Generator().manual_seed(seed + 10_000) for seed in set(seeds)}
    which, batch, lr = torch.arange(len(nets))[:, None, None], params["batch"], params["lr"]
    for _ in range(STEPS):
        drawn = {seed: torch.randint(len(x), (batch,), generator=generator) for seed, generator in generators.items()}
        chosen = torch.stack([drawn[seed] for seed in seeds])
        letters, targets = x[chosen], y[chosen]  # [network, example, position], [network, example]
        embedded = embedding[which, letters].flatten(2)
        active = torch.tanh(embedded @ hidden + hidden_bias[:, None])
        wrong = torch.softmax(active @ output + output_bias[:, None], 2)
        wrong = (wrong - F.one_hot(targets, 27)) / batch
        before = (wrong @ output.mT) * (1 - active**2)
        back = (before @ hidden.mT).view(*letters.shape, -1)
        output -= lr * active.mT @ wrong
        output_bias -= lr * wrong.sum(1)
        hidden -= lr * embedded.mT @ before
        hidden_bias -= lr * before.sum(1)
        embedding.index_put_((which, letters), -lr * back, accumulate=True)
    for net, *tensors in zip(nets, *stacked, strict=True):
        net[:] = tensors


def interval(values: list[float] | np.ndarray) -> tuple[float, float]:
    """Return the mean and the half-width of its 95 % interval."""
    quantile = float(stats.t.ppf(0.975, len(values) - 1))
    return float(np.mean(values)), quantile * float(np.std(values, ddof=1)) / len(values) ** 0.5


def compare(what: str, own: tuple[float, float], book: tuple[float, float]) -> bool:
    """Print a line; whether the two intervals, or values within their rounding, meet."""
    agrees = abs(own[0] - book[0]) <= own[1] + book[1]
    said = "agrees" if agrees else "DISAGREES"
    print(f"{what}: {own[0]:.4g} ± {own[1]:.2g}; the book has {book[0]:.4g} ± {book[1]:.2g}: {said}")
    return agrees


def trained(params: dict) -> list[bool]:
    lines = (ROOT / params["data"]).read_text(encoding="utf-8").split()
    random.Random(42).shuffle(lines)
    first, second = int(0.8 * len(lines)), int(0.9 * len(lines))
    (x, y), unseen = examples(lines[:first]), examples(lines[first:second])
    stored = json.loads((STORED / "result.json").read_text(encoding="utf-8"))["numbers"]

    after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for context, letter in zip(x.tolist(), y.tolist(), strict=True):
        after[tuple(context)][letter] += 1
    entropy = -sum(n * log(n / c.total()) for c in after.values() for n in c.values()) / len(x)
    right = [compare("entropy of the next letter", (entropy, 1e-9), (stored["entropy_context"], 1e-9))]

    seeds = [500 + seed for seed in range(SEEDS)]
    made = {seed: networks(seed, params["width"]) for seed in seeds}
    initial = interval([float(loss(made[seed]["original"], x, y)) for seed in seeds])
    right.append(compare("initial loss", initial, (stored["initial"]["mean"], stored["initial"]["half_width"])))
    nets = [net for seed in seeds for net in made[seed].values()]
    train(nets, x, y, params, [seed for seed in seeds for _ in made[seed]])
    ends = {name: np.array([float(loss(made[seed][name], *unseen)) for seed in seeds]) for name in made[seeds[0]]}
    for before, fix in (("original", "logits"), ("logits", "tanh")):
        row = next(row for row in rows("reductions") if row["fix"] == fix and int(row["step"]) == STEPS)
        book = float(row["validation"]), float(row["validation_high"]) - float(row["validation"])
        right.append(compare(f"{fix} after {STEPS} steps", interval(ends[before] - ends[fix]), book))
    return right


def from_single_runs() -> list[bool]:
    stored = json.loads((STORED / "result.json").read_text(encoding="utf-8"))["numbers"]
    losses: dict[str, list[float]] = defaultdict(list)
    for row in rows("runs"):
        losses[row["variant"]].append(float(row["validation"]))
    found = {name: np.array(values) for name, values in losses.items()}
    right = []
    for what, before, fix, field in (
        ("logits in the end", "original", "logits", "logits_validation"),
        ("tanh in the end", "logits", "tanh", "tanh_validation"),
        ("batch norm in the end", "gain", "batch norm", "norm_validation"),
    ):
        own, book = interval(found[before] - found[fix]), stored[field]
        right.append(compare(what, (own[0], 1e-9), (book["mean"], 1e-9)))
        right.append(compare(f"{what}, half-width", (own[1], 1e-9), (book["half_width"], 1e-9)))
    more = interval(found["gain, lr kept"] - found["original"])
    print(
        f"the learning rate beyond the fixes: {more[0]:.4f} ± {more[1]:.4f}: {'agrees' if more[0] > more[1] else 'DISAGREES'}"
    )
    one, other = (found[name].var(ddof=1) for name in ("gain", "gain again"))
    freedom = (len(found["gain"]) - 1) * (one + other) ** 2 / (one**2 + other**2)
    chance = next(float(row["validation"]) for row in rows("chance") if row["fix"] == "gain again")
    own = float(stats.t.ppf(0.975, freedom)) * (one + other) ** 0.5
    return [*right, more[0] > more[1], compare("chance", (own, 1e-9), (chance, 1e-9))]


def main() -> int:
    torch.set_num_threads(1)
    params = json.loads((STORED / "result.json").read_text(encoding="utf-8"))["params"]
    return 0 if all([*trained(params), *from_single_runs()]) else 1


if __name__ == "__main__":
    sys.exit(main())
