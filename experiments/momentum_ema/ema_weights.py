"""How much weight an exponential moving average gives to each age, found by feeding it gradients that show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from experiments.momentum_ema.ema import averages, buffers, effective_size


def weights_by_age(betas: Sequence[float], youngest: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weigh every age by a single gradient of 1, for `betas` in ascending order.

    Returns the weights of the `youngest` ages, in rows of beta and age, and what they add up to, in rows of beta: the
    weight of the last 1 / (1 - beta), the mean age, and the effective sample size.  Beside each stands what the
    geometric series says.
    """
    impulse = torch.zeros(int(25 / (1 - betas[-1])), len(betas), dtype=torch.float64)
    impulse[0] = 1  # what comes after all these steps weighs e^-25 of everything
    weight = averages(impulse, torch.tensor(betas, dtype=torch.float64))  # [age, beta]
    size = effective_size(weight, 0).numpy()
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
                "window_weight": column[:window].sum(),
                "window_weight_predicted": 1 - beta**window,
                "mean_age": (age * column).sum() / column.sum(),
                "mean_age_predicted": beta / (1 - beta),
                "effective_size": size[index],
                "effective_size_predicted": (1 + beta) / (1 - beta),
            }
        )
    return pd.concat(weights, ignore_index=True), pd.DataFrame(windows)


def first_steps(beta: float, steps: int) -> pd.DataFrame:
    """Weigh every gradient at each of the first steps, for averages that start at zero and at the first gradient.

    The gradients are the rows of the identity, so an average of them is its list of weights.
    """
    one_hot = torch.eye(steps, dtype=torch.float64)
    notes, dampened = averages(one_hot, beta), buffers(one_hot, beta, dampening=beta)  # [step, gradient]
    return pd.DataFrame(
        {
            "step": np.arange(1, steps + 1),
            "sum_notes": notes.sum(1),
            "sum_dampened": dampened.sum(1),
            "sum_sgd": buffers(one_hot, beta).sum(1),
            "first_notes": notes[:, 0],
            "first_dampened": dampened[:, 0],
            "effective_size_corrected": effective_size(notes, 1),  # a correction of the sum divides all weights alike
            "effective_size_dampened": effective_size(dampened, 1),
        }
    )
