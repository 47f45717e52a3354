"""How long a step of the names network takes, a seed: ours, what one would write instead, and what its products alone cost.

All on one core and in one run, taking turns, best of several turns, in processor time: a machine that does something else
meanwhile slows a turn, not the comparison.  JAX (the extra `jax`) gets what it is best at: all seeds in one program, `vmap` of `grad`, the
steps in a `scan`, compiled.  The floor is the multiplications and additions of a step's six matrix products, at the rate
that this core reaches in the product of two large matrices, where it does nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from lab.compiled import COMPILERS
from nets import initialisation, mlp, names, normed_mlp, sgd

SEEDS, STEPS, BATCH, RATE = 16, 1000, 32, 0.1
TURNS = 5
LARGE = 512  # rows and columns: three such matrices lie in the second-nearest cache or just beyond
ONE_CORE = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", "JAX_PLATFORMS": "cpu"}

Run = Callable[[], object]


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    os.environ.update(ONE_CORE)
    x, y = names.contexts(names.split(names.load(names.ROOT / "data/names.txt")).train)
    order = mlp.batches(range(SEEDS), len(x), BATCH, STEPS)
    start = initialisation.well_scaled(mlp.init(range(SEEDS)))
    few, fewer = order[:100], order[:100, :2]  # of the slow ones: their time a step does not change
    ways: dict[str, tuple[Run, int]] = {  # what to run, and its steps times seeds
        "eager, one seed at a time (autograd, torch.optim.SGD)": (lambda: _eager(start, x, y, fewer), 200),
        "eager, all seeds at once (gradient written out)": (lambda: _ensemble(start, x, y, few), 100 * SEEDS),
        "ours": (lambda: sgd.train(start, x, y, order, [RATE] * STEPS), STEPS * SEEDS),
        "ours, with batch normalisation": (
            lambda: sgd.train(normed_mlp.init(range(SEEDS), 200, 10), x, y, order, [RATE] * STEPS),
            STEPS * SEEDS,
        ),
    }
    if importlib.util.find_spec("jax"):
        ways["JAX, all seeds at once (vmap, scan, jit)"] = (_jax(start, x, y, order), STEPS * SEEDS)
    ready = {what: _waited(run) for what, (run, _) in ways.items()}  # compiles, where there is something to compile
    best, floor = dict.fromkeys(ways, float("inf")), float("inf")
    for _ in range(TURNS):
        for what, (run, count) in ways.items():
            best[what] = min(best[what], 1e6 * _seconds(run) / count)
        floor = min(floor, _floor())
    _print(best, floor, ready)


def _print(best: dict[str, float], floor: float, ready: dict[str, float]) -> None:
    table = Table(
        "how", "µs a step and seed", "against ours", "first call, s", title="Training the names network, one core"
    )
    for what, micro in (best | {"floor: its matrix products": floor}).items():
        first = f"{ready[what]:.1f}" if what in ready else ""
        table.add_row(what, f"{micro:.1f}", f"{micro / best['ours']:.2f}", first)
    console = Console()
    console.print(table)
    console.print(f"{SEEDS} seeds, batches of {BATCH}, {STEPS} steps; best of {TURNS} turns")
    if not any(map(shutil.which, COMPILERS)):
        console.print(f"no C++ compiler ({', '.join(COMPILERS)}) is there, so ours is the plain way too")
    if len(best) < 5:
        console.print("JAX is not installed, so it was not timed: pip install 'notes-measured[jax]'")


def _eager(start: mlp.Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor) -> None:
    for seed in range(order.shape[1]):
        embedding, hidden, hidden_bias, output, output_bias = kinds = [
            kind[seed].clone().requires_grad_() for kind in start
        ]
        optimiser = torch.optim.SGD(kinds, lr=RATE)
        for chosen in order[:, seed]:
            units = (embedding[x[chosen]].flatten(1) @ hidden + hidden_bias).tanh()
            loss = torch.nn.functional.cross_entropy(units @ output + output_bias, y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


def _ensemble(start: mlp.Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor) -> None:
    for _ in mlp.checkpoints(start, x[order], y[order], mlp.same_lr(RATE)):
        pass


def _jax(start: mlp.Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor) -> Run:
    import jax
    import jax.numpy as jnp

    def loss(kinds, letters, following):  # type: ignore[no-untyped-def]
        embedding, hidden, hidden_bias, output, output_bias = kinds
        units = jnp.tanh(embedding[letters].reshape(len(letters), -1) @ hidden + hidden_bias)
        shares = jax.nn.log_softmax(units @ output + output_bias)
        return -jnp.take_along_axis(shares, following[:, None], 1).mean()

    slope = jax.vmap(jax.grad(loss))

    @jax.jit
    def train(kinds, letters, following, chosen):  # type: ignore[no-untyped-def]
        def step(kinds, now):  # type: ignore[no-untyped-def]
            change = slope(kinds, letters[now], following[now])
            return [kind - RATE * by for kind, by in zip(kinds, change, strict=True)], None

        return jax.lax.scan(step, kinds, chosen)[0]

    kinds = [jnp.asarray(kind.numpy()) for kind in start]
    data = [jnp.asarray(tensor.numpy().astype("int32")) for tensor in (x, y, order)]
    return lambda: jax.block_until_ready(train(kinds, *data))


def _floor() -> float:
    """Return the microseconds that the products of a step would take at the best rate."""
    one, other = torch.randn(2, LARGE, LARGE)
    seconds = min(_seconds(lambda: one @ other) for _ in range(20))
    sizes = 3 * 30 * 200 + 3 * 200 * 27  # forward, and backward by weights and by what goes in
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
