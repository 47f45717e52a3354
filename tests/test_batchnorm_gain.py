"""What the chapter on batch norm and the gain says is so: the same code at SMOKE size, the committed numbers, and mutants.

The network and its gradient are compared with PyTorch's in tests/nets/test_plain.py.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from experiments import batchnorm_gain
from experiments.batchnorm_gain import (
    CLAIMS,
    DEFAULT,
    FIVE_THIRDS,
    NORMED,
    PLAIN,
    SMOKE,
    Result,
    at_initialisation,
    explosion,
    plain,
    ratio_ceiling,
    sweep,
)
from experiments.batchnorm_gain.sweep import Member, Size, Trained
from lab.claims import Verdict
from lab.read import read
from nets import deep_tanh, ghost_norm
from nets.deep_tanh import Architecture

WITH = Architecture(ghost_norm.ghost(SMOKE.batch))
SIZE = Size(SMOKE.depth, SMOKE.width, SMOKE.batch, 12)


@pytest.fixture(scope="module")
def result() -> Result:
    return read(batchnorm_gain)


@pytest.fixture(scope="module")
def data() -> sweep.Data:
    return sweep.load(SMOKE.data, SMOKE.sample)


def _trained(members: list[Member], data: sweep.Data, architecture: Architecture = WITH) -> Trained:
    return sweep.train(architecture, SIZE, members, 3, data)


def test_nn_linear_starts_with_the_default_gain() -> None:
    """A million uniform numbers: their standard deviation is known to one in a thousand; gain 1 would be off by 73 %."""
    torch.manual_seed(0)
    assert nn.Linear(1000, 1000).weight.std().item() * 1000**0.5 == pytest.approx(DEFAULT, rel=2e-3)


def test_the_gradient_falls_as_the_gain_grows_and_is_at_a_right_angle_to_the_weights() -> None:
    """Float64 and batch norm's epsilon of 1e-5: a ten-thousandth of the variances of this network, or less."""
    found = {}
    x, y = torch.randint(27, (16, 3)), torch.randint(27, (16,))
    for gain in (1.0, 10.0):
        network = deep_tanh.init(3, [gain], 3, 16, WITH._replace(norm=ghost_norm.ghost(16)), dtype=torch.float64)
        found[gain] = network, deep_tanh.gradient(network, x, y, WITH._replace(norm=ghost_norm.ghost(16)))
    for layer in range(3):
        (one, first), (ten, second) = found[1.0], found[10.0]
        ratio = first.layers[layer].norm() / second.layers[layer].norm()
        assert ratio.item() == pytest.approx(10, rel=1e-3)
        for network, gradient in ((one, first), (ten, second)):
            cosine = torch.cosine_similarity(network.layers[layer].flatten(), gradient.layers[layer].flatten(), 0)
            assert abs(cosine.item()) < 1e-3
    assert found[1.0][1].embedding.norm().item() == pytest.approx(found[10.0][1].embedding.norm().item(), rel=1e-3)


def test_the_chapters_update_ratios_are_the_sweeps(data: sweep.Data) -> None:
    """Float32: seven digits.  A learning rate forgotten, or a norm not divided by, is off by far more."""
    members = [Member(0.5, 0.3, 0.3), Member(2.0, 0.3, 0.3)]
    found = _trained(members, data)
    network = deep_tanh.init(3, [0.5, 2.0], SIZE.depth, SIZE.width, WITH)
    batch = sweep.mlp.batches([3], len(data.x), SIZE.batch, SIZE.steps)[0, 0]
    for member in range(2):
        weights = [layer[member].requires_grad_() for layer in network.layers[:-1]]
        signal = network.embedding[member][data.x[batch]].flatten(1)
        for weight in weights:
            signal = torch.tanh(F.batch_norm(signal @ weight, None, None, training=True))
        loss = F.cross_entropy(signal @ network.layers[-1][member], data.y[batch])
        ratios = plain.update_ratios(loss, weights, 0.3)
        assert found.first_ratio[member] == pytest.approx(np.exp(np.mean(np.log(ratios))), rel=1e-4)


