"""What the chapter on writing the loss oneself says is so: closed forms, the search, the counts, and mutants."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from experiments import cross_entropy
from experiments.cross_entropy import (
    BY_HAND,
    CLAIMS,
    LIBRARY,
    SMOKE,
    SUBTRACTED,
    Params,
    Result,
    cost,
    costs_of,
    one_hot,
    saved_tensors,
    timing,
)
from experiments.cross_entropy import formulas as logit_losses
from experiments.cross_entropy import limits as logit_limits
from experiments.cross_entropy.limits import GRADIENT_WRONG, RIGHT, VALUE_WRONG
from lab.claims import Verdict
from lab.read import read
from nets import bisection

FORMULAS = list(logit_losses.FORMULAS.values())


@pytest.fixture(scope="module")
def result() -> Result:
    return read(cross_entropy)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return cross_entropy.run(SMOKE)


# The tools


@pytest.mark.parametrize("formula", FORMULAS, ids=list(logit_losses.FORMULAS))
def test_all_formulas_are_one_function_where_numbers_are_ordinary(formula: logit_losses.Loss) -> None:
    """In float64, against sums written out in Python; a sum for the mean or a wrong letter would be off by far more."""
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.tensor([0, 3, 1, 1, 2])
    expected = [
        math.log(sum(math.exp(z) for z in row)) - row[right]
        for row, right in zip(logits.tolist(), y.tolist(), strict=True)
    ]
    assert formula(logits, y, average=False).tolist() == pytest.approx(expected, rel=1e-13)
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
    assert saved_tensors.count(lambda: (lambda e: e * e)(values.exp()).sum()) == saved_tensors.Saved(
        nodes=3, tensors=1, bytes=80
    )
    assert saved_tensors.count(lambda: values.exp().exp().sum()) == saved_tensors.Saved(nodes=3, tensors=2, bytes=160)


def test_a_median_has_the_interval_of_the_sign_test() -> None:
    """For 31 values the textbook table gives ranks 10 and 22; for five there is none, so all of them."""
    found = timing.median(np.random.default_rng(0).permutation(np.arange(1.0, 32.0)))
    assert found == (16.0, 10.0, 22.0)
    assert timing.median(np.arange(5.0)) == (2.0, 0.0, 4.0)


def test_a_task_of_twice_the_work_takes_about_twice_as_long() -> None:
    """Within a factor of 1.5: pure Python loops, in turns; ratios upside down, or to the wrong task, would miss."""
    tasks: list[Callable[[], object]] = [lambda: sum(range(200_000)), lambda: sum(range(100_000))]
    ratios = timing.ratios(tasks, rounds=9, calls=2)
    assert ratios.shape == (2, 9) and (ratios[1] == 1).all()
    assert 4 / 3 < timing.median(ratios[0]).median < 3


# The committed result


def test_the_thresholds_found_are_the_last_numbers_below_those_predicted(result: Result) -> None:
    """Within one step of the format, or two of its exponential's error; a factor of two in a limit would move it by 0.69."""
    _assert_limits(result.thresholds, result.limits, list(Params().precisions))
    assert result.silent == pytest.approx(24 * math.log(2), abs=1e-5)
    assert result.forgotten == pytest.approx(150 / 2 * math.log(2), abs=1e-4)


def _assert_limits(found: pd.DataFrame, limits: pd.DataFrame, precisions: list[str]) -> None:
    by_hand = found[found["formula"] == BY_HAND].set_index("precision")
    predicted = limits.set_index("precision")
    for name in precisions:
        for probe in ("logit", "gap", "gap_gradient", "crowd"):
            theory = predicted[probe][name]
            step = torch.finfo(logit_limits.precisions()[name]).eps * 2 ** math.floor(math.log2(theory))
            assert -2 * step <= by_hand[probe][name] - theory <= step, (name, probe)
        assert by_hand["logit_gradient"][name] == by_hand["logit"][name]


