"""What the chapter on the ratio of update to data says is so: theory, SMOKE size, committed numbers, mutants."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from experiments import update_ratio
from experiments.update_ratio import CLAIMS, GOOD, SMOKE, Params, Result, plain, tables, training
from experiments.update_ratio.tables import UNIFORM, Follow, Sweep
from experiments.update_ratio.training import Recipe
from lab.claims import Claim, Verdict
from lab.estimate import Estimate
from lab.read import read
from nets import deep_tanh, ghost_norm, mlp, names, unigram_baseline
from nets.deep_tanh import Architecture
from nets.plain import DeepTanh

DATA = Params().data


@pytest.fixture(scope="module")
def result() -> Result:
    return read(update_ratio)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return update_ratio.run(SMOKE)


# Theory


def test_with_sgd_an_update_is_the_learning_rate_times_the_gradient() -> None:
    """For each layer at each step, in ratios of standard deviations.  The update is a difference of float32 weights: 1e-3."""
    rates = np.array([[0.1, 0.2, 0.3], [0.03, 0.02, 0.01]])
    found = training.train(Recipe(1, 12), rates, 0, DATA, 8, [1, 5, 9], [9])
    assert found.update == pytest.approx(rates * found.gradient, rel=1e-3)


def test_adam_moves_every_weight_by_the_learning_rate_in_its_first_step() -> None:
    """The last layer's gradient is nowhere zero, so that all of its steps are ± lr: their RMS is lr, their mean next to 0."""
    x, y, _ = names.training_set(DATA)
    found = training.train(Recipe(1, 12, adam=True), np.full((1, 3), 0.01), 0, DATA, 32, [1], [1])
    last = deep_tanh.init(0, [training.GAIN], 1, 12, Architecture()).layers[-1].std().item()
    assert found.update[0, 0, 2] == pytest.approx(0.01 / last, rel=0.02)
    assert len(x) == len(y)


def test_scale_invariant_weights_grow_by_the_square_of_the_ratio_and_decay_keeps_them_in_balance() -> None:
    """The chapter's law on the smallest case: a loss of the direction alone, with random gradients at right angles.

    Mutants: decay λ for 2λ would settle 29 % lower, and no decay at 1/√(2t), far lower still.
    """
    generator = torch.Generator().manual_seed(2)
    w, lr, decay = torch.randn(200, generator=generator, dtype=torch.float64), 0.1, 0.05
    seen = []
    for step in range(3000):
        noise = torch.randn(200, generator=generator, dtype=torch.float64)
        direction = w / w.norm()
        g = (noise - (noise @ direction) * direction) / w.norm()  # at right angles, and smaller for longer weights
        before = w.norm()
        if step == 0:
            assert (w - lr * g).norm().item() ** 2 == pytest.approx(
                (before**2 + (lr * g).norm() ** 2).item(), rel=1e-12
            )
        w = (1 - lr * decay) * w - lr * g
        seen.append((lr * g).norm() / before)
    ratio = torch.stack(seen[1500:]).square().mean().sqrt().item()
    assert ratio == pytest.approx((2 * lr * decay) ** 0.5, rel=0.02)


def test_the_committed_ratios_with_weight_decay_settle_where_theory_says(result: Result) -> None:
    """Within 9 %: at the smallest ratio, units of small gradient are still on their way.  √(ηλ) would be 29 % off."""
    rows = result.decay
    assert (2 * rows["lr"] * rows["decay"]).to_numpy() == pytest.approx(rows["predicted"].to_numpy() ** 2, rel=1e-9)
    assert rows["ratio"].to_numpy() == pytest.approx(rows["predicted"].to_numpy(), rel=0.09)
    assert len(rows) == len(Params().decayed) * len(Params().decay_lrs)


# The plain form


def _model(network: deep_tanh.Network, member: int, recipe: Recipe) -> DeepTanh:
    """Return a member of an ensemble as the plain module."""
    model = DeepTanh(recipe.depth, recipe.width, nn.BatchNorm1d if recipe.norm else None)
    with torch.no_grad():
        model.embedding.weight.copy_(network.embedding[member])
        for place, layer in enumerate([*model.hidden, model.output]):
            layer.weight.copy_(network.layers[place][member].T)
            bias = model.norms[place].bias if recipe.norm and place < recipe.depth else layer.bias
            bias.copy_(network.shifts[place][member, 0])
    return model