def test_training_is_torch_sgd_with_the_hidden_layers_rate_of_their_own(data: sweep.Data) -> None:
    """Twelve steps in float32 of `torch.optim.SGD` on PyTorch's own layers: a thousandth of the loss is far above rounding.

    The hidden rate is ten times the other: mixed up, the loss would move by some hundredths.
    """
    member = Member(1.0, 0.1, 1.0)
    network = deep_tanh.init(3, [member.gain], SIZE.depth, SIZE.width, WITH)
    tensors = [tensor[0].clone().requires_grad_() for tensor in network.tensors()]
    embedding, *layers = tensors[: SIZE.depth + 2]
    shifts, scales = tensors[SIZE.depth + 2 : 2 * SIZE.depth + 3], tensors[2 * SIZE.depth + 3 :]
    others = [embedding, layers[-1], *shifts, *scales]
    groups = [{"params": layers[:-1], "lr": member.hidden_lr}, {"params": others, "lr": member.lr}]
    optimiser = torch.optim.SGD(groups)
    statistics = data.x[
        torch.randint(len(data.x), (SMOKE.sample,), generator=torch.Generator().manual_seed(sweep.SAMPLE_SEED))
    ]

    def logits(x: torch.Tensor, population: torch.Tensor) -> torch.Tensor:
        signal, whole = embedding[x].flatten(1), embedding[population].flatten(1)
        for layer, shift, scale in zip(layers[:-1], shifts, scales, strict=False):
            mean, var = (whole @ layer).mean(0), (whole @ layer).var(0, unbiased=False)
            signal, whole = (
                torch.tanh((each @ layer - mean) * (var + 1e-5).rsqrt() * scale + shift) for each in (signal, whole)
            )
        return signal @ layers[-1] + shifts[-1]

    for batch in sweep.mlp.batches([3], len(data.x), SIZE.batch, SIZE.steps)[:, 0]:
        optimiser.zero_grad()
        F.cross_entropy(logits(data.x[batch], data.x[batch]), data.y[batch]).backward()
        optimiser.step()
    split = sweep.names.split(sweep.names.load(SMOKE.data))
    x, y = sweep.names.contexts(split.validation)
    loss = F.cross_entropy(logits(x, statistics), y).item()
    assert _trained([member], data).loss[0] == pytest.approx(loss, rel=1e-3)


def test_each_step_adds_its_own_square_to_the_weights_with_batch_norm_and_not_without(data: sweep.Data) -> None:
    """The weights are rounded to seven digits, of which large steps use most: one in a thousand passes."""
    members = [Member(gain, 1.0, 1.0) for gain in (0.3, 1.0)]
    assert _trained(members, data).growth == pytest.approx([1, 1], rel=1e-3)
    assert np.abs(_trained(members, data, Architecture()).growth - 1).min() > 0.05


def test_weights_that_each_step_lengthens_come_to_the_ceiling_unless_the_first_step_overshoots() -> None:
    """The recursion itself, from first steps of 3.3 to a third of the weights: T steps are off by about ln T / 8 T.

    A first step a thousand times as large as the weights leaves them so large that hardly anything happens again.
    """
    steps = 2000
    square = np.array([0.3, 1.0, 3.0, 1e-3])  # in units of learning rate times c: one over the update ratio
    for _ in range(steps):
        square = square + 1 / square
    assert 1 / square[:3] == pytest.approx(np.full(3, ratio_ceiling(steps)), rel=5e-3)
    assert 1 / square[3] < 0.1 * ratio_ceiling(steps)


def test_the_explosion_of_relu_is_the_published_number_and_a_straight_line_has_none() -> None:
    """Quadrature is exact to its ten digits but for ReLU's kink, which costs it some: 1e-4 of the answer."""
    found = {name: explosion.growth(activation) for name, activation in explosion.activations().items()}
    assert found["ReLU"] == pytest.approx(np.pi / (np.pi - 1), rel=1e-4)
    assert found["linear"] == pytest.approx(1, rel=1e-12)
    assert found["tanh"] > 1.1


def test_no_activation_varies_more_than_poincares_inequality_allows() -> None:
    for bend in (0.1, 1.0, 3.0):
        activation = explosion.activations()["tanh"]._replace(
            function=lambda z, bend=bend: np.tanh(bend * z),
            derivative=lambda z, bend=bend: bend * np.cosh(bend * z) ** -2.0,
        )
        assert explosion.growth(activation) > 1


def test_measured_explosion_is_theory_at_every_gain(result: Result) -> None:
    """Within 2 %: a finite batch adds 1/(B - 3), a finite width some more.

    A gain that did not cancel would be off by a factor of 100, a mean square for a variance of ReLU by 32 %.
    """
    rows = result.explosion
    assert rows["factor"].to_numpy() == pytest.approx(rows["factor_predicted"].to_numpy(), rel=0.02)
    linear = rows[(rows["activation"] == "linear") & rows["norm"]]
    batch = result.params.deep_batch
    assert (
        (linear["factor_low"] < (batch - 2) / (batch - 3)) & (linear["factor_high"] > (batch - 2) / (batch - 3))
    ).all()


def test_a_network_without_batch_norm_starts_as_mean_field_theory_says(result: Result) -> None:
    """Width 64 and contexts that are not independent: 10 % in what spans five decades."""
    rows = result.initial[(result.initial["kind"] == PLAIN) & (result.initial["gain"] > 0.3)]
    assert rows["signal"].to_numpy() == pytest.approx(rows["signal_predicted"].to_numpy(), rel=0.1)
    assert rows["growth"].to_numpy() == pytest.approx(rows["growth_predicted"].to_numpy(), rel=0.1)
    assert at_initialisation.predicted(True, 5, 0.1) == at_initialisation.predicted(True, 5, 10.0)


