"""What the chapter on writing the loss oneself says is so: closed forms, the search, the counts, and mutants."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from experiments import cross_entropy
from experiments.cross_entropy import (
    CLAIMS,
    SMOKE,
    Params,
    Result,
    cost,
    costs_of,
    formulas,
    limits,
    one_hot,
    saved_tensors,
    timing,
)
from experiments.cross_entropy.formulas import (
    COSTED,
    FORMULAS,
    LARGEST_SUBTRACTED,
    LIBRARY,
    LOG_SOFTMAX_BY_HAND,
    LOG_SOFTMAX_THEN_NLL,
    SOFTMAX_THEN_LOG,
    THREE_LINES,
)
from experiments.cross_entropy.limits import CORRECT, GRADIENT_WRONG, VALUE_WRONG
from experiments.cross_entropy.peak_memory import peak_bytes
from lab.claims import Verdict
from lab.read import read
from nets import bisection


@pytest.fixture(scope="module")
def result() -> Result:
    return read(cross_entropy)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return cross_entropy.run(SMOKE)


# The tools


@pytest.mark.parametrize("formula", COSTED.values(), ids=COSTED.keys())
def test_all_formulas_are_one_function_where_numbers_are_ordinary(formula: formulas.Loss) -> None:
    """In float64, against sums written out in Python; a sum for the mean or a wrong class would be off by far more."""
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.tensor([0, 3, 1, 1, 2])
    expected = [
        math.log(sum(math.exp(z) for z in row)) - row[target]
        for row, target in zip(logits.tolist(), y.tolist(), strict=True)
    ]
    assert formula(logits, y, reduction="none").tolist() == pytest.approx(expected, rel=1e-13)
    assert formula(logits, y).item() == pytest.approx(sum(expected) / 5, rel=1e-13)


@pytest.mark.parametrize("edge", [0.0, 1e-3, 0.7, 1.0, 88.7, 1e30])
def test_the_search_ends_on_the_last_number_that_works(edge: float) -> None:
    last = np.float32(edge)
    assert bisection.largest_passing(lambda x: x <= float(last), 3e38, torch.float32) == float(last)
    assert bisection.largest_passing(lambda x: x < 1e30, 5.0, torch.float32) == math.inf
    with pytest.raises(ValueError, match="not even work at 0"):
        bisection.largest_passing(lambda x: False, 5.0, torch.float32)


def test_saved_tensors_are_counted_once_however_often_they_are_kept() -> None:
    values = torch.ones(10, dtype=torch.float64, requires_grad=True)
    # exp keeps its result, the product of it with itself keeps that twice, and sum keeps nothing: 80 bytes.
    assert saved_tensors.count_saved(lambda: (lambda e: e * e)(values.exp()).sum()) == saved_tensors.Saved(
        nodes=3, tensors=1, bytes=80
    )
    assert saved_tensors.count_saved(lambda: values.exp().exp().sum()) == saved_tensors.Saved(
        nodes=3, tensors=2, bytes=160
    )


def test_a_median_has_the_interval_of_the_sign_test() -> None:
    """For 31 values the textbook table gives ranks 10 and 22; for five there is none, so all of them."""
    found = timing.median(np.random.default_rng(0).permutation(np.arange(1.0, 32.0)))
    assert found == (16.0, 10.0, 22.0)
    assert timing.median(np.arange(5.0)) == (2.0, 0.0, 4.0)


def test_a_task_of_twice_the_work_takes_about_twice_as_long() -> None:
    """Within a factor of 1.5: pure Python loops, in turns; ratios upside down, or to the wrong task, would miss."""
    tasks: dict[str, Callable[[], object]] = {
        "twice": lambda: sum(range(200_000)),
        "once": lambda: sum(range(100_000)),
    }
    ratios = timing.time_ratios(tasks, "once", rounds=9, calls=2)
    assert ratios["twice"].shape == (9,) and (ratios["once"] == 1).all()
    assert 4 / 3 < timing.median(ratios["twice"]).median < 3


# The committed result


def test_the_thresholds_found_are_the_last_numbers_below_those_predicted(result: Result) -> None:
    """Within one step of the format, or two of its exponential's error; a factor of two in a limit would move it by 0.69."""
    _assert_limits(result.thresholds, result.limits, list(Params().precisions))
    assert result.zero_loss == pytest.approx(24 * math.log(2), abs=1e-5)
    assert result.zero_gradient == pytest.approx(150 / 2 * math.log(2), abs=1e-4)


