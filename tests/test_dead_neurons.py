"""What the chapter on dead neurons says is so: theory, the committed numbers, the same code at SMOKE size, and mutants."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from experiments import dead_neurons
from experiments.dead_neurons import CLAIMS, SMOKE, Params, Result, at_initialisation, history, runs
from experiments.dead_neurons import tables as fates
from lab.claims import Verdict
from lab.estimate import Estimate
from lab.read import read
from nets import mlp, names
from nets.activations import LEAKY_RELU, RELU, TANH, Activation
from nets.mlp import Weights


@pytest.fixture(scope="module")
def result() -> Result:
    return read(dead_neurons)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return dead_neurons.run(SMOKE)


# Theory


@pytest.mark.parametrize("inputs", [1, 7, 5000])
def test_at_half_cosine_one_unit_in_n_plus_one_is_off_for_all_of_n_inputs(inputs: int) -> None:
    """Of n + 1 independent normal numbers each is the largest equally often: no integral is needed."""
    assert at_initialisation.off_for_all(0.5, inputs) == pytest.approx(1 / (inputs + 1), rel=1e-6)


@pytest.mark.parametrize("cosine", [0.3, 0.8, 0.99])
def test_the_share_off_for_all_agrees_with_adaptive_quadrature(cosine: float) -> None:
    pull = (cosine / (1 - cosine)) ** 0.5
    expected, _ = quad(lambda z: norm.cdf(pull * z) ** 50 * norm.pdf(z), -9, 9, epsabs=1e-12, limit=200)
    assert at_initialisation.off_for_all(cosine, 50) == pytest.approx(expected, rel=1e-5)
    assert (
        at_initialisation.off_for_all(0.0, 50) == pytest.approx(2.0**-50)
        and at_initialisation.off_for_all(1.0, 50) == 0.5
    )


def test_the_best_text_is_as_simulated() -> None:
    """A million draws of three letters out of 27: the error of a share is 0.0005."""
    tables = np.random.default_rng(0).standard_normal((1_000_000 // 4, 3, 27)).astype(np.float32) / 3**0.5
    best = tables.max(2).sum(1)
    for depth in (2.5, 3.5, 4.5):
        assert at_initialisation.least_below(depth, 27, 3) == pytest.approx((best <= depth).mean(), abs=0.005)


def test_contexts_apart_share_no_letter_in_any_place() -> None:
    assert at_initialisation.apart(torch.tensor([[0, 0, 1], [0, 2, 3], [1, 1, 0], [2, 2, 1], [3, 3, 3]])) == 3
    assert at_initialisation.most_below(0.0, 3) == 1 / 8


def test_tanh_in_float32_is_flat_from_where_the_chapter_says() -> None:
    edge = torch.tensor([0.999, 1.001]) * runs.FLAT
    assert (TANH.derivative(TANH.function(edge)) == 0).tolist() == [False, True]
    assert (TANH.derivative(TANH.function(edge.double())) > 0).all()  # float64 has digits left


# The code, against independent code


def _loss(kinds: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor, bend: str) -> torch.Tensor:
    embedding, hidden, hidden_bias, output, output_bias = kinds
    function = {"relu": torch.relu, "leaky": torch.nn.functional.leaky_relu, "tanh": torch.tanh}[bend]
    return torch.nn.functional.cross_entropy(
        function(embedding[x].flatten(1) @ hidden + hidden_bias) @ output + output_bias, y
    )


def _assert_gradient_is_autograd(kind: str, activation: Activation) -> None:
    """Float64: sums of some ten terms differ by 1e-16, a slope of 0 for 0.01 by 1e-3."""
    weights = mlp.init([1, 2], 6, dimension=2, dtype=torch.float64)
    x, y = names.contexts(["emma", "olivia"])
    found = mlp.gradient(weights, x.expand(2, -1, -1), y.expand(2, -1), activation, train_embedding=True)
    still = mlp.gradient(weights, x.expand(2, -1, -1), y.expand(2, -1), activation, train_embedding=False)
    assert not still.embedding.any() and torch.equal(still.hidden, found.hidden)
    for seed in range(2):
        leaves = [part[seed].clone().requires_grad_() for part in weights]
        expected = torch.autograd.grad(_loss(leaves, x, y, kind), leaves)
        torch.testing.assert_close([part[seed] for part in found], list(expected), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", ["relu", "leaky", "tanh"])
def test_gradients_by_hand_equal_autograd(kind: str) -> None:
    _assert_gradient_is_autograd(kind, runs.ACTIVATIONS[kind])


@pytest.mark.parametrize("mutant", ["relu", "tanh"])
def test_a_wrong_slope_is_caught(mutant: str) -> None:
    wrong = {"relu": LEAKY_RELU, "tanh": TANH._replace(derivative=lambda signal: 1 - signal)}[mutant]
    with pytest.raises(AssertionError):
        _assert_gradient_is_autograd(mutant, RELU._replace(derivative=wrong.derivative) if mutant == "relu" else wrong)


def _one_unit(bias: float) -> tuple[Weights, torch.Tensor, names.Counts]:
    """Return a network of one unit that sees 1 for the letter a in the last place, and -1 for every other."""
    x, y = names.contexts(["aa", "ba"])
    weights = Weights(*(torch.zeros_like(kind) for kind in mlp.init([0], 1, dimension=1)))
    weights.embedding[0, :, 0] = -1.0
    weights.embedding[0, 1, 0] = 1.0
    weights.hidden[0, 2, 0] = 1.0
    weights.hidden_bias[:] = bias
    weights.output[0, 0, 3] = 1.0
    return weights, x, names.counts(x, y)


def test_one_example_that_turns_a_unit_on_keeps_it_alive() -> None:
    """Bias -0.5: on where the last letter is a; bias -1: at most zero everywhere, and zero counts as off."""
    for bias, dead in ((-0.5, False), (-1.0, True)):
        weights, x, data = _one_unit(bias)
        for activation, expected in ((RELU, dead), (LEAKY_RELU, False), (TANH, False)):
            run = history.watch(
                weights,
                x[None, None, :1],
                torch.tensor([[[0]]]),
                mlp.same_lr(0.0),
                activation,
                data,
                data.contexts,
                [0, 1],
            )
            assert run.dead[0, 0, 0] == expected and run.off[0, 0, 0] == dead


def test_a_dead_unit_comes_back_only_if_the_letters_move() -> None:
    """The unit is dead, the letters are moved by hand as another unit's gradient would: only then it is on again."""
    weights, _, data = _one_unit(-1.1)
    assert history.idle(weights, data.contexts).all()
    lifted = weights._replace(embedding=1.2 * weights.embedding)
    assert not history.idle(lifted, data.contexts).any()


