"""How wide should pre-activations be?

Method  The first layer of the names network is initialised at scales from 0.03 to 30 times 1 / sqrt(fan-in);
        embeddings, last layer and batches are the same at every scale.  At initialisation: the share of saturated
        activations, the share of their variance that no linear map explains, and the gradient that reaches the
        embeddings, against theory for normal pre-activations.  Then the loss over the whole training set after a fixed
        number of steps.  Controls: the same network without tanh; with embeddings, hidden layer or both frozen, to tell
        whose learning lowers the loss; and the ends and the middle at each one's own best learning rate.
Cost    About 110 s on one core.
Notes   000_10f5d5d0f6910b7a.txt, "fixing tanh activations", code 2 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import nn

from lab.claims import Above, All, Any, Below, Caveat, Claim, Lines
from lab.estimate import Estimate
from lab.tasks import spread
from nets import initialisation, mlp, names
from nets.mean_field import gaussian_mean, gradient_factor
from nets.mlp import LearningRates, Weights

Array = NDArray[np.float64]
Plan = tuple[str, float]  # network, and scale of its first layer
FROZEN = {  # networks of which a part does not learn, and the part
    "hidden frozen": ("hidden", "hidden_bias"),
    "embeddings frozen": ("embedding",),
    "frozen": ("embedding", "hidden", "hidden_bias"),
}

SATURATED = 0.97  # an activation beyond it has a derivative under 6 % of the largest
FIVE_THIRDS = 5 / 3  # the scale that people use before tanh
RAW = (names.CONTEXT * 10) ** 0.5  # the scale of weights left standard normal: sqrt(fan-in); 10 numbers an embedding
PROBE_SEED = 10_000  # for the examples by which units are measured
CURVE_POINTS = 61  # scales at which theory is tabulated
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %


@dataclass(frozen=True)
class Params:
    """The names network, how it is initialised and how long it trains."""

    data: Path = Path("data/names.txt")  # one name a line
    scales: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # std of pre-activations; 5/3 and raw are in
    width: int = 200  # hidden units
    batch: int = 32  # examples
    steps: int = 3000  # of plain SGD
    eval_steps: tuple[int, ...] = (300, 1000)  # steps at which the loss is taken; besides the last
    lr: Annotated[float, "> 0"] = 0.1  # learning rate
    lrs: Annotated[tuple[float, ...], "> 0"] = (0.01, 0.03, 0.3, 1.0, 3.0)  # others, tried at both ends and at 5/3
    probe: int = 2048  # examples by which units are measured
    seeds: int = 16  # independent networks: initialisation and batches


SMOKE = Params(scales=(0.1, 30.0), width=8, batch=8, steps=20, eval_steps=(10,), lrs=(0.3,), probe=128, seeds=2)
MINUTE = Params(seeds=5)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats per character, over the whole training set, after the last step."""

    params: Params
    narrow_nonlinearity: Estimate  # share of variance that no linear map explains, smallest scale, at initialisation
    narrow_tanh_benefit: Estimate  # loss without tanh - loss with it, smallest scale, seed by seed
    embedding_gradient_ratio: Estimate  # gradient that reaches the embeddings, largest scale over 5/3, seed by seed
    wide_layer_benefit: Estimate  # loss with the hidden layer frozen - loss without, embeddings trained, largest scale
    good_layer_benefit: Estimate  # the same at scale 5/3
    wide_layer_benefit_alone: Estimate  # the same with frozen embeddings, largest scale
    good_layer_benefit_alone: Estimate  # the same at scale 5/3
    wide_embedding_benefit: Estimate  # loss with the embeddings frozen - loss without, largest scale, seed by seed
    good_embedding_benefit: Estimate  # the same at scale 5/3
    best_scale: float  # with the lowest mean loss
    narrow_cost: Estimate  # loss at the smallest scale - loss at the best, seed by seed
    wide_cost: Estimate  # loss at the largest scale - loss at the best, seed by seed
    narrow_cost_own_lr: Estimate  # the same at each scale's own best learning rate; the middle is 5/3
    wide_cost_own_lr: Estimate
    raw_cost: Estimate  # loss at the raw scale - loss at the best, seed by seed
    at_init: pd.DataFrame  # per scale: saturated, nonlinearity, gradients over the last layer's (x, x_low, x_high)
    after_training: pd.DataFrame  # per scale: the same, and the relative change of weights (x, x_low, x_high)
    predicted: pd.DataFrame  # per scale, by theory at initialisation: saturated, nonlinearity, gradients
    losses: pd.DataFrame  # per network, scale and step: loss (x, x_low, x_high)
    by_lr: pd.DataFrame  # per scale (both ends and 5/3) and learning rate: loss after the last step (x, x_low, x_high)


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="linear",
        text="Too narrow, and the layer is a linear map.",
        source=Lines("N0", 55, 55),
        rule=All(
            Below(
                "the share of the units' variance at initialisation that no linear map explains at the smallest scale "
                "(the upper end of its interval)",
                lambda r: r.narrow_nonlinearity.high,
                0.01,
                reason="a linear map explains 99 %",
            ),
            Caveat(
                Below(
                    "what tanh lowers the loss by after training (against the same network without it)",
                    lambda r: r.narrow_tanh_benefit,
                    ONE_PERCENT,
                    "nats",
                    "1 % in perplexity",
                ),
                Above(
                    "what tanh lowers the loss by",
                    lambda r: r.narrow_tanh_benefit,
                    ONE_PERCENT,
                    "nats",
                    "linear at initialisation, training has made the layer nonlinear",
                ),
            ),
        ),
        number=lambda r: (
            f"{1e6 * r.narrow_nonlinearity.mean:.1f} millionths of the variance not linear at initialisation; after training "
            f"tanh lowers the loss by {r.narrow_tanh_benefit} nats"
        ),
    ),
    Claim(
        name="stuck",
        text="Too wide, and the layer stops learning.",
        source=Lines("N0", 55, 55),
        rule=All(
            Above(
                "what the hidden layer's own learning lowers the loss by at scale 5/3 (embeddings trained, or frozen)",
                lambda r: [r.good_layer_benefit, r.good_layer_benefit_alone],
                ONE_PERCENT,
                "nats",
                "otherwise there is nothing to stop",
            ),
            Caveat(
                Below(
                    "what it lowers it by at the largest scale (embeddings trained, or frozen)",
                    lambda r: [r.wide_layer_benefit, r.wide_layer_benefit_alone],
                    ONE_PERCENT,
                    "nats",
                    "1 % in perplexity",
                ),
                Any(
                    Below("that with trained embeddings", lambda r: r.wide_layer_benefit, ONE_PERCENT, "nats"),
                    Below("that with frozen embeddings", lambda r: r.wide_layer_benefit_alone, ONE_PERCENT, "nats"),
                ),
            ),
        ),
        number=lambda r: (
            f"the hidden layer's own learning lowers the loss by {r.wide_layer_benefit} nats at the largest scale, by "
            f"{r.good_layer_benefit} at 5/3; with frozen embeddings by {r.wide_layer_benefit_alone} and {r.good_layer_benefit_alone}"
        ),
    ),
    Claim(
        name="starved",
        text="When units saturate, the gradient vanishes, so that what lies below stops learning.",
        source=Lines("N0", 35, 35),
        rule=All(
            Below(
                "the RMS of one example's gradient with respect to the embeddings (at the largest scale, over that at "
                "scale 5/3)",
                lambda r: r.embedding_gradient_ratio,
                0.1,
                reason="it would take a learning rate ten times higher to make up for it",
            ),
            Below(
                "what the embeddings' learning lowers the loss by at the largest scale (hidden layer trained)",
                lambda r: r.wide_embedding_benefit,
                ONE_PERCENT,
                "nats",
                "1 % in perplexity",
            ),
        ),
        number=lambda r: (
            f"embeddings get {r.embedding_gradient_ratio} times the gradient that they get at 5/3; their learning lowers the "
            f"loss by {r.wide_embedding_benefit} nats"
        ),
    ),
    Claim(
        name="middle",
        text="There is a good middle.",
        source=Lines("N0", 55, 55),
        rule=Caveat(
            All(
                Above(
                    "the loss at each end of the sweep less the loss at the best scale",
                    lambda r: [r.narrow_cost, r.wide_cost],
                    ONE_PERCENT,
                    "nats",
                    "1 % in perplexity; 0 if the best scale is an end of the sweep",
                ),
                Above(
                    "the loss at each end less that at scale 5/3, each at its own best learning rate",
                    lambda r: [r.narrow_cost_own_lr, r.wide_cost_own_lr],
                    ONE_PERCENT,
                    "nats",
                ),
            ),
            Above("the first of these", lambda r: [r.narrow_cost, r.wide_cost], ONE_PERCENT, "nats"),
        ),
        number=lambda r: (
            f"the best scale is {r.best_scale:.3g}; the ends cost {r.narrow_cost} and {r.wide_cost} nats, at their own best "
            f"learning rates {r.narrow_cost_own_lr} and {r.wide_cost_own_lr}"
        ),
    ),
)