@pytest.mark.parametrize(("norm", "adam"), [(False, False), (True, False), (False, True)])
def test_the_ensemble_is_what_plain_pytorch_does(norm: bool, adam: bool) -> None:
    """Six steps: every ratio to 1 % (float32, and Adam divides small numbers by small ones)."""
    recipe, steps, lr = Recipe(2, 12, norm, adam), 6, 0.01 if adam else 0.2
    found = training.train(recipe, np.full((1, 4), lr), 3, DATA, 16, range(1, steps + 1), [steps])
    network = deep_tanh.init(3, [training.GAIN], 2, 12, Architecture(ghost_norm.ghost(16) if norm else ghost_norm.NONE))
    model = _model(network, 0, recipe)
    optimiser = (torch.optim.Adam if adam else torch.optim.SGD)(model.parameters(), lr=lr)
    x, y, _ = names.training_set(DATA)
    for step, chosen in enumerate(mlp.batches([3], len(x), 16, steps)[:, 0]):
        optimiser.zero_grad()
        F.cross_entropy(model(x[chosen]), y[chosen]).backward()
        logged = plain.step_and_log(model, optimiser)
        assert list(logged) == ["embedding.weight", "hidden.0.weight", "hidden.1.weight", "output.weight"]
        assert np.log10(found.update[step, 0]) == pytest.approx(list(logged.values()), abs=0.005)


def test_own_rates_are_as_much_larger_as_a_layers_ratio_is_smaller() -> None:
    model = DeepTanh(1, 12)
    logged = {"embedding.weight": -4.0, "hidden.0.weight": -3.0, "output.weight": -2.0}
    rates = [group["lr"] for group in plain.equalise(model, 0.1, logged).param_groups]
    assert rates == pytest.approx([1.0, 0.1, 0.01])
    updated = sum(len(group["params"]) for group in plain.equalise(model, 0.1, logged).param_groups)
    assert updated == len(list(model.parameters()))  # none is left out
    corrected = update_ratio._corrected(np.full(3, 0.1), np.array([[-4.0, -3.0, -2.0]]), -3.0)
    assert corrected == pytest.approx(rates)


def test_weight_decay_takes_its_share_of_hidden_weights_and_of_no_others() -> None:
    """One step with and without, from the same weights: PyTorch's SGD(weight_decay=...) does the same."""
    recipe, rates = Recipe(2, 12, norm=True), np.full((2, 4), 0.2)
    network = deep_tanh.init(1, [training.GAIN] * 2, 2, 12, Architecture(ghost_norm.ghost(16)))
    model = _model(network, 0, recipe)
    x, y, _ = names.training_set(DATA)
    chosen = mlp.batches([1], len(x), 16, 2)[:, 0]
    hidden = [layer.weight for layer in model.hidden]
    others = [p for p in model.parameters() if all(p is not weight for weight in hidden)]
    optimiser = torch.optim.SGD([{"params": hidden, "weight_decay": 0.5}, {"params": others}], lr=0.2)
    for batch in chosen[:1]:
        F.cross_entropy(model(x[batch]), y[batch]).backward()
        optimiser.step()
    optimiser.zero_grad()
    F.cross_entropy(model(x[chosen[1]]), y[chosen[1]]).backward()
    wanted = [0.2 * p.grad.std() / p.std() for p in model.parameters() if p.grad is not None and p.ndim == 2]
    found = training.train(recipe, rates, 1, DATA, 16, [2], [2], np.array([0.5, 0.0]))
    # The ensemble measures against the weights after they decayed, by a tenth: so much larger the ratio of hidden layers.
    kept = np.array([1.0, 0.9, 0.9, 1.0])
    assert found.update[0, 0] == pytest.approx([w.item() for w in wanted] / kept, rel=1e-3)
    assert found.update[0, 1, 1] < 0.95 * found.update[0, 0, 1]


# What is done with ratios and losses


