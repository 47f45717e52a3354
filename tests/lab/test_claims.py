"""Rules of claims: what holds, what fails, what stays undecided, on the lines and beside them."""

from __future__ import annotations

import itertools
import json
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.claims import (
    Above,
    All,
    Any,
    Below,
    Caveat,
    Claim,
    Equals,
    Judged,
    Rule,
    Verdict,
    Within,
    intervals,
    number,
    rows,
)
from lab.estimate import Estimate

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
HOLDS, CAVEAT, FAILS, UNDECIDED = Verdict.HOLDS, Verdict.CAVEAT, Verdict.FAILS, Verdict.UNDECIDED


def _found(verdict: Verdict) -> Rule[None]:
    """A rule with a verdict of its own."""
    return Judged(lambda r: verdict, "a test")


@given(FINITE, FINITE, FINITE)
def test_a_rule_holds_or_fails_only_when_the_whole_interval_does(a: float, b: float, line: float) -> None:
    low, high = sorted((a, b))
    found = Above("it", lambda r: (low, high), line).verdict(None)
    if low == high == line:
        assert found is FAILS  # on the line is not above it
    else:
        assert found is (HOLDS if low > line else FAILS if high < line else UNDECIDED)
        mirrored = {HOLDS: FAILS, FAILS: HOLDS, UNDECIDED: UNDECIDED}
        assert Below("it", lambda r: (low, high), line).verdict(None) is (
            mirrored[found] if low != high else found if low == line else mirrored[found]
        )


@given(FINITE, FINITE, FINITE)
def test_the_ends_of_an_interval_may_come_in_any_order(a: float, b: float, line: float) -> None:
    for rule in (Above, Below):
        assert rule("it", lambda r: (a, b), line).verdict(None) is rule("it", lambda r: (b, a), line).verdict(None)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.96, 1.04, HOLDS),
        (0.95, 1.05, HOLDS),
        (0.94, 1.0, UNDECIDED),
        (1.0, 1.06, UNDECIDED),
        (0.9, 1.1, UNDECIDED),
        (0.5, 0.94, FAILS),
        (1.06, 2.0, FAILS),
        (-math.inf, math.inf, UNDECIDED),
        (math.inf, math.inf, FAILS),
        (math.nan, math.nan, UNDECIDED),
        (1.0, math.nan, UNDECIDED),
    ],
)
def test_within_two_lines_holds_inside_fails_outside_and_is_else_undecided(
    low: float, high: float, verdict: Verdict
) -> None:
    assert Within("it", lambda r: (low, high), 0.95, 1.05).verdict(None) is verdict


def test_where_nothing_was_measured_nothing_is_decided() -> None:
    for quantity in (math.nan, (math.nan, 1.0), [2.0, math.nan], []):
        assert Above("it", lambda r, q=quantity: q, 0.0).verdict(None) is UNDECIDED
    assert Above("it", lambda r: [-1.0, math.nan], 0.0).verdict(None) is FAILS  # one is wholly on the other side


def test_equal_means_to_within_the_tolerance() -> None:
    assert Equals("it", lambda r: 0, 0).verdict(None) is HOLDS
    assert Equals("it", lambda r: 1e-300, 0).verdict(None) is FAILS
    assert Equals("it", lambda r: Estimate(88.71, 0.01, 4), 88.7, 0.05).verdict(None) is HOLDS
    assert Equals("it", lambda r: Estimate(88.74, 0.02, 4), 88.7, 0.05).verdict(None) is UNDECIDED
    assert Equals("it", lambda r: 88.76, 88.7, 0.05).verdict(None) is FAILS


def test_a_quantity_may_be_an_estimate_a_number_a_pair_or_many() -> None:
    table = pd.DataFrame({"loss_low": [1.0, 2.0], "loss_high": [1.5, 2.5]})
    assert intervals(Estimate(2.0, 0.5, 3)) == [(1.5, 2.5)]
    assert intervals(3) == [(3.0, 3.0)]
    assert intervals((2.0, 1.0)) == [(1.0, 2.0)]
    assert intervals([Estimate(2.0, 0.5, 3), 7, (0.0, 1.0)]) == [(1.5, 2.5), (7.0, 7.0), (0.0, 1.0)]
    assert intervals(table["loss_low"]) == [(1.0, 1.0), (2.0, 2.0)]
    assert rows(table, "loss") == [(1.0, 1.5), (2.0, 2.5)]
    assert Above("it", lambda r: rows(table, "loss"), 0.9).verdict(None) is HOLDS
    assert Above("it", lambda r: rows(table, "loss"), 1.2).verdict(None) is UNDECIDED
    assert Above("it", lambda r: rows(table, "loss"), 1.7).verdict(None) is FAILS


@pytest.mark.parametrize(("one", "other"), list(itertools.product(Verdict, repeat=2)))
def test_joined_rules(one: Verdict, other: Verdict) -> None:
    both = {one, other}
    every, some, partly = (kind(_found(one), _found(other)).verdict(None) for kind in (All, Any, Caveat))
    assert every is next(v for v in (FAILS, UNDECIDED, CAVEAT, HOLDS) if v in both)
    assert some is next(v for v in (HOLDS, CAVEAT, UNDECIDED, FAILS) if v in both)
    if one is HOLDS:
        assert partly is HOLDS
    elif other in (HOLDS, CAVEAT) or one is CAVEAT:
        assert partly is CAVEAT
    else:
        assert partly is (UNDECIDED if UNDECIDED in both else FAILS)


def test_a_rule_says_itself_and_packs_itself_as_plain_json() -> None:
    full = Above("the ratio", lambda r: r, 2.0, unit="nats", reason="two is twice")
    rule = Caveat(All(full, Equals("the count", lambda r: 0, 0)), Any(full, Below("it", lambda r: math.inf, 1e-12)))
    assert (
        "the ratio is above [2]{.given} nats (two is twice)" in rule.words() and "; with a caveat if " in rule.words()
    )
    assert "below [10⁻¹²]{.given}" in rule.words()
    packed = json.loads(json.dumps(rule.packed(3.0), allow_nan=False))
    assert packed["kind"] == "caveat" and packed["rules"][0]["rules"][0]["intervals"] == [[3.0, 3.0]]
    assert packed["rules"][1]["rules"][1]["intervals"] == [["inf", "inf"]]
    assert "intervals" not in rule.packed()["rules"][0]["rules"][0]
    assert [leaf["kind"] for joined in packed["rules"] for leaf in joined["rules"]] == [
        "above",
        "equals",
        "above",
        "below",
    ]


def test_a_claim_takes_its_words_from_the_rule_unless_it_has_its_own() -> None:
    rule = Below("the loss", lambda r: r, 3.3, unit="nats", reason="that is ln 27")
    made = Claim("low", "It is low.", "N0", rule, str)
    assert made.stated(None) == ("It is low.", "Holds if the loss is below [3.3]{.given} nats (that is ln 27).")
    assert Claim("low", "It is low.", "N0", rule, str, line="My own.").stated(None)[1] == "My own."
    assert made.verdict(2.0) is HOLDS


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.01, "0.01"),
        (-2, "−2"),
        (1e-5, "10⁻⁵"),
        (2.5e-7, "2.5 × 10⁻⁷"),
        (1000, "1000"),
        (1e8, "10⁸"),
        (0.0, "0"),
        (math.inf, "∞"),
        (-1e-9, "−10⁻⁹"),
    ],
)
def test_a_threshold_is_printed_as_one_would_type_it(value: float, shown: str) -> None:
    assert number(value) == shown
