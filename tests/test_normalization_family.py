"""What the chapter on the family of norms says is so: PyTorch's own layers, closed forms, SMOKE size, committed numbers."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from experiments import normalization_family
from experiments.normalization_family import (
    BATCH,
    CLAIMS,
    DIMENSION,
    GROUPED,
    INSTANCE,
    LAYER,
    NONE,
    RMS,
    SMOKE,
    WITHIN,
    Params,
    Result,
    networks,
    plain,
)
from experiments.normalization_family.networks import (
    CONVOLUTION,
    EXAMPLE,
    GROUP,
    NETWORK,
    POSITION,
    Norm,
    Running,
    Weights,
)
from lab.claims import Verdict
from lab.estimate import Estimate
from lab.read import read
from nets import mlp, names

GROUPS, CHANNELS = 2, 8
SHAPES = [(1, 1), (1, 6), (3, 1), (3, 6)]  # positions, examples


@pytest.fixture(scope="module")
def result() -> Result:
    return read(normalization_family)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return normalization_family.run(SMOKE)


def _norms(positions: int, size: int) -> dict[str, Norm]:
    params = dataclasses.replace(SMOKE, groups=GROUPS)
    return normalization_family._norms(params, NETWORK if positions == 1 else CONVOLUTION, size, in_parts=False)


def _examples(seeds: int, size: int, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = names.contexts(names.split(names.load(SMOKE.data)).train[:50], 2 + positions)
    late = x[:, 0] != 0  # windows that differ: the rounding of a constant's deviation is anything
    x, y = x[late], y[late]
    order = mlp.batches(range(seeds), len(x), size, 1)[0]
    return x[order], y[order]  # [seed, example, context], [seed, example]


def _off(norm: str, positions: int, size: int) -> float:
    """Return how far the written-out gradient is from autograd's through PyTorch's own layer, relative to its length."""
    init = networks.init([0, 1], CHANNELS, positions, DIMENSION)
    x, y = _examples(2, size, positions)
    ours = Weights(*(torch.zeros_like(tensor) for tensor in init))
    slices = [(_norms(positions, size)[norm], slice(0, 2))]
    networks.add_gradient(ours, torch.ones(2), init, networks.windows(x), y, slices)
    distances = []
    for seed, alone in enumerate(mlp.members(init)):
        model = plain.module(alone, plain.layers(GROUPS, positions)[norm])
        F.cross_entropy(model(x[seed]), y[seed]).backward()
        grads = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
        hidden = grads["hidden.weight"]
        hidden = hidden.T if positions == 1 else hidden.permute(2, 1, 0).reshape(-1, CHANNELS)
        pairs = [
            (ours.embedding[seed], grads["embedding.weight"]),
            (ours.hidden[seed], hidden),
            (ours.output[seed], grads["output.weight"].T),
            (ours.output_bias[seed, 0], grads["output.bias"]),
        ]
        if norm not in (NONE, RMS):
            names_ = [name for name in grads if name.startswith("norm")]
            pairs += [(ours.scale[seed, 0], grads[names_[0]]), (ours.shift[seed, 0], grads[names_[1]])]
        distances += [float((mine - theirs).norm() / (theirs.norm() + 1e-3)) for mine, theirs in pairs]
    return max(distances)


CASES = [(norm, *shape) for shape in SHAPES for norm in (NONE, BATCH, LAYER, GROUPED, RMS, INSTANCE)]
CASES = [case for case in CASES if case[0] in _norms(*case[1:])]


@pytest.mark.parametrize(("norm", "positions", "size"), CASES)
def test_gradient_is_that_of_pytorchs_own_layers(norm: str, positions: int, size: int) -> None:
    """Float32 sums in another order: 1e-6 or so.  The mutants below are off by percents."""
    assert _off(norm, positions, size) < 2e-5


def test_a_gradient_that_takes_statistics_for_constants_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "backward", lambda gradient, standard, inverse, norm, positions: gradient)
    assert _off(BATCH, 1, 6) > 0.05 and _off(GROUPED, 3, 6) > 0.05


def test_layer_norm_that_forgets_the_mean_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = _norms(1, 6)[RMS]
    monkeypatch.setitem(globals(), "_norms", lambda positions, size: {LAYER: axes})
    assert _off(LAYER, 1, 6) > 0.01


@pytest.mark.parametrize("kind", [BATCH, LAYER, GROUPED, INSTANCE, RMS])
def test_the_formula_of_the_chapter_is_pytorchs(kind: str) -> None:
    x = torch.randn(5, 16, 3, generator=torch.Generator().manual_seed(1))
    theirs = plain.layers(8, 3)[kind](16)(x)
    torch.testing.assert_close(plain.normalise(x, kind, 8), theirs, rtol=1e-4, atol=1e-5)


def test_two_values_become_plus_and_minus_one() -> None:
    found = plain.normalise(torch.tensor([[[3.0]], [[8.0]]]), BATCH, 1).flatten()
    assert found.tolist() == pytest.approx([-1, 1], abs=1e-5)


@pytest.mark.parametrize(("centred", "lost"), [(True, 2), (False, 1)])
def test_a_norm_takes_out_as_many_directions_of_a_random_gradient_as_theory_says(centred: bool, lost: int) -> None:
    """Of 8 values, over 4,000 draws: the share is a mean with a standard error of about 0.003."""
    generator = torch.Generator().manual_seed(3)
    norm = Norm((EXAMPLE,), centred=centred)
    values, gradient = torch.randn(2, 1, 8, 4000, generator=generator)
    standard, _ = networks.standardise(values.clone(), norm, 1)
    left = networks.backward(gradient.clone(), standard, torch.ones(()), norm, 1)
    assert float(left.square().sum() / gradient.square().sum()) == pytest.approx(1 - lost / 8, abs=0.012)


def test_what_a_norm_lets_through_is_at_right_angles_to_what_it_takes_out() -> None:
    """To the constant and to the standardised values: cosines of a few 1e-6, by rounding and epsilon; else of order 0.1."""
    norm = Norm((POSITION, GROUP, 5))
    values, gradient = torch.randn(2, 4, 3, 16, generator=torch.Generator().manual_seed(4))
    standard, inverse = networks.standardise(values.clone(), norm, 3)
    left = networks.backward(gradient.clone(), standard, inverse, norm, 3).flatten(1)
    for direction in (torch.ones(4, 48), standard.flatten(1)):
        assert F.cosine_similarity(left, direction).abs().max() < 1e-4
        assert F.cosine_similarity(gradient.flatten(1), direction).abs().max() > 0.01


def _train(norms: dict[str, Norm], seeds: range, positions: int, size: int, steps: int = 5) -> tuple[Weights, Running]:
    x, y = names.contexts(names.split(names.load(SMOKE.data)).train[:50], 2 + positions)
    init = networks.repeat(networks.init(seeds, CHANNELS, positions, DIMENSION), len(norms))
    order = mlp.batches(seeds, len(x), size, steps)
    slices = [(norm, slice(k * len(seeds), (k + 1) * len(seeds))) for k, norm in enumerate(norms.values())]
    *_, last = networks.train(init, x, y, order, torch.full((len(init.hidden),), 0.5), slices)
    return last


def test_batch_norm_of_one_example_trains_as_instance_norm() -> None:
    norms = _norms(3, 1)
    batch, instance = (_train({name: norms[name]}, range(2), 3, 1)[0] for name in (BATCH, INSTANCE))
    for one, other in zip(batch, instance, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_member_is_the_same_bits_whichever_others_train_beside_it() -> None:
    norms = _norms(3, 4)
    together, _ = _train(norms, range(3), 3, 4)
    for place, name in enumerate(norms):
        alone, _ = _train({name: norms[name]}, range(2), 3, 4)
        for mine, all_ in zip(alone, together, strict=True):
            assert torch.equal(mine, all_[3 * place : 3 * place + 2])


@pytest.mark.parametrize("positions", [1, 3])
def test_training_and_running_averages_are_those_of_plain_pytorch(positions: int) -> None:
    """Five steps of SGD at a high rate: float32, and so some 1e-5.  A momentum of 0.01 or a biased variance shows at once."""
    x, y = names.contexts(names.split(names.load(SMOKE.data)).train[:50], 2 + positions)
    weights, running = _train({BATCH: _norms(positions, 4)[BATCH]}, range(1), positions, 4)
    model = plain.module(networks.init([0], CHANNELS, positions, DIMENSION), nn.BatchNorm1d)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    for batch in mlp.batches([0], len(x), 4, 5)[:, 0]:
        optimiser.zero_grad()
        F.cross_entropy(model(x[batch]), y[batch]).backward()
        optimiser.step()
    theirs = dict(model.named_parameters()) | dict(model.named_buffers())
    for ours, name in (
        (weights.embedding[0], "embedding.weight"),
        (weights.output[0].T, "output.weight"),
        (weights.scale[0, 0], "norm.weight"),
        (weights.shift[0, 0], "norm.bias"),
        (running.mean[0, 0], "norm.running_mean"),
        (running.variance[0, 0], "norm.running_var"),
    ):
        torch.testing.assert_close(ours, theirs[name].detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("positions", [1, 3])
@pytest.mark.parametrize("norm", [BATCH, LAYER, GROUPED, RMS, INSTANCE])
def test_losses_are_those_of_plain_pytorch_in_evaluation_mode_and_in_batches(norm: str, positions: int) -> None:
    if norm == INSTANCE and positions == 1:
        return  # nothing to normalise over: PyTorch refuses
    data = normalization_family._data(SMOKE, positions)
    windows, y = data.parts[1]
    x = data.population.contexts[windows]  # [example, position, 3]
    contexts = torch.cat([x[:, 0], x[:, 1:, 2]], 1)
    init = networks.init([0], SMOKE.channels, positions, DIMENSION)
    init = init._replace(output=30 * init.output)  # so that statistics of other examples show in the loss
    model = plain.module(init, plain.layers(SMOKE.groups, positions)[norm])
    kind = normalization_family._norms(SMOKE, CONVOLUTION, 4, in_parts=False)[norm]
    if norm == BATCH:
        with torch.no_grad():
            batches = zip(contexts.split(5), y.split(5), strict=True)
            theirs = float(torch.stack([F.cross_entropy(model(few), their) for few, their in batches]).mean())
        assert float(networks.losses(init, kind, data.population, [(windows, y)], mates=5)) == pytest.approx(
            theirs, rel=1e-4
        )
        with torch.no_grad():
            embedded = model.embedding(data.x)
            pre = model.hidden(embedded.flatten(1) if positions == 1 else embedded.mT)
            values = pre.transpose(0, 1).flatten(1)  # [channel, value], of all training examples
            model.norm.running_mean, model.norm.running_var = values.mean(1), values.var(1, unbiased=False)
    with torch.no_grad():
        theirs = float(F.cross_entropy(model.eval()(contexts), y))
    assert float(networks.losses(init, kind, data.population, [(windows, y)])) == pytest.approx(theirs, rel=1e-4)


def test_parts_of_a_batch_are_batches_of_their_own() -> None:
    values = torch.randn(2, 12, 8, generator=torch.Generator().manual_seed(5))
    found, _ = networks.standardise(values.clone(), Norm((EXAMPLE, POSITION), parts=3), 1)
    expected = [networks.standardise(part.clone(), Norm((EXAMPLE, POSITION)), 1)[0] for part in values.split(4, 1)]
    torch.testing.assert_close(found, torch.cat(expected, 1), rtol=1e-5, atol=1e-6)


def test_smoke_run_has_every_norm_at_every_size_that_it_can_train_on(smoke: Result) -> None:
    found = set(zip(smoke.losses["network"], smoke.losses["size"], smoke.losses["norm"], strict=True))
    everywhere = itertools.product((NONE, LAYER, GROUPED, RMS), SMOKE.sizes)
    expected = {(NETWORK, size, norm) for norm, size in everywhere} | {
        (NETWORK, size, BATCH) for size in SMOKE.sizes[1:]
    }
    kinds = (NONE, BATCH, *WITHIN)
    assert found == expected | {(CONVOLUTION, size, norm) for norm, size in itertools.product(kinds, SMOKE.conv_sizes)}
    assert smoke.coupled > 0 and smoke.uncoupled == smoke.between_modes == 0
    wide = smoke.losses["norm"].isin([BATCH, INSTANCE]).sum()
    assert len(smoke.tuning) == len(smoke.losses) * len(SMOKE.lrs) + wide * len(SMOKE.wide_lrs)


def test_the_learning_rate_is_chosen_on_validation_and_the_loss_is_reported_on_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mutant: chosen by what is reported.  The losses are made up, so that the two choices differ."""
    losses = networks.losses

    def made_up(
        weights: Weights, norm: Norm, population: names.Counts, data: list, *more: object, **kinds: object
    ) -> torch.Tensor:
        found = losses(weights, norm, population, data, *more, **kinds)
        size = weights.hidden.abs().mean((1, 2)).double()  # the higher the learning rate, the farther the weights went
        return torch.stack([-size, size, size]) if len(data) == 3 else -size[None] if len(found) == 1 else found

    monkeypatch.setattr(networks, "losses", made_up)
    found = normalization_family._train(dataclasses.replace(SMOKE, lrs=(1e-4, 0.1), wide_lrs=()), (NETWORK, 16, False))
    assert all(tuning.mean(1).argmin() == 1 for tuning in found.tuning.values())