def run(params: Params) -> Result:
    """Measure every initialisation, train from each, and train the controls."""
    plans = _plans(params)
    eval_steps, scales = _eval_steps(params), [scale for network, scale in plans if network == "tanh"]
    runs = dict(zip(plans, spread(partial(_run, params), plans, "initialisations"), strict=True))
    losses, trained = {plan: run[0] for plan, run in runs.items()}, {plan: run[1] for plan, run in runs.items()}
    last = {plan: evaluated[-1] for plan, evaluated in losses.items()}
    best = min(scales, key=lambda scale: float(last["tanh", scale].mean()))
    initial = {scale: _measure(plans["tanh", scale][0], *_probe(params)) for scale in scales}
    ends = dict(zip(("narrow", "good", "wide"), _ends(params), strict=True))
    at_lr = {
        scale: {lr: last[_name(params, lr), scale] for lr in sorted({params.lr, *params.lrs})}
        for scale in ends.values()
    }
    own = {scale: min(at_lr[scale].values(), key=_mean) for scale in ends.values()}

    def benefit(frozen: str, trained: str, scale: float) -> Estimate:
        return Estimate.of(last[frozen, scale] - last[trained, scale])

    return Result(
        params=params,
        narrow_nonlinearity=Estimate.of(initial[scales[0]]["nonlinearity"]),
        narrow_tanh_benefit=Estimate.of(last["linear", scales[0]] - last["tanh", scales[0]]),
        embedding_gradient_ratio=Estimate.of(
            initial[scales[-1]]["embedding_gradient"] / initial[FIVE_THIRDS]["embedding_gradient"]
        ),
        wide_layer_benefit=benefit("hidden frozen", "tanh", ends["wide"]),
        good_layer_benefit=benefit("hidden frozen", "tanh", FIVE_THIRDS),
        wide_layer_benefit_alone=benefit("frozen", "embeddings frozen", ends["wide"]),
        good_layer_benefit_alone=benefit("frozen", "embeddings frozen", FIVE_THIRDS),
        wide_embedding_benefit=benefit("embeddings frozen", "tanh", ends["wide"]),
        good_embedding_benefit=benefit("embeddings frozen", "tanh", FIVE_THIRDS),
        best_scale=best,
        narrow_cost=Estimate.of(last["tanh", scales[0]] - last["tanh", best]),
        wide_cost=Estimate.of(last["tanh", scales[-1]] - last["tanh", best]),
        narrow_cost_own_lr=Estimate.of(own[ends["narrow"]] - own[FIVE_THIRDS]),
        wide_cost_own_lr=Estimate.of(own[ends["wide"]] - own[FIVE_THIRDS]),
        raw_cost=Estimate.of(last["tanh", RAW] - last["tanh", best]),
        at_init=_table(initial),
        after_training=_table({scale: trained["tanh", scale] for scale in scales}),
        predicted=expected(np.geomspace(scales[0], scales[-1], CURVE_POINTS), SATURATED),
        losses=pd.DataFrame(
            [
                {"network": network, "scale": scale, "step": step, **Estimate.columns("loss", loss)}
                for (network, scale), evaluated in losses.items()
                for step, loss in zip(eval_steps, evaluated, strict=True)
                if network in ("tanh", "linear", *FROZEN)
            ]
        ),
        by_lr=pd.DataFrame(
            [
                {"scale": scale, "lr": lr, **Estimate.columns("loss", loss)}
                for scale, losses_at in at_lr.items()
                for lr, loss in losses_at.items()
            ]
        ),
    )