def _sweep(losses: list[float], ratios: list[float]) -> Sweep:
    """Return a sweep of two equal seeds and one layer over learning rates a third of a decade apart."""
    lrs = 10.0 ** (np.arange(len(losses)) / 3)
    logs = np.tile(np.array(ratios)[None, :, None], (2, 1, 1))
    both = np.tile(losses, (2, 1))
    return Sweep(lrs, logs[:, None], logs, logs - np.log10(lrs)[None, :, None], both, int(np.argmin(losses)))


def test_best_ratio_is_that_of_the_parabolas_lowest_point() -> None:
    logs = np.arange(5) / 3
    losses = 2 + (logs - 0.8) ** 2
    sweep = _sweep(list(losses), list(-4 + logs))
    found = tables.vertex(sweep.lrs, sweep.losses, sweep.ratio)
    assert found[0] == pytest.approx([-3.2, -3.2]) and found[1] == pytest.approx([0.8, 0.8])
    # one per cent above the lowest of the grid's losses, read along straight lines
    low, high = tables.width(sweep, 0.05)
    inside = np.interp([low, high], -4 + logs, losses)
    assert inside == pytest.approx([losses.min() + 0.05] * 2)


def test_a_learning_rate_is_found_for_a_ratio_inside_the_grid_and_below_it() -> None:
    sweep = _sweep([3.0, 2.5, 2.4, 2.6, UNIFORM], [-4.0, -3.6, -3.2, -2.8, -9.0])
    assert sweep.lr_at(-3.4) == pytest.approx(10**0.5)
    assert sweep.lr_at(-5.0) == pytest.approx(0.1)  # in proportion
    assert sweep.lr_at(-2.3) == pytest.approx(10**1.5)  # the last rate did not converge, and is not read


def test_slopes_are_decades_per_decade_below_the_best() -> None:
    sweep = _sweep([3.0, 2.8, 2.6, 2.5, 2.4, 2.6], [-4.0, -3.7, -3.4, -3.1, -2.8, 5.0])
    assert tables.slopes(sweep, sweep.log_update, 3) == pytest.approx([0.9, 0.9])
    assert tables.slopes(sweep, sweep.log_gradient, 3) == pytest.approx([-0.1, -0.1])


def test_median_layer_is_taken_before_the_mean_over_steps_is_compared() -> None:
    logs = np.array([[[[-4.0, -3.0, -1.0]], [[-4.0, -2.0, -1.0]], [[-4.0, -2.5, -1.0]], [[-4.0, -2.5, -1.0]]]])
    assert tables.late(logs)[0, 0] == pytest.approx([-4.0, -2.5, -1.0])  # the last two of four steps
    runs = [training.Runs(10.0 ** logs[0], 10.0 ** logs[0], np.array([[2.0]]))] * 2
    assert Sweep.of(np.array([0.1]), runs).ratio == pytest.approx(np.full((2, 1), -2.5))


def test_followed_up_members_are_taken_apart_in_the_order_of_the_plan() -> None:
    """Three targets, two factors, one member for each of three layers: each loss comes back in its place."""
    rates = np.arange(24.0).reshape(8, 3)
    runs = [training.Runs(np.full((2, 8, 3), 0.001), np.ones((2, 8, 3)), np.arange(8.0)[None] / 10)] * 2
    found = Follow.of(3, rates, runs)
    assert found.targets[0].tolist() == pytest.approx([0.0, 0.1, 0.2])
    assert found.equal[0].tolist() == pytest.approx([0.3, 0.4])
    assert found.faster[0].tolist() == pytest.approx([0.5, 0.6, 0.7])
    sweep = _sweep([3.0, 2.0, 3.0], [-4.0, -3.0, -2.0])
    wide = sweep._replace(log_update=np.repeat(sweep.log_update, 3, 2))
    plan = update_ratio._plan(SMOKE, wide, np.array([1.0, 2.0, 4.0]))
    assert len(plan) == 3 + 3 + 3 and plan[1] == pytest.approx(np.full(3, sweep.lr_at(-3)))
    assert plan[4] == pytest.approx([1.0, 2.0, 4.0])  # a factor of one
    assert plan[-1] == pytest.approx(sweep.lrs[1] * np.array([1, 1, SMOKE.faster]))


