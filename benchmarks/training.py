"""How long a step of the names network takes, a seed: every way that the project has, what one would write instead, and JAX.

All on one core and in one run, taking turns, best of several turns, in processor time: a machine that does something else
meanwhile slows a turn, not the comparison.  Three optimisers: SGD, SGD with momentum, Adam.

- autograd and torch.optim, one seed at a time: `nets.plain`, what a reader would write
- gradient written out, all seeds at once: `nets.mlp`; SGD only
- any module, all seeds at once: `nets.ensemble`, as it is and compiled
- C++: `nets.sgd` and `nets.momentum`, each network's weights in the processor's cache
- JAX (the extra `jax`) at what it is best at: all seeds in one program, `vmap` of `grad`, the steps in a `scan`, compiled

The floor is the multiplications and additions of a step's six matrix products, at the rate that this core reaches in the
product of two large matrices, where it does nothing else.

On a busy virtual machine with two cores, in one run, over JAX's time for the same optimiser (SGD, momentum, Adam):

    autograd, one seed at a time              8.5   9.2  10.0
    any module, all seeds at once             2.7   2.7   2.4
    the same, compiled                        2.2   2.2   2.0
    gradient written out, all seeds at once   1.6
    C++                                       0.6   0.6   0.7
    C++, with batch norm                      0.6
    floor: its matrix products                0.4   0.4   0.3
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from lab.compiled import COMPILERS
from nets import ensemble, initialisation, mlp, momentum, names, normed_mlp, plain, sgd

SEEDS, STEPS, BATCH = 16, 1000, 32
FEW = 100  # steps of the slow ways, whose time a step does not change
TURNS = 5
LARGE = 512  # rows and columns: three such matrices lie in the second-nearest cache or just beyond
ONE_CORE = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", "JAX_PLATFORMS": "cpu"}
LR, ADAM_LR, MOMENTUM = 0.1, 0.003, 0.9
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": partial(torch.optim.SGD, lr=LR),
    "momentum": partial(torch.optim.SGD, lr=LR, momentum=MOMENTUM),
    "Adam": partial(torch.optim.Adam, lr=ADAM_LR),
}
C_PLUS_PLUS, JAX = "C++", "JAX, all seeds at once"

Run = Callable[[], object]
Ways = dict[tuple[str, str], tuple[Run, int]]  # by way and optimiser: what to run, and its steps times seeds


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    os.environ.update(ONE_CORE)
    x, y = names.contexts(names.split(names.load(names.ROOT / "data/names.txt")).train)
    ways = _ways(x, y, mlp.batches(range(SEEDS), len(x), BATCH, STEPS))
    ready = {which: _waited(run) for which, (run, _) in ways.items()}  # compiles, where there is something to compile
    best, floor = dict.fromkeys(ways, float("inf")), float("inf")
    for _ in range(TURNS):
        for which, (run, count) in ways.items():
            best[which] = min(best[which], 1e6 * _seconds(run) / count)
        floor = min(floor, _floor())
    _print(best, floor, ready)


def _ways(x: torch.Tensor, y: torch.Tensor, order: torch.Tensor) -> Ways:
    init = initialisation.well_scaled(mlp.init(range(SEEDS)))
    few = order[:FEW]
    ways: Ways = {}
    for name, optimiser in OPTIMISERS.items():
        ways["autograd, one seed at a time", name] = (partial(_plain, optimiser, x, y, few[:, :2]), 2 * FEW)
        for how, compiled in (("any module, all seeds at once", False), ("the same, compiled", True)):
            ways[how, name] = (_any_module(optimiser, x, y, order, compiled), SEEDS * FEW)
        if importlib.util.find_spec("jax"):
            ways[JAX, name] = (_jax(name, init, x, y, order), SEEDS * STEPS)
    ways["gradient written out, all seeds at once", "SGD"] = (partial(_written_out, init, x, y, few), SEEDS * FEW)
    ways[C_PLUS_PLUS, "SGD"] = (lambda: sgd.train(init, x, y, order, [LR] * STEPS), SEEDS * STEPS)
    for name in ("momentum", "Adam"):
        ways[C_PLUS_PLUS, name] = (partial(momentum.train, init, x, y, order, OPTIMISERS[name]), SEEDS * STEPS)
    normed = normed_mlp.init(range(SEEDS), 200, 10)
    ways["C++, with batch norm", "SGD"] = (lambda: sgd.train(normed, x, y, order, [LR] * STEPS), SEEDS * STEPS)
    return ways


def _print(best: dict[tuple[str, str], float], floor: float, ready: dict[tuple[str, str], float]) -> None:
    table = Table("how", *OPTIMISERS, "first call, s", title="Training the names network, one core: µs a step and seed")
    for how in dict.fromkeys(how for how, _ in best):
        cells = [f"{best[how, name]:.1f}" if (how, name) in best else "" for name in OPTIMISERS]
        first = max(seconds for (way, _), seconds in ready.items() if way == how)
        table.add_row(how, *cells, f"{first:.1f}")
    table.add_row("floor: its matrix products", *[f"{floor:.1f}"] * len(OPTIMISERS))
    console = Console()
    console.print(table)
    console.print(f"{SEEDS} seeds, batches of {BATCH}, {STEPS} steps; best of {TURNS} turns")
    if not any(map(shutil.which, COMPILERS)):
        console.print(f"no C++ compiler ({', '.join(COMPILERS)}) is there, so nets.sgd is PyTorch too")
    if (JAX, "SGD") not in best:
        console.print("JAX is not installed, so it was not timed: pip install 'notes-measured[jax]'")


def _models(seeds: int) -> list[nn.Module]:
    torch.manual_seed(0)
    return [plain.NamesMLP() for _ in range(seeds)]


def _plain(
    optimiser: Callable[..., torch.optim.Optimizer], x: torch.Tensor, y: torch.Tensor, order: torch.Tensor
) -> None:
    for seed, model in enumerate(_models(order.shape[1])):
        plain.train(model, optimiser(model.parameters()), x, y, order[:, seed])


def _any_module(
    optimiser: Callable[..., torch.optim.Optimizer],
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    compiled: bool,
) -> Run:
    """Return what takes the next `FEW` steps: a step's operations are found out, and compiled, in the first call."""
    evaluations = range(FEW, len(order) + 1, FEW)
    models = _models(order.shape[1])
    steps = ensemble.checkpoints(models, x, y, order, lambda p: optimiser(p.values()), None, evaluations, compiled)
    return lambda: next(steps)


