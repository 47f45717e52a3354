"""How wide should pre-activations be?

Method  The first layer of the names network starts at scales from 0.03 to 30 times 1 / sqrt(fan-in); letters, last
        layer and batches are the same at every scale.  At the start: the share of saturated units, the share of their
        variance that no linear map explains, and the gradient that gets through to the letters, against theory for
        normal pre-activations.  Then the loss over the whole training set after a fixed number of steps.  Controls:
        the same network without tanh, and with everything below the last layer held still.
Cost    About 45 s on one core.
Notes   000_10f5d5d0f6910b7a.txt, "fixing tanh activations", code 2 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.saturation import linearity
from lab.claims import Claim, Verdict, side
from lab.estimate import Estimate
from lab.tasks import spread
from nets import initialisation, mlp, names
from nets.mlp import LearningRates, Weights

Array = NDArray[np.float64]
Plan = tuple[str, float]  # network, and scale of its first layer

SATURATED = 0.97  # an activation beyond it has a slope under 6 % of full
FIVE_THIRDS = 5 / 3  # the scale that people use before tanh
RAW = (names.CONTEXT * 10) ** 0.5  # the scale of weights left standard normal: sqrt(fan-in); 10 numbers a letter
PROBE = 10_000  # added to a seed for the examples by which units are looked at
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %


@dataclass(frozen=True)
class Params:
    """The names network, how it starts and how long it trains."""

    data: Path = Path("data/names.txt")  # one name a line
    scales: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # spread of pre-activations; 5/3 and raw are in
    width: int = 200  # hidden units
    batch: int = 32  # examples
    steps: int = 3000  # of plain SGD
    looks: tuple[int, ...] = (300, 1000)  # steps at which the loss is taken; besides the last
    rate: float = 0.1  # learning rate
    probe: int = 2048  # examples by which units are looked at
    seeds: int = 16  # independent networks: draws and batches


SMOKE = Params(scales=(0.1, 30.0), width=8, batch=8, steps=20, looks=(10,), probe=128, seeds=2)


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats a letter, over the whole training set, after the last step."""

    linear_start: Estimate  # share of variance that no linear map explains, smallest scale, at the start
    linear_worth: Estimate  # loss without tanh - loss with it, smallest scale, seed by seed
    starved: Estimate  # gradient that reaches the letters at the largest scale, over that at 5/3, seed by seed
    wide_worth: Estimate  # loss with all below the last layer held still - loss without, largest scale, seed by seed
    good_worth: Estimate  # the same at scale 5/3
    shares: Estimate  # wide_worth / good_worth, seed by seed
    best: float  # scale with the lowest mean loss
    narrow_cost: Estimate  # loss at the smallest scale - loss at the best, seed by seed
    wide_cost: Estimate  # loss at the largest scale - loss at the best, seed by seed
    good_cost: Estimate  # loss at scale 5/3 - loss at the best, seed by seed
    raw_cost: Estimate  # loss at the raw scale - loss at the best, seed by seed
    starting: pd.DataFrame  # per scale, at the start: saturated, departure, gradients (mean, low, high)
    ending: pd.DataFrame  # per scale, after the last step: the same, and how far weights moved, as a share of the start
    curve: pd.DataFrame  # per scale: theory's saturated, departure, gradients
    losses: pd.DataFrame  # per network, scale and step: loss (mean, low, high)


def _linear(r: Result) -> Verdict:
    if r.linear_start.high > 0.01:
        return Verdict.FAILS
    worthless = side(-r.linear_worth.high, -r.linear_worth.low, above=-ONE_PERCENT)
    return Verdict.CAVEAT if worthless is Verdict.FAILS else worthless


def _stuck(r: Result) -> Verdict:
    if r.wide_worth.high <= ONE_PERCENT:
        return Verdict.HOLDS
    if r.wide_worth.low < ONE_PERCENT:
        return Verdict.UNDECIDED
    half = side(-r.shares.high, -r.shares.low, above=-0.5)
    return Verdict.CAVEAT if half is Verdict.HOLDS else half


