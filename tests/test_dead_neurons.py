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
from experiments.dead_neurons import (
    BY_BIAS,
    BY_DEPTH,
    CLAIMS,
    DIED_FROZEN,
    DIED_TRAINED,
    SMOKE,
    Params,
    Result,
    at_initialisation,
    history,
    other_activations,
    plain,
    revival,
    runs,
    tables,
)
from lab.claims import Verdict
from lab.estimate import Estimate
from lab.read import read
from nets import deep_relu, mlp, names
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
def test_at_half_cosine_one_unit_in_n_plus_one_is_inactive_on_all_of_n_inputs(inputs: int) -> None:
    """Of n + 1 independent normal numbers each is the largest equally often: no integral is needed."""
    assert at_initialisation.expected_dead(0.5, inputs) == pytest.approx(1 / (inputs + 1), rel=1e-6)


@pytest.mark.parametrize("cosine", [0.3, 0.8, 0.99])
def test_the_share_inactive_on_all_agrees_with_adaptive_quadrature(cosine: float) -> None:
    pull = (cosine / (1 - cosine)) ** 0.5
    expected, _ = quad(lambda z: norm.cdf(pull * z) ** 50 * norm.pdf(z), -9, 9, epsabs=1e-12, limit=200)
    assert at_initialisation.expected_dead(cosine, 50) == pytest.approx(expected, rel=1e-5)
    assert (
        at_initialisation.expected_dead(0.0, 50) == pytest.approx(2.0**-50)
        and at_initialisation.expected_dead(1.0, 50) == 0.5
    )


