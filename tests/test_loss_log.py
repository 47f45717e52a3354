"""What the chapter on the loss log says is so: an independent training loop, the committed numbers, mutants."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import stdtrit

from experiments import loss_log
from experiments.loss_log import AGAIN, CLAIMS, FIXES, KEPT, LECTURE, OTHER, SMOKE, VARIANTS, Params, Result
from lab.claims import Verdict
from lab.estimate import Estimate
from lab.read import read
from nets import mlp, names, plain, sgd

ENDS = {"logits": "logits", "tanh": "tanh", "gain": "gain", "norm": "batch norm", "again": AGAIN}  # fields by fix


@pytest.fixture(scope="module")
def result() -> Result:
    return read(loss_log)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """A small setting on the first names of the book."""
    file = tmp_path_factory.mktemp("names") / "some.txt"
    file.write_text("\n".join(names.load(Params().data)[:400]), encoding="ascii")
    return dataclasses.replace(SMOKE, data=file)


@pytest.fixture(scope="module")
def small(some: Params) -> Result:
    return loss_log.run(some)


# An independent implementation


class _Lecture(torch.nn.Module):
    """The network as PyTorch's own layers, started with the lecture's numbers from the same draws."""

    def __init__(self, variant: str, seed: int, width: int) -> None:
        super().__init__()
        normal = mlp.init([seed], width, 10)
        self.embedding = torch.nn.Embedding.from_pretrained(normal.embedding[0].clone(), freeze=False)
        self.hidden = torch.nn.Linear(30, width, bias=variant != "batch norm")
        self.norm = torch.nn.BatchNorm1d(width) if variant == "batch norm" else torch.nn.Identity()
        self.output = torch.nn.Linear(width, 27)
        hidden = {"original": 1.0, "logits": 1.0, "tanh": 0.2}.get(variant, 5 / 3 / 30**0.5)
        with torch.no_grad():
            self.hidden.weight.copy_(hidden * normal.hidden[0].T)
            if variant != "batch norm":
                self.hidden.bias.copy_((1.0 if variant in ("original", "logits") else 0.01) * normal.hidden_bias[0, 0])
            self.output.weight.copy_((1.0 if variant == "original" else 0.01) * normal.output[0].T)
            self.output.bias.copy_((1.0 if variant == "original" else 0.0) * normal.output_bias[0, 0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(torch.tanh(self.norm(self.hidden(self.embedding(x).flatten(1)))))


@pytest.mark.parametrize("fix", [fix for fix in FIXES if fix != "batch norm"])
def test_the_initialisation_that_the_chapter_shows_is_the_one_that_is_run(fix: str) -> None:
    """Scaled in another order: 1e-7 of numbers of order 1."""
    normal, ours = mlp.init([0], SMOKE.width, 10), loss_log._initialisations(SMOKE)[fix]
    model = plain.NamesMLP(SMOKE.width)
    with torch.no_grad():
        for parameter, tensor in zip(model.parameters(), normal, strict=True):
            turned = tensor[0].T if parameter.shape == tensor[0].T.shape else tensor[0]
            parameter.copy_(turned.reshape(parameter.shape))
    loss_log.rescale(model, fix)
    x = torch.tensor([[0, 0, 5], [5, 13, 13]])
    torch.testing.assert_close(model(x), mlp.logits(mlp.Weights(*(tensor[:1] for tensor in ours)), x)[0])


def _by_torch(params: Params, variant: str, seed: int) -> list[float]:
    """Train with autograd and torch.optim, and return the first training loss and the final losses."""
    parts = [names.contexts(part) for part in names.split(names.load(params.data))]
    recipe = {AGAIN: "gain"} | {kept: name for name, kept in KEPT.items()}
    net = _Lecture(recipe.get(variant, variant), seed, params.width)
    optimiser = torch.optim.SGD(net.parameters(), lr=params.lr)
    generator = torch.Generator().manual_seed(mlp.BATCH_SEED + seed + (OTHER if variant == AGAIN else 0))

    def losses() -> list[float]:
        """Over all examples; batch norm with the statistics of the training set."""
        net.eval()
        with torch.no_grad():
            if isinstance(net.norm, torch.nn.BatchNorm1d):
                values = net.hidden(net.embedding(parts[0][0]).flatten(1))
                net.norm.running_mean = values.mean(0)
                net.norm.running_var = values.var(0, unbiased=False)
            return [torch.nn.functional.cross_entropy(net(x), y).item() for x, y in parts]

    first = losses()[0]
    x, y = parts[0]
    for step in range(params.steps):
        net.train()
        if step == params.steps // 2 and variant not in KEPT.values():
            optimiser.param_groups[0]["lr"] = params.late_lr
        chosen = torch.randint(len(x), (params.batch,), generator=generator)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(x[chosen]), y[chosen]).backward()
        optimiser.step()
    return [first, *losses()]


def _assert_runs(params: Params, found: Result, seeds: tuple[int, ...] = (1,)) -> None:
    """Float32 over 60 steps: rounding grows to 1e-5 or so; a wrong start, rate, batch or part of the data changes 1e-3."""
    runs = found.runs.set_index(["variant", "seed"])
    for variant in VARIANTS:
        for seed in seeds:
            ours = runs.loc[(variant, seed), ["initial", "train", "validation", "test"]]
            assert list(ours) == pytest.approx(_by_torch(params, variant, seed), rel=1e-4), variant


def test_every_variant_is_the_lecture_s_network_trained_by_torch(some: Params, small: Result) -> None:
    _assert_runs(some, small, (0, 1))


@pytest.mark.parametrize("mutant", ["rate never lowered", "batches of another seed", "parts swapped", "bias left in"])
def test_named_mutants_are_caught(mutant: str, some: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    starts, descend, split = loss_log._initialisations, sgd.train, names.split
    if mutant == "rate never lowered":
        monkeypatch.setattr(sgd, "train", lambda w, x, y, order, lr: descend(w, x, y, order, [some.lr] * len(lr)))
    elif mutant == "batches of another seed":
        monkeypatch.setattr(mlp, "BATCH_SEED", mlp.BATCH_SEED + 1)
    elif mutant == "parts swapped":
        monkeypatch.setattr(names, "split", lambda found: names.Split(*(split(found)[i] for i in (0, 2, 1))))
    else:
        normal = mlp.init(range(some.seeds), some.width, 10).output_bias
        monkeypatch.setattr(
            loss_log,
            "_initialisations",
            lambda params: starts(params) | {"logits": starts(params)["logits"]._replace(output_bias=normal)},
        )
    found = loss_log.run(some)
    monkeypatch.undo()
    with pytest.raises(AssertionError):
        _assert_runs(some, found)


# Tables


def test_worth_is_the_paired_difference_of_the_runs_and_chance_that_of_strangers(small: Result) -> None:
    _assert_sums_up(small)


def _assert_sums_up(found: Result) -> None:
    """From the table of runs alone: the same sums in another order, 1e-12; an unpaired or reversed difference is far off."""
    losses = found.runs.set_index(["variant", "seed"])
    last = found.reductions[found.reductions["step"] == found.reductions["step"].max()].set_index("fix")
    chance = found.chance.set_index("fix")
    for field, fix in ENDS.items():
        before = "gain" if fix == AGAIN else FIXES[FIXES.index(fix) - 1]
        for part in ("train", "validation"):
            one, other = losses.loc[before, part], losses.loc[fix, part]
            estimate = getattr(found, f"{field}_{part}")
            assert estimate.mean == pytest.approx(np.mean(one - other), abs=1e-12)
            assert estimate.half_width == pytest.approx(Estimate.of(one - other).half_width, abs=1e-12)
            assert last.loc[fix, part] == pytest.approx(estimate.mean, abs=1e-12)
            variances = np.var(one, ddof=1), np.var(other, ddof=1)
            freedom = (len(one) - 1) * sum(variances) ** 2 / sum(variance**2 for variance in variances)  # Welch's
            expected = stats.t.ppf(0.975, freedom) * math.sqrt(sum(variances))
            assert chance.loc[fix, part] == pytest.approx(expected, rel=1e-9)


def test_95_percent_of_differences_of_independent_runs_lie_within_chance() -> None:
    """Normal losses, so many that their deviations are known: within 1 %, where leaving out one variance misses by 30 %."""
    normal = np.random.default_rng(0).normal(0, [[1.0], [2.0]], (2, 100_000))
    losses = {name: np.tile(row, (1, 3, 1)) for name, row in zip(("one", "other"), normal, strict=True)}
    (found,) = loss_log._chance(losses, [("one", "other")])["train"]
    assert np.mean(np.abs(normal[0] - np.roll(normal[1], 1)) < found) == pytest.approx(0.95, abs=0.005)


def test_chance_of_few_runs_covers_new_runs_as_often_as_it_says() -> None:
    """Six runs of each recipe, and then one more of each, 2,000 times: 95 %.  The normal 1.96 covers 92 %."""
    normal = np.random.default_rng(1).normal(0, [[[1.0]], [[1.5]]], (2_000, 2, 1, 7))
    covered = [
        abs(float(one[0, 6] - other[0, 6])) < loss_log._chance(losses, [("one", "other")])["train"].item()
        for one, other in normal
        for losses in [{"one": np.tile(one[None, :, :6], (1, 3, 1)), "other": np.tile(other[None, :, :6], (1, 3, 1))}]
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


# The committed result


def test_the_committed_runs_add_up_to_the_committed_worths(result: Result) -> None:
    assert len(result.runs) == len(VARIANTS) * Params().seeds and not result.runs.isna().any().any()
    _assert_sums_up(result)


def test_first_losses_are_ln_27_once_the_logits_are_fixed(result: Result) -> None:
    """Logits of spread 0.01 * sqrt(200) = 0.14 cost half their variance, 0.01; unfixed ones cost more than 20."""
    first = result.runs.groupby("variant")["initial"]
    for variant in set(VARIANTS) - {"original", KEPT["original"]}:
        assert abs(first.mean()[variant] - math.log(27)) < 0.02
    assert first.min()["original"] > 20 and result.initial.low > 20


def test_no_network_gets_below_what_three_letters_leave_open(result: Result) -> None:
    assert (result.runs["train"] > result.entropy_context).all()
    assert (result.runs["validation"] > result.runs["train"]).all()  # they have learnt, and have over-fitted a little


def test_other_batches_are_worth_nothing(result: Result) -> None:
    """A control: twice the 95 % half-width is passed by one right experiment in 250; a leak between variants is not."""
    for estimate in (result.again_train, result.again_validation):
        assert abs(estimate.mean) < 2 * estimate.half_width


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "logits": Verdict.HOLDS,
        "tanh": Verdict.HOLDS,
        "gain": Verdict.HOLDS,
        "batch-norm": Verdict.FAILS,
        "single-run": Verdict.CAVEAT,
    }


def test_one_run_each_tells_the_first_two_fixes_and_no_others(result: Result) -> None:
    chance, theirs = result.chance.set_index("fix")["validation"], loss_log.lecture_reduction(1)
    assert [fix for fix in theirs if abs(theirs[fix]) > chance[fix]] == ["logits", "tanh"]
    assert theirs["batch norm"] > 0 > result.norm_validation.high  # the single run had it the other way round
    assert result.norm_train.high < -0.02 and loss_log.lecture_reduction(0)["batch norm"] < -0.02


def test_what_a_fix_is_worth_depends_on_when_one_looks(result: Result) -> None:
    worth = result.reductions.set_index(["fix", "step"])
    half, early = Params().steps // 2, min(Params().eval_steps)
    assert worth.loc[("tanh", early), "validation_high"] < 0 < result.tanh_validation.low
    assert worth.loc[("batch norm", half), "validation_low"] > 0 > result.norm_validation.high
    assert worth.loc[("logits", early), "validation"] > 300 * result.logits_validation.mean


def _lowering(result: Result) -> dict[str, Estimate]:
    runs = result.runs.pivot(index="seed", columns="variant", values="validation")
    found = {name: Estimate.of(runs[kept] - runs[name]) for name, kept in KEPT.items()}
    found["fixes, lowered"] = Estimate.of(runs["original"] - runs["gain"])
    found["fixes, kept"] = Estimate.of(runs[KEPT["original"]] - runs[KEPT["gain"]])
    found["learning rate over fixes"] = Estimate.of(runs[KEPT["gain"]] - runs["original"])
    found["batch norm, kept"] = Estimate.of(runs[KEPT["gain"]] - runs[KEPT["batch norm"]])
    return found


def test_lowering_the_learning_rate_does_more_than_all_fixes_together(result: Result) -> None:
    """The chapter's table of two by two, each at the last step; and what it says of the original and of batch norm."""
    found = _lowering(result)
    assert found["learning rate over fixes"].low > 0
    assert min(found[each].low for each in ("gain", "original", "fixes, lowered", "fixes, kept")) > 0
    assert found["batch norm, kept"].low > 0 > result.norm_validation.high