def _middle(r: Result) -> Verdict:
    found = [side(cost.low, cost.high, above=ONE_PERCENT) for cost in (r.narrow_cost, r.wide_cost)]
    for verdict in (Verdict.FAILS, Verdict.UNDECIDED):
        if verdict in found:
            return verdict
    return Verdict.HOLDS


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="linear",
        text="Too narrow, and the layer is a linear map.",
        source="N0, 4: “way too small (then they are basically inactive)”",
        line="Fails unless at the smallest scale a linear map explains 99 % of the units' variance at the start. Then "
        "holds if after training it is still worth no more than [0.01]{.given} nats, 1 % in perplexity, over the same "
        "network without tanh; holds with a caveat if training has bent it and it is worth more.",
        verdict=_linear,
        number=lambda r: (
            f"{1e6 * r.linear_start.mean:.1f} millionths unexplained; trained, tanh is worth {r.linear_worth}"
        ),
    ),
    Claim(
        name="stuck",
        text="Too wide, and it stops learning.",
        source="N0, 4: “or large (as tanh becomes inactive)”",
        line="Holds if at the largest scale all that is learnt below the last layer is worth no more than "
        "[0.01]{.given} nats against holding it still; with a caveat if it is worth less than half of what it is worth "
        "at scale 5/3; otherwise it learns as others do.",
        verdict=_stuck,
        number=lambda r: f"worth {r.wide_worth}, at scale 5/3 {r.good_worth}",
    ),
    Claim(
        name="starved",
        text="When units saturate, no gradient gets through to what lies below.",
        source="N0, question 6: “when it's 1 (gradient vanishes)”",
        line="Holds if at the largest scale one example's gradient arrives at the letters with less than a tenth of its "
        "spread at scale 5/3: a learning rate ten times higher would be needed to make up for it.",
        verdict=lambda r: side(-r.starved.high, -r.starved.low, above=-0.1),
        number=lambda r: f"{r.starved} times that at 5/3",
    ),
    Claim(
        name="middle",
        text="There is a good middle.",
        source="N0, “fixing tanh activations”, 4",
        line="Holds if the lowest loss lies inside the sweep and both ends of it are worse by more than "
        "[0.01]{.given} nats, 1 % in perplexity.",
        verdict=_middle,
        number=lambda r: f"best at {r.best:.3g}; the ends cost {r.narrow_cost} and {r.wide_cost}",
    ),
)


def run(params: Params) -> Result:
    """Look at every start, train from every start, and train the controls."""
    plans = _plans(params)
    looks, scales = _looks(params), [scale for network, scale in plans if network == "tanh"]
    runs = dict(zip(plans, spread(partial(_run, params), plans, "starts"), strict=True))
    found, ends = {plan: run[0] for plan, run in runs.items()}, {plan: run[1] for plan, run in runs.items()}
    last = {plan: taken[-1] for plan, taken in found.items()}
    best = min(scales, key=lambda scale: float(last["tanh", scale].mean()))
    looked = {scale: _look(plans["tanh", scale][0], *_probe(params)) for scale in scales}
    wide = last["held still", scales[-1]] - last["tanh", scales[-1]]
    worth = last["held still", FIVE_THIRDS] - last["tanh", FIVE_THIRDS]
    return Result(
        linear_start=Estimate.of(looked[scales[0]]["departure"]),
        linear_worth=Estimate.of(last["no tanh", scales[0]] - last["tanh", scales[0]]),
        starved=Estimate.of(looked[scales[-1]]["inputs"] / looked[FIVE_THIRDS]["inputs"]),
        wide_worth=Estimate.of(wide),
        good_worth=Estimate.of(worth),
        shares=Estimate.of(wide / worth),
        best=best,
        narrow_cost=Estimate.of(last["tanh", scales[0]] - last["tanh", best]),
        wide_cost=Estimate.of(last["tanh", scales[-1]] - last["tanh", best]),
        good_cost=Estimate.of(last["tanh", FIVE_THIRDS] - last["tanh", best]),
        raw_cost=Estimate.of(last["tanh", RAW] - last["tanh", best]),
        starting=_table(looked),
        ending=_table({scale: ends["tanh", scale] for scale in scales}),
        curve=linearity.expected(np.geomspace(scales[0], scales[-1], 61), SATURATED),
        losses=pd.DataFrame(
            [
                {"network": network, "scale": scale, "step": step, **Estimate.columns("loss", loss)}
                for (network, scale), taken in found.items()
                for step, loss in zip(looks, taken, strict=True)
            ]
        ),
    )


