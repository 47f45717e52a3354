"""Recomputes deciding numbers of the chapter on zero weights, from its text alone.

The entropy of the next character; the loss at which a network of zeros ends, from biases alone; that of a network with every
weight 0.1, by a single unit; the step at which weights of 1/100 come to use the context, and where they end.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
STORED = json.loads((ROOT / "results/zero_init/result.json").read_text())
BOOK, STEPS, LR, BATCH, WIDTH = STORED["numbers"], 8000, 0.1, 32, 200
disagreements = []


def compare(what, own, book, tolerance):
    agrees = abs(own - book) <= tolerance
    print(f"{what}: own {own:.5f}, book {book:.5f}, tolerance {tolerance:.2g}: {'agrees' if agrees else 'DISAGREES'}")
    if not agrees:
        disagreements.append(what)


def interval(values):
    values = np.asarray(values, dtype=float)
    return values.mean(), stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5


def joint(values, name):
    own, half = interval(values)
    return own, BOOK[name]["mean"], half + BOOK[name]["half_width"]


def examples():
    words = (ROOT / "data/names.txt").read_text().split()
    random.Random(42).shuffle(words)
    alphabet = ".abcdefghijklmnopqrstuvwxyz"
    x, y = [], []
    for word in words[: len(words) * 8 // 10]:
        padded = "..." + word + "."
        x += [[alphabet.index(c) for c in padded[i : i + 3]] for i in range(len(word) + 1)]
        y += [alphabet.index(c) for c in padded[3:]]
    return torch.tensor(x), torch.tensor(y)


def biases_alone(y, seeds):
    """Softmax of 27 biases by SGD, in numpy."""
    frequency = np.bincount(y, minlength=27) / len(y)
    ends = []
    for seed in range(seeds):
        rng = np.random.default_rng(31_000 + seed)
        bias = np.zeros(27)
        for chosen in rng.integers(0, len(y), (STEPS, BATCH)):
            p = np.exp(bias) / np.exp(bias).sum()
            bias -= LR * (p - np.bincount(y[chosen], minlength=27) / BATCH)
        ends.append(-(frequency * (bias - np.log(np.exp(bias).sum()))).sum())
    return ends


def train(parameters, x, y, seeds, watch=None, seed=41_000):
    """Descend for several networks side by side; `watch` sees the logits of some contexts every 20 steps."""
    embedding, w1, b1, w2, b2 = parameters
    for parameter in parameters:
        parameter.requires_grad_()
    generator = torch.Generator().manual_seed(seed)
    place = torch.arange(seeds)[:, None, None]

    def logits(contexts):  # [network, example, context]
        hidden = torch.tanh(embedding[place, contexts].flatten(2) @ w1 + b1)
        return hidden @ w2 + b2

    for step in range(STEPS):
        chosen = torch.randint(len(x), (seeds, BATCH), generator=generator)
        loss = torch.nn.functional.cross_entropy(logits(x[chosen]).flatten(0, 1), y[chosen].flatten()) * seeds
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= LR * gradient
            if watch and step % 20 == 0:
                watch(step, logits(x[None, ::400].expand(seeds, -1, -1)))
    with torch.no_grad():
        spread = logits(x[None, ::5].expand(seeds, -1, -1))
        return [torch.nn.functional.cross_entropy(each, y[::5]).item() for each in spread]


if __name__ == "__main__":
    torch.set_num_threads(1)
    x, y = examples()
    frequency = np.bincount(y.numpy(), minlength=27) / len(y)
    entropy = -(frequency * np.log(frequency)).sum()
    compare("entropy", entropy, BOOK["entropy"], 1e-9)
    compare("all zero, final loss", *joint(biases_alone(y.numpy(), 6), "zero"))

    same = lambda *shape: torch.full((2, *shape), 0.1)  # noqa: E731
    constant = [same(27, 10), same(30, WIDTH), same(1, WIDTH), same(WIDTH, 27), same(1, 27)]
    ends = train(constant, x, y, 2)
    weights = constant[1].detach()
    compare("every weight 0.1, distance of units", float((weights - weights[:, :, :1]).abs().max()), 0.0, 1e-5)
    compare("every weight 0.1, final loss", np.mean(ends), BOOK["constant"]["mean"], 0.03)

    torch.manual_seed(51_000)
    shapes = ((27, 10), (30, WIDTH), (1, WIDTH), (WIDTH, 27), (1, 27))
    good = [torch.randn(3, *shape) for shape in shapes]
    scales = (1.0, 5 / 3 / 30**0.5, 0.0, 0.1 / WIDTH**0.5, 0.0)
    tiny = [0.01 * scale * tensor for scale, tensor in zip(scales, good, strict=True)]
    steps = [None] * 3

    def watch(step, logits):
        dependence = (logits - logits.mean(1, keepdim=True)).square().mean((1, 2)).sqrt()
        for network, value in enumerate(dependence.tolist()):
            if value >= 0.1 and steps[network] is None:
                steps[network] = step

    ends = train(tiny, x, y, 3, watch)
    compare("1/100 of good, step of escape", *joint(steps, "tiniest_escape"))
    compare("1/100 of good, final loss", *joint(ends, "tiniest"))
    sys.exit(bool(disagreements))
