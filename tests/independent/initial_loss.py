"""The first loss, again, with NumPy alone: by code that shares nothing with the project, with other seeds.

    python tests/independent/initial_loss.py      (from the project's root)

Recomputed: the expected loss of normal logits at standard deviations 0.1, 1 and 10 and the expected maximum of 27 normal
numbers, by simulation; the first loss of the names network with standard normal weights and with a small last layer
without bias, and the share of examples in which the former is confidently wrong; the entropy of the characters; the loss
and the gradient of a network of zeros.
"""

import csv
import json
import math
import random
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "results/initial_loss"
BOOK = json.loads((RESULT / "result.json").read_text(encoding="utf-8"))["numbers"]
ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
NETWORKS, WIDTH, DIMENSION = 24, 200, 10
T = 2.07  # Student's 97.5 % quantile for 23 degrees of freedom


def examples() -> tuple[np.ndarray, np.ndarray]:
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
    return np.array(x), np.array(y)


def interval(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), T * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    top = logits.max(1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))


def main() -> int:
    wrong = 0

    def compare(what: str, own: float, half: float, book: float, book_half: float) -> None:
        nonlocal wrong
        agrees = abs(own - book) <= half + book_half
        wrong += not agrees
        verdict = "agrees" if agrees else "DISAGREES"
        print(f"{what}: {own:.6g} ± {half:.2g}, the book {book:.6g} ± {book_half:.2g}: {verdict}")

    def of_book(name: str) -> tuple[float, float]:
        return BOOK[name]["mean"], BOOK[name]["half_width"]

    rng = np.random.default_rng(20_261_128)
    normal = rng.standard_normal((100_000, 27))
    with (RESULT / "by_std.csv").open(encoding="utf-8") as file:
        predicted = {round(float(row["std"]), 6): float(row["predicted"]) for row in csv.DictReader(file)}
    for s in (0.1, 1.0, 10.0):
        top = s * normal.max(1)
        sums = top + np.log(np.exp(s * normal - top[:, None]).sum(1))
        compare(
            f"expected loss at a standard deviation of {s:g}",
            sums.mean(),
            2 * sums.std() / math.sqrt(len(sums)),
            predicted[s] + math.log(27),
            0,
        )
    maxima = normal.max(1)
    compare(
        "expected maximum of 27 normal numbers",
        maxima.mean(),
        2 * maxima.std() / math.sqrt(len(maxima)),
        BOOK["expected_maximum"],
        0,
    )

    x, y = examples()
    some = rng.choice(len(x), 20_000, replace=False)  # of 185,346: what is left out adds little to a network's own luck
    x_some, y_some = x[some], y[some]
    losses, small, confident = [], [], []
    for _ in range(NETWORKS):
        embedding = rng.standard_normal((27, DIMENSION))
        hidden = np.tanh(
            embedding[x_some].reshape(len(x_some), -1) @ rng.standard_normal((3 * DIMENSION, WIDTH))
            + rng.standard_normal(WIDTH)
        )
        output, bias = rng.standard_normal((WIDTH, 27)), rng.standard_normal(27)
        logarithms = log_softmax(hidden @ output + bias)
        losses.append(-logarithms[np.arange(len(y_some)), y_some].mean())
        confident.append(float(((logarithms.max(1) > math.log(0.5)) & (logarithms.argmax(1) != y_some)).mean()))
        small.append(-log_softmax(hidden @ (0.01 * output))[np.arange(len(y_some)), y_some].mean())
    compare("first loss, standard normal weights", *interval(losses), *of_book("normal_loss"))
    compare("first loss, last layer 1/100, no bias", *interval(small), *of_book("small_loss"))
    compare("share confidently wrong", *interval(confident), *of_book("normal_confidently_wrong"))

    frequencies = np.bincount(y, minlength=27) / len(y)
    entropy = -float(np.sum(frequencies * np.log(frequencies)))
    compare("entropy of the characters", entropy, 1e-9, BOOK["entropy"], 0)

    # A network of zeros: hidden units of zero, and so logits of zero, and no weight above or below gets a gradient.
    hidden = np.tanh(np.zeros((len(y_some), WIDTH)))
    logits = hidden @ np.zeros((WIDTH, 27))
    error = np.exp(log_softmax(logits)) - np.eye(27)[y_some]
    by_output, by_hidden = hidden.T @ error, error @ np.zeros((WIDTH, 27)).T
    compare("loss of zeros less ln 27", -log_softmax(logits)[0, 0] - math.log(27), 1e-12, 0, BOOK["all_zero_error"])
    compare(
        "gradient of zeros", float(np.abs(by_output).sum() + np.abs(by_hidden).sum()), 0, BOOK["all_zero_gradient"], 0
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