def _plans(params: Params) -> dict[Plan, tuple[Weights, LearningRates]]:
    """Return every network and scale, with its initialisation and learning rates; those with tanh first, by scale."""
    good, lr = initialisation.well_scaled(mlp.init(range(params.seeds), params.width)), mlp.same_lr(params.lr)
    scales = sorted({*params.scales, FIVE_THIRDS, RAW})
    at = {scale: good._replace(hidden=scale / FIVE_THIRDS * good.hidden) for scale in scales}
    plans = {("tanh", scale): (at[scale], lr) for scale in scales}
    plans |= {("linear", scale): linearised(at[scale], lr) for scale in (scales[0], FIVE_THIRDS)}
    for network, parts in FROZEN.items():
        still = lr._replace(**dict.fromkeys(parts, 0.0))
        plans |= {(network, scale): (at[scale], still) for scale in (FIVE_THIRDS, scales[-1])}
    return plans | {
        (_name(params, other), scale): (at[scale], mlp.same_lr(other))
        for other in params.lrs
        for scale in _ends(params)
    }


def _ends(params: Params) -> tuple[float, float, float]:
    """Return the smallest scale, 5/3 and the largest."""
    return min(params.scales), FIVE_THIRDS, max(params.scales)


def _name(params: Params, lr: float) -> str:
    """Return the name of the network with tanh at a learning rate."""
    return "tanh" if lr == params.lr else f"lr {lr:g}"


