"""Compiled and plain SGD: the same steps, and the same bits whoever trains beside."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lab import compiled
from lab.device import VARIABLE
from nets import initialisation, mlp, names, normed_mlp, sgd
from nets.names import ROOT

SEEDS, STEPS = (3, 1, 4), 25
X, Y = names.contexts(["emma", "olivia", "ava", "isabella", "sophia", "zoe"])
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, compiled.COMPILERS)), reason="no C++ compiler: all training is plain"
)


def _start(normed: bool, dtype: torch.dtype, width: int = 24, dimension: int = 3) -> mlp.Weights | normed_mlp.Weights:
    if normed:
        start = normed_mlp.init(SEEDS, width, dimension)
        return normed_mlp.Weights(*(kind.to(dtype) for kind in start))
    return mlp.Weights(*(0.5 * kind for kind in mlp.init(SEEDS, width, dimension, dtype)))


def _order(batch: int, steps: int = STEPS) -> torch.Tensor:
    return mlp.batches(SEEDS, len(X), batch, steps)


RATES = [0.3 if step < 10 else 0.05 for step in range(STEPS)]


def _autograd(start: mlp.Weights | normed_mlp.Weights, order: torch.Tensor) -> list[torch.Tensor]:
    """Train by autograd on the forward pass alone, one seed after another."""
    members = []
    for seed in range(order.shape[1]):
        kinds = [kind[seed].clone().requires_grad_() for kind in start]
        optimiser = torch.optim.SGD(kinds)
        for chosen, rate in zip(order[:, seed], RATES, strict=True):
            if isinstance(start, mlp.Weights):
                embedding, hidden, bias, output, output_bias = kinds
                values = embedding[X[chosen]].flatten(1) @ hidden + bias
            else:
                embedding, hidden, scale, shift, output, output_bias = kinds
                values = embedding[X[chosen]].flatten(1) @ hidden
                values = torch.nn.functional.batch_norm(values, None, None, scale[0], shift[0], True, 0.0, 1e-5)
            loss = torch.nn.functional.cross_entropy(values.tanh() @ output + output_bias, Y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
        members.append([kind.detach() for kind in kinds])
    return [torch.stack(kind) for kind in zip(*members, strict=True)]


def _without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "COMPILERS", ())


@pytest.mark.parametrize("with_compiler", [pytest.param(True, marks=needs_compiler), False])
@pytest.mark.parametrize("normed", [False, True])
def test_training_is_what_autograd_and_torch_optim_do(
    normed: bool, with_compiler: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Float64: rounding is 1e-16 a step and the weights move by 1e-1, so 1e-12 passes; any wrong term would not."""
    if not with_compiler:
        _without_compiler(monkeypatch)
    start, order = _start(normed, torch.float64), _order(8)
    assert (sgd.compiled(sgd.SOURCE, "train", start, order) is not None) == with_compiler
    found = sgd.train(start, X, Y, order, RATES)
    for ours, theirs, before in zip(found, _autograd(start, order), start, strict=True):
        assert (ours - theirs).abs().max() < 1e-12 < 1e-4 < (ours - before).abs().max()