def test_a_kept_learning_rate_changes_nothing_before_it_would_be_lowered(result: Result) -> None:
    losses = result.curves[result.curves["step"] <= Params().steps / 2].pivot(
        index="step", columns="variant", values="validation"
    )
    for name, kept in KEPT.items():
        assert losses[name].tolist() == losses[kept].tolist()


def test_the_gain_is_ahead_early_behind_half_way_and_level_in_the_end(result: Result) -> None:
    worth, half = result.reductions.set_index(["fix", "step"]), Params().steps // 2
    assert worth.loc[("gain", min(Params().eval_steps)), "validation_low"] > 0
    assert worth.loc[("gain", half), "validation_high"] < 0
    assert result.gain_validation.low < 0 < result.gain_validation.high


def test_sharing_the_batches_besides_the_draws_buys_nothing_that_shows(result: Result) -> None:
    """What the solution on pairing says: the control's ratio lies among the others, and sharing draws buys something."""
    losses = result.runs.pivot(index="seed", columns="variant", values="validation")
    ratios = {
        fix: float((losses[before] - losses[fix]).std() / np.hypot(losses[before].std(), losses[fix].std()))
        for before, fix in loss_log.CHANGES
    }
    others = [ratio for fix, ratio in ratios.items() if fix != AGAIN]
    assert min(others) <= ratios[AGAIN] <= max(others) < 1