def _mean(losses: Array) -> float:
    """Return the mean loss; infinity where a network diverged."""
    mean = float(losses.mean())
    return mean if np.isfinite(mean) else np.inf


def linearised(weights: Weights, lr: LearningRates, size: float = 2.0**-10) -> tuple[Weights, LearningRates]:
    """Return the network without its tanh: pre-activations so small that tanh is the identity, logits as they were.

    The hidden layer shrinks by `size` and the last grows by its inverse; learning rates change with the square of each,
    so that every step is the linear network's.  A power of two makes the scaling exact in floating point.
    """
    start = weights._replace(
        hidden=size * weights.hidden, hidden_bias=size * weights.hidden_bias, output=weights.output / size
    )
    return start, lr._replace(
        hidden=lr.hidden * size**2, hidden_bias=lr.hidden_bias * size**2, output=lr.output / size**2
    )


def _probe(params: Params) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the examples by which units are measured."""
    x, y, _ = names.training_set(params.data)
    chosen = torch.randint(len(x), (params.probe,), generator=torch.Generator().manual_seed(PROBE_SEED))
    return x[chosen], y[chosen]


def _run(params: Params, plan: Plan) -> tuple[Array, dict[str, Array]]:
    """Train one plan; return its losses [evaluation, seed], and what its units are like in the end."""
    x, y, counts = names.training_set(params.data)
    order = mlp.batches(range(params.seeds), len(x), params.batch, params.steps)
    init, lr = _plans(params)[plan]
    losses = []
    for _, weights in mlp.checkpoints(init, x[order], y[order], lr, _eval_steps(params)):
        losses.append(mlp.losses(weights, *counts).numpy())
    return np.array(losses), _measure(weights, *_probe(params)) | _changes(init, weights)


def _eval_steps(params: Params) -> list[int]:
    return sorted({step for step in params.eval_steps if step < params.steps} | {params.steps})


def _measure(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> dict[str, Array]:
    """Measure one ensemble: saturated share, nonlinearity, and gradients over the last layer's, each [seed]."""
    rms = gradients(weights, x, y)
    measures = {
        "saturated": saturated(weights, x, SATURATED),
        "nonlinearity": nonlinearity(weights, x),
        "pre_gradient": rms.pre / rms.hidden,
        "embedding_gradient": rms.embedding / rms.hidden,
    }
    return {name: values.numpy() for name, values in measures.items()}


def _changes(init: Weights, trained: Weights) -> dict[str, Array]:
    """Return how far embeddings and hidden weights have moved, as a share of their norm at initialisation: [seed]."""
    return {
        f"{name}_change": ((after - before).norm(dim=(1, 2)) / before.norm(dim=(1, 2))).numpy()
        for name, before, after in (
            ("embedding", init.embedding, trained.embedding),
            ("hidden", init.hidden, trained.hidden),
        )
    }


def _table(measured: dict[float, dict[str, Array]]) -> pd.DataFrame:
    """Tabulate measurements [seed] by scale: a row for each scale."""
    rows = []
    for scale, measures in measured.items():
        row = {"scale": scale}
        for name, values in measures.items():
            row |= Estimate.columns(name, values)
        rows.append(row)
    return pd.DataFrame(rows)


# How saturated and how nonlinear a layer is, and what gradient gets through it: measured.


class Gradients(NamedTuple):
    """RMS, over examples and units, of the gradient of one example's loss: [seed] each."""

    hidden: torch.Tensor  # with respect to the hidden activations
    pre: torch.Tensor  # with respect to the pre-activations: what the hidden weights learn from
    embedding: torch.Tensor  # with respect to the embeddings, times sqrt(fan-in / width): 1 where weights preserve it


def saturated(weights: Weights, x: torch.Tensor, beyond: float) -> torch.Tensor:
    """Return the share of activations beyond ±`beyond`, over units and examples `x` [example, context]: [seed]."""
    return (mlp.hidden(weights, x).abs() > beyond).double().mean((1, 2))