def test_found_and_returned_read_a_history_as_a_person_would() -> None:
    told = ["0000", "0110", "1100", "1111", "0011", "0001"]  # per unit, look by look: 1 is dead
    state = np.array([[[unit[look] == "1" for unit in told]] for look in range(4)])
    assert history.found(state, born=True)[0].tolist() == [False, False, True, True, False, False]
    assert history.found(state, born=False)[0].tolist() == [
        False,
        True,
        False,
        False,
        True,
        False,
    ]  # the last look is too late
    assert history.returned(state)[0].tolist() == [False, True, True, False, False, False]
    whole = history.found(state, born=False)
    assert history.shares(history.returned(state), whole).tolist() == [0.5]
    assert np.isnan(history.shares(whole, np.zeros_like(whole))).all()


# The committed result


def test_deep_layers_of_normal_inputs_start_dead_as_theory_says(result: Result) -> None:
    _assert_layers(result)


def _assert_layers(result: Result) -> None:
    """Within three half-widths and a tenth: theory has infinite width, and layers of 128 scatter about it.

    A unit off for most inputs, not for all, would be off by a factor of ten in the first layers.
    """
    rows = result.layers
    slack = 1.5 * (rows["normal_high"] - rows["normal_low"]) + 0.1 * rows["predicted"] + 1e-3
    assert ((rows["normal"] - rows["predicted"]).abs() <= slack).all()


