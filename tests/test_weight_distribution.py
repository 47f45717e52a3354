"""What the chapter on the distribution of weights says is so: formulas against theory and scipy, committed numbers, mutants."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from experiments import weight_distribution
from experiments.weight_distribution import (
    ADAM,
    CLAIMS,
    INITIAL,
    LAYERS,
    SGD,
    SMOKE,
    TOGETHER,
    Params,
    Result,
    decayed,
    distance,
    excess_kurtosis,
    initialise,
    learning_rate,
    memory_predicted,
    mixture_kurtosis,
    over_the_edge,
    p_value,
    tail_exponent,
)
from lab.claims import Verdict
from lab.read import read
from nets import deep_tanh, mlp, names, plain


@pytest.fixture(scope="module")
def result() -> Result:
    return read(weight_distribution)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """A small setting on the first names of the book."""
    file = tmp_path_factory.mktemp("names") / "some.txt"
    file.write_text("\n".join(names.load(Params().data)[:400]), encoding="ascii")
    return dataclasses.replace(SMOKE, data=file)


@pytest.fixture(scope="module")
def small(some: Params) -> Result:
    return weight_distribution.run(some)


# Formulas


def test_excess_kurtosis_is_unbiased_for_a_normal_and_knows_the_uniform() -> None:
    """3,000 samples of 27: the mean is within four standard errors of 0, where the plain formula is at -6 / 28."""
    samples = np.random.default_rng(1).standard_normal((3000, 27))
    found = np.array([excess_kurtosis(sample) for sample in samples])
    assert abs(found.mean()) < 4 * found.std() / 3000**0.5 < 0.1
    uniform = np.random.default_rng(2).random(200_000)
    assert excess_kurtosis(uniform) == pytest.approx(-1.2, abs=0.01)  # its standard error is below 0.003
    assert excess_kurtosis(samples[0]) == pytest.approx(stats.kurtosis(samples[0], bias=False), rel=1e-12)


def test_p_and_distance_are_those_of_scipy() -> None:
    sample = np.random.default_rng(3).standard_t(6, 500)
    assert p_value(sample) == pytest.approx(stats.jarque_bera(sample).pvalue, rel=1e-9)
    standardised = (sample - sample.mean()) / sample.std()
    assert distance(sample) == pytest.approx(stats.kstest(standardised, "norm").statistic, rel=1e-9)


def test_a_mixture_of_normals_has_the_kurtosis_that_its_variances_make() -> None:
    """3 Var(sigma^2) / E(sigma^2)^2; 3,000 groups of 30, so a few per cent of noise; and none where all are alike."""
    random = np.random.default_rng(4)
    std = np.where(np.arange(3000) % 2, 1.0, 2.0)[:, None]
    groups = std * random.standard_normal((3000, 30))
    expected = 3 * np.var(std**2) / np.mean(std**2) ** 2
    assert mixture_kurtosis(groups) == pytest.approx(expected, rel=0.05)
    assert excess_kurtosis(groups) == pytest.approx(expected, rel=0.1)
    assert mixture_kurtosis(groups / std) == pytest.approx(0, abs=0.02)


def test_independent_weights_reach_the_edge_of_marchenko_and_pastur_and_no_further() -> None:
    """0.98 with a standard deviation of 0.02 at 100 x 100, whatever the distribution; the claim's line lies beyond."""
    random = np.random.default_rng(5)
    for draw in (random.standard_normal, random.random):
        tops = [over_the_edge(draw((100, 100)))[0] for _ in range(40)]
        assert np.mean(tops) == pytest.approx(0.98, abs=0.015) and max(tops) < 1.05


def test_a_planted_direction_lies_where_theory_puts_it() -> None:
    """Strength theta over noise of unit variance: sqrt((1 + theta^2) (c + theta^2)) / theta in units of sqrt(N); c = M / N."""
    random = np.random.default_rng(6)
    rows, columns, theta = 400, 200, 2.0
    left, right = random.standard_normal(rows), random.standard_normal(columns)
    planted = theta * rows**0.5 * np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))
    weights = random.standard_normal((rows, columns)) + planted
    ratio = columns / rows
    expected = ((1 + theta**2) * (ratio + theta**2)) ** 0.5 / theta * rows**0.5
    found = over_the_edge(weights)[0] * (rows**0.5 + columns**0.5) * weights.std()
    assert found == pytest.approx(expected, rel=0.02)