def test_update_ratios_start_on_the_inverse_square_and_end_under_the_ceiling(result: Result) -> None:
    """A fifth over the ceiling would pass, since gradients change in training; the first ratios span four decades."""
    rows = result.ratios[result.ratios["kind"] == NORMED]
    predicted = rows["first_ratio"].iloc[0] * (rows["gain"] / rows["gain"].iloc[0]) ** -2
    assert rows["first_ratio"].to_numpy() == pytest.approx(predicted.to_numpy(), rel=0.02)
    assert (rows["last_ratio"] < 1.2 * ratio_ceiling(result.params.steps)).all()
    assert rows["growth"].to_numpy() == pytest.approx(np.ones(len(rows)), abs=1e-3)


def test_every_best_learning_rate_lies_inside_its_grid(result: Result) -> None:
    lrs = result.params.lrs
    assert set(result.costs["own_lr"]) <= set(lrs[1:-1])
    assert {result.normed_lr, result.plain_lr} <= set(lrs[1:-1])
    assert {batchnorm_gain._place(lrs, factor * result.normed_lr) for factor in (0.1, 10)} <= set(range(len(lrs)))


def test_the_costs_are_differences_of_the_losses_that_are_tabled(result: Result) -> None:
    losses = result.losses.set_index(["kind", "gain", "lr"])["loss"]
    for row in result.costs.itertuples():
        one = result.normed_lr if row.kind == NORMED else result.plain_lr
        base = losses[row.kind, FIVE_THIRDS, one]
        assert row.cost == pytest.approx(losses[row.kind, row.gain, one] - base, abs=1e-9)
        assert row.own == pytest.approx(losses[row.kind, row.gain, row.own_lr] - base, abs=1e-9)
        assert row.own_lr == losses[row.kind, row.gain].idxmin()


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "no-gain": Verdict.CAVEAT,
        "irrelevant": Verdict.FAILS,
        "activations": Verdict.HOLDS,
        "robust": Verdict.HOLDS,
        "learning-rate": Verdict.CAVEAT,
        "ratio": Verdict.HOLDS,
        "effective-rate": Verdict.HOLDS,
        "explodes": Verdict.HOLDS,
    }


def test_smoke_run_has_every_number_and_every_row() -> None:
    smoke = batchnorm_gain.run(SMOKE)
    gains = len({*SMOKE.gains, DEFAULT, FIVE_THIRDS})
    assert len(smoke.losses) == 2 * gains * len(SMOKE.lrs) and not smoke.losses.isna().any().any()
    assert len(smoke.costs) == len(smoke.ratios) == len(smoke.initial) == 2 * gains
    assert len(smoke.explosion) == 3 * (len(SMOKE.deep_gains) + 1)
    assert smoke.share_one.n == SMOKE.seeds


def test_a_learning_rate_that_was_not_tried_decides_nothing(result: Result) -> None:
    (claim,) = (claim for claim in CLAIMS if claim.name == "learning-rate")
    unknown = dataclasses.replace(result.tenfold, mean=float("nan"), half_width=float("nan"))
    assert claim.verdict(dataclasses.replace(result, tenfold=unknown)) is Verdict.UNDECIDED


def test_a_member_depends_on_its_own_gain_and_rates_alone(data: sweep.Data) -> None:
    """Batched products may take their sums in another order: a few roundings of 1e-7, a millionth after twelve steps."""
    alone, other = Member(0.5, 0.3, 0.3), Member(2.0, 1.0, 0.1)
    assert _trained([other, alone], data).loss[1] == pytest.approx(_trained([alone], data).loss[0], rel=1e-5)


def _mutant(name: str, found: Result) -> Result:
    """Return the result of a world in which a claim would come out otherwise."""
    column = {"no-gain": "cost", "irrelevant": "own", "effective-rate": "compensated"}.get(name)
    if column:
        value = 0.2 if name == "effective-rate" else 0.0  # nats, with batch norm, from every gain
        costs = found.costs.copy()
        costs.loc[costs["kind"] == NORMED, [column, f"{column}_low", f"{column}_high"]] = value
        return dataclasses.replace(found, costs=costs)
    if name == "ratio":  # inverse gain, not its square
        return dataclasses.replace(found, ratio_slope=dataclasses.replace(found.ratio_slope, mean=-1.0))
    if name == "explodes":
        return dataclasses.replace(found, explosion=found.explosion.assign(factor_low=0.99, factor_high=1.01))
    if name == "activations":
        return dataclasses.replace(found, ranges=found.ranges.assign(range_low=1.9, range_high=2.0))
    return dataclasses.replace(found, share_own=dataclasses.replace(found.share_own, mean=1.2))  # robust


@pytest.mark.parametrize(
    "name", ["no-gain", "irrelevant", "activations", "robust", "ratio", "effective-rate", "explodes"]
)
def test_a_result_that_is_otherwise_changes_the_verdict(name: str, result: Result) -> None:
    (claim,) = (claim for claim in CLAIMS if claim.name == name)
    assert claim.verdict(_mutant(name, result)) is not claim.verdict(result)
