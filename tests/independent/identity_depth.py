"""Recomputes, from the text of the chapter on depth and with other seeds:

the layers at which float32 overflows, becomes subnormal, reaches zero or stays, for 1.5, 1.01, 0.99, 0.9 and 0.5 times the
identity; the exponent of random matrices at gain 1 and 64 units; the exponents at a gain of 1.01 with 4 and 256 units; the
exponent of the identity with noise of 0.5; the cosine between two inputs after 100 linear layers of 16 units.

    python tests/independent/identity_depth.py      from the root of the project
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
from scipy import stats

BOOK = Path("results/identity_depth")
NUMBERS = json.loads((BOOK / "result.json").read_text())["numbers"]
disagreements = 0


def table(name: str) -> list[dict[str, str]]:
    with (BOOK / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def compare(what: str, own: list[float], book: float, book_half: float = 0.0) -> None:
    """Print one line; the two agree within 1.5 joint 95 % intervals: three standard errors, since several are compared."""
    global disagreements
    mean, half = float(np.mean(own)), float(stats.t.ppf(0.975, len(own) - 1) * stats.sem(own)) if len(own) > 1 else 0.0
    agrees = abs(mean - book) <= 1.5 * math.hypot(half, book_half) + 1e-12
    disagreements += not agrees
    word = "agrees" if agrees else "DISAGREES"
    print(f"{what}: own {mean:.5g} ± {half:.2g}, the book's {book:.5g} ± {book_half:.2g}: {word}")


def interval(row: dict[str, str], column: str) -> tuple[float, float]:
    return float(row[column]), (float(row[f"{column}_high"]) - float(row[f"{column}_low"])) / 2


# Floating point: numpy's, one number in place of a matrix

limits = {float(row["factor"]): row for row in table("float_limits") if row["dtype"] == "float32"}
smallest = 2.0**-149
for factor, event in ((1.5, "overflow"), (1.01, "overflow"), (0.99, "subnormal"), (0.5, "zero"), (0.9, "fixed_point")):
    value, layer, before = np.float32(1), 0, None
    with np.errstate(over="ignore", under="ignore"):
        while value != before:
            layer, before, value = layer + 1, value, value * np.float32(factor)
            reached = {
                "overflow": np.isinf(value),
                "subnormal": value < 2.0**-126,
                "zero": value == 0,
                "fixed_point": False,
            }
            if reached[event]:
                break
    found = layer if event != "fixed_point" else float(value) / smallest
    compare(f"{event} at a factor of {factor}", [found], float(limits[factor][event]))

# Random matrices: 100 linear layers, the signal scaled back to length 1 after each

generator = np.random.default_rng(4242)


def exponents(width: int, gain: float, networks: int, noise: float | None = None) -> tuple[list[float], list[float]]:
    """Return the growth of ln(RMS) a layer of 8 inputs in each network, and the |cosine| between the first two at the end."""
    found, cosines = [], []
    for _ in range(networks):
        signal = generator.standard_normal((8, width))
        signal /= np.linalg.norm(signal, axis=1, keepdims=True)
        total = np.zeros(8)
        for _ in range(100):
            weights = generator.standard_normal((width, width)) / math.sqrt(width)
            signal = signal @ (gain * weights if noise is None else np.eye(width) + noise * weights)
            norms = np.linalg.norm(signal, axis=1)
            total += np.log(norms)
            signal /= norms[:, None]
        found.append(total.mean() / 100)
        cosines.append(abs(float(signal[0] @ signal[1])))
    return found, cosines


book = NUMBERS["exponent_offset"]
compare("exponent at gain 1, 64 units", exponents(64, 1, 48)[0], book["mean"], book["half_width"])
for width, networks in ((4, 400), (256, 12)):
    row = next(row for row in table("widths") if float(row["width"]) == width and float(row["gain"]) == 1.01)
    compare(f"exponent at gain 1.01, {width} units", exponents(width, 1.01, networks)[0], *interval(row, "exponent"))
row = next(row for row in table("noisy_identity") if float(row["noise"]) == 0.5)
compare("exponent of the identity with noise of 0.5", exponents(64, 1, 48, noise=0.5)[0], *interval(row, "exponent"))
row = next(row for row in table("alignment") if float(row["width"]) == 16)
compare("|cosine| after 100 layers of 16 units", exponents(16, 1, 300)[1], *interval(row, "cosine"))

raise SystemExit(disagreements > 0)