def test_the_tail_exponent_of_a_power_law_is_found() -> None:
    sample = np.random.default_rng(7).pareto(2.0, 5000) + 1  # density x^-3
    assert tail_exponent(sample) == pytest.approx(3, abs=0.2)


def test_the_line_for_near_is_that_of_a_student_t() -> None:
    """Excess kurtosis 6 / (nu - 4) = 0.5 at 16 degrees of freedom, and the distance that the claim's reason names."""
    assert weight_distribution.NEAR == 6 / (16 - 4)
    z = np.linspace(-6, 6, 4001)
    assert np.abs(stats.t.cdf(z * (16 / 14) ** 0.5, 16) - stats.norm.cdf(z)).max() < 0.01


def test_kurtosis_of_old_and_new_adds_up_as_predicted() -> None:
    """w = a w0 + u, independent: fourth cumulants add.  A million numbers: 0.01 is two standard errors."""
    random = np.random.default_rng(8)
    normal, uniform = random.standard_normal(10**6), (random.random(10**6) - 0.5) * 12**0.5
    written = 0.7 * random.laplace(size=10**6)
    after_normal, after_uniform = 0.8 * normal + written, 0.8 * uniform + written
    growth = after_normal.std()
    predicted = excess_kurtosis(after_normal) - 1.2 * (0.8 / growth) ** 4
    assert excess_kurtosis(after_uniform) == pytest.approx(predicted, abs=0.04)


# Networks


def test_both_initialisations_have_the_same_standard_deviations() -> None:
    """As in the text; a uniform without the root of 3 would be off by 42 %.  10,000 weights: 4 % is over four standard errors."""
    params = Params()
    network = initialise(params, 3, ["normal", "uniform"])
    stds = [1.0, 5 / 3 / 30**0.5, 5 / 3 / 10, 0.01]
    for tensor, std, tolerance in zip([network.embedding, *network.layers], stds, (0.2, 0.06, 0.04, 0.06), strict=True):
        assert tensor.std((1, 2)).tolist() == pytest.approx([std, std], rel=tolerance)
        assert tensor[1].abs().max() <= 3**0.5 * std * (1 + 1e-6) < tensor[0].abs().max()
    alone = deep_tanh.init(3, [5 / 3], 2, params.width, weight_distribution.PLAIN)
    assert torch.equal(network.layers[1][0], alone.layers[1][0])


@pytest.mark.parametrize("recipe", [SGD, decayed(0.01), ADAM])
def test_plain_pytorch_ends_at_the_same_weights(some: Params, recipe: str) -> None:
    """The module of the chapter and `torch.optim` with its own weight decay; float32 over 20 steps."""
    network = initialise(some, 5, ["uniform"])
    model = plain.DeepTanh(2, some.width)
    with torch.no_grad():
        model.embedding.weight.copy_(network.embedding[0])
        for layer, weight in zip([*model.hidden, model.output], network.layers, strict=True):
            layer.weight.copy_(weight[0].T)
            layer.bias.zero_()
    list(weight_distribution.checkpoints(some, network, [recipe], [5], [some.steps]))
    decay = 0.01 if recipe == decayed(0.01) else 0.0
    parameters = model.parameters()
    optimiser = torch.optim.Adam(parameters) if recipe == ADAM else torch.optim.SGD(parameters, weight_decay=decay)
    x, y, _ = names.training_set(some.data)
    for step, batch in enumerate(mlp.batches([5], len(x), some.batch, some.steps)[:, 0]):
        optimiser.param_groups[0]["lr"] = learning_rate(some, recipe, step)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimiser.step()
    for layer, weight in zip([*model.hidden, model.output], network.layers, strict=True):
        assert torch.allclose(layer.weight, weight[0].T, rtol=1e-4, atol=1e-5)
    assert torch.allclose(model.embedding.weight, network.embedding[0], rtol=1e-4, atol=1e-5)


def test_a_recipe_is_the_same_whichever_train_beside_it(some: Params) -> None:
    """Another initialisation and recipe of its seed, and another seed, which has batches of its own."""
    alone = initialise(some, 5, ["normal"])
    list(weight_distribution.checkpoints(some, alone, [SGD], [5], [some.steps]))
    two = [initialise(some, seed, ["uniform", "normal"]) for seed in (4, 5)]
    beside = weight_distribution._side_by_side(two)
    list(weight_distribution.checkpoints(some, beside, [decayed(0.01), SGD], [4, 5], [some.steps]))
    assert torch.allclose(alone.layers[1][0], beside.layers[1][3], rtol=1e-5, atol=1e-7)


