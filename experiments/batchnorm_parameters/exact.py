"""What algebra says of a batch-norm layer, held against PyTorch's: its size, its inverse, a bias before it, epsilon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from experiments.batchnorm_parameters import networks
from experiments.batchnorm_parameters.networks import Arm, Data, Model
from lab.estimate import Estimate
from nets import mlp

Array = NDArray[np.float64]

EPSILON = 1e-5  # what PyTorch adds to a variance
NUDGE = 6_000_011  # added to a seed for the random biases


def batch_norm(
    x: torch.Tensor,  # [example, unit]
    scale: torch.Tensor,  # trained, [unit]
    shift: torch.Tensor,  # trained, [unit]
    running_mean: torch.Tensor,  # kept, not trained, [unit]
    running_var: torch.Tensor,  # kept, not trained, [unit]
    training: bool,
    momentum: float = 0.1,
    epsilon: float = 1e-5,
) -> torch.Tensor:
    """Return what `torch.nn.BatchNorm1d` returns, and update the running averages in training."""
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean(0), x.var(0, correction=0)
        running_mean.lerp_(mean.detach(), momentum)
        running_var.lerp_(x.detach().var(0), momentum)  # divided by B - 1
    return scale * (x - mean) / (var + epsilon).sqrt() + shift


def sizes(widths: Sequence[int]) -> pd.DataFrame:
    """Count what PyTorch's layer holds at each width: trained, kept as running averages, and its counter."""
    rows = []
    for width in widths:
        layer = torch.nn.BatchNorm1d(width)
        buffers = {name: tensor.numel() for name, tensor in layer.named_buffers()}
        rows.append(
            {
                "width": width,
                "trained": sum(tensor.numel() for tensor in layer.parameters() if tensor.requires_grad),
                "averages": buffers["running_mean"] + buffers["running_var"],
                "counter": buffers["num_batches_tracked"],
            }
        )
    return pd.DataFrame(rows)


def undone(seeds: Sequence[int], data: Data, width: int) -> tuple[float, float]:
    """Set scale and shift so that the layer undoes itself in evaluation mode.

    Returns the largest change of a pre-activation and of a logit, over seeds, against the network without the layer (over
    the RMS of each).
    """
    with torch.no_grad():
        layer_change, logit_change = [], []
        for model in _with_inverse(seeds, data, width):
            pre = networks.pre_activations(model, data.contexts)
            without = model.output(torch.tanh(pre))
            model.eval()
            layer_change.append(float((model.norm(pre) - pre).abs().max() / pre.square().mean().sqrt()))
            logit_change.append(float((model(data.contexts) - without).abs().max() / without.square().mean().sqrt()))
        return max(layer_change), max(logit_change)


def undone_in_training(
    seeds: Sequence[int], data: Data, width: int, batches: Sequence[int], count: int
) -> pd.DataFrame:
    """Return how far the same layer is from the identity on random batches in training mode: a row for each batch size.

    error (x, x_low, x_high) is the RMS change over a unit's standard deviation; predicted is the jitter's law.
    """
    with torch.no_grad():
        models, rows = _with_inverse(seeds, data, width), []
        for batch in batches:
            errors = []
            for seed, model in zip(seeds, models, strict=True):
                model.train()
                std, squares = model.norm.weight, []
                for chosen in mlp.batches([seed], len(data.x), batch, count)[:, 0]:
                    pre = networks.pre_activations(model, data.x[chosen])
                    squares.append(float(((model.norm(pre) - pre) / std).square().mean()))
                errors.append(sqrt(np.mean(squares)))
            rows.append({"batch": batch, **Estimate.columns("error", errors), "predicted": sqrt(1.5 / batch)})
        return pd.DataFrame(rows)


def _with_inverse(seeds: Sequence[int], data: Data, width: int) -> list[Model]:
    with torch.no_grad():
        models = networks.initialised(Arm("tanh"), width, seeds)
        for model in models:
            networks.calibrate(model, data)
            model.norm.weight.copy_((model.norm.running_var + EPSILON).sqrt())
            model.norm.bias.copy_(model.norm.running_mean)
        return models


def bias_gradient(seeds: Sequence[int], data: Data, width: int, batch: int) -> float:
    """Return the largest gradient with respect to a bias before batch norm, over the RMS of the same without batch norm.

    The largest over seeds and units, on each seed's first batch.
    """
    found = []
    for norm in (True, False):
        models = networks.initialised(Arm("tanh", norm=norm, bias=True), width, seeds)
        gradients: list[torch.Tensor] = []
        for seed, model in zip(seeds, models, strict=True):
            chosen = mlp.batches([seed], len(data.x), batch, 1)[0, 0]
            loss = F.cross_entropy(model(data.x[chosen]), data.y[chosen])
            gradients += torch.autograd.grad(loss, [model.hidden.bias])
        found.append(torch.stack(gradients))
    return float(found[0].abs().max() / found[1].square().mean().sqrt())