@needs_compiler
@pytest.mark.parametrize("normed", [False, True])
def test_compiled_and_plain_differ_by_rounding_only(normed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32, the names network's own size: a unit in the last place of 1 is 1e-7, and sums of 200 terms take a few."""
    start, order = _start(normed, torch.float32, 200, 10), _order(32)
    ours = sgd.train(start, X, Y, order, RATES)
    _without_compiler(monkeypatch)
    plain = sgd.train(start, X, Y, order, RATES)
    for one, other in zip(ours, plain, strict=True):
        assert (one - other).abs().max() < 1e-5
    assert any(not torch.equal(one, other) for one, other in zip(ours, plain, strict=True))  # it was another code


@pytest.mark.parametrize("with_compiler", [pytest.param(True, marks=needs_compiler), False])
@pytest.mark.parametrize("normed", [False, True])
def test_a_network_is_the_same_bits_whichever_others_train_beside_it(
    normed: bool, with_compiler: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_compiler:
        _without_compiler(monkeypatch)
    start, order = _start(normed, torch.float32, 200, 10), _order(32)
    together = sgd.train(start, X, Y, order, RATES)
    alone = sgd.train(type(start)(*(kind[1:2] for kind in start)), X, Y, order[:, 1:2], RATES)
    for kind, single in zip(together, alone, strict=True):
        assert torch.equal(kind[1:2], single)
    portions = sgd.train(start, X, Y, order[:7], RATES[:7])
    portions = sgd.train(portions, X, Y, order[7:], RATES[7:])
    for kind, portion in zip(together, portions, strict=True):
        assert torch.equal(kind, portion)


@needs_compiler
def test_rounding_stays_small_from_a_good_start_and_grows_from_a_saturated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32, 500 steps: some units of rounding in a loss of 2, 1e-7, against ten thousand times as much and more."""
    x, y = names.contexts(names.load(Path("data/names.txt"))[:2000])
    order, rates, data = mlp.batches(SEEDS, len(x), 32, 500), [0.1] * 500, names.counts(x, y)
    drawn, apart = mlp.init(SEEDS), []
    for start in (initialisation.well_scaled(drawn), drawn):
        ours = mlp.losses(sgd.train(start, x, y, order, rates), *data)
        with monkeypatch.context() as without:
            _without_compiler(without)
            apart.append(float((ours - mlp.losses(sgd.train(start, x, y, order, rates), *data)).abs().max()))
    assert apart[0] < 3e-6 < 1e-3 < apart[1], apart


def test_steps_in_portions_use_the_examples_that_batches_would_have_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sgd, "PORTION", 4)
    start = _start(False, torch.float64)
    found = dict(sgd.checkpoints(start, X, Y, SEEDS, 8, RATES, eval_steps=(STEPS, 0, 9)))
    assert list(found) == [0, 9, STEPS] and found[0] is start
    for step, weights in found.items():
        for kind, straight in zip(weights, sgd.train(start, X, Y, _order(8)[:step], RATES[:step]), strict=True):
            assert torch.allclose(kind, straight, rtol=0, atol=1e-14)


@needs_compiler
def test_any_width_and_dimension_is_right() -> None:
    """Sizes that fill neither a vector nor a block: 1e-12 as above."""
    start, order = _start(True, torch.float64, width=13, dimension=5), _order(12)
    for ours, theirs in zip(sgd.train(start, X, Y, order, RATES), _autograd(start, order), strict=True):
        assert (ours - theirs).abs().max() < 1e-12


@needs_compiler
def test_saturated_and_diverged_networks_behave_as_in_torch() -> None:
    """Pre-activations and logits of hundreds: tanh at its ends, softmax at 0 and 1; and what is no number stays none."""
    start = mlp.Weights(*(40 * kind for kind in mlp.init(SEEDS, 24, 3, torch.float64)))
    order = _order(8, 2)
    ours = sgd.train(start, X, Y, order, [1e-3, 1e-3])
    *_, (_, theirs) = mlp.checkpoints(start, X[order], Y[order], mlp.same_lr(1e-3))
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-12)
    broken = start._replace(hidden=start.hidden.clone())
    broken.hidden[0] = torch.nan
    found = sgd.train(broken, X, Y, order, [1e-3, 1e-3])
    assert found.output[0].isnan().all() and not found.output[1:].isnan().any()


def test_a_batch_that_fills_no_vector_trains_plainly() -> None:
    start, order = _start(False, torch.float64), _order(5)
    assert sgd.compiled(sgd.SOURCE, "train", start, order) is None
    assert sgd.train(start, X, Y, order, RATES).hidden.isfinite().all()


@pytest.mark.parametrize("normed", [False, True])
def test_on_another_device_every_tensor_of_a_step_lies_there(normed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PyTorch's device without numbers: a step that mixes two devices is an error there as on a GPU."""
    monkeypatch.setenv(VARIABLE, "meta")
    products: list[str] = []
    product = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda *both: products.append(both[0].device.type) or product(*both))
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):  # what was trained, at the end
        sgd.train(_start(normed, torch.float32), X, Y, _order(8, 2), RATES[:2])
    assert len(products) >= 8 and set(products) == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: what one computes was not compared")