def test_the_gradient_is_that_of_networks_with_the_same_examples() -> None:
    """Held against `nets.deep_tanh`, which a test holds against autograd; float64, so that only rounding differs."""
    network = deep_tanh.init(1, [1.0, 5 / 3], 2, 7, weight_distribution.PLAIN, dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randint(27, (5, 3), generator=generator), torch.randint(27, (5,), generator=generator)
    found = weight_distribution.gradient(network, x.expand(2, -1, -1), y.expand(2, -1)).tensors()
    expected = deep_tanh.gradient(network, x, y, weight_distribution.PLAIN).tensors()
    assert all(torch.allclose(one, other, rtol=1e-10, atol=1e-14) for one, other in zip(found, expected, strict=True))


def test_weight_decay_alone_leaves_what_is_predicted() -> None:
    params = dataclasses.replace(SMOKE, steps=10, lr=0.5)
    assert memory_predicted(params, decayed(0.01), 10) == pytest.approx(0.995**8 * 0.9995**2, rel=1e-12)
    assert memory_predicted(params, SGD, 10) == 1


# The committed numbers


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "layers": Verdict.UNDECIDED,
        "together": Verdict.FAILS,
        "untrained": Verdict.FAILS,
        "untrained-together": Verdict.HOLDS,
        "training": Verdict.CAVEAT,
        "memory": Verdict.CAVEAT,
        "singular-values": Verdict.HOLDS,
    }


def test_untrained_weights_are_normal_layer_by_layer_and_not_together(result: Result) -> None:
    """Closed form: layers of known sizes and standard deviations, each normal."""
    rows = result.moments.query("init == 'normal' and recipe == 'SGD' and step == 0").set_index("layer")
    assert (rows.loc[list(LAYERS), "kurtosis_low"] < 0.1).all() and (
        rows.loc[list(LAYERS), "kurtosis_high"] > -0.1
    ).all()
    size = np.array([27 * 10, 30 * 100, 100 * 100, 100 * 27])
    variance = np.array([1.0, 25 / 9 / 30, 25 / 9 / 100, 0.0001])
    share = size / size.sum()
    expected = 3 * (share @ variance**2) / (share @ variance) ** 2 - 3
    half = rows.loc[TOGETHER, "kurtosis_high"] - rows.loc[TOGETHER, "kurtosis"]
    assert rows.loc[TOGETHER, "kurtosis"] == pytest.approx(expected, abs=2 * half)


def test_the_test_rejects_few_normal_layers_and_every_uniform_one(result: Result) -> None:
    """32 normal layers at a level of 5 %: more than six rejections have a chance of 0.3 %."""
    initial = result.shapes[(result.shapes["recipe"] == INITIAL) & (result.shapes["layer"] != TOGETHER)]
    seeds = result.params.seeds
    assert initial.loc[initial["init"] == "normal", "rejected"].sum() * seeds <= 6
    assert (initial.loc[initial["init"] == "uniform", "rejected"] == 1).all()


def test_what_was_predicted_of_uniform_weights_is_measured(result: Result) -> None:
    """Hidden layers without weight decay: the prediction lies within 0.1 of the measurement; without the term it is off by 0.3."""
    last = result.moments[(result.moments["init"] == "uniform") & (result.moments["step"] == result.params.steps)]
    rows = last[(last["recipe"] == SGD) & last["layer"].isin(LAYERS[:3])]
    assert (rows["kurtosis"] - rows["kurtosis_predicted"]).abs().max() < 0.15
    moments = result.moments[(result.moments["init"] == "uniform") & (result.moments["layer"] == "first hidden")]
    way = moments[(moments["recipe"] == SGD) & (moments["step"] > 0)]
    assert (way["kurtosis_predicted"] > way["kurtosis"]).all()  # "always a little high"


def test_units_of_different_size_are_all_of_the_second_hidden_layer_s_tails_after_sgd(result: Result) -> None:
    """Measured and predicted within 0.1 of each other, where either is 0.6; and nothing within a unit."""
    moments = result.moments.set_index(["init", "recipe", "layer", "step"])["kurtosis"]
    row = result.shapes.set_index(["init", "recipe", "layer"]).loc[("normal", SGD, "second hidden")]
    assert row["mixture"] == pytest.approx(moments["normal", SGD, "second hidden", result.params.steps], abs=0.1)
    assert row["mixture_low"] > 0.5 and abs(row["within"]) < 0.05
    part = result.shapes.set_index(["init", "recipe", "layer"]).loc[("normal", SGD, "output")]
    assert part["mixture"] < 0.6 * moments["normal", SGD, "output", result.params.steps] and part["within_low"] > 0.5
    both = part["mixture"] + part["within"] * (1 + part["mixture"] / 3)
    last = result.moments[(result.moments["init"] == "normal") & (result.moments["step"] == result.params.steps)]
    (output,) = last[(last["recipe"] == SGD) & (last["layer"] == "output")].to_dict("records")
    assert output["kurtosis_low"] < both < output["kurtosis"]