def test_limits_are_the_formats_own_numbers(result: Result) -> None:
    limits = result.limits.set_index("precision")
    assert limits["logit"]["float32"] == pytest.approx(128 * math.log(2), rel=1e-8)  # (2 - 2^-23) 2^127
    assert limits["gap"]["float32"] == pytest.approx(150 * math.log(2), rel=1e-14)
    assert limits["logit"]["float16"] == pytest.approx(math.log(65504), rel=1e-14)
    assert limits["crowd"]["float64"] == pytest.approx(math.log(np.finfo(float).max) - math.log(27), rel=1e-14)


def test_subtracting_cures_the_overflow_alone_and_the_library_has_neither(result: Result) -> None:
    formulas = result.thresholds.set_index(["formula", "precision"])
    probes = ["logit", "logit_gradient", "gap", "gap_gradient", "crowd"]
    assert formulas.loc[LIBRARY][probes].isna().all(axis=None)
    subtracted, by_hand = formulas.loc[SUBTRACTED], formulas.loc[BY_HAND]
    assert subtracted[["logit", "logit_gradient", "crowd"]].isna().all(axis=None)
    assert subtracted[["gap", "gap_gradient"]].equals(by_hand[["gap", "gap_gradient"]])
    softmax = formulas.loc["softmax, then log"]
    assert softmax["logit"].isna().all() and softmax["logit_gradient"].equals(softmax["gap"])


def test_the_map_fails_where_theory_says(result: Result) -> None:
    _assert_map(result.map, spacing=Params().spacing)


def _assert_map(states: pd.DataFrame, spacing: float) -> None:
    """At points farther than 5.5 from every edge: numbers lose digits up to e^5.5 = 2^8 above where they are lost."""
    right, other = states["right"].to_numpy(), states["other"].to_numpy()
    assert (np.diff(np.unique(right)) == spacing).all()
    top, small, gap = 128 * math.log(2), 150 * math.log(2), other - right
    value = {
        BY_HAND: np.maximum.reduce([right - top, other - top, gap - small, -right - small]),
        SUBTRACTED: gap - small,
        "softmax, then log": gap - small,
        LIBRARY: np.full(len(right), -np.inf),
    }
    gradient = {
        BY_HAND: np.maximum.reduce([value[BY_HAND], -right - top, gap - top, 2 * other - right - small]),
        SUBTRACTED: gap - top,
        "softmax, then log": np.maximum(gap - top, -gap - small),
        LIBRARY: value[LIBRARY],
    }
    for formula, beyond in value.items():
        expected = np.where(beyond > 0, VALUE_WRONG, np.where(gradient[formula] > 0, GRADIENT_WRONG, RIGHT))
        clear = (np.abs(beyond) > 5.5) & (np.abs(gradient[formula]) > 5.5)
        assert (states[formula].to_numpy() == expected)[clear].all(), formula
        assert clear.mean() > 0.5


def test_the_first_panel_has_finite_gradients_that_are_wrong(result: Result) -> None:
    logits = torch.tensor([[0.0, result.forgotten + 1]], requires_grad=True)
    (by_hand,) = torch.autograd.grad(logit_losses.three_lines(logits, torch.tensor([0])), logits)
    (library,) = torch.autograd.grad(logit_losses.library(logits, torch.tensor([0])), logits)
    assert by_hand.tolist() == [[-1, 0]] and library.tolist() == [[-1, 1]]


def test_a_shift_changes_probabilities_by_rounding_and_no_more(result: Result) -> None:
    """The bound is one unit of the shifted logits and six of softmax's own arithmetic; and rounding is really there."""
    for name, rows in result.shifts.groupby("precision"):
        own = 6 * torch.finfo(logit_limits.precisions()[str(name)]).eps
        assert (rows["change"] <= rows["predicted"] + own).all()
        small = rows[rows["predicted"] < 0.1]
        assert (small["change"] > small["predicted"] / 5).all()


def test_bytes_kept_are_those_of_the_derivation(result: Result) -> None:
    batch = Params().batch
    for name, per_example in ((BY_HAND, 24), (SUBTRACTED, 32), ("softmax, then log", 16), (LIBRARY, 8 + 4 / batch)):
        rows = costs_of(result, name)
        assert rows["bytes"].tolist() == [batch * (4 * letters + per_example) for letters in rows["vocabulary"]]
        assert np.allclose(rows["memory"], rows["memory_predicted"], rtol=1e-14)