@pytest.mark.parametrize("normed", [False, True])
def test_a_gpu_and_the_processor_differ_by_rounding_only(normed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Float64: 1e-12 as above."""
    start, order = _start(normed, torch.float64), _order(8)
    ours = sgd.train(start, X, Y, order, RATES)
    monkeypatch.setenv(VARIABLE, "cuda")
    for one, other in zip(ours, sgd.train(start, X, Y, order, RATES), strict=True):
        assert (one - other).abs().max() < 1e-12


def test_thousands_of_networks_choose_fewer_steps_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start, asked = _start(False, torch.float64), []
    train = sgd.train

    def watch(
        weights: mlp.Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor, rates: list[float]
    ) -> object:
        asked.append(len(order))
        return train(weights, x, y, order, rates)

    monkeypatch.setattr(sgd, "train", watch)
    monkeypatch.setattr(sgd, "MOST", 10 * len(SEEDS) * 8)
    list(sgd.checkpoints(start, X, Y, SEEDS, 8, RATES, eval_steps=(STEPS,)))
    assert asked == [10, 10, 5]


def test_an_order_that_leaves_the_examples_is_refused() -> None:
    order = _order(8)
    order[3, 1, 2] = len(X)
    with pytest.raises(IndexError, match=f"0 to {len(X)}; there are {len(X)}"):
        sgd.train(_start(False, torch.float32), X, Y, order, RATES)
    with pytest.raises(ValueError, match="25 steps need as many learning rates, got 24"):
        sgd.train(_start(False, torch.float32), X, Y, _order(8), RATES[1:])


@needs_compiler
def test_a_file_that_does_not_compile_is_a_warning_and_training_goes_on(tmp_path: Path) -> None:
    wrong = tmp_path / "nets" / "wrong.cpp"
    wrong.parent.mkdir()
    wrong.write_text("int train( { return 1; }\n", encoding="ascii")
    with pytest.warns(UserWarning, match=r"wrong\.cpp did not compile, so it is slower: .*error"):
        assert compiled.library(wrong) is None


@needs_compiler
def test_a_damaged_library_is_compiled_again_and_an_edited_file_too(tmp_path: Path) -> None:
    """In processes of their own: a library that is loaded cannot be taken back."""
    source = tmp_path / "nets" / "one.cpp"
    source.parent.mkdir()
    program = (
        f"from lab.compiled import library; from pathlib import Path; print(library(Path({str(source)!r}), ADD=2).f())"
    )

    def answer() -> str:
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    source.write_text('extern "C" int f() { return 1 + ADD; }\n', encoding="ascii")
    assert answer() == "3"
    (library,) = (tmp_path / ".lab" / "compiled" / "one").iterdir()
    library.write_bytes(library.read_bytes()[:100])
    assert answer() == "3"
    source.write_text('extern "C" int f() { return 2 + ADD; }\n', encoding="ascii")
    assert answer() == "4"
    assert len(list((tmp_path / ".lab" / "compiled" / "one").iterdir())) == 2  # and nothing left aside


@needs_compiler
@pytest.mark.parametrize("mutant", ["tanh's slope forgotten", "a sum for a mean", "the norm's mean left in"])
def test_named_mutants_of_the_steps_are_caught(mutant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = {
        "tanh's slope forgotten": ("sum * (1 - now.hidden[h][n] * now.hidden[h][n])", "sum"),
        "a sum for a mean": ("Vector share = 1 / (total * BATCH)", "Vector share = 1 / total"),
        "the norm's mean left in": (" - common[h]", ""),
    }[mutant]
    text = (ROOT / sgd.SOURCE).read_text(encoding="utf-8")
    assert text.count(right) == 1
    changed = tmp_path / "nets" / "descent.cpp"
    changed.parent.mkdir()
    changed.write_text(text.replace(right, wrong), encoding="utf-8")
    monkeypatch.setattr(sgd, "SOURCE", changed)
    with pytest.raises(AssertionError):
        test_training_is_what_autograd_and_torch_optim_do("norm" in mutant, True, monkeypatch)