def test_the_lower_bound_is_as_simulated() -> None:
    """The best of 27 characters in three positions, 250,000 times: the error of a share is 0.0005."""
    values = np.random.default_rng(0).standard_normal((1_000_000 // 4, 3, 27)).astype(np.float32) / 3**0.5
    best = values.max(2).sum(1)
    for depth in (2.5, 3.5, 4.5):
        assert at_initialisation.lower_bound(depth, 27, 3) == pytest.approx((best <= depth).mean(), abs=0.005)


def test_disjoint_contexts_share_no_character_in_any_position() -> None:
    assert (
        at_initialisation.disjoint_contexts(torch.tensor([[0, 0, 1], [0, 2, 3], [1, 1, 0], [2, 2, 1], [3, 3, 3]])) == 3
    )
    assert at_initialisation.upper_bound(0.0, 3) == 1 / 8


def test_tanh_in_float32_is_flat_from_where_the_chapter_says() -> None:
    edge = torch.tensor([0.999, 1.001]) * runs.FLAT
    assert (TANH.derivative(TANH.function(edge)) == 0).tolist() == [False, True]
    assert (TANH.derivative(TANH.function(edge.double())) > 0).all()  # float64 has digits left


# The code, against independent code


def _loss(weights: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor, activation: str) -> torch.Tensor:
    embedding, hidden, hidden_bias, output, output_bias = weights
    function = {"relu": torch.relu, "leaky": torch.nn.functional.leaky_relu, "tanh": torch.tanh}[activation]
    return torch.nn.functional.cross_entropy(
        function(embedding[x].flatten(1) @ hidden + hidden_bias) @ output + output_bias, y
    )


def _assert_gradient_is_autograd(kind: str, activation: Activation) -> None:
    """Float64: sums of some ten terms differ by 1e-16, a derivative of 0 for 0.01 by 1e-3."""
    weights = mlp.init([1, 2], 6, dimension=2, dtype=torch.float64)
    x, y = names.contexts(["emma", "olivia"])
    found = mlp.gradient(weights, x.expand(2, -1, -1), y.expand(2, -1), activation, train_embedding=True)
    frozen = mlp.gradient(weights, x.expand(2, -1, -1), y.expand(2, -1), activation, train_embedding=False)
    assert not frozen.embedding.any() and torch.equal(frozen.hidden, found.hidden)
    for seed in range(2):
        leaves = [part[seed].clone().requires_grad_() for part in weights]
        expected = torch.autograd.grad(_loss(leaves, x, y, kind), leaves)
        torch.testing.assert_close([part[seed] for part in found], list(expected), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", ["relu", "leaky", "tanh"])
def test_gradients_by_hand_equal_autograd(kind: str) -> None:
    _assert_gradient_is_autograd(kind, runs.ACTIVATIONS[kind])


@pytest.mark.parametrize("mutant", ["relu", "tanh"])
def test_a_wrong_derivative_is_caught(mutant: str) -> None:
    wrong = {"relu": LEAKY_RELU, "tanh": TANH._replace(derivative=lambda signal: 1 - signal)}[mutant]
    with pytest.raises(AssertionError):
        _assert_gradient_is_autograd(mutant, RELU._replace(derivative=wrong.derivative) if mutant == "relu" else wrong)


def _one_unit(bias: float) -> tuple[Weights, torch.Tensor, names.Counts]:
    """Return a network of one unit that sees 1 for the letter a in the last position, and -1 for every other."""
    x, y = names.contexts(["aa", "ba"])
    weights = Weights(*(torch.zeros_like(tensor) for tensor in mlp.init([0], 1, dimension=1)))
    weights.embedding[0, :, 0] = -1.0
    weights.embedding[0, 1, 0] = 1.0
    weights.hidden[0, 2, 0] = 1.0
    weights.hidden_bias[:] = bias
    weights.output[0, 0, 3] = 1.0
    return weights, x, names.counts(x, y)


def test_one_example_that_activates_a_unit_keeps_it_alive() -> None:
    """Bias -0.5: active where the last letter is a; bias -1: at most zero everywhere, and zero counts as inactive."""
    for bias, dead in ((-0.5, False), (-1.0, True)):
        weights, x, data = _one_unit(bias)
        for activation, expected in ((RELU, dead), (LEAKY_RELU, False), (TANH, False)):
            run = history.record(
                weights,
                x[None, None, :1],
                torch.tensor([[[0]]]),
                mlp.same_lr(0.0),
                activation,
                data,
                data.contexts,
                [0, 1],
            )
            assert run.dead[0, 0, 0] == expected and run.inactive[0, 0, 0] == dead


def test_the_code_that_the_chapter_shows_agrees() -> None:
    """On a network whose units, some way below zero, are partly dead."""
    x, y = names.contexts(["emma", "ava", "olivia"])
    weights = runs.init(mlp.init([3], 40), "relu", 1.5)
    embedding, hidden = torch.nn.Embedding(27, 10), torch.nn.Linear(30, 40)
    with torch.no_grad():
        embedding.weight.copy_(weights.embedding[0])
        hidden.weight.copy_(weights.hidden[0].T)
        hidden.bias.copy_(weights.hidden_bias[0, 0])
    counts = names.counts(x, y)
    run = history.record(weights, x[None, None], y[None, None], mlp.same_lr(0.0), RELU, counts, counts.contexts, [0, 1])
    found = plain.dead_units(embedding, hidden, counts.contexts)
    assert 0 < found.sum() < 40 and found.tolist() == run.dead[0, 0].tolist()


def test_a_dead_unit_is_revived_only_if_the_embeddings_move() -> None:
    """The unit is dead, the embeddings are moved by hand as another unit's gradient would: only then is it active again."""
    weights, _, data = _one_unit(-1.1)
    assert history.inactive_on(weights, data.contexts).all()
    lifted = weights._replace(embedding=1.2 * weights.embedding)
    assert not history.inactive_on(lifted, data.contexts).any()


def test_lost_and_revived_read_a_history_as_a_person_would() -> None:
    told = ["0000", "0110", "1100", "1111", "0011", "0001"]  # per unit, evaluation by evaluation: 1 is dead
    state = np.array([[[unit[evaluation] == "1" for unit in told]] for evaluation in range(4)])
    assert history.lost(state, at_init=True)[0].tolist() == [False, False, True, True, False, False]
    assert history.lost(state, at_init=False)[0].tolist() == [
        False,
        True,
        False,
        False,
        True,
        False,
    ]  # the last evaluation is too late
    assert history.revived(state)[0].tolist() == [False, True, True, False, False, False]
    whole = history.lost(state, at_init=False)
    assert history.shares(history.revived(state), whole).tolist() == [0.5]
    assert np.isnan(history.shares(whole, np.zeros_like(whole))).all()


def _assert_revived(before: torch.Tensor, after: torch.Tensor) -> None:
    """Dead units [context, unit] are active on half of the contexts afterwards, and no other unit has changed."""
    dead = before.amax(0) <= 0
    assert 0 < dead.sum() < len(dead)
    shares = (after[:, dead] > 0).double().mean(0)
    assert ((shares > 0.4) & (shares < 0.6)).all()
    assert torch.equal(after[:, ~dead], before[:, ~dead])


def test_a_revived_unit_is_active_on_half_of_the_contexts_and_the_others_stay() -> None:
    counts = names.counts(*names.contexts(names.load(Params().data)[:200]))
    weights = runs.init(mlp.init([3, 4], 40), "relu", 2.5)
    after = revival.revive(weights, counts.contexts)
    for seed in range(2):
        _assert_revived(*(mlp.pre_activations(each, counts.contexts)[seed] for each in (weights, after)))
    wrong = weights._replace(hidden_bias=2 * weights.hidden_bias - after.hidden_bias)  # sunk by as much
    before, sunk = (mlp.pre_activations(each, counts.contexts)[0] for each in (weights, wrong))
    with pytest.raises(AssertionError):
        _assert_revived(before, sunk)


def test_deep_networks_are_revived_from_the_first_layer_to_the_last() -> None:
    counts = names.counts(*names.contexts(names.load(Params().data)[:60]))
    network = deep_relu.init([5], 12, 48, lambda fan_in: 2 / fan_in)
    assert revival.dead_by_layer(network, counts.contexts).any()
    assert not revival.dead_by_layer(revival.revive_deep(network, counts.contexts), counts.contexts).any()


def test_training_with_revival_where_nothing_dies_is_plain_training() -> None:
    """In pieces or at one go: the same bits."""
    x, y = names.contexts(["emma", "olivia"])
    order = mlp.batches([0, 1], len(x), 4, 10)
    counts = names.counts(x, y)
    examples = runs.Examples(x[order], y[order], counts, counts.contexts)
    init = runs.init(mlp.init([0, 1], 6), "leaky")
    *_, (_, end) = mlp.checkpoints(init, x[order], y[order], mlp.same_lr(0.1), [10], LEAKY_RELU)
    found = revival.train(init, mlp.same_lr(0.1), examples, "leaky ReLU", 3)
    assert found.tolist() == mlp.losses(end, *counts, LEAKY_RELU).tolist()


@pytest.mark.parametrize("activation", other_activations.OTHERS)
def test_smooth_activations_have_no_gradient_where_they_are_called_flat(activation: str) -> None:
    """And a gradient a little above it: the flat part is rounding, and has an end."""
    function, flat = other_activations.OTHERS[activation]
    pre = torch.tensor([1.3 * flat, 1.01 * flat, 0.5 * flat], requires_grad=True)
    (derivative,) = torch.autograd.grad(function(pre).sum(), pre)
    assert (derivative == 0).tolist() == [True, True, False]


# The committed result


def test_deep_layers_of_normal_inputs_are_dead_at_initialisation_as_theory_says(result: Result) -> None:
    _assert_layers(result)


def _assert_layers(result: Result) -> None:
    """Within three half-widths and a tenth: theory has infinite width, and layers of 128 scatter about it.

    A unit inactive on most inputs, not on all, would be off by a factor of ten in the first layers.
    """
    rows = result.deep
    slack = 1.5 * (rows["normal_high"] - rows["normal_low"]) + 0.1 * rows["predicted"] + 1e-3
    assert ((rows["normal"] - rows["predicted"]).abs() <= slack).all()


def test_shares_dead_at_initialisation_lie_between_the_bounds(result: Result) -> None:
    """Up to the interval: 1,600 units are a sample, and there are only 16 sets of embeddings."""
    rows = result.shifted
    assert (rows["lower_bound"] <= rows["dead_high"] + 1e-9).all() and (rows["dead_low"] <= rows["upper_bound"]).all()
    assert rows["dead"].is_monotonic_increasing and rows["dead"].iloc[0] == 0 and rows["dead"].iloc[-1] > 0.9


def test_no_weight_of_a_dead_relu_unit_changes_and_none_is_revived_with_frozen_embeddings(result: Result) -> None:
    pairs, changed_in, changed_out = result.relu_changes
    assert pairs > 100_000 and changed_in == changed_out == 0
    assert result.frozen_dead > 1000 and result.frozen_revived == 0
    frozen = result.curves.query("activation == 'relu' and embeddings == 'frozen'")
    for _, rows in frozen.groupby(["init", "lr"]):
        assert rows["dead"].is_monotonic_increasing


def test_a_dead_tanh_unit_still_teaches_the_last_layer(result: Result) -> None:
    pairs, changed_in, changed_out = result.tanh_changes
    assert changed_in == 0 < changed_out == pairs


def test_units_are_revived_once_the_embeddings_are_trained(result: Result) -> None:
    assert result.revived.low > 0.5 > result.dead_at_init_revived.high > result.dead_at_init_revived.low > 0


def test_the_deeper_a_unit_was_dead_at_initialisation_the_less_it_is_revived(result: Result) -> None:
    rows = result.by_depth[result.by_depth["group"] == "dead at initialisation"]
    assert rows["revived"].is_monotonic_decreasing
    assert rows["revived_low"].iloc[0] > rows["revived_high"].iloc[-1]


def test_nothing_dies_at_low_learning_rates_and_much_at_the_highest(result: Result) -> None:
    rows = result.final.query("activation == 'relu' and init == 'good' and embeddings == 'trained'")
    ever = rows.set_index("lr")["ever_inactive"]
    assert (ever[ever.index < 1] == 0).all() and ever[3.0] > 0.5


def test_fewer_are_dead_than_inactive_on_a_batch(result: Result) -> None:
    rows = result.final.query("activation == 'relu' and lr >= 1")
    assert (rows["batch_inactive"] > rows["inactive"]).all()


def test_what_the_text_says_of_leaky_networks_is_so(result: Result) -> None:
    """They become inactive and diverge no less; the losses differ where the dead stay dead, and agree where nothing dies."""
    ends = result.final.query("init == 'good'").set_index(["embeddings", "activation", "lr"])
    fastest, highest, best = max(Params().lrs), result.highest_lr, result.best_lr
    assert (
        ends.loc[("trained", "leaky", fastest), "ever_inactive"]
        > ends.loc[("trained", "relu", fastest), "ever_inactive"]
    )
    assert ends.loc[("trained", "leaky", fastest), "diverged"] >= ends.loc[("trained", "relu", fastest), "diverged"] > 0
    assert ends.loc[("frozen", "leaky", highest), "loss_high"] < ends.loc[("frozen", "relu", highest), "loss_low"]
    difference = ends.loc[("trained", "leaky", best), "loss"] - ends.loc[("trained", "relu", best), "loss"]
    assert abs(difference) < 0.002
    every = result.final.set_index(["activation", "init", "embeddings", "lr"])
    shifted = every.loc[("relu", "shifted", "trained", best)]
    assert shifted["loss"] > 0.1 + ends.loc[("trained", "relu", best), "loss"]


def test_units_dead_by_their_bias_are_nearer_the_lower_bound(result: Result) -> None:
    row = result.shifted.set_index("shift").loc[3.0]
    assert 0 < row["dead"] - row["lower_bound"] < row["upper_bound"] - row["dead"]


def test_units_that_died_mostly_lie_within_reach_and_those_dead_at_initialisation_do_not(result: Result) -> None:
    rows = result.by_depth.set_index(["group", "from"])["units"]
    deepest = result.by_depth["from"].max()
    died, at_init = (rows[group][deepest] / rows[group].sum() for group in ("died", "dead at initialisation"))
    assert died < 0.1 < 0.3 < at_init


def test_reviving_the_dead_helps_where_biases_put_them_and_is_not_what_a_leak_gains(result: Result) -> None:
    rows = result.benefits.set_index(["setting", "arm"])
    revived = rows.xs("dead units revived", level="arm")
    assert revived.loc[BY_BIAS, "benefit_low"] > 0.1
    for setting in (DIED_TRAINED, DIED_FROZEN, BY_DEPTH):
        assert revived.loc[setting, "benefit_low"] < 0.01
    assert rows.loc[(DIED_FROZEN, "leaky ReLU"), "benefit_low"] > revived.loc[DIED_FROZEN, "benefit_high"]
    assert result.leaky_frozen_reactivated.low > 0.5 and result.frozen_revived == 0


def test_the_best_learning_rate_lies_inside_its_grid(result: Result) -> None:
    assert min(Params().lrs) < result.best_lr < max(Params().lrs)
    assert min(Params().deep_lrs) < result.best_deep_lr < max(Params().deep_lrs)


def test_tanh_and_sigmoid_units_die_at_learning_rates_far_too_high_and_not_before(result: Result) -> None:
    died = result.others.set_index(["activation", "lr"])["died"]
    for activation in ("tanh", "sigmoid"):
        assert died[activation, 1.0] == 0 and died[activation, 30.0] > 0.5
    assert not died["SiLU"].max() > 0
    assert (result.others["dead_at_init_low"] > 0.1).all()


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "nothing": Verdict.CAVEAT,
        "start": Verdict.CAVEAT,
        "training": Verdict.HOLDS,
        "stays": Verdict.FAILS,
        "alike": Verdict.FAILS,
        "leaky": Verdict.HOLDS,
        "any": Verdict.CAVEAT,
        "matters": Verdict.CAVEAT,
    }


# The same code, small


def test_smoke_run_has_units_dead_at_initialisation_that_do_not_change(smoke: Result) -> None:
    pairs, changed_in, changed_out = smoke.relu_changes
    assert pairs > 0 == changed_in == changed_out
    assert smoke.frozen_dead > 0 == smoke.frozen_revived and smoke.leaky_dead == 0
    assert smoke.tanh_changes[2] > 0 == smoke.tanh_changes[1]
    assert smoke.dead_at_init == Estimate(0.0, 0.0, 2)
    assert set(smoke.benefits["setting"]) == {DIED_TRAINED, DIED_FROZEN, BY_BIAS, BY_DEPTH}
    assert smoke.benefits["compared"].eq(2).all() and smoke.deep_trained["diverged"].eq(0).all()


def test_another_readers_names_can_be_used(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(
        b"\r\n".join([b"bo", b"abba", b"cab", b"bob", b"abe", b"eva", b"ada", b"bea", b"deb", b"ed"]) + b"\r\n"
    )
    assert dead_neurons.run(dataclasses.replace(SMOKE, data=mine)).frozen_revived == 0


def _count(layers: int = 12) -> Result:
    """Return a result that has nothing but its layers, from few contexts and narrow networks."""
    x, y = names.contexts(names.load(Params().data)[:60])
    contexts = names.counts(x, y).contexts
    embedded, normal = at_initialisation.dead_share_by_layer(contexts, layers, 64, 16)
    table = at_initialisation.layer_table(embedded, normal, len(contexts))
    empty = dict.fromkeys(field.name for field in dataclasses.fields(Result))
    return Result(**(empty | {"deep": table}))  # type: ignore[arg-type]


def test_layers_of_another_size_are_dead_at_initialisation_as_theory_says_too() -> None:
    _assert_layers(_count())


@pytest.mark.parametrize("mutant", ["a batch for the training set", "variance 1/n and a bias", "cosines stand still"])
def test_named_mutants_of_the_deep_initialisation_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    share = at_initialisation._dead_share
    if mutant == "a batch for the training set":
        monkeypatch.setattr(at_initialisation, "_dead_share", lambda signal: share(signal[:8]))
    elif mutant == "variance 1/n and a bias":
        monkeypatch.setattr(at_initialisation, "_dead_share", lambda signal: share(signal - 0.5))
    else:
        monkeypatch.setattr(at_initialisation, "next_cosine", lambda cosine: 0.5)
    with pytest.raises(AssertionError):
        _assert_layers(_count())


@pytest.mark.parametrize("mutant", ["momentum", "weight decay", "one inactive example is enough to be dead"])
def test_a_dead_unit_that_changes_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each makes weights of units that are called dead move, which the experiment must count."""
    if mutant.startswith("one"):
        monkeypatch.setitem(runs.ACTIVATIONS, "relu", RELU._replace(steepest=lambda pre: pre.amin(0)))
    else:
        gradient = mlp.gradient

        def moving(weights: Weights, *args: object, **kwargs: object) -> Weights:
            found = gradient(weights, *args, **kwargs)  # type: ignore[arg-type]
            return found._replace(hidden=found.hidden + (1e-3 * weights.hidden if mutant == "weight decay" else 1e-3))

        monkeypatch.setattr(mlp, "gradient", moving)
    found = dead_neurons.run(dataclasses.replace(SMOKE, lrs=(1.0,), layers=1))
    verdict = next(claim for claim in CLAIMS if claim.name == "nothing").verdict
    assert found.relu_changes[1] > 0 and verdict(found) is Verdict.FAILS


def test_diverged_networks_count_as_neither_dead_nor_alive() -> None:
    normal = mlp.init([0, 1], 4)
    x, y = names.contexts(["emma", "olivia"])
    init = runs.init(normal, "relu", 9.0)
    init.output[1] = torch.inf
    counts = names.counts(x, y)
    run = history.record(
        init, x.expand(3, 2, -1, -1), y.expand(3, 2, -1), mlp.same_lr(0.1), RELU, counts, counts.contexts, [0, 1, 2, 3]
    )
    assert run.diverged.tolist() == [False, True]
    assert tables.dead_flags(run)[:, 1].sum() == 0 < tables.dead_flags(run)[:, 0].sum()