def test_lost_sums_are_counted_by_theory(result: Result) -> None:
    """Both count the same draws, so they differ in examples within rounding of the edge alone: one in a thousand."""
    assert np.abs(result.one_hot["lost"] - result.one_hot["predicted"]).max() < 2e-3
    assert result.one_hot_lost.mean == result.one_hot["lost"].max() > 0.1


def test_times_are_far_from_the_line(result: Result) -> None:
    """The verdict on time must come out the same on any machine: no median within a fifth of equal."""
    assert costs_of(result, BY_HAND)["time"].min() > 1.2


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    verdicts = {claim.name: claim.verdict(result) for claim in CLAIMS}
    caveats = dict.fromkeys(("shift", "subtract", "memory", "one-hot"), Verdict.CAVEAT)
    assert verdicts == dict.fromkeys(("overflow", "underflow", "library", "fewer", "faster"), Verdict.HOLDS) | caveats


def test_all_but_the_times_is_the_same_when_computed_again(result: Result) -> None:
    """Exact searches and counts: the last digit of an exponential may differ from processor to processor, 1e-5 is far above."""
    again = cross_entropy.run(dataclasses.replace(Params(), rounds=2, calls=(1, 1, 1, 1, 1)))
    for field in dataclasses.fields(Result):
        ours, theirs = getattr(again, field.name), getattr(result, field.name)
        if isinstance(ours, pd.DataFrame):
            columns = [name for name in ours.select_dtypes("number") if not name.startswith("time")]
            rtol, atol = {"shifts": (0.5, 0.0), "one_hot": (1e-5, 2e-3)}.get(
                field.name, (1e-5, 0.0)
            )  # shifts: rounding
            close = np.isclose(ours[columns], theirs[columns], rtol=rtol, atol=atol, equal_nan=True)
            assert close.mean() > 0.999 if field.name == "map" else close.all(), field.name
        elif field.name == "one_hot_lost":
            assert ours.mean == pytest.approx(theirs.mean, abs=1e-3)
        elif field.name not in ("library_error", "one_hot_rough"):  # rounding errors too; the claims bound them
            assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6, nan_ok=True), field.name
        else:
            assert 0 < ours < 3 * theirs


# The same code, small, and mutants


def test_smoke_run_finds_the_thresholds_of_float32(smoke: Result) -> None:
    _assert_limits(smoke.thresholds, smoke.limits, ["float32"])
    _assert_map(smoke.map, SMOKE.spacing)
    assert smoke.library_error < 1e-6 and math.isnan(smoke.subtracted_overflow)


@pytest.mark.parametrize(
    "mutant", ["smallest subtracted", "normal numbers only", "no index of 8 bytes", "sum for one term"]
)
def test_named_mutants_are_caught(mutant: str, smoke: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "smallest subtracted":
        wrong = dict(logit_losses.FORMULAS)
        wrong[SUBTRACTED] = lambda logits, y, average=True: logit_losses.three_lines(
            logits - logits.min(1, keepdim=True).values, y, average=average
        )
        monkeypatch.setattr(logit_limits, "FORMULAS", wrong)
        states = logit_limits.states(SMOKE.reach, SMOKE.spacing, cross_entropy.ROUGHLY)
        with pytest.raises(AssertionError):
            _assert_map(states, SMOKE.spacing)
    elif mutant == "normal numbers only":  # forgetting the numbers below the smallest normal one
        limits = smoke.limits.assign(gap=-math.log(torch.finfo(torch.float32).smallest_normal))
        with pytest.raises(AssertionError):
            _assert_limits(smoke.thresholds, limits, ["float32"])
    elif mutant == "no index of 8 bytes":
        monkeypatch.setattr(cost, "BESIDE", cost.BESIDE | {LIBRARY: (4, 4)})
        costs = cost.costs(SMOKE.batch, SMOKE.vocabularies, SMOKE.calls, 1)
        assert not np.allclose(costs["memory"], costs["memory_predicted"], rtol=1e-14)
    else:
        monkeypatch.setattr(one_hot, "one_term", one_hot.sum_over_letters)
        found = one_hot.compare(27, SMOKE.examples, SMOKE.spreads, SMOKE.seeds)
        assert found.lost.mean == 0 < found.table["predicted"].max()
