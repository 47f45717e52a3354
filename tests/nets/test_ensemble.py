"""Any module, any optimiser: the ensemble's members are what training each alone, in plain PyTorch, makes of them."""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from torch import nn

from nets import ensemble, mlp, names, plain

STEPS, BATCH = 12, 16
X, Y = names.contexts(["emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia", "harper", "evelyn"])

MODELS: dict[str, Callable[[], nn.Module]] = {
    "names": partial(plain.NamesMLP, 13, 3),
    "batch norm": partial(plain.NormedMLP, 16, 3),
    "layer norm": partial(plain.NormedMLP, 16, 3, nn.LayerNorm),
    "deep relu": partial(plain.DeepReLU, 3, 12, 3),
    "deep residual": partial(plain.DeepTanh, 3, 12, None, True, 3),
}
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.1),
    "momentum, weight decay": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "adam": partial(torch.optim.Adam, lr=0.01),
    "adamw": partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1),
}


def _models(make: Callable[[], nn.Module], seeds: Sequence[int], dtype: torch.dtype = torch.float64) -> list[nn.Module]:
    made = []
    for seed in seeds:
        torch.manual_seed(seed)
        made.append(make().to(dtype))
    return made


def _order(seeds: Sequence[int]) -> torch.Tensor:
    return mlp.batches(seeds, len(X), BATCH, STEPS)


def _train(
    make: Callable[[], nn.Module], seeds: Sequence[int], optimiser: Callable[..., torch.optim.Optimizer]
) -> list[nn.Module]:
    models = _models(make, seeds, torch.float32)
    list(ensemble.checkpoints(models, X, Y, _order(seeds), lambda p: optimiser(p.values())))
    return models


def _assert_equal(one: nn.Module, other: nn.Module, tolerance: float) -> None:
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_members_are_what_plain_training_makes_of_each(model: str, optimiser: str) -> None:
    """Adam divides by gradients that may be tiny: in float64 that leaves 1e-9, and leaving anything out 1e-3."""
    seeds = (3, 8, 4)
    ours, theirs = (_models(MODELS[model], seeds) for _ in range(2))
    order = _order(seeds)
    list(ensemble.checkpoints(ours, X, Y, order, lambda p: OPTIMISERS[optimiser](p.values())))
    for seed, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        before = [parameter.clone() for parameter in other.parameters()]
        plain.train(other, OPTIMISERS[optimiser](other.parameters()), X, Y, order[:, seed])
        assert all((a - b).abs().max() > 1e-3 for a, b in zip(before, other.parameters(), strict=True))
        _assert_equal(one, other, 1e-8)


@pytest.mark.parametrize("optimiser", ["momentum, weight decay", "adam"])
@pytest.mark.parametrize("model", MODELS)
def test_a_member_is_the_same_bits_whichever_others_train_beside_it(model: str, optimiser: str) -> None:
    together = _train(MODELS[model], (0, 1, 2, 3, 4), OPTIMISERS[optimiser])[2]
    for seeds in ((2,), (2, 3), (4, 1, 2)):
        _assert_equal(_train(MODELS[model], seeds, OPTIMISERS[optimiser])[seeds.index(2)], together, 0)


def test_a_fused_optimiser_leaves_a_member_the_same_bits_too() -> None:
    """A fused pass computes the last few numbers of a tensor in another way: there must be no such numbers."""
    fused = partial(torch.optim.Adam, lr=0.01, fused=True)
    together = _train(MODELS["names"], (0, 1, 2), fused)[1]
    for seeds in ((1,), (1, 2)):
        _assert_equal(_train(MODELS["names"], seeds, fused)[0], together, 0)


@pytest.mark.parametrize("fused", [False, True])
def test_an_optimiser_trains_what_it_was_given_and_nothing_else(fused: bool) -> None:
    seeds = (3, 4)
    models = _models(MODELS["names"], seeds)
    before = copy.deepcopy(models)

    def output_only(parameters: dict[str, torch.Tensor]) -> torch.optim.Optimizer:
        parameters["output.bias"].requires_grad_(False)  # frozen: not even its weights decay
        given = [parameters["output.weight"], parameters["output.bias"]]
        return torch.optim.SGD(given, lr=0.1, weight_decay=0.1, fused=fused)

    list(ensemble.checkpoints(models, X, Y, _order(seeds), output_only))
    for model, untrained in zip(models, before, strict=True):
        for (name, ours), theirs in zip(model.named_parameters(), untrained.parameters(), strict=True):
            assert torch.equal(ours, theirs) == (name != "output.weight"), name


def test_each_layer_and_each_step_may_have_a_rate_of_its_own() -> None:
    seeds, factor = (5, 6), (lambda step: 0.5**step)
    ours, theirs = (_models(MODELS["names"], seeds) for _ in range(2))

    def groups(parameters: dict[str, torch.Tensor]) -> torch.optim.Optimizer:
        named = [{"params": [tensor], "lr": 1.0 if "output" in name else 0.1} for name, tensor in parameters.items()]
        return torch.optim.SGD(named)

    schedule = partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=factor)
    list(ensemble.checkpoints(ours, X, Y, _order(seeds), groups, schedule))
    for seed, model in enumerate(theirs):
        optimiser = groups(dict(model.named_parameters()))
        rates = schedule(optimiser)
        for batch in _order(seeds)[:, seed]:
            plain.train(model, optimiser, X, Y, [batch])
            rates.step()
        _assert_equal(ours[seed], model, 1e-12)


def test_models_can_be_evaluated_at_chosen_steps_without_disturbing_the_training() -> None:
    seeds = (1, 2)
    undisturbed = _models(MODELS["batch norm"], seeds)
    optimiser = OPTIMISERS["sgd"]
    list(ensemble.checkpoints(undisturbed, X, Y, _order(seeds), lambda p: optimiser(p.values())))
    models, steps, norms = _models(MODELS["batch norm"], seeds), [], []
    for step, now in ensemble.checkpoints(
        models, X, Y, _order(seeds), lambda p: optimiser(p.values()), eval_steps=(0, 5, STEPS)
    ):
        steps.append(step)
        norms.append(now[0].eval()(X).norm().item())
    assert steps == [0, 5, STEPS] and len(set(norms)) == 3
    _assert_equal(models[1], undisturbed[1], 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TorchScript, which the compiler of PyTorch still imports
def test_compiled_training_is_the_same_to_rounding() -> None:
    eager, compiled = (_models(MODELS["names"], (1, 2)) for _ in range(2))
    for models, fuse in ((eager, False), (compiled, True)):
        list(
            ensemble.checkpoints(models, X, Y, _order((1, 2)), lambda p: OPTIMISERS["adam"](p.values()), compiled=fuse)
        )
    for one, other in zip(eager, compiled, strict=True):
        _assert_equal(one, other, 1e-8)


def test_finding_out_what_a_step_computes_does_not_count_the_folder_of_temporary_files_as_read() -> None:
    """PyTorch makes a folder there to keep compiled code in."""
    lines = [
        "from press.execute import recorder",
        f"found = recorder.start({str(names.ROOT)!r})",
        "import torch",
        "from nets import ensemble, plain",
        "x, y, order = torch.zeros(4, 3).long(), torch.zeros(4).long(), torch.zeros(1, 2, 4).long()",
        "models = [plain.NamesMLP(8), plain.NamesMLP(8)]",
        "list(ensemble.checkpoints(models, x, y, order, lambda p: torch.optim.SGD(p.values(), lr=0.1)))",
        "print([name for entries in found.record.values() for name in entries])",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=names.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert repr(tempfile.gettempdir()) not in done.stdout