def _assert_limits(found: pd.DataFrame, predictions: pd.DataFrame, precisions: list[str]) -> None:
    by_hand = found[found["formula"] == THREE_LINES].set_index("precision")
    predicted = predictions.set_index("precision")
    for name in precisions:
        for probe in ("logit", "gap", "gap_gradient", "equal_logits"):
            theory = predicted[probe][name]
            step = torch.finfo(limits.precisions()[name]).eps * 2 ** math.floor(math.log2(theory))
            assert -2 * step <= by_hand[probe][name] - theory <= step, (name, probe)
        assert by_hand["logit_gradient"][name] == by_hand["logit"][name]


def test_limits_are_the_formats_own_numbers(result: Result) -> None:
    numbers = result.limits.set_index("precision")
    assert numbers["logit"]["float32"] == pytest.approx(128 * math.log(2), rel=1e-8)  # (2 - 2^-23) 2^127
    assert numbers["gap"]["float32"] == pytest.approx(150 * math.log(2), rel=1e-14)
    assert numbers["logit"]["float16"] == pytest.approx(math.log(65504), rel=1e-14)
    assert numbers["equal_logits"]["float64"] == pytest.approx(math.log(np.finfo(float).max) - math.log(27), rel=1e-14)


def test_subtracting_cures_the_overflow_alone_and_the_library_has_neither(result: Result) -> None:
    found = result.thresholds.set_index(["formula", "precision"])
    probes = ["logit", "logit_gradient", "gap", "gap_gradient", "equal_logits"]
    assert found.loc[LIBRARY][probes].isna().all(axis=None)
    subtracted, by_hand = found.loc[LARGEST_SUBTRACTED], found.loc[THREE_LINES]
    assert subtracted[["logit", "logit_gradient", "equal_logits"]].isna().all(axis=None)
    assert subtracted[["gap", "gap_gradient"]].equals(by_hand[["gap", "gap_gradient"]])
    softmax = found.loc[SOFTMAX_THEN_LOG]
    assert softmax["logit"].isna().all() and softmax["logit_gradient"].equals(softmax["gap"])


def test_the_map_fails_where_theory_says(result: Result) -> None:
    _assert_map(result.error_map, step=Params().map_step)


def _assert_map(error_map: pd.DataFrame, step: float) -> None:
    """At points farther than 5.5 from every edge: numbers lose digits up to e^5.5 = 2^8 above where they are lost."""
    target, other = error_map["target"].to_numpy(), error_map["other"].to_numpy()
    assert (np.diff(np.unique(target)) == step).all()
    top, small, gap = 128 * math.log(2), 150 * math.log(2), other - target
    value = {
        THREE_LINES: np.maximum.reduce([target - top, other - top, gap - small, -target - small]),
        LARGEST_SUBTRACTED: gap - small,
        SOFTMAX_THEN_LOG: gap - small,
        LIBRARY: np.full(len(target), -np.inf),
    }
    gradient = {
        THREE_LINES: np.maximum.reduce([value[THREE_LINES], -target - top, gap - top, 2 * other - target - small]),
        LARGEST_SUBTRACTED: gap - top,
        SOFTMAX_THEN_LOG: np.maximum(gap - top, -gap - small),
        LIBRARY: value[LIBRARY],
    }
    for formula, beyond in value.items():
        expected = np.where(beyond > 0, VALUE_WRONG, np.where(gradient[formula] > 0, GRADIENT_WRONG, CORRECT))
        clear = (np.abs(beyond) > 5.5) & (np.abs(gradient[formula]) > 5.5)
        assert (error_map[formula].to_numpy() == expected)[clear].all(), formula
        assert clear.mean() > 0.5


def test_the_first_panel_has_finite_gradients_that_are_wrong(result: Result) -> None:
    logits = torch.tensor([[0.0, result.zero_gradient + 1]], requires_grad=True)
    (by_hand,) = torch.autograd.grad(formulas.three_lines(logits, torch.tensor([0])), logits)
    (library,) = torch.autograd.grad(formulas.library(logits, torch.tensor([0])), logits)
    assert by_hand.tolist() == [[-1, 0]] and library.tolist() == [[-1, 1]]


