"""Which logits each way to write cross-entropy can take, in four precisions, and how far from right it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from experiments.cross_entropy.formulas import FORMULAS, LIBRARY, Loss, log_softmax_then_nll
from nets.bisection import largest_passing

CORRECT, GRADIENT_WRONG, VALUE_WRONG = 0, 1, 2


def precisions() -> dict[str, torch.dtype]:
    """Return the floating-point formats, by name."""
    return {
        "float16": torch.float16,
        "bfloat16": torch.bfloat16,
        "float32": torch.float32,
        "float64": torch.float64,
    }


def limits(classes: int, names: Sequence[str]) -> pd.DataFrame:
    """Return what each format predicts: precision, logit, gap, gap_gradient, equal_logits (as in `thresholds`), and zero_loss."""
    rows = []
    for name in names:
        dtype = precisions()[name]
        numbers = torch.finfo(dtype)
        largest = math.log(numbers.max)
        rows.append(
            {
                "precision": name,
                "logit": largest,  # e^z is infinite above
                "gap": -math.log(numbers.smallest_normal) - math.log(numbers.eps / 2),  # p is stored as 0 below
                "gap_gradient": largest,  # 1 / p is infinite below
                "equal_logits": largest - math.log(classes),  # the sum of as many equal e^z is infinite above
                "zero_loss": -math.log(numbers.eps / 2),  # 1 + e^-gap is stored as 1
            }
        )
    return pd.DataFrame(rows)


def thresholds(classes: int, names: Sequence[str]) -> pd.DataFrame:
    """Search for the last logits at which each formula gives numbers: precision, formula, and five thresholds.

    `logit`: of the target, with 0 for another class; `gap`: by which the target's logit lies below the other's, which is
    0; each for the value and for the gradient; `equal_logits`: of `classes` classes, for the value.  NaN: there is none.
    """
    return pd.DataFrame(
        [
            {"precision": name, "formula": title, **_search(formula, precisions()[name], classes)}
            for name in names
            for title, formula in FORMULAS.items()
        ]
    )


def zero_loss(formula: Loss) -> float:
    """Return the last lead of the target's logit at which the loss is not yet 0, in float32."""

    def positive(lead: float) -> bool:
        return bool(formula(torch.tensor([[lead, 0.0]]), torch.tensor([0])) > 0)

    return largest_passing(positive, torch.finfo(torch.float32).max, torch.float32)


def zero_gradient(formula: Loss) -> float:
    """Return the last logit of a wrong class, with 0 for the target, at which its gradient is not 0, in float32.

    The gradient should be the wrong class's probability, all but 1.
    """

    def positive(logit: float) -> bool:
        given = torch.tensor([[0.0, logit]], requires_grad=True)
        (gradient,) = torch.autograd.grad(formula(given, torch.tensor([0])), given)
        return bool(gradient[0, 1] > 0)  # not if it is NaN, as where the loss has overflowed

    return largest_passing(positive, torch.finfo(torch.float32).max, torch.float32)


def mistakes(limit: float, step: float) -> pd.DataFrame:
    """Let a wrong class's logit grow, the target's at 0: columns logit, formula, and its loss and gradient in float32.

    The gradient is that with respect to the wrong class's logit; it should be the wrong class's probability.
    """
    rows = []
    for logit in np.arange(0, limit + step / 2, step):
        for name, formula in FORMULAS.items():
            given = torch.tensor([[0.0, float(logit)]], requires_grad=True)
            loss = formula(given, torch.tensor([0]))
            (gradient,) = torch.autograd.grad(loss, given)
            rows.append(
                {"logit": float(logit), "formula": name, "loss": loss.item(), "gradient": gradient[0, 1].item()}
            )
    return pd.DataFrame(rows)


def parts_difference() -> float:
    """Return the largest difference of the library's loss and gradient from those of the two functions it consists of."""
    line = torch.arange(-100.0, 101.0)
    found = []
    for formula in (FORMULAS[LIBRARY], log_softmax_then_nll):
        logits = torch.cartesian_prod(line, line).requires_grad_()  # [pair, class]
        losses = formula(logits, torch.zeros(len(logits), dtype=torch.int64), reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), logits)
        found.append(torch.cat([losses.detach()[:, None], gradient], 1))
    return float((found[0] - found[1]).abs().max())