def test_standard_deviations_are_pytorchs_and_leave_the_tensors_alone() -> None:
    tensors = [3 + torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(place)) for place in range(2)]
    before = [tensor.clone() for tensor in tensors]
    expected = torch.stack([tensor.double().flatten(1).std(1) for tensor in tensors], 1).numpy()
    assert training.stds(tensors) == pytest.approx(expected, rel=1e-12)
    assert training.stds([tensor.double() for tensor in tensors]) == pytest.approx(expected, rel=1e-12)
    doubled = tensors[0].double()
    training.stds([doubled])
    assert torch.equal(doubled, before[0].double()) and all(map(torch.equal, tensors, before))


def test_a_learning_rate_that_stops_early_leaves_the_others_and_what_came_before_alone() -> None:
    whole, stopped = (training.train_long(12, {0.1: 8, 0.2: until}, 0, DATA, 8, [4, 8]) for until in (8, 4))
    for all_of_it, part in zip(whole, stopped, strict=True):
        assert np.array_equal(all_of_it[0], part[0]) and np.array_equal(all_of_it[:, 0], part[:, 0])
        assert np.isnan(part[1, 1]).all() and not np.isnan(all_of_it).any()


def test_the_best_of_a_length_is_read_from_the_rates_that_trained_so_long() -> None:
    """Made up.  The rate that stopped would be the best by far, if it were read."""
    lrs, steps = 10.0 ** (np.arange(4) / 3), [10, 20, 40]
    losses = np.array([2 + (np.arange(4) - best) ** 2 / 10 for best in (1.6, 1.5, 1.4, 1.3)])  # [evaluation, lr]
    ratios = np.tile(1e-3 * lrs[:, None], (4, 1, 1))
    runs = [(ratios, losses), (ratios, losses + 0.1)]
    whole, *slopes = tables.length(dict.fromkeys(steps, lrs), runs, 2e-3)
    losses = losses.copy()
    losses[-1, -1] = 0.5
    part, *more = tables.length({10: lrs, 20: lrs, 40: lrs[:3]}, [(ratios, losses), (ratios, losses + 0.1)], 2e-3)
    pd.testing.assert_frame_equal(whole, part)
    assert slopes == more and whole["best_log_lr"].tolist() == pytest.approx([1.5 / 3, 1.4 / 3, 1.3 / 3])


def test_a_diverged_run_costs_a_uniform_guess() -> None:
    assert unigram_baseline.clipped(np.array([2.0, 50.0, np.nan, np.inf])).tolist() == [2.0, UNIFORM, UNIFORM, UNIFORM]
    assert pytest.approx(np.log(27)) == UNIFORM


# SMOKE, and the committed result


def test_smoke_run_has_every_number_and_every_row(smoke: Result) -> None:
    networks = ["one layer", "deep", "batch norm", "Adam"]
    assert smoke.settings["network"].tolist() == networks
    assert smoke.sweep.groupby("network").size().to_dict() == dict.fromkeys(networks, SMOKE.below + SMOKE.above + 1)
    assert smoke.layers.groupby("network").size().to_dict() == {"one layer": 3, "deep": 4, "batch norm": 4, "Adam": 4}
    assert len(smoke.targets) == 3 * len(networks) and len(smoke.length) == SMOKE.doublings + 1
    assert len(smoke.watch) == len(networks) * (SMOKE.below + SMOKE.above + 1) * SMOKE.watched
    assert not any(table.isna().any().any() for table in (smoke.settings, smoke.sweep, smoke.layers, smoke.watch))
    assert smoke.length_slope.n == smoke.lr_slope.n == SMOKE.long_seeds


def test_adding_seeds_leaves_the_earlier_alone() -> None:
    """The sweep of a seed is the same bits, whichever other learning rates are trained beside it."""
    few, more = (update_ratio._sweep(dataclasses.replace(SMOKE, above=above), ("deep", 1)) for above in (1, 2))
    assert np.array_equal(few.losses, more.losses[:, :-1]) and np.array_equal(few.update, more.update[:, :-1])