def nonlinearity(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return the share of the hidden units' variance that no linear map of their inputs explains: [seed].

    Least squares with an intercept, all units together, over examples `x` [example, context]; in float64, because a
    nearly linear layer leaves a millionth.
    """
    found = []
    for seed in range(len(weights.embedding)):
        one = Weights(*(tensor[seed].double() for tensor in weights))
        inputs = one.embedding[x].flatten(1)  # [example, input]
        hidden = torch.tanh(inputs @ one.hidden + one.hidden_bias)  # [example, unit]
        inputs, hidden = inputs - inputs.mean(0), hidden - hidden.mean(0)
        explained = inputs @ torch.linalg.lstsq(inputs, hidden, driver="gelsd").solution
        found.append((hidden - explained).square().sum() / hidden.square().sum())
    return torch.stack(found)


def gradients(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> Gradients:
    """Follow each example's gradient back from the loss, over examples `x` [example, context] and `y` [example].

    By hand for a whole ensemble; `plain_gradients` is what the chapter shows.
    """
    hidden = mlp.hidden(weights, x)  # [seed, example, unit]
    logits_gradient = torch.softmax(torch.baddbmm(weights.output_bias, hidden, weights.output), 2)
    logits_gradient[:, torch.arange(len(y)), y] -= 1
    hidden_gradient = logits_gradient @ weights.output.mT
    pre_gradient = hidden_gradient * (1 - hidden.square())
    embedding_gradient = pre_gradient @ weights.hidden.mT  # [seed, example, input]
    fan_in, width = weights.hidden.shape[1:]
    return Gradients(_rms(hidden_gradient), _rms(pre_gradient), _rms(embedding_gradient) * (fan_in / width) ** 0.5)


def _rms(values: torch.Tensor) -> torch.Tensor:
    return values.double().square().mean((1, 2)).sqrt()


# The same for normal pre-activations of standard deviation `scale`, by theory.  Up to a scale of 100, where the part of
# tanh that is not saturated is as narrow as the quadrature's step.


def expected(scales: Array, beyond: float) -> pd.DataFrame:
    """Tabulate what is expected: a row for each scale."""
    columns = {
        "saturated": [expected_saturated(scale, beyond) for scale in scales],
        "nonlinearity": [expected_nonlinearity(scale) for scale in scales],
        "pre_gradient": [expected_pre_gradient(scale) for scale in scales],
        "embedding_gradient": [expected_embedding_gradient(scale) for scale in scales],
    }
    return pd.DataFrame({"scale": scales, **columns})


def expected_saturated(scale: float, beyond: float) -> float:
    """Return the share of tanh(scale Z) beyond ±`beyond`, Z standard normal."""
    return float(2 * ndtr(-np.arctanh(beyond) / scale))


def expected_nonlinearity(scale: float) -> float:
    """Return the share of the variance of tanh(scale Z) that is not linear in Z, Z standard normal.

    The best linear fit has the mean derivative as its slope, E[tanh'(scale Z)] (Stein), whatever normal inputs Z is made
    of.
    """
    slope = gaussian_mean(lambda z: np.cosh(np.minimum(np.abs(scale * z), 300)) ** -2.0)
    # tanh u - slope u is integrated rather than the difference of two integrals, which would be all rounding below 0.01.
    left = gaussian_mean(lambda z: (np.tanh(scale * z) - slope * scale * z) ** 2)
    return left / gaussian_mean(lambda z: np.tanh(scale * z) ** 2)


def expected_pre_gradient(scale: float) -> float:
    """Return the factor by which tanh shrinks the RMS of a gradient: sqrt(E[tanh'(scale Z)^2])."""
    return expected_embedding_gradient(scale) / scale


def expected_embedding_gradient(scale: float) -> float:
    """Return the factor on the RMS of a gradient from tanh and weights of standard deviation scale / sqrt(n)."""
    return float(np.sqrt(gradient_factor(scale**2, scale)))


# The gradients of one network in plain PyTorch, for the chapter to show.


def plain_gradients(x: torch.Tensor, y: torch.Tensor, scale: float) -> list[float]:
    """Return the RMS of the gradients with respect to activations, pre-activations and embeddings."""
    embedding, hidden, output = nn.Embedding(27, 10), nn.Linear(30, 200, bias=False), nn.Linear(200, 27)
    nn.init.normal_(hidden.weight, std=scale / 30**0.5)
    inputs = embedding(x).flatten(1)  # [example, input]
    pre = hidden(inputs)  # [example, unit]
    activations = torch.tanh(pre)
    loss = F.cross_entropy(output(activations), y, reduction="sum")  # each example has a gradient of its own
    gradients = torch.autograd.grad(loss, (activations, pre, inputs))
    return [gradient.square().mean().sqrt().item() for gradient in gradients]
