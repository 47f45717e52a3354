"""What one draw of the names network shows before its first step: at every spread of its logits, from every start."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nets import initialisation, logit_statistics, mlp
from nets.mlp import Weights
from nets.names import Counts

Array = NDArray[np.float64]

SMALL = 0.01  # factor on the last layer; the lecture's
PARTS = ("spread", "price", "luck", "probability", "wrong")  # measures of a spread
MEASURES = ("spread", "loss", "wrong", "gradient")  # measures of a start; the gradient by all but the last bias
LEVELS = np.linspace(0.005, 0.995, 100)  # shares of the examples


class Asked(NamedTuple):
    """What every draw is asked."""

    x: torch.Tensor  # [example, position]
    y: torch.Tensor  # [example]
    data: Counts  # of these examples
    width: int  # hidden units
    batch: int  # examples for the first gradient
    scales: Array  # spreads of the logits
    shown: Array  # spreads at which probabilities are looked at one by one


class Look(NamedTuple):
    """What one draw shows."""

    scales: Array  # [scale, measure], measures as in PARTS
    starts: Array  # [start, measure], measures as in MEASURES
    levels: Array  # [shown, level], ln p


def look(seed: int, asked: Asked) -> Look:
    """Measure the draw of one seed."""
    drawn = mlp.init([seed], asked.width)
    data = asked.data
    often = data.next_counts.sum(1) / data.next_counts.sum()  # [context]
    hidden = mlp.hidden(drawn, data.contexts)[0].double()  # [context, unit]
    length = (often @ hidden.square().sum(1)).sqrt()
    unit = hidden @ drawn.output[0].double() / length  # [context, letter]: over draws each logit has variance 1
    return Look(
        np.array([_at(float(scale) * unit, data) for scale in asked.scales]),
        np.array([_start(seed, weights, asked) for weights in every_start(seed, asked).values()]),
        np.array(
            [logit_statistics.log_probability_quantiles(float(s) * unit, data.next_counts, LEVELS) for s in asked.shown]
        ),
    )


def every_start(seed: int, asked: Asked) -> dict[str, Weights]:
    """Return every start of one draw, by name; they differ in the last layer and its bias, but for the last."""
    drawn = mlp.init([seed], asked.width)
    small = initialisation.small_last_layer(drawn, SMALL)
    return {
        "drawn": drawn,
        "no bias": initialisation.small_last_layer(drawn, 1.0),
        "small": small._replace(output_bias=drawn.output_bias),
        "small, no bias": small,
        "small, bias of the letters": small._replace(output_bias=initialisation.unigram_bias(drawn, asked.data)),
        "last layer zero": initialisation.small_last_layer(drawn, 0.0),
        "all zero": initialisation.constant(drawn, 0.0),
    }


def _at(logits: torch.Tensor, data: Counts) -> tuple[float, ...]:
    probability = logit_statistics.mean_correct_probability(logits, data)
    return (*logit_statistics.decompose(logits, data), probability, logit_statistics.confidently_wrong(logits, data))


def _start(seed: int, weights: Weights, asked: Asked) -> tuple[float, ...]:
    chosen = mlp.batches([seed], len(asked.x), asked.batch, 1)[0]  # [seed, batch]
    logits = mlp.logits(weights, asked.data.contexts)[0].double()
    gradient = mlp.gradient(weights, asked.x[chosen], asked.y[chosen])
    return (
        logit_statistics.decompose(logits, asked.data).std,
        float(mlp.losses(weights, *asked.data)[0]),
        logit_statistics.confidently_wrong(logits, asked.data),
        float(torch.stack([kind.norm() for kind in gradient[:4]]).norm()),
    )