def test_the_start_with_the_gain_ends_where_the_one_scaled_by_hand_does(result: Result) -> None:
    """The validation loss shows no difference, and the original start's runs scatter the most."""
    assert result.gain_validation.low < 0 < result.gain_validation.high
    scatter = result.runs.groupby("variant")["validation"].std()
    scatter = scatter[[*FIXES, AGAIN]]  # those of the log; a learning rate that is kept scatters more
    assert scatter["original"] == scatter.max() > 2 * scatter["gain"]


def test_batch_norm_costs_test_loss_too_and_narrows_the_gap(result: Result) -> None:
    means = result.runs.groupby("variant")[["train", "validation", "test"]].mean()
    assert means.loc["batch norm", "test"] > means.loc["gain", "test"]
    gap = means["validation"] - means["train"]
    assert gap["batch norm"] < gap["gain"]


def test_four_conclusions_at_once_leave_the_same_three(result: Result) -> None:
    """The solution on many conclusions: five degrees of freedom, 0.05 shared among four intervals."""
    wider = float(stdtrit(Params().seeds - 1, 1 - 0.05 / 8) / stdtrit(Params().seeds - 1, 0.975))
    ends = {fix: getattr(result, f"{fix}_validation") for fix in ("logits", "tanh", "gain", "norm")}
    assert [fix for fix, end in ends.items() if abs(end.mean) > wider * end.half_width] == ["logits", "tanh", "norm"]


