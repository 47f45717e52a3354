"""A batch and its copies, again, in plain PyTorch: code that shares nothing with the project, with other seeds.

    python tests/independent/batch_average.py      (from the project's root)

Recomputed: how far the average of single examples' gradients is from the batch's, without normalisation and with batch norm;
how far copies that take their own steps are from the batch's network after two steps and in the end, and the power of the
learning rate with which they leave; the error of central differences at the best perturbation, and the share of
perturbations that move the loss the right way, in both precisions.
"""

import csv
import json
import math
import random
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "results/batch_average"
STORED = json.loads((RESULT / "result.json").read_text(encoding="utf-8"))
BOOK, PARAMS = STORED["numbers"], STORED["params"]
ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
NETWORKS, WIDTH, DIMENSION, BATCH = 8, 200, 10, 16
T = 2.365  # Student's 97.5 % quantile for 7 degrees of freedom
Weights = list[torch.Tensor]


def table(name: str) -> list[dict[str, str]]:
    with (RESULT / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


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


def losses(weights: Weights, x: torch.Tensor, y: torch.Tensor, norm: bool = False) -> torch.Tensor:
    """Mean loss of each network, [network], for x [network, example, 3] and y [network, example]."""
    embedding, hidden, hidden_bias, output, output_bias = weights
    inputs = embedding[torch.arange(len(embedding))[:, None, None], x].flatten(2)
    pre = inputs @ hidden + hidden_bias
    if norm:
        pre = (pre - pre.mean(1, keepdim=True)) / (pre.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    logits = torch.tanh(pre) @ output + output_bias
    return -torch.log_softmax(logits, 2).gather(2, y[..., None]).mean((1, 2))


def gradient(weights: Weights, x: torch.Tensor, y: torch.Tensor, norm: bool = False) -> Weights:
    leaves = [tensor.detach().clone().requires_grad_() for tensor in weights]
    return list(torch.autograd.grad(losses(leaves, x, y, norm).sum(), leaves))


def length(weights: Weights) -> torch.Tensor:
    return torch.stack([tensor.flatten(1).square().sum(1) for tensor in weights]).sum(0).sqrt()


def copied(weights: Weights) -> Weights:
    return [tensor.repeat_interleave(BATCH, 0) for tensor in weights]


def averaged(weights: Weights) -> Weights:
    return [tensor.unflatten(0, (NETWORKS, BATCH)).mean(1) for tensor in weights]


def shared(weights: Weights, x: torch.Tensor, y: torch.Tensor, norm: bool = False) -> torch.Tensor:
    """Distance of the average gradient of copies, an example on each, from the batch's, over its length: [network]."""
    whole = gradient(weights, x, y, norm)
    copies = averaged(gradient(copied(weights), x.flatten(0, 1)[:, None], y.flatten(0, 1)[:, None], norm))
    return length([a - b for a, b in zip(copies, whole, strict=True)]) / length(whole)


def apart(weights: Weights, x: torch.Tensor, y: torch.Tensor, lr: float, at: list[int]) -> list[torch.Tensor]:
    """Let copies and the batch's network take steps; distance at the steps `at`, absolute and over the way: [2, network]."""
    batch, each, found = weights, copied(weights), []
    for step in range(1, max(at) + 1):
        x_now, y_now = x[step - 1], y[step - 1]
        own = gradient(each, x_now.flatten(0, 1)[:, None], y_now.flatten(0, 1)[:, None])
        each = [w - lr * g for w, g in zip(each, own, strict=True)]
        batch = [w - lr * g for w, g in zip(batch, gradient(batch, x_now, y_now), strict=True)]
        if step in at:
            way = length([a - b for a, b in zip(batch, weights, strict=True)])
            distance = length([a - b for a, b in zip(averaged(each), batch, strict=True)])
            found.append(torch.stack([distance, distance / way]))
    return found


def main() -> int:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(9_182_736)
    wrong = 0

    def say(what: str, own: str, book: str, agrees: bool) -> None:
        nonlocal wrong
        wrong += not agrees
        print(f"{what}: {own}, the book {book}: {'agrees' if agrees else 'DISAGREES'}")

    def compare(what: str, values: torch.Tensor, book: float, book_half: float) -> None:
        own, half = float(values.mean()), T * float(values.std()) / math.sqrt(len(values))
        say(what, f"{own:.3g} ± {half:.2g}", f"{book:.3g} ± {book_half:.2g}", abs(own - book) <= half + book_half)

    def of_row(row: dict[str, str], name: str) -> tuple[float, float]:
        return float(row[name]), (float(row[f"{name}_high"]) - float(row[f"{name}_low"])) / 2

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(NETWORKS, *shape, generator=generator, dtype=torch.float64)

    x_all, y_all = examples()
    weights = [
        normal(27, DIMENSION),
        5 / 3 / math.sqrt(3 * DIMENSION) * normal(3 * DIMENSION, WIDTH),
        torch.zeros(NETWORKS, 1, WIDTH, dtype=torch.float64),
        0.1 / math.sqrt(WIDTH) * normal(WIDTH, 27),
        torch.zeros(NETWORKS, 1, 27, dtype=torch.float64),
    ]
    order = torch.randint(len(x_all), (PARAMS["steps"], NETWORKS, BATCH), generator=generator)
    x, y = x_all[order], y_all[order]

    units = float(shared(weights, x[0], y[0]).max()) / torch.finfo(torch.float64).eps
    say(
        "gradients apart, in rounding units",
        f"{units:.2f}",
        f"{BOOK['distance64']:.2f}",
        max(units, BOOK["distance64"]) < BATCH,
    )
    (row,) = (row for row in table("norms") if row["norm"] == "batch" and int(row["replicas"]) == BATCH)
    compare("with batch norm, share of the gradient", shared(weights, x[0], y[0], norm=True), *of_row(row, "distance"))

    fast = max(PARAMS["lrs"])
    two, end = apart(weights, x, y, fast, [2, PARAMS["steps"]])
    (row,) = (row for row in table("distances") if float(row["lr"]) == fast and int(row["step"]) == 2)
    compare("copies on their own after two steps, over the way", two[1], *of_row(row, "distance"))
    compare("in the end", end[1], BOOK["independent"]["mean"], BOOK["independent"]["half_width"])
    high, low = PARAMS["small_lrs"]
    ratio = apart(weights, x, y, high, [2])[0][0] / apart(weights, x, y, low, [2])[0][0]
    exponent = ratio.log() / math.log(high / low)
    compare("power of the learning rate", exponent, BOOK["lr_exponent"]["mean"], BOOK["lr_exponent"]["half_width"])

    best = {"float64": (torch.float64, BOOK["best_h64"]), "float32": (torch.float32, BOOK["best_h32"])}
    truth = gradient(weights, x[0], y[0])
    errors: dict[str, list[float]] = {name: [] for name in best}
    right = dict.fromkeys(best, 0)
    tried = 0
    for network in range(NETWORKS):
        single = [tensor[network : network + 1] for tensor in weights]
        sizes = [tensor.numel() for tensor in single]
        places = torch.randperm(sum(sizes), generator=generator)[:64].tolist()
        tried += 2 * len(places)
        exact = torch.cat([tensor[network].flatten() for tensor in truth])[places]
        for name, (dtype, h) in best.items():
            flat = torch.cat([tensor.flatten() for tensor in single]).to(dtype)

            def loss(place: int, h: float, flat: torch.Tensor = flat, network: int = network) -> float:
                moved = flat.clone()
                moved[place] += h
                one = slice(network, network + 1)
                parts = moved.split([tensor[one].numel() for tensor in weights])
                shaped = [part.view_as(tensor[one]) for part, tensor in zip(parts, weights, strict=True)]
                return losses(shaped, x[0, one], y[0, one]).item()

            still = loss(places[0], 0.0)
            up = torch.tensor([loss(place, h) for place in places], dtype=torch.float64)
            down = torch.tensor([loss(place, -h) for place in places], dtype=torch.float64)
            errors[name].append(float(((up - down) / (2 * h) - exact).norm() / exact.norm()))
            right[name] += int(
                ((up - still).sign() == exact.sign()).sum() + ((down - still).sign() == -exact.sign()).sum()
            )
    for name, key in (("float64", "best_error64"), ("float32", "best_error32")):
        compare(
            f"error of central differences, {name}",
            torch.tensor(errors[name], dtype=torch.float64),
            BOOK[key]["mean"],
            BOOK[key]["half_width"],
        )
        share, book = right[name] / tried, BOOK[f"right{name[-2:]}"]
        slack = 3 * math.sqrt(max(book * (1 - book), 1e-12) * (1 / tried + 1 / (2 * BOOK["perturbed_weights"])))
        say(f"share of right directions, {name}", f"{share:.4f}", f"{book:.4f}", abs(share - book) <= slack)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