# The committed numbers


def test_the_best_learning_rate_lies_inside_its_grid(result: Result) -> None:
    where = ["network", "size", "norm"]
    rows = result.losses.merge(result.tuning.groupby(where)["lr"].agg(["min", "max"]).reset_index(), on=where)
    assert len(rows) == len(result.losses)
    assert (rows["lr"] > rows["min"]).all() and (rows["lr"] < rows["max"]).all()
    parts = result.parts["lr"] / Params().sizes[-1]
    assert parts.min() > min(Params().wide_lrs) and parts.max() < max(Params().wide_lrs)


def test_tables_and_estimates_say_the_same(result: Result) -> None:
    test = result.losses.set_index(["network", "size", "norm"])["test"]
    sizes = Params().sizes
    conv = Params().conv_sizes[-1]
    assert result.conv_layer.mean == pytest.approx(
        test[CONVOLUTION, conv, LAYER] - test[CONVOLUTION, conv, BATCH], abs=1e-12
    )
    assert result.conv_instance.mean == pytest.approx(
        test[CONVOLUTION, conv, INSTANCE] - test[CONVOLUTION, conv, BATCH], abs=1e-12
    )
    worst = result.worsening.set_index(["network", "norm"]).loc[(NETWORK, BATCH)]
    assert result.worsening_batch.mean == pytest.approx(worst["worsening"], abs=1e-12)
    assert worst["smallest"] == sizes[1] and result.worsening_batch.n == Params().seeds
    assert worst["worsening"] == pytest.approx(
        test[NETWORK, sizes[1], BATCH] - test[NETWORK, int(worst["best"]), BATCH], abs=1e-12
    )
    over = result.losses.set_index(["network", "size", "norm"])["over_layer"]
    assert over[NETWORK, 4, BATCH] == pytest.approx(test[NETWORK, 4, BATCH] - test[NETWORK, 4, LAYER], abs=1e-12)
    assert (result.losses["train"] < np.log(27)).all() and result.losses[
        "test"
    ].min() > 1.9  # the data's entropy is above