def test_first_ratios_of_the_lectures_setting_are_recomputed(result: Result) -> None:
    """Batch norm at the lecture's rate, all seeds up to the first step that is watched.

    Another processor's float32 drifts by some 1e-4 in so few steps; another seed, rate, batch or initial gain shows in the
    second digit.
    """
    params = Params()
    first = params.steps // params.watched
    recipe = update_ratio.recipes(params)["batch norm"]
    rates = np.full((1, recipe.depth + 2), params.lr)
    runs = [
        training.train(recipe, rates, seed, DATA, params.batch, [first], [first]).update[0, 0]
        for seed in range(params.seeds)
    ]
    mean = np.log10(runs).mean(0)
    row = result.watch.query("network == 'batch norm' and step == @first")
    row = row[np.isclose(row["lr"], params.lr)].iloc[0]
    assert row["embedding"] == pytest.approx(mean[0], abs=2e-3)
    assert row["hidden"] == pytest.approx(np.median(mean[1:-1]), abs=2e-3)
    assert row["last"] == pytest.approx(mean[-1], abs=2e-3)


def test_the_best_learning_rate_lies_inside_every_grid(result: Result) -> None:
    params = Params()
    for name, recipe in update_ratio.recipes(params).items():
        grid = update_ratio.lrs(params, recipe)
        best = result.settings.set_index("network").loc[name]
        assert grid[0] < 0.9 * best["best_lr"] and best["best_lr"] < 0.9 * grid[-1]
        assert 0 < best["equal_factor"] < params.own_below + params.own_above
        assert grid[-1] / grid[0] == pytest.approx(1000)  # three decades
    grids = [update_ratio.long_lrs(params, steps) for steps in result.length["steps"]]
    assert len(grids[0]) == len(grids[-1]) + 1  # the largest rate is not trained for longest
    for best_lr, grid in zip(result.length["best_lr"], grids, strict=True):
        assert 1.1 * grid[0] < best_lr < 0.9 * grid[-1]


def test_a_target_ratio_was_hit(result: Result) -> None:
    """To a tenth of a decade at 1e-4 and 1e-3: between the learning rates of the sweep the ratio was read on a line."""
    rows = result.targets[result.targets["target"] <= GOOD]
    assert (rows["ratio"] - np.log10(rows["target"])).abs().max() < 0.1


def test_own_rates_bring_the_layers_together(result: Result) -> None:
    """From a decade or more apart to a fraction of what it was."""
    assert (result.settings["range_after"] < 0.5 * result.settings["range_before"]).all()


def test_tables_say_the_same(result: Result) -> None:
    settings = result.settings.set_index("network")
    for name, rows in result.sweep.groupby("network"):
        lowest = rows.loc[rows["loss"].idxmin()]
        assert settings.loc[name, "best_lr"] == pytest.approx(lowest["lr"])
        assert settings.loc[name, "best_loss"] == pytest.approx(lowest["loss"])
        layers = result.layers[result.layers["network"] == name]
        assert settings.loc[name, "slowest"] == layers.set_index("layer")["ratio"].idxmin()
        assert settings.loc[name, "slowest_gain"] == pytest.approx(
            layers.set_index("layer")["gain"][settings.loc[name, "slowest"]]
        )
        equal = result.equal[result.equal["network"] == name]["loss"].min()
        assert settings.loc[name, "equal_gain"] == pytest.approx(lowest["loss"] - equal)
        excess = result.targets[result.targets["network"] == name].set_index("target")["excess"]
        assert settings.loc[name, "speeding"] == pytest.approx(excess[GOOD / 10] - excess[GOOD])


# Verdicts


def _claim(name: str) -> Claim[Result]:
    return next(claim for claim in CLAIMS if claim.name == name)


def _with(result: Result, column: str, values: list[tuple[float, float]]) -> Result:
    """Return a result whose networks have these intervals in a column."""
    table = result.settings.copy()
    for place, (low, high) in enumerate(values):
        table.loc[place, [column, f"{column}_low", f"{column}_high"]] = ((low + high) / 2, low, high)
    return dataclasses.replace(result, settings=table)