def test_a_shift_changes_probabilities_by_rounding_and_no_more(result: Result) -> None:
    """The bound is one unit of the shifted logits and six of softmax's own arithmetic; and rounding is really there."""
    for name, rows in result.shifts.groupby("precision"):
        own = 6 * torch.finfo(limits.precisions()[str(name)]).eps
        assert (rows["change"] <= rows["predicted"] + own).all()
        small = rows[rows["predicted"] < 0.1]
        assert (small["change"] > small["predicted"] / 5).all()


def test_bytes_kept_are_those_of_the_derivation(result: Result) -> None:
    batch = Params().batch
    for name, per_example in (
        (THREE_LINES, 24),
        (LARGEST_SUBTRACTED, 32),
        (SOFTMAX_THEN_LOG, 16),
        (LIBRARY, 8 + 4 / batch),
        (LOG_SOFTMAX_BY_HAND, 28),
        (LOG_SOFTMAX_THEN_NLL, 8 + 4 / batch),
    ):
        rows = costs_of(result, name)
        assert rows["bytes"].tolist() == [batch * (4 * classes + per_example) for classes in rows["vocabulary"]]
        assert np.allclose(rows["memory"], rows["memory_predicted"], rtol=1e-14)


def test_three_lines_need_six_times_the_logits_and_the_library_three(result: Result) -> None:
    """Exponentials, probabilities and four gradients of their size, against log-probabilities and two; the rest is columns."""
    for name, whole, forward in ((THREE_LINES, 6, 2), (LIBRARY, 3, 1), (LOG_SOFTMAX_BY_HAND, 3, 3)):
        rows = costs_of(result, name)
        small = 8 / rows["vocabulary"]  # a handful of numbers an example
        assert ((rows["peak"] - whole).between(0, small)).all() and (
            (rows["forward_peak"] - forward).between(0, small)
        ).all()


def test_peak_memory_counts_what_is_held_at_once_and_not_what_is_freed() -> None:
    given = torch.zeros(1000)
    assert peak_bytes(lambda: given.exp().exp().exp()) == 2 * given.nbytes  # one input and one output at a time
    assert peak_bytes(lambda: [given.exp() for _ in range(3)]) == 3 * given.nbytes
    assert (
        peak_bytes(lambda: (given.exp(), given.view(10, 100), given.mul_(2))) == given.nbytes
    )  # the given is not made


def test_the_library_is_its_two_parts_bit_for_bit(result: Result) -> None:
    assert result.parts_difference == 0


def test_only_the_library_pushes_a_wrong_class_down_however_far_it_leads(result: Result) -> None:
    gradient = result.mistakes.pivot(index="logit", columns="formula", values="gradient")
    probability = expit(gradient.index.to_numpy())
    assert gradient[LIBRARY].to_numpy() == pytest.approx(probability, abs=1e-6)
    silent = gradient[THREE_LINES][(gradient.index > result.zero_gradient) & (gradient.index < result.overflow)]
    assert len(silent) > 30 and (silent == 0).all()
    loss = result.mistakes.pivot(index="logit", columns="formula", values="loss").loc[silent.index]
    assert loss[THREE_LINES].to_numpy() == pytest.approx(loss[LIBRARY].to_numpy(), rel=1e-5)  # and nothing shows


def test_sums_that_are_nan_are_counted_by_theory(result: Result) -> None:
    """Both count the same logits, so they differ in examples within rounding of the edge alone: one in a thousand."""
    assert np.abs(result.one_hot["nan_share"] - result.one_hot["predicted"]).max() < 2e-3
    assert result.nan_share.mean == result.one_hot["nan_share"].max() > 0.1


def test_times_are_far_from_the_line(result: Result) -> None:
    """The verdict on time must come out the same on any machine: no median within a fifth of equal."""
    assert costs_of(result, THREE_LINES)["time"].min() > 1.2
    assert costs_of(result, LOG_SOFTMAX_BY_HAND)["time"].min() > 1.2


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    verdicts = {claim.name: claim.verdict(result) for claim in CLAIMS}
    caveats = dict.fromkeys(("shift", "subtract", "memory", "kept", "one-hot"), Verdict.CAVEAT)
    holds = ("overflow", "underflow", "library", "fewer", "faster")
    assert verdicts == dict.fromkeys(holds, Verdict.HOLDS) | caveats


