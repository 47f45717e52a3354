"""Numbers of the chapter on momentum, recomputed from its text alone: numpy, PyTorch and own seeds.

1. At the usual beta the gradients of the notes' window carry this share of the weight.
2. The average is as smooth as a plain mean of this many gradients, in a network that stands still.
3. PyTorch's buffer is this many times the average.
4. After ten steps, dampening has taken the weights this many plain steps from the notes' path.
5. In a wide network at the high learning rate, the smoothest average is this many times as far from the true gradient as
   the best one, and
6. the best saves this share of the distance that a vector of zeros has.
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

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "results/momentum_ema"
T_QUANTILE = {3: 3.182, 5: 2.571, 7: 2.365}  # Student's, two-sided 95 %, by degrees of freedom
LETTERS = ".abcdefghijklmnopqrstuvwxyz"


def rows(table: str) -> list[dict[str, str]]:
    with (STORED / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def examples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return contexts of three letters and the letter after each, of the first training names."""
    lines = (ROOT / "data/names.txt").read_text(encoding="utf-8").split()
    random.Random(42).shuffle(lines)
    x, y = [], []
    for name in lines[: int(0.8 * len(lines))][:count]:
        codes = [0, 0, 0, *(LETTERS.index(letter) for letter in name), 0]
        for end in range(3, len(codes)):
            x.append(codes[end - 3 : end])
            y.append(codes[end])
    return torch.tensor(x), torch.tensor(y)