def test_norms_let_through_what_theory_says(result: Result) -> None:
    """After training: within a factor of two, and nothing in pairs.  One direction in place of two would be off by two."""
    rows = result.gradients[(result.gradients["norm"] == BATCH) & (result.gradients["network"] == NETWORK)]
    assert rows["predicted"].tolist() == [1 - 2 / size for size in Params().sizes[1:]]
    ratio = (1 - rows["final"]) / (1 - rows["predicted"])
    assert ratio.between(0.5, 2).all() and abs(np.log(ratio).mean()) < 0.5 and rows["final"].iloc[0] < 1e-3
    largest = rows.iloc[-1]
    assert 1 - largest["initial_high"] > 2 / largest["values"]  # gradients have something in common at first


def test_what_the_prose_says_without_a_claim_is_so(result: Result) -> None:
    rows = result.losses.set_index(["network", "size", "norm"])
    modes = result.modes.set_index(["network", "size"])
    assert result.halving.low > 2  # the cost rises faster than the jitter
    assert modes.loc[(CONVOLUTION, 1), "gap_high"] < 0  # there training mode is better
    assert abs(modes.loc[(NETWORK, Params().sizes[-1]), "gap"]) < 0.01
    assert modes["gap"].abs().idxmax() == (NETWORK, 2)
    assert rows.loc[NETWORK].xs(NONE, level="norm")["over_layer"].abs().max() < 0.005  # no norm is needed
    layer = rows.loc[NETWORK].xs(LAYER, level="norm")["test"]
    assert np.ptp(layer.loc[:64]) < 0.005 < layer.loc[256] - layer.loc[1] - 0.01  # hardly depends on small batches
    steady = result.worsening[result.worsening["norm"].isin([LAYER, GROUPED, RMS])]
    assert (steady["worsening_low"] < 0.001).all() and (steady["worsening_high"] < 0.01).all()
    scattered = result.worsening[result.worsening["norm"] == INSTANCE].iloc[0]
    assert scattered["worsening_low"] < 0.01 < scattered["worsening_high"]  # instance norm is what makes the caveat
    assert (result.worsening[result.worsening["norm"] == BATCH]["worsening_low"] > 0.01).all()
    batch, sizes = (
        {network: rows.loc[network].xs(BATCH, level="norm")["test"] for network in (NETWORK, CONVOLUTION)},
        (4, 32),
    )
    rise = {network: found[sizes[0]] - found[sizes[1]] for network, found in batch.items()}
    assert rise[NETWORK] > 2 * rise[CONVOLUTION]  # it matters how many values share statistics
    small = {network: rows.loc[(network, 4, BATCH)] for network in (NETWORK, CONVOLUTION)}
    assert small[NETWORK]["over_layer_low"] > 0.01 > small[CONVOLUTION]["over_layer"]
    assert small[NETWORK]["over_layer_low"] > small[CONVOLUTION]["over_layer_high"]
    no_norm = rows.loc[(CONVOLUTION, 32, NONE), "test"] - rows.loc[(CONVOLUTION, 32, BATCH), "test"]
    assert 0 < no_norm < result.conv_layer.mean  # no norm at all is nearer to batch norm than layer norm is
    parts = result.parts.set_index("size")["excess"]
    assert parts[4] > 0.5 * small[NETWORK]["over_layer"]  # statistics explain most of the cost
    batch_costs = rows.loc[NETWORK].xs(BATCH, level="norm")
    assert batch_costs.loc[8, "over_layer_low"] > 0 and (batch_costs.loc[16:, "over_layer_low"] < 0).all()
    gaps = modes.loc[NETWORK]["gap"]
    for size in (4, 8, 16, 32):  # jitter that doubles with each halving, but for pairs
        assert 1.7 < gaps[size] / gaps[2 * size] < 2
    assert gaps[2] / gaps[4] < 1.7
    assert result.one_example.set_index(["network", "norm"])["refused"].sum() == 2
    group = rows.loc[NETWORK].xs(GROUPED, level="norm")
    assert (group["over_layer_high"] < 0).all()  # slightly below layer norm