def test_all_but_the_times_is_the_same_when_computed_again(result: Result) -> None:
    """Exact searches and counts: the last digit of an exponential may differ from processor to processor, 1e-5 is far above."""
    again = cross_entropy.run(dataclasses.replace(Params(), rounds=2, calls=(1, 1, 1, 1, 1)))
    for field in dataclasses.fields(Result)[1:]:  # not its parameters: fewer rounds are timed here
        ours, theirs = getattr(again, field.name), getattr(result, field.name)
        if isinstance(ours, pd.DataFrame):
            columns = [name for name in ours.select_dtypes("number") if not name.startswith("time")]
            rtol, atol = {"shifts": (0.5, 0.0), "one_hot": (1e-5, 2e-3)}.get(
                field.name, (1e-5, 0.0)
            )  # shifts: rounding
            close = np.isclose(ours[columns], theirs[columns], rtol=rtol, atol=atol, equal_nan=True)
            assert close.mean() > 0.999 if field.name == "error_map" else close.all(), field.name
        elif field.name == "nan_share":
            assert ours.mean == pytest.approx(theirs.mean, abs=1e-3)
        elif field.name not in ("library_error", "one_term_error"):  # rounding errors too; the claims bound them
            assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6, nan_ok=True), field.name
        else:
            assert 0 < ours < 3 * theirs


# The same code, small, and mutants


def test_smoke_run_finds_the_thresholds_of_float32(smoke: Result) -> None:
    _assert_limits(smoke.thresholds, smoke.limits, ["float32"])
    _assert_map(smoke.error_map, SMOKE.map_step)
    assert smoke.library_error < 1e-6 and math.isnan(smoke.subtracted_overflow)
    assert smoke.zero_loss == pytest.approx(24 * math.log(2), abs=1e-5)
    assert smoke.zero_gradient == pytest.approx(150 / 2 * math.log(2), abs=1e-4)


def test_errors_are_relative_above_one_nat_and_absolute_below() -> None:
    """A loss that is 2 % too large, at a gap of 50 either way: the true losses are 50 and 2e-22."""

    def too_large(logits: torch.Tensor, y: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
        return 1.02 * formulas.library(logits, y, reduction=reduction)

    value, gradient = limits._errors(too_large, torch.tensor([[0.0, 50.0], [50.0, 0.0]]))
    assert value.tolist() == pytest.approx([0.02, 0], abs=1e-6)
    assert gradient.tolist() == pytest.approx([0.02, 0], abs=1e-6)


@pytest.mark.parametrize(
    "mutant", ["smallest subtracted", "normal numbers only", "no index of 8 bytes", "sum for one term"]
)
def test_named_mutants_are_caught(mutant: str, smoke: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "smallest subtracted":
        wrong = dict(FORMULAS)
        wrong[LARGEST_SUBTRACTED] = lambda logits, y, reduction="mean": formulas.three_lines(
            logits - logits.min(1, keepdim=True).values, y, reduction=reduction
        )
        monkeypatch.setattr(limits, "FORMULAS", wrong)
        wrong_map = limits.error_map(SMOKE.map_limit, SMOKE.map_step, cross_entropy.TOLERANCE)
        with pytest.raises(AssertionError):
            _assert_map(wrong_map, SMOKE.map_step)
    elif mutant == "normal numbers only":  # forgetting the numbers below the smallest normal one
        predictions = smoke.limits.assign(gap=-math.log(torch.finfo(torch.float32).smallest_normal))
        with pytest.raises(AssertionError):
            _assert_limits(smoke.thresholds, predictions, ["float32"])
    elif mutant == "no index of 8 bytes":
        monkeypatch.setattr(cost, "EXTRA_BYTES", cost.EXTRA_BYTES | {LIBRARY: (4, 4)})
        costs = cost.costs(SMOKE.batch, SMOKE.vocabularies, SMOKE.calls, 1)
        assert not np.allclose(costs["memory"], costs["memory_predicted"], rtol=1e-14)
    else:
        monkeypatch.setattr(one_hot, "one_term", one_hot.sum_over_classes)
        found = one_hot.compare(SMOKE.classes, SMOKE.examples, SMOKE.stds, SMOKE.seeds)
        assert found.nan_share.mean == 0 < found.table["predicted"].max()
