"""How wide pre-activations should be, again, in plain PyTorch: by code that shares nothing with the project, other seeds.

    python tests/independent/saturation.py      (from the project's root)

Recomputed: the saturated and the nonlinear share at initialisation, by quadrature and by simulation; the gradient that
reaches the embeddings at scale 30 over that at 5/3; what scale 30 costs against 5/3 after training; what the hidden layer's
and the embeddings' learning lower the loss by at scale 30, and the former at 5/3.
"""

import csv
import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.integrate import quad
from scipy.stats import norm, t

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "results/saturation"
BOOK = json.loads((RESULT / "result.json").read_text(encoding="utf-8"))["numbers"]
ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
NETWORKS, WIDTH, STEPS, BATCH, LR = 8, 200, 3000, 32, 0.1


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


def interval(values: np.ndarray) -> tuple[float, float]:
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values)), float(half)


class Nets:
    """Several networks side by side: each tensor leads with the network."""

    def __init__(self, scale: float) -> None:
        draw = torch.Generator().manual_seed(424_242)
        self.embedding = torch.randn(NETWORKS, 27, 10, generator=draw)
        self.hidden = torch.randn(NETWORKS, 30, WIDTH, generator=draw) * scale / math.sqrt(30)
        self.output = torch.randn(NETWORKS, WIDTH, 27, generator=draw) * 0.1 / math.sqrt(WIDTH)
        self.bias = torch.zeros(NETWORKS, 1, WIDTH)
        self.last = torch.zeros(NETWORKS, 1, 27)

    def inputs(self, x: torch.Tensor) -> torch.Tensor:
        """Embed contexts x [network, example, 3]."""
        each = torch.arange(NETWORKS)[:, None, None]
        return self.embedding[each, x].flatten(2)

    def logits(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pre = inputs @ self.hidden + self.bias
        hidden = torch.tanh(pre)
        return pre, hidden, hidden @ self.output + self.last

    def train(self, x: torch.Tensor, y: torch.Tensor, still: tuple[str, ...]) -> None:
        names = [name for name in ("embedding", "hidden", "bias", "output", "last") if name not in still]
        draw = torch.Generator().manual_seed(77)
        for _ in range(STEPS):
            pick = torch.randint(len(x), (NETWORKS, BATCH), generator=draw)
            parameters = [getattr(self, name).requires_grad_() for name in names]
            logits = self.logits(self.inputs(x[pick]))[2]
            loss = -torch.log_softmax(logits, 2).gather(2, y[pick][..., None]).sum() / BATCH
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.requires_grad_(False).sub_(LR * gradient)

    def losses(self, contexts: torch.Tensor, counts: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            logits = self.logits(self.inputs(contexts.expand(NETWORKS, -1, -1)))[2]
            return (-(torch.log_softmax(logits, 2) * counts).sum((1, 2)) / counts.sum()).numpy()


def main() -> int:
    wrong = 0

    def compare(what: str, own: tuple[float, float], book: tuple[float, float]) -> None:
        nonlocal wrong
        agrees = abs(own[0] - book[0]) <= own[1] + book[1] + 1e-12
        wrong += not agrees
        verdict = "agrees" if agrees else "DISAGREES"
        print(f"{what}: {own[0]:.5g} ± {own[1]:.2g}, the book {book[0]:.5g} ± {book[1]:.2g}: {verdict}")

    def of_book(name: str) -> tuple[float, float]:
        return BOOK[name]["mean"], BOOK[name]["half_width"]

    x, y = examples()
    contexts, which = x.unique(dim=0, return_inverse=True)
    counts = torch.zeros(len(contexts), 27)
    counts.index_put_((which, y), torch.ones(len(y)), accumulate=True)

    good = 5 / 3
    with (RESULT / "at_init.csv").open(encoding="utf-8") as file:
        at_init = {round(float(row["scale"]), 3): row for row in csv.DictReader(file)}
    row = at_init[round(good, 3)]
    half = (float(row["saturated_high"]) - float(row["saturated_low"])) / 2
    expected = 2 * norm.sf(math.atanh(0.97) / good)
    compare("saturated share at 5/3, theory", (expected, 0.04 * expected), (float(row["saturated"]), half))

    # Least squares on the units of a narrow layer: what is left over is two thirds of the fourth power of the scale.
    slope, _ = quad(lambda z: math.cosh(0.03 * z) ** -2 * norm.pdf(z), -9, 9, epsabs=1e-14)
    left, _ = quad(lambda z: 1e8 * (math.tanh(0.03 * z) - slope * 0.03 * z) ** 2 * norm.pdf(z), -9, 9, epsabs=1e-14)
    whole, _ = quad(lambda z: math.tanh(0.03 * z) ** 2 * norm.pdf(z), -9, 9, epsabs=1e-14)
    compare(
        "nonlinear millionths at 0.03, theory",
        (left / 100 / whole, 0.2 * left / 100 / whole),
        tuple(1e6 * value for value in of_book("narrow_nonlinearity")),
    )

    some = torch.randint(len(x), (4000,), generator=torch.Generator().manual_seed(5))
    rms = {}
    for scale in (good, 30.0):
        nets = Nets(scale)
        inputs = nets.inputs(x[some].expand(NETWORKS, -1, -1)).requires_grad_()
        _, hidden, logits = nets.logits(inputs)
        loss = -torch.log_softmax(logits, 2).gather(2, y[some].expand(NETWORKS, -1)[..., None]).sum()
        by_inputs, by_hidden = torch.autograd.grad(loss, (inputs, hidden))
        rms[scale] = (by_inputs.square().mean((1, 2)).sqrt() / by_hidden.square().mean((1, 2)).sqrt()).numpy()
    compare(
        "gradient at the embeddings, scale 30 over 5/3",
        interval(rms[30.0] / rms[good]),
        of_book("embedding_gradient_ratio"),
    )

    ends = {}
    for scale, stills in ((good, ((), ("hidden", "bias"))), (30.0, ((), ("hidden", "bias"), ("embedding",)))):
        for still in stills:
            nets = Nets(scale)
            nets.train(x, y, still)
            ends[scale, still] = nets.losses(contexts, counts)
    layer = ("hidden", "bias")
    compare("nats that scale 30 costs", interval(ends[30.0, ()] - ends[good, ()]), of_book("wide_cost"))
    compare("layer's own learning at 30", interval(ends[30.0, layer] - ends[30.0, ()]), of_book("wide_layer_benefit"))
    compare("layer's own learning at 5/3", interval(ends[good, layer] - ends[good, ()]), of_book("good_layer_benefit"))
    compare(
        "embeddings' learning at 30",
        interval(ends[30.0, ("embedding",)] - ends[30.0, ()]),
        of_book("wide_embedding_benefit"),
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