def test_layer_norm_in_large_batches_is_recomputed(result: Result) -> None:
    """All seeds at the best rate.  Another processor's sums drift apart by some 1e-4; another rate shows in the third digit."""
    params = Params()
    size, seeds = params.sizes[-1], range(params.seeds)
    row = result.losses.set_index(["network", "size", "norm"]).loc[(NETWORK, size, LAYER)]
    data = normalization_family._data(params, 1)
    norm = normalization_family._norms(params, NETWORK, size, in_parts=False)[LAYER]
    init = networks.init(seeds, params.width, 1, DIMENSION)
    order = mlp.batches(seeds, len(data.x), size, params.examples // size)
    lrs = torch.full((len(seeds),), row["lr"])
    *_, (weights, _) = networks.train(init, data.x, data.y, order, lrs, [(norm, slice(0, len(seeds)))])
    found = networks.losses(weights, norm, data.population, data.parts[1:]).mean(1)
    assert (row["validation"], row["test"]) == pytest.approx(found.tolist(), abs=2e-3)


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "uncoupled": Verdict.HOLDS,
        "replace": Verdict.UNDECIDED,
        "one-example": Verdict.CAVEAT,
        "modes": Verdict.CAVEAT,
        "small-batches": Verdict.CAVEAT,
        "statistics": Verdict.HOLDS,
    }