def network(width: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Initialise with tanh's gain of 5/3, a small last layer and no biases."""

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    hidden, output = normal(30, width) * 5 / 3 / 30**0.5, 0.1 * normal(width, 27) / width**0.5
    zeros = [torch.zeros(width, dtype=torch.float64), torch.zeros(27, dtype=torch.float64)]
    return [tensor.requires_grad_() for tensor in (normal(27, 10), hidden, zeros[0], output, zeros[1])]


def gradient(net: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    embedding, hidden, hidden_bias, output, output_bias = net
    logits = torch.tanh(embedding[x].flatten(1) @ hidden + hidden_bias) @ output + output_bias
    return torch.cat([part.flatten() for part in torch.autograd.grad(F.cross_entropy(logits, y), net)])


def step(net: list[torch.Tensor], change: torch.Tensor) -> None:
    with torch.no_grad():
        for tensor, part in zip(net, change.split([tensor.numel() for tensor in net]), strict=True):
            tensor += part.view_as(tensor)


def follow(params: dict, width: int, steps: int, lr: float, betas: list[float], seed: int) -> np.ndarray:
    """Return squared distances from the true gradient, of each beta's corrected average and, last, of zero."""
    generator = torch.Generator().manual_seed(seed)
    x, y = examples(params["names"])
    net, beta = network(width, generator), torch.tensor(betas, dtype=torch.float64)[:, None]
    average, found = torch.zeros(len(betas), 1), []
    for t in range(1, steps + 1):
        chosen = torch.randint(len(x), (params["batch"],), generator=generator)
        now = gradient(net, x[chosen], y[chosen])
        average = beta * average + (1 - beta) * now
        if t % params["eval_every"] == 0:
            true = gradient(net, x, y)
            error = (average / (1 - beta**t) - true).square().sum(1)
            found.append(torch.cat([error, true.square().sum()[None]]).numpy())
        step(net, -lr * now)
    return np.mean(found, axis=0)


def dampening_gap(params: dict, steps: int, seed: int) -> float:
    """Return how far dampened SGD is from the notes' two lines after some steps, in first plain steps."""
    generator = torch.Generator().manual_seed(seed)
    x, y = examples(params["names"])
    ours = network(params["width"], generator)
    theirs = [tensor.detach().clone().requires_grad_() for tensor in ours]
    optimiser = torch.optim.SGD(theirs, lr=params["alpha"], momentum=params["beta"], dampening=params["beta"])
    momentum, first = torch.zeros(1), None
    for _ in range(steps):
        chosen = torch.randint(len(x), (params["batch"],), generator=generator)
        now, other = gradient(ours, x[chosen], y[chosen]), gradient(theirs, x[chosen], y[chosen])
        first = first or float(now.norm()) * params["alpha"]
        momentum = params["beta"] * momentum + (1 - params["beta"]) * now
        step(ours, -params["alpha"] * momentum)
        for tensor, part in zip(theirs, other.split([tensor.numel() for tensor in theirs]), strict=True):
            tensor.grad = part.view_as(tensor).clone()
        optimiser.step()
    pairs = zip(ours, theirs, strict=True)
    return float(sum((one - two).detach().square().sum() for one, two in pairs) ** 0.5) / first


def interval(values: list[float]) -> tuple[float, float]:
    """Return the mean and the half-width of its 95 % interval."""
    return float(np.mean(values)), T_QUANTILE[len(values) - 1] * float(np.std(values, ddof=1)) / len(values) ** 0.5


def compare(what: str, own: tuple[float, float], book: tuple[float, float]) -> bool:
    """Print a line; whether the two intervals, or values within their rounding, meet."""
    agrees = abs(own[0] - book[0]) <= own[1] + book[1]
    said = "agrees" if agrees else "DISAGREES"
    print(f"{what}: {own[0]:.4g} ± {own[1]:.2g}; the book has {book[0]:.4g} ± {book[1]:.2g}: {said}")
    return agrees


def main() -> int:
    torch.set_num_threads(1)
    stored = json.loads((STORED / "result.json").read_text(encoding="utf-8"))
    params, numbers = stored["params"], stored["numbers"]
    beta = params["beta"]
    ages = np.zeros(400)
    ages[0] = 1 - beta
    for age in range(1, 400):
        ages[age] = beta * ages[age - 1]
    window = round(1 / (1 - beta))
    usual = next(row for row in rows("windows") if float(row["beta"]) == beta)
    right = [
        compare("weight of the window", (ages[:window].sum(), 1e-9), (float(usual["window_weight"]), 0)),
        compare("plain mean, by formula", (1 / (ages**2).sum(), 1e-6), (float(usual["effective_size"]), 1e-6)),
    ]
    still = [follow(params, params["width"], params["steps"], 0.0, [0.0, beta], 100 + seed) for seed in range(4)]
    size = numbers["effective_size"]
    right.append(
        compare(
            "plain mean, measured", interval([each[0] / each[1] for each in still]), (size["mean"], size["half_width"])
        )
    )
    parameter, average = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    sgd = torch.optim.SGD([parameter], lr=0.0, momentum=beta)
    for _ in range(50):
        parameter.grad = torch.randn(3, dtype=torch.float64)
        sgd.step()
        average = beta * average + (1 - beta) * parameter.grad
    ratio = float((sgd.state[parameter]["momentum_buffer"] / average).mean())
    right.append(compare("PyTorch's buffer over the average", (ratio, 1e-9), (numbers["buffer_ratio"], 1e-9)))
    gap = next(row for row in rows("paths") if row["optimiser"] == "SGD, dampening = β" and int(row["step"]) == window)
    book = float(gap["distance"]), float(gap["distance_high"]) - float(gap["distance"])
    own = interval([dampening_gap(params, window, 200 + seed) for seed in range(6)])
    right.append(compare("plain steps that dampening is off", own, book))
    lr = max(params["lrs"])
    trained = np.array([follow(params, params["wide"], params["long"], lr, params["betas"], 300 + i) for i in range(4)])
    row = next(r for r in rows("closest") if int(r["width"]) == params["wide"] and float(r["lr"]) == lr)
    best = trained[:, :-2].mean(0).argmin()
    nearest = trained[:, :-1].mean(0).argmin()
    ratio_of = interval(list(trained[:, -2] / trained[:, best]))
    saved = interval(list(1 - trained[:, nearest] / trained[:, -1]))
    for what, own, column in (("smoothest over best", ratio_of, "ratio"), ("saved by the best", saved, "saved")):
        right.append(compare(what, own, (float(row[column]), float(row[f"{column}_high"]) - float(row[column]))))
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