def test_lines_separate_what_they_say_they_do(result: Result) -> None:
    """Each verdict turns when its number crosses its line."""
    inside, above, across = (-3.2, -2.8), (-2.2, -2.0), (-2.6, -2.4)
    best = _claim("best")
    assert best.verdict(_with(result, "best_ratio", [inside] * 4)) is Verdict.HOLDS
    assert best.verdict(_with(result, "best_ratio", [inside, above, above, above])) is Verdict.CAVEAT
    assert best.verdict(_with(result, "best_ratio", [above] * 4)) is Verdict.FAILS
    assert best.verdict(_with(result, "best_ratio", [across] * 4)) is Verdict.UNDECIDED
    own = _claim("own-rates")
    assert own.verdict(_with(result, "equal_gain", [(0.02, 0.03)] * 4)) is Verdict.HOLDS
    assert own.verdict(_with(result, "equal_gain", [(0.02, 0.03), (-0.1, 0.0), (0.0, 0.005), (0, 0)])) is Verdict.CAVEAT
    assert own.verdict(_with(result, "equal_gain", [(0.0, 0.005)] * 4)) is Verdict.FAILS
    gradient = _claim("gradient")
    low, high = Estimate(0.2, 0.1, 5), Estimate(0.8, 0.1, 5)
    strong = _with(result, "gradient_slope", [(-0.9, -0.7)] * 4)
    weak = _with(result, "gradient_slope", [(-0.1, 0.2)] * 4)
    assert gradient.verdict(dataclasses.replace(strong, rank=low)) is Verdict.HOLDS
    assert gradient.verdict(dataclasses.replace(weak, rank=high)) is Verdict.CAVEAT
    assert gradient.verdict(dataclasses.replace(weak, rank=low)) is Verdict.FAILS
    length = _claim("length")
    assert length.verdict(dataclasses.replace(result, length_slope=Estimate(-0.3, 0.1, 5))) is Verdict.HOLDS
    assert length.verdict(dataclasses.replace(result, length_slope=Estimate(0.3, 0.1, 5))) is Verdict.FAILS
    slow = _claim("slow-layer")
    ahead = _with(result, "slowest_over_mean", [(0.01, 0.02)] * 4)
    assert slow.verdict(_with(ahead, "slowest_over_next", [(0.01, 0.02)] * 4)) is Verdict.HOLDS
    assert slow.verdict(_with(ahead, "slowest_over_next", [(-0.02, -0.01)] * 4)) is Verdict.CAVEAT
    fast = _claim("fast-enough")
    assert fast.verdict(_with(result, "speeding", [(0.02, 0.03)] * 4)) is Verdict.HOLDS
    assert fast.verdict(_with(result, "speeding", [(0.02, 0.03)] * 3 + [(0.0, 0.005)])) is Verdict.FAILS


def test_good_looks_at_the_excess_at_one_thousandth_in_every_network_and_at_every_length(result: Result) -> None:
    def verdict(networks: list[float], lengths: list[float]) -> Verdict:
        table, length = result.targets.copy(), result.length.copy()
        for column in ("excess", "excess_low", "excess_high"):
            table.loc[table["target"] == GOOD, column] = networks
            length[column] = lengths
        return _claim("good").verdict(dataclasses.replace(result, targets=table, length=length))

    small, large = [0.001] * len(result.length), [0.05] * len(result.length)
    assert verdict([0.001] * 4, small) is Verdict.HOLDS
    assert verdict([0.05] * 4, [*large[:-1], 0.001]) is Verdict.CAVEAT
    assert verdict([0.001, 0.05, 0.05, 0.05], large) is Verdict.CAVEAT
    assert verdict([0.05] * 4, large) is Verdict.FAILS