def test_adam_leaves_a_histogram_that_hides_what_the_singular_values_show(result: Result) -> None:
    """The test rejects about as often as for normal numbers: more than three of 8 at 5 % have a chance of 0.04 %."""
    shapes = result.shapes.set_index(["init", "recipe", "layer"])
    assert shapes.loc[("normal", ADAM, "second hidden"), "rejected"] * result.params.adam_seeds <= 3
    spectra = result.spectra.set_index(["init", "recipe", "layer"]).loc[("normal", ADAM, "second hidden")]
    assert spectra["top_low"] > 1.2 and spectra["top_shuffled_high"] < 1.05 and spectra["outside_low"] > 4


def test_weight_decay_forgets_less_than_it_would_by_itself(result: Result) -> None:
    last = result.moments[(result.moments["step"] == result.params.steps) & result.moments["layer"].isin(LAYERS[:3])]
    rows = last[last["recipe"] == decayed(max(result.params.decays))]
    assert (rows["memory_low"] > 2 * rows["memory_predicted"]).all()


def test_only_the_output_layer_is_new_after_sgd(result: Result) -> None:
    kept = result.shapes[result.shapes["recipe"] == SGD].set_index("layer")
    assert (kept.loc[list(LAYERS[:3]), "kept_low"] > 0.5).all() and (kept.loc["output", "kept_high"] < 0.01).all()
    assert (kept.loc["second hidden", "kept_high"] < 0.55).all()  # "nearly half of the variance is new"


def test_no_learning_rate_or_decay_is_zero_and_every_row_is_there(small: Result) -> None:
    kinds = 2 * (2 + len(SMOKE.decays))
    assert len(small.moments) == kinds * 5 * 3 and len(small.shapes) == (kinds + 2) * 5
    assert len(small.losses) == kinds and not small.losses.isna().any().any()


def test_adding_seeds_leaves_the_earlier_networks_alone(some: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    losses = weight_distribution._losses

    def caught(found: weight_distribution.Members) -> object:
        seen.append(found["uniform", SGD])
        return losses(found)

    monkeypatch.setattr(weight_distribution, "_losses", caught)
    for seeds in (2, 3):
        weight_distribution.run(dataclasses.replace(some, seeds=seeds))
    few, more = seen
    assert np.array_equal(few, more[:2]) and not np.array_equal(more[2], more[1])


def test_a_reader_s_own_names_can_be_used(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("bo\nabba\ncab\nbob\nabe\neva\nada\nbea\ndeb\ned\n", encoding="ascii")
    found = weight_distribution.run(dataclasses.replace(SMOKE, data=mine))
    assert not found.moments["kurtosis"].isna().any()


@pytest.mark.parametrize("mutant", ["three_forgotten", "root_of_three", "one_side_of_the_edge", "groups_mixed"])
def test_named_mutants_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong formula must break a test of theory above."""
    this = globals()
    if mutant == "three_forgotten":
        right = excess_kurtosis
        monkeypatch.setitem(this, "excess_kurtosis", lambda w: right(w) + 3)
        caught = test_excess_kurtosis_is_unbiased_for_a_normal_and_knows_the_uniform
    elif mutant == "root_of_three":
        rand = torch.rand
        monkeypatch.setattr(torch, "rand", lambda *a, **k: (rand(*a, **k) - 0.5) / 3**0.5 + 0.5)
        caught = test_both_initialisations_have_the_same_standard_deviations
    elif mutant == "one_side_of_the_edge":
        edge = over_the_edge
        monkeypatch.setitem(this, "over_the_edge", lambda w: edge(w) * (1 + (w.shape[1] / w.shape[0]) ** 0.5))
        caught = test_independent_weights_reach_the_edge_of_marchenko_and_pastur_and_no_further
    else:
        mixture = mixture_kurtosis
        monkeypatch.setitem(this, "mixture_kurtosis", lambda groups: mixture(groups.T))
        caught = test_a_mixture_of_normals_has_the_kurtosis_that_its_variances_make
    with pytest.raises(AssertionError):
        caught()