def _plans(params: Params) -> dict[Plan, tuple[Weights, LearningRates]]:
    """Return every network and scale, with its start and learning rates; those with tanh first, by scale."""
    good, rates = initialisation.well_scaled(mlp.init(range(params.seeds), params.width)), mlp.same_lr(params.rate)
    scales = sorted({*params.scales, FIVE_THIRDS, RAW})
    at = {scale: good._replace(hidden=scale / FIVE_THIRDS * good.hidden) for scale in scales}
    still = rates._replace(embedding=0.0, hidden=0.0, hidden_bias=0.0)
    plans = {("tanh", scale): (at[scale], rates) for scale in scales}
    plans |= {("no tanh", scale): initialisation.linearised(at[scale], rates) for scale in (scales[0], FIVE_THIRDS)}
    return plans | {("held still", scale): (at[scale], still) for scale in (FIVE_THIRDS, scales[-1])}


def _probe(params: Params) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the examples by which units are looked at."""
    x, y, _ = names.training_set(params.data)
    chosen = torch.randint(len(x), (params.probe,), generator=torch.Generator().manual_seed(PROBE))
    return x[chosen], y[chosen]


def _run(params: Params, plan: Plan) -> tuple[Array, dict[str, Array]]:
    """Train one plan; return its losses [look, seed], and what its units are like in the end."""
    x, y, data = names.training_set(params.data)
    order = mlp.batches(range(params.seeds), len(x), params.batch, params.steps)
    start, rates = _plans(params)[plan]
    losses = []
    for _, weights in mlp.checkpoints(start, x[order], y[order], rates, _looks(params)):
        losses.append(mlp.losses(weights, *data).numpy())
    return np.array(losses), _look(weights, *_probe(params)) | _moved(start, weights)


def _looks(params: Params) -> list[int]:
    return sorted({step for step in params.looks if step < params.steps} | {params.steps})


def _look(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> dict[str, Array]:
    """Measure one start or end: saturated share, departure from linearity, and gradients over the last layer's: [seed]."""
    down = linearity.gradients(weights, x, y)
    measures = {
        "saturated": linearity.saturated(weights, x, SATURATED),
        "departure": linearity.departure(weights, x),
        "inner": down.inner / down.activations,
        "inputs": down.inputs / down.activations,
    }
    return {name: values.numpy() for name, values in measures.items()}


def _moved(start: Weights, end: Weights) -> dict[str, Array]:
    """Return how far letters and hidden weights have moved, as a share of their length at the start: [seed]."""
    return {
        f"{kind}_moved": ((after - before).norm(dim=(1, 2)) / before.norm(dim=(1, 2))).numpy()
        for kind, before, after in (
            ("embedding", start.embedding, end.embedding),
            ("hidden", start.hidden, end.hidden),
        )
    }


def _table(looked: dict[float, dict[str, Array]]) -> pd.DataFrame:
    rows = []
    for scale, measures in looked.items():
        row = {"scale": scale}
        for name, values in measures.items():
            row |= Estimate.columns(name, values)
        rows.append(row)
    return pd.DataFrame(rows)
