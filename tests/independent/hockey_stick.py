"""The easy gains of a bad initialisation, again, in plain PyTorch: code that shares nothing with the project, other seeds.

    python tests/independent/hockey_stick.py      (from the project's root)

Recomputed: the cosine between logits and gradient before the first step; the steps at which the bad run has done half of its
fall to ln 27, and all of it; the share of the fall that shrinking gives until each; the share that forgetting gives; and
how much lower the fixed initialisation ends.
"""

import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
STORED = json.loads((ROOT / "results/hockey_stick/result.json").read_text(encoding="utf-8"))
BOOK, PARAMS = STORED["numbers"], STORED["params"]
ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
NETWORKS, WIDTH, DIMENSION = 6, 200, 10
T = 2.571  # Student's 97.5 % quantile for 5 degrees of freedom
EXAMPLES = 12_000  # of the training set, to evaluate on
Weights = list[torch.Tensor]


def examples() -> tuple[torch.Tensor, torch.Tensor]:
    """Cut the training names into contexts of three characters and the character that comes next."""
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


def forward(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Logits of every network, [network, example, character], for x [network, example, 3]."""
    embedding, hidden, hidden_bias, output, output_bias = weights
    place = torch.arange(len(embedding))[:, None, None]
    inputs = embedding[place, x].flatten(2)
    return torch.tanh(inputs @ hidden + hidden_bias) @ output + output_bias


def evaluate(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Logits less their mean over characters."""
    with torch.no_grad():
        logits = forward(weights, x.expand(NETWORKS, -1, -1))
    return logits - logits.mean(2, keepdim=True)


def cost(logits: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    return np.array([F.cross_entropy(each, y).item() for each in logits])


def train(weights: Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor, wanted: list[int]) -> list[Weights]:
    """Plain SGD; returns the weights at the wanted steps."""
    weights = [tensor.clone().requires_grad_() for tensor in weights]
    kept = []
    for step in range(len(order) + 1):
        if step in wanted:
            kept.append([tensor.detach().clone() for tensor in weights])
        if step < len(order):
            logits = forward(weights, x[order[step]])
            loss = F.cross_entropy(logits.flatten(0, 1), y[order[step]].flatten()) * NETWORKS
            gradients = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for tensor, gradient in zip(weights, gradients, strict=True):
                    tensor -= PARAMS["lr"] * gradient
    return kept


def main() -> int:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(7_654_321)
    wrong = 0

    def compare(what: str, values: np.ndarray, name: str) -> None:
        nonlocal wrong
        own, half = float(values.mean()), T * float(values.std(ddof=1)) / math.sqrt(len(values))
        book, book_half = BOOK[name]["mean"], BOOK[name]["half_width"]
        agrees = abs(own - book) <= half + book_half
        wrong += not agrees
        verdict = "agrees" if agrees else "DISAGREES"
        print(f"{what}: {own:.4g} ± {half:.2g}, the book {book:.4g} ± {book_half:.2g}: {verdict}")

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(NETWORKS, *shape, generator=generator)

    x, y = examples()
    bad = [normal(27, DIMENSION), normal(3 * DIMENSION, WIDTH), normal(1, WIDTH), normal(WIDTH, 27), normal(1, 27)]
    fixed = [*bad[:3], PARAMS["small"] * bad[3], 0 * bad[4]]
    order = torch.randint(len(x), (PARAMS["steps"], NETWORKS, PARAMS["batch"]), generator=generator)
    some = torch.randperm(len(x), generator=generator)[:EXAMPLES]
    x_some, y_some = x[some], y[some]
    steps = sorted({0, *np.geomspace(2, PARAMS["steps"], 45).astype(int).tolist()})
    evaluated = [evaluate(weights, x_some) for weights in train(bad, x, y, order, steps)]
    (end,) = train(fixed, x, y, order, [PARAMS["steps"]])

    first = evaluated[0]
    error = torch.softmax(first, 2) - F.one_hot(y_some, 27)
    cosines = [F.cosine_similarity(e.flatten(), z.flatten(), dim=0).item() for e, z in zip(error, first, strict=True)]
    compare("cosine of gradient and logits", np.array(cosines), "cosine")

    loss = np.stack([cost(logits, y_some) for logits in evaluated])  # [evaluation, network]
    size = first.flatten(1).std(1)
    shrunk = np.stack([cost((z.flatten(1).std(1) / size)[:, None, None] * first, y_some) for z in evaluated])
    multiple = [(z * first).sum((1, 2)) / first.square().sum((1, 2)) for z in evaluated]
    forgotten = np.stack([cost(a[:, None, None] * first, y_some) for a in multiple])
    found = {name: np.zeros(NETWORKS) for name in ("half", "all", "shrunk half", "shrunk all", "forgotten all")}
    for network in range(NETWORKS):
        columns = [table[::-1, network] for table in (loss, shrunk, forgotten)]  # rising, as np.interp wants
        start, later = loss[0, network], np.array(steps)[::-1]
        for name, level in (("half", (start + math.log(27)) / 2), ("all", math.log(27))):
            found[name][network] = np.interp(level, columns[0], later)
            fallen = start - level
            found[f"shrunk {name}"][network] = (start - np.interp(level, columns[0], columns[1])) / fallen
            if name == "all":
                found["forgotten all"][network] = (start - np.interp(level, columns[0], columns[2])) / fallen
    compare("step of half of the fall to ln 27", found["half"], "half_step")
    compare("share of it that shrinking gives", found["shrunk half"], "shrinking_half")
    compare("step of the crossing of ln 27", found["all"], "crossing_step")
    compare("share of the fall until then that shrinking gives", found["shrunk all"], "shrinking_share")
    compare("share of it that forgetting gives", found["forgotten all"], "forgetting_share")
    compare("fixed initialisation ends lower by", loss[-1] - cost(evaluate(end, x_some), y_some), "gap")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