def test_shares_born_dead_lie_between_the_bounds(result: Result) -> None:
    """Up to the interval: 1,600 units are a sample, and the letters only 16."""
    rows = result.shifted
    assert (rows["least"] <= rows["born_high"] + 1e-9).all() and (rows["born_low"] <= rows["most"]).all()
    assert rows["born"].is_monotonic_increasing and rows["born"].iloc[0] == 0 and rows["born"].iloc[-1] > 0.9


def test_no_weight_of_a_dead_relu_unit_moves_and_none_comes_back_with_still_letters(result: Result) -> None:
    pairs, into, out = result.relu_moved
    assert pairs > 100_000 and into == out == 0
    assert result.still > 1000 and result.still_returned == 0
    still = result.curves.query("activation == 'relu' and letters == 'still'")
    for _, rows in still.groupby(["start", "rate"]):
        assert rows["dead"].is_monotonic_increasing


def test_a_dead_tanh_unit_still_teaches_the_last_layer(result: Result) -> None:
    pairs, into, out = result.tanh_moved
    assert into == 0 < out == pairs


def test_units_come_back_once_the_letters_are_trained(result: Result) -> None:
    assert result.returned.low > 0.5 > result.born_returned.high > result.born_returned.low > 0


def test_the_deeper_a_unit_was_born_the_less_it_comes_back(result: Result) -> None:
    rows = result.depths[result.depths["way"] == "born dead"]
    assert rows["returned"].is_monotonic_decreasing
    assert rows["returned_low"].iloc[0] > rows["returned_high"].iloc[-1]


def test_nothing_dies_at_small_rates_and_much_at_the_largest(result: Result) -> None:
    ever = result.ends.query("activation == 'relu' and start == 'good' and letters == 'trained'").set_index("rate")[
        "ever"
    ]
    assert (ever[ever.index < 1] == 0).all() and ever[3.0] > 0.5


def test_dead_is_less_than_idle_for_a_batch(result: Result) -> None:
    rows = result.ends.query("activation == 'relu' and rate >= 1")
    assert (rows["idle"] > rows["out"]).all()


def test_what_the_text_says_of_leaky_networks_is_so(result: Result) -> None:
    """They go off and break down no less; the two are apart where the dead stay dead, and level where nothing dies."""
    ends = result.ends.query("start == 'good'").set_index(["letters", "activation", "rate"])
    fast, wild, calm = max(Params().rates), result.wild_rate, result.calm_rate
    assert ends.loc[("trained", "leaky", fast), "ever"] > ends.loc[("trained", "relu", fast), "ever"]
    assert ends.loc[("trained", "leaky", fast), "broken"] >= ends.loc[("trained", "relu", fast), "broken"] > 0
    assert ends.loc[("still", "leaky", wild), "loss_high"] < ends.loc[("still", "relu", wild), "loss_low"]
    level = ends.loc[("trained", "leaky", calm), "loss"] - ends.loc[("trained", "relu", calm), "loss"]
    assert abs(level) < 0.002
    shifted = result.ends.set_index(["activation", "start", "letters", "rate"]).loc[
        ("relu", "shifted", "trained", calm)
    ]
    assert shifted["loss"] > 0.1 + ends.loc[("trained", "relu", calm), "loss"]


def test_units_born_dead_by_their_bias_are_nearer_the_lower_bound(result: Result) -> None:
    row = result.shifted.set_index("shift").loc[3.0]
    assert 0 < row["born"] - row["least"] < row["most"] - row["born"]


def test_units_that_died_mostly_lie_within_reach_and_those_born_dead_do_not(result: Result) -> None:
    rows = result.depths.set_index(["way", "from"])["units"]
    deepest = result.depths["from"].max()
    died, born = (rows[way][deepest] / rows[way].sum() for way in ("died", "born dead"))
    assert died < 0.1 < 0.3 < born


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "nothing": Verdict.CAVEAT,
        "start": Verdict.CAVEAT,
        "training": Verdict.HOLDS,
        "stays": Verdict.FAILS,
        "alike": Verdict.FAILS,
        "leaky": Verdict.HOLDS,
        "any": Verdict.CAVEAT,
        "matters": Verdict.UNDECIDED,
    }