def error_map(limit: float, step: float, tolerance: float) -> pd.DataFrame:
    """Map the logits of the target and of one other class: columns target, other, and the state of each formula.

    A value is wrong if it is off by more than `tolerance` (nats; relative above one), a gradient likewise.
    """
    line = torch.arange(-limit, limit + step / 2, step)
    logits = torch.cartesian_prod(line, line)  # [pair, class]: target, other
    table = {"target": logits[:, 0].double().numpy(), "other": logits[:, 1].double().numpy()}
    for name, formula in FORMULAS.items():
        value, gradient = _errors(formula, logits)
        state = np.where(gradient <= tolerance, CORRECT, GRADIENT_WRONG)  # NaN is not <= anything
        table[name] = np.where(value <= tolerance, state, VALUE_WRONG)
    return pd.DataFrame(table)


def largest_error(formula: Loss) -> float:
    """Return the largest error of value or gradient over pairs of logits up to 1e38, in float32."""
    sizes = 10.0 ** torch.arange(-3, 39, dtype=torch.float64)
    line = torch.cat([-sizes, sizes.new_zeros(1), sizes]).float()
    return float(max(errors.max() for errors in _errors(formula, torch.cartesian_prod(line, line))))


def shifts(classes: int, added: Sequence[float], seeds: int) -> pd.DataFrame:
    """Add a number to standard normal logits: precision, shift, change, predicted.

    `change` is the largest relative change of a probability by the library's softmax.  Rounding moves each shifted logit
    by at most half a unit in its last place, so a probability changes by at most a factor of e to one such unit.
    """
    random = [
        torch.randn(classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for seed in range(seeds)
    ]
    rows = []
    for name in ("float32", "float64"):
        logits = torch.stack(random).to(precisions()[name])  # [seed, class]
        before = torch.softmax(logits, 1)
        for shift in added:
            after = torch.softmax(logits + shift, 1)
            unit = np.spacing((logits + shift).abs().max().numpy())
            change = float((after / before - 1).abs().max())
            rows.append({"precision": name, "shift": shift, "change": change, "predicted": float(np.expm1(unit))})
    return pd.DataFrame(rows)


def _errors(formula: Loss, logits: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return errors of value and gradient for logits [pair, 2], the target's first: two arrays [pair].

    The truth for two classes is ln(1 + e^gap), and its derivative with respect to the target's logit is
    -1 / (1 + e^-gap), both in float64.
    """
    given = logits.clone().requires_grad_()
    losses = formula(given, torch.zeros(len(given), dtype=torch.int64), reduction="none")
    (gradients,) = torch.autograd.grad(losses.sum(), given)
    gap = (logits[:, 1].double() - logits[:, 0].double()).numpy()
    truth = np.logaddexp(0, gap)
    value = np.abs(losses.detach().double().numpy() - truth) / np.maximum(truth, 1)
    expected = np.stack([-expit(gap), expit(gap)], 1)
    gradient = np.abs(gradients.double().numpy() - expected).max(1)
    return value, gradient


def _search(formula: Loss, dtype: torch.dtype, classes: int) -> dict[str, float]:
    def until(logits: Callable[[float], list[float]], *, gradient: bool) -> float:
        def works(size: float) -> bool:
            given = torch.tensor([logits(size)], dtype=dtype, requires_grad=True)
            loss = formula(given, torch.tensor([0]))
            (derivative,) = torch.autograd.grad(loss, given)
            return bool((derivative if gradient else loss).isfinite().all())

        found = largest_passing(works, torch.finfo(dtype).max, dtype)
        return math.nan if math.isinf(found) else found

    return {
        "logit": until(lambda size: [size, 0.0], gradient=False),
        "gap": until(lambda size: [-size, 0.0], gradient=False),
        "logit_gradient": until(lambda size: [size, 0.0], gradient=True),
        "gap_gradient": until(lambda size: [-size, 0.0], gradient=True),
        "equal_logits": until(lambda size: [size] * classes, gradient=False),
    }