@pytest.mark.parametrize("mutant", ["variance", "of the gradient", "after the step twice"])
def test_named_mutants_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ratio of variances, of gradients, or with the weights after two steps breaks what the tests above demand."""
    right = training.ratios
    wrong = {
        "variance": lambda changes, weights: right(changes, weights) ** 2,
        "of the gradient": lambda changes, weights: right([weight / 3 for weight in weights], weights),
        "after the step twice": lambda changes, weights: right(
            changes, [weight + 2 * change for weight, change in zip(weights, changes, strict=True)]
        ),
    }
    monkeypatch.setattr(training, "ratios", wrong[mutant])
    with pytest.raises(AssertionError):
        _agree()


def _agree() -> None:
    test_with_sgd_an_update_is_the_learning_rate_times_the_gradient()
    test_the_ensemble_is_what_plain_pytorch_does(norm=False, adam=False)


def test_the_data_file_is_a_parameter(tmp_path: Path, smoke: Result) -> None:
    """Other names, other losses: nothing reads the book's file behind the parameter's back."""
    lines = (Path(names.ROOT) / DATA).read_text(encoding="utf-8").splitlines()
    other = tmp_path / "names.txt"
    other.write_text("\n".join(lines[:400]) + "\n", encoding="utf-8")
    found = update_ratio._sweep(dataclasses.replace(SMOKE, data=other), ("one layer", 0))
    ours = update_ratio._sweep(SMOKE, ("one layer", 0))
    assert not np.allclose(found.losses, ours.losses) and isinstance(smoke.sweep, pd.DataFrame)


def test_what_the_prose_says_without_a_claim_is_so(result: Result) -> None:
    """Each comparison that the chapter makes in words, by its interval where it has one."""
    settings = result.settings.set_index("network")
    layers = result.layers.set_index(["network", "layer"])
    excess = result.targets.set_index(["network", "target"])
    assert (settings["best_ratio_low"] > -3).all()  # the best ratio is above the notes' in every network
    assert (settings["slowest"] == 0).all() and (settings["most_gaining"] == 0).all()  # the embedding
    assert (settings["slowest_gain_low"] > 0).all()
    assert (settings["slowest_over_next_low"] > 0).sum() == 2  # in the others it cannot be told
    for name in settings.index:
        rows = layers.loc[name]
        assert rows["ratio"].idxmax() == rows.index.max()  # the last layer
        if name != "Adam":
            assert rows.loc[rows.index.max(), "gain_high"] < 0
        assert excess.loc[(name, GOOD / 10), "excess_low"] > excess.loc[(name, GOOD), "excess_high"]
        assert excess.loc[(name, GOOD), "excess_low"] > 0  # at a thousandth a larger learning rate still does better
    good = excess.xs(GOOD, level="target")["excess"]
    assert good.min() > 0.01 > result.length["excess"].iloc[-1] and result.length["excess"].iloc[0] > 0.01
    assert set(settings.index[settings["best_ratio_low"] > -2.5]) == {"batch norm"}  # nearer to a hundredth
    assert settings.loc["deep", "best_ratio_low"] < -2.5 < settings.loc["deep", "best_ratio_high"]
    assert (settings.loc[["one layer", "Adam"], "best_ratio_high"] < -2.5).all()
    gain = settings["equal_gain_low"], settings["equal_gain_high"]
    assert gain[0]["one layer"] > 0.01 > gain[0]["batch norm"] and gain[1]["batch norm"] > 0.01
    assert (gain[1][["deep", "Adam"]] < 0).all()
    assert result.length_slope.low > -0.5  # the law of a random walk, let alone of a straight way, is refuted
    assert result.lr_slope.high < result.length_slope.low  # the best rate falls, and faster than the best ratio
    assert result.length["excess"].iloc[-1] < result.length["excess"].iloc[0]
    assert excess.loc[("Adam", 10 * GOOD), "ratio"] < -2.3 and excess.loc[("Adam", 10 * GOOD), "excess_low"] > 0.5
    theory = result.decay["predicted"].between(result.decay["ratio_low"], result.decay["ratio_high"])
    smallest = result.decay["predicted"] == min(Params().decayed)
    assert theory.tolist() == (~smallest).tolist()  # only the smallest ratio misses the theory, and lies below it
    assert (result.decay["ratio_high"] < result.decay["predicted"])[smallest].all()
    for name in ("deep", "batch norm", "Adam"):  # above the best rate the ratio rises more slowly than the rate
        rows = result.sweep[(result.sweep["network"] == name) & (result.sweep["diverged"] == 0)]
        above = rows[rows["lr"] > 0.99 * settings.loc[name, "best_lr"]]
        assert len(above) > 2 and (np.diff(above["ratio"]) < np.diff(np.log10(above["lr"]))).all()
    normed = result.sweep[result.sweep["network"] == "batch norm"]
    assert np.diff(normed["ratio"])[-3:].max() < 0.2 < np.diff(normed["ratio"])[:4].min()  # a third of a decade each