# The same code, small


def test_smoke_run_has_units_born_dead_that_do_not_move(smoke: Result) -> None:
    pairs, into, out = smoke.relu_moved
    assert pairs > 0 == into == out and smoke.still > 0 == smoke.still_returned and smoke.leaky_dead == 0
    assert smoke.tanh_moved[2] > 0 == smoke.tanh_moved[1]
    assert smoke.single_start == Estimate(0.0, 0.0, 2)


def test_another_readers_names_can_be_used(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(
        b"\r\n".join([b"bo", b"abba", b"cab", b"bob", b"abe", b"eva", b"ada", b"bea", b"deb", b"ed"]) + b"\r\n"
    )
    assert dead_neurons.run(dataclasses.replace(SMOKE, data=mine)).still_returned == 0


def _count(layers: int = 12) -> Result:
    """Return a result that has nothing but its layers, from few contexts and narrow networks."""
    x, y = names.contexts(names.load(Params().data)[:60])
    contexts = names.counts(x, y).contexts
    letters, normal = at_initialisation.count_by_layer(contexts, layers, 64, 16)
    table = at_initialisation.layer_table(letters, normal, len(contexts))
    empty = dict.fromkeys(field.name for field in dataclasses.fields(Result))
    return Result(**(empty | {"layers": table}))  # type: ignore[arg-type]


def test_layers_of_another_size_start_dead_as_theory_says_too() -> None:
    _assert_layers(_count())


@pytest.mark.parametrize("mutant", ["a batch for the training set", "variance 1/n and a bias", "cosines stand still"])
def test_named_mutants_of_the_deep_start_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    off = at_initialisation._off
    if mutant == "a batch for the training set":
        monkeypatch.setattr(at_initialisation, "_off", lambda signal: off(signal[:8]))
    elif mutant == "variance 1/n and a bias":
        monkeypatch.setattr(at_initialisation, "_off", lambda signal: off(signal - 0.5))
    else:
        monkeypatch.setattr(at_initialisation, "next_cosine", lambda cosine: 0.5)
    with pytest.raises(AssertionError):
        _assert_layers(_count())


@pytest.mark.parametrize("mutant", ["momentum", "weight decay", "one active example is enough to be off"])
def test_a_dead_unit_that_moves_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each makes weights of units that are called dead move, which the experiment must count."""
    if mutant.startswith("one"):
        monkeypatch.setitem(runs.ACTIVATIONS, "relu", RELU._replace(steepest=lambda pre: pre.amin(0)))
    else:
        plain = mlp.gradient

        def moving(weights: Weights, *args: object, **kwargs: object) -> Weights:
            slope = plain(weights, *args, **kwargs)  # type: ignore[arg-type]
            return slope._replace(hidden=slope.hidden + (1e-3 * weights.hidden if mutant == "weight decay" else 1e-3))

        monkeypatch.setattr(mlp, "gradient", moving)
    found = dead_neurons.run(dataclasses.replace(SMOKE, rates=(1.0,), layers=1))
    verdict = next(claim for claim in CLAIMS if claim.name == "nothing").verdict
    assert found.relu_moved[1] > 0 and verdict(found) is Verdict.FAILS


def test_broken_networks_count_as_neither_dead_nor_alive() -> None:
    drawn = mlp.init([0, 1], 4)
    x, y = names.contexts(["emma", "olivia"])
    start = runs.begin(drawn, "relu", 9.0)
    start.output[1] = torch.inf
    data = names.counts(x, y)
    run = history.watch(
        start, x.expand(3, 2, -1, -1), y.expand(3, 2, -1), mlp.same_lr(0.1), RELU, data, data.contexts, [0, 1, 2, 3]
    )
    assert run.broken.tolist() == [False, True]
    assert fates.out_of_work(run, off=False)[:, 1].sum() == 0 < fates.out_of_work(run, off=False)[:, 0].sum()