def _verdict(name: str, result: Result, **changed: object) -> Verdict:
    claim = next(claim for claim in CLAIMS if claim.name == name)
    return claim.verdict(dataclasses.replace(result, **changed))


def _flat(table: pd.DataFrame, column: str, values: list[float]) -> pd.DataFrame:
    low, high = np.array(values) - 0.001, np.array(values) + 0.001
    return table.assign(**{column: values, f"{column}_low": low, f"{column}_high": high})


def test_lines_separate_what_they_say_they_do(result: Result) -> None:
    small, large = Estimate(0.005, 0.001, 6), Estimate(0.05, 0.01, 6)
    batch = (result.worsening["norm"] == BATCH).to_numpy()
    assert _verdict("uncoupled", result, uncoupled=0.0, coupled=0.1) is Verdict.HOLDS
    assert _verdict("uncoupled", result, uncoupled=1e-9) is Verdict.FAILS
    assert _verdict("uncoupled", result, coupled=1e-6) is Verdict.FAILS
    assert _verdict("replace", result, conv_layer=small, conv_instance=small) is Verdict.HOLDS
    assert _verdict("replace", result, conv_layer=small, conv_instance=large) is Verdict.CAVEAT
    assert _verdict("replace", result, conv_layer=large, conv_instance=large) is Verdict.FAILS
    assert _verdict("one-example", result, batch_refused=1.0, others_refused=0.0) is Verdict.HOLDS
    assert _verdict("one-example", result, batch_refused=0.5, others_refused=0.0) is Verdict.CAVEAT
    assert _verdict("one-example", result, batch_refused=0.0, others_refused=0.0) is Verdict.FAILS
    gaps = [0.05] * len(result.modes)
    assert _verdict("modes", result, modes=_flat(result.modes, "gap", gaps)) is Verdict.HOLDS
    assert _verdict("modes", result, modes=_flat(result.modes, "gap", [-gap for gap in gaps])) is Verdict.HOLDS
    assert (
        _verdict("modes", result, modes=_flat(result.modes, "gap", [0.05, *[0.0] * (len(gaps) - 1)])) is Verdict.CAVEAT
    )
    assert _verdict("modes", result, modes=_flat(result.modes, "gap", [0.001] * len(gaps))) is Verdict.FAILS
    assert _verdict("modes", result, between_modes=1e-3) is Verdict.FAILS
    rises = _flat(result.worsening, "worsening", np.where(batch, 0.05, 0.001).tolist())
    assert _verdict("small-batches", result, worsening=rises, worsening_batch=large) is Verdict.HOLDS
    rises = _flat(result.worsening, "worsening", [0.05] * len(batch))
    assert _verdict("small-batches", result, worsening=rises, worsening_batch=large) is Verdict.CAVEAT
    assert _verdict("small-batches", result, worsening=rises, worsening_batch=small) is Verdict.FAILS
    assert _verdict("statistics", result, share_of_statistics=Estimate(0.4, 0.05, 6)) is Verdict.FAILS
    assert _verdict("statistics", result, share_of_statistics=Estimate(0.9, 0.1, 6)) is Verdict.HOLDS