def test_the_lecture_s_figures_are_those_of_the_questions() -> None:
    assert LECTURE["original"] == (2.1245, 2.1682) and LECTURE["batch norm"] == (2.0668, 2.1048)
    assert loss_log.lecture_reduction(1)["gain"] == pytest.approx(-0.0043, abs=1e-12)


# The same code, small


def test_a_reader_s_own_names_can_be_used(tmp_path: Path) -> None:
    """Ten names, few letters, Windows line ends: nothing but the numbers changes."""
    mine = tmp_path / "mine.txt"
    mine.write_bytes(
        b"\r\n".join([b"bo", b"abba", b"cab", b"bob", b"abe", b"eva", b"ada", b"bea", b"deb", b"ed"]) + b"\r\n"
    )
    found = loss_log.run(dataclasses.replace(SMOKE, data=mine))
    assert len(found.curves) == len(VARIANTS) * 4 and not found.curves.isna().any().any()


def test_evaluations_beyond_the_last_step_are_left_out(some: Params, small: Result) -> None:
    assert sorted(set(small.curves["step"])) == [0, *SMOKE.eval_steps, SMOKE.steps]
    found = loss_log.run(dataclasses.replace(some, steps=20))
    assert sorted(set(found.curves["step"])) == [0, 10, 20]
