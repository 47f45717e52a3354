"""How much weight an exponentially weighted average gives to each age, found by feeding it gradients that show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from experiments.momentum_ema.ema import averages, buffers, equal_values


def ages(betas: Sequence[float], youngest: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weigh every age by a single gradient of 1, for `betas` in ascending order.

    Returns the weights of the `youngest` ages, in rows of beta and age, and what they add up to, in rows of beta: the
    share of the last 1 / (1 - beta), the mean age, and how many values a plain mean needs to be as steady.  Beside
    each stands what the geometric series says.
    """
    single = torch.zeros(int(25 / (1 - betas[-1])), len(betas), dtype=torch.float64)
    single[0] = 1  # what comes after all these steps weighs e^-25 of everything
    weight = averages(single, torch.tensor(betas, dtype=torch.float64))  # [age, beta]
    equal = equal_values(weight, 0).numpy()
    weights, windows = [], []
    for index, beta in enumerate(betas):
        column, age = weight[:, index].numpy(), np.arange(len(weight))
        window = round(1 / (1 - beta))
        formula = (1 - beta) * beta**age
        table = pd.DataFrame({"beta": beta, "age": age, "weight": column, "predicted": formula})
        weights.append(table[:youngest])
        windows.append(
            {
                "beta": beta,
                "window": window,
                "carried": column[:window].sum(),
                "carried_predicted": 1 - beta**window,
                "mean_age": (age * column).sum() / column.sum(),
                "mean_age_predicted": beta / (1 - beta),
                "values": equal[index],
                "values_predicted": (1 + beta) / (1 - beta),
            }
        )
    return pd.concat(weights, ignore_index=True), pd.DataFrame(windows)


def beginnings(beta: float, steps: int) -> pd.DataFrame:
    """Weigh every gradient at every early step, for averages that begin at zero and at the first gradient.

    Gradients that are the rows of the identity name their step, so an average of them is its list of weights.
    """
    named = torch.eye(steps, dtype=torch.float64)
    notes, dampened = averages(named, beta), buffers(named, beta, dampening=beta)  # [step, gradient]
    return pd.DataFrame(
        {
            "step": np.arange(1, steps + 1),
            "sum_notes": notes.sum(1),
            "sum_dampened": dampened.sum(1),
            "sum_sgd": buffers(named, beta).sum(1),
            "first_notes": notes[:, 0],
            "first_dampened": dampened[:, 0],
            "values_corrected": equal_values(notes, 1),  # a correction of the sum divides all weights alike
            "values_dampened": equal_values(dampened, 1),
        }
    )