def bias_changes(seeds: Sequence[int], data: Data, width: int, batch: int, sizes: Sequence[float]) -> pd.DataFrame:
    """Return what a random bias before batch norm does to the logits: a row for each size, in std of a pre-activation.

    training and evaluation (x, x_low, x_high): RMS change over the RMS of the logits; evaluation keeps running averages
    from before the change.
    """
    with torch.no_grad():
        rows = []
        for size in sizes:
            changes: dict[str, list[float]] = {"training": [], "evaluation": []}
            for seed, model in zip(seeds, networks.initialised(Arm("tanh", bias=True), width, seeds), strict=True):
                networks.calibrate(model, data)
                kept = [buffer.clone() for buffer in model.norm.buffers()]
                x = data.x[mlp.batches([seed], len(data.x), batch, 1)[0, 0]]
                before = [model.train()(x), model.eval()(x)]
                generator = torch.Generator().manual_seed(NUDGE + seed)
                model.hidden.bias.copy_(size * networks.GAINS["tanh"] * torch.randn(width, generator=generator))
                after = [model.train()(x)]
                for buffer, value in zip(model.norm.buffers(), kept, strict=True):
                    buffer.copy_(value)
                after.append(model.eval()(x))
                for name, old, new in zip(changes, before, after, strict=True):
                    changes[name].append(float((new - old).square().mean().sqrt() / old.square().mean().sqrt()))
            row: dict[str, float] = {"size": size}
            for name, values in changes.items():
                row |= Estimate.columns(name, values)
            rows.append(row)
        return pd.DataFrame(rows)


def narrow_features(stds: Sequence[float], examples: int) -> pd.DataFrame:
    """Return what PyTorch's layer makes of features of small standard deviation, in float64: a row for each.

    output: its standard deviation; gain: by how much it stretches a gradient that its statistics leave alone; both with
    their laws.
    """
    generator = torch.Generator().manual_seed(0)
    z, other = torch.randn(2, examples, generator=generator, dtype=torch.float64)
    z = (z - z.mean()) / z.std(correction=0)
    other = other - other.mean()
    other = other - z * (other * z).mean()  # the statistics do not answer to what has neither mean nor slope along z
    rows = []
    for std in stds:
        x = (std * z)[:, None].requires_grad_()
        out = torch.nn.BatchNorm1d(1, dtype=torch.float64)(x)
        (gradient,) = torch.autograd.grad(out, x, other[:, None])
        rows.append(
            {
                "std": std,
                "output": float(out.detach().std(correction=0)),
                "output_predicted": std / sqrt(std**2 + EPSILON),
                "gain": float(gradient.norm() / other.norm()),
                "gain_predicted": 1 / sqrt(std**2 + EPSILON),
            }
        )
    return pd.DataFrame(rows)


def constant_features(values: int, batch: int) -> dict[str, float]:
    """Return what becomes of constant features in float32, with and without epsilon.

    Half of the features are zero, as a dead ReLU is; half are random constants.  zero, other: the shares of them that
    become NaN or infinite; largest: the largest size of what does not.
    """
    constants = torch.cat([torch.zeros(values), torch.randn(values, generator=torch.Generator().manual_seed(0))])
    x, one, zero = constants.expand(batch, -1), torch.ones(2 * values), torch.zeros(2 * values)
    found: dict[str, float] = {}
    for name, epsilon in (("with", EPSILON), ("without", 0.0)):  # PyTorch's own layer refuses an epsilon of 0
        out = batch_norm(x, one, zero, zero.clone(), one.clone(), training=True, epsilon=epsilon)
        lost = out.isfinite().all(0).logical_not().double()
        found |= {f"zero_{name}": float(lost[:values].mean()), f"other_{name}": float(lost[values:].mean())}
        found[f"largest_{name}"] = float(out.nan_to_num(0, 0, 0).abs().max())
    return found


BIAS_OPTIMISERS = ("SGD", "SGD with weight decay", "Adam")


def bias_in_training(
    seeds: Sequence[int],
    data: Data,
    optimiser: str,
    *,
    bias: bool,
    width: int,
    batch: int,
    steps: int,
    lr: float,
    decay: float,
    adam_lr: float,
) -> tuple[Array, Array, Array]:
    """Train networks with or without a bias before batch norm; biases begin as random numbers of an input's size.

    Returns test losses [seed]; the size left of the initial bias (the slope of final on initial biases) [seed]; and the RMS of
    the rest [seed].
    """
    models = networks.initialised(Arm("tanh", bias=bias), width, seeds)
    generators = [torch.Generator().manual_seed(NUDGE + seed) for seed in seeds]
    first = torch.stack([torch.randn(width, generator=generator) for generator in generators])
    if bias:
        with torch.no_grad():
            for model, value in zip(models, first, strict=True):
                model.hidden.bias.copy_(value)
    optimisers: dict[str, tuple[Callable[..., torch.optim.Optimizer], float]] = {
        "SGD": (torch.optim.SGD, lr),
        "SGD with weight decay": (partial(torch.optim.SGD, weight_decay=decay), lr),
        "Adam": (torch.optim.Adam, adam_lr),
    }
    make, rate = optimisers[optimiser]
    for _ in networks.train(models, seeds, data, batch, steps, rate, optimiser=make):
        pass
    test = networks.losses(models, data)[networks.TEST]
    if not bias:
        return test, np.full(len(seeds), np.nan), np.full(len(seeds), np.nan)
    last = torch.stack([model.hidden.bias.detach() for model in models])
    left = (last * first).sum(1) / first.square().sum(1)
    return test, left.double().numpy(), (last - left[:, None] * first).square().mean(1).sqrt().double().numpy()