def _written_out(init: mlp.Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor) -> None:
    for _ in mlp.checkpoints(init, x[order], y[order], mlp.same_lr(LR), [len(order)]):
        pass


def _jax(optimiser: str, init: mlp.Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor) -> Run:
    import jax
    import jax.numpy as jnp

    def loss(weights: Any, x: Any, y: Any) -> Any:
        embedding, hidden, hidden_bias, output, output_bias = weights
        activations = jnp.tanh(embedding[x].reshape(len(x), -1) @ hidden + hidden_bias)
        log_probabilities = jax.nn.log_softmax(activations @ output + output_bias)
        return -jnp.take_along_axis(log_probabilities, y[:, None], 1).mean()

    gradient = jax.vmap(jax.grad(loss))

    def update(state: Any, gradients: Any) -> Any:
        weights, means, squares, taken = state
        taken = taken + 1
        if optimiser == "momentum":
            means = [MOMENTUM * mean + grad for mean, grad in zip(means, gradients, strict=True)]
        if optimiser != "Adam":
            steps = means if optimiser == "momentum" else gradients
            return [w - LR * step for w, step in zip(weights, steps, strict=True)], means, squares, taken
        means = [0.9 * mean + 0.1 * grad for mean, grad in zip(means, gradients, strict=True)]
        squares = [0.999 * square + 0.001 * grad**2 for square, grad in zip(squares, gradients, strict=True)]
        first, second = 1 - 0.9**taken, 1 - 0.999**taken
        weights = [
            w - ADAM_LR * (mean / first) / (jnp.sqrt(square / second) + 1e-8)
            for w, mean, square in zip(weights, means, squares, strict=True)
        ]
        return weights, means, squares, taken

    @jax.jit
    def train(weights: Any, x: Any, y: Any, order: Any) -> Any:
        def step(state: Any, batch: Any) -> Any:
            return update(state, gradient(state[0], x[batch], y[batch])), None

        zeros = [jnp.zeros_like(tensor) for tensor in weights]
        return jax.lax.scan(step, (weights, zeros, zeros, 0.0), order)[0]

    weights = [jnp.asarray(tensor.numpy()) for tensor in init]
    data = [jnp.asarray(tensor.numpy().astype("int32")) for tensor in (x, y, order)]
    return lambda: jax.block_until_ready(train(weights, *data))


def _floor() -> float:
    """Return the microseconds that the products of a step would take at the best rate."""
    one, other = torch.randn(2, LARGE, LARGE)
    seconds = min(_seconds(lambda: one @ other) for _ in range(20))
    sizes = 3 * 30 * 200 + 3 * 200 * 27  # forward, and backward with respect to weights and inputs
    return 1e6 * seconds * BATCH * sizes / LARGE**3


def _waited(run: Run) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _seconds(run: Run) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
