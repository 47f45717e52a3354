"""Does the loss function change at every iteration?

Method  The names network trains by SGD: with ReLU, with tanh, with dropout, with batch norm and with weight decay, from the
        same initialisations on the same batches.  At a few steps the loss is evaluated along straight lines through the
        weights: along the gradient, along a random direction, and along the direction in which the run ends.  A parabola
        fitted to each curve says how the loss is shaped there (curvature) and where its minimum lies.  Then one thing at a
        time is exchanged for that of the next iteration, all else held: weights, batch, dropout mask, scale and shift,
        running averages, which ReLU units are active.  The loss over all data is evaluated beside that of batches.
Cost    About 2 minutes on one core.
Notes   003_0e3f15bdf12e2faf.txt, "Food for thoughts": "Loss funtion shape changes after every iteration".
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.moving_landscape.lines import Examples, Line, Loss, difference, gradient, squares
from experiments.moving_landscape.networks import DECAY, DROPOUT, NORM, PLAIN, VARIANTS, Snapshot, masks, trained
from lab.claims import Above, All, Any, Caveat, Claim, Interval, Lines, rows
from lab.estimate import Estimate
from lab.progress import track
from lab.tasks import spread
from nets import mlp, names

Array = NDArray[np.float64]

GRADIENT, RANDOM, END = "gradient", "random", "end"  # directions of lines
OTHER, DIRECTION = 4_000_037, 5_000_011  # added to a seed for batches without a step on them, and for random directions
VISIBLE = 0.01  # a change of a curve's shape by 1 % is about the thickness of its line


@dataclass(frozen=True)
class Params:
    """The network, its training, and the lines along which the loss is evaluated."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    batch: int = 32  # examples
    steps: int = 3000  # of plain SGD
    lr: Annotated[float, "> 0"] = 0.1  # learning rate
    other_lrs: tuple[float, ...] = (0.03, 0.3)  # learning rates of further runs of the plain network
    dropout: Annotated[float, "> 0, < 1"] = 0.5  # share of hidden activations left out; PyTorch's default
    weight_decay: Annotated[float, ">= 0"] = 0.001  # λ of the penalty λ/2 ‖w‖²
    seeds: int = 24  # independent runs of the plain network
    other_seeds: int = 12  # of the others, no more than these
    eval_steps: tuple[int, ...] = (10, 100, 1000, 2000)  # steps at which the loss is evaluated along lines
    lags: tuple[int, ...] = (1, 10, 100, 1000)  # steps after the middle one of these, at which it is evaluated again
    near: Annotated[float, "> 0"] = 1.0  # half the length of a line along the gradient, distance in weight space
    far: Annotated[float, "> 0"] = 4.0  # half the length of the other lines; SGD's step is about 0.2 long
    points: Annotated[int, ">= 5"] = 9  # on a line
    batches: Annotated[int, ">= 2"] = 32  # batches whose losses are compared
    sizes: tuple[int, ...] = (8, 32, 128, 512)  # examples in a batch, where the law of the batch is tested


SMOKE = Params(
    width=8, batch=4, steps=24, other_lrs=(0.03,), seeds=2, other_seeds=2, eval_steps=(3, 6), lags=(1, 5), points=5, batches=4,
    sizes=(4, 8),
)  # fmt: skip
MINUTE = Params(seeds=8, other_seeds=4)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.

    `curvature` and `place` are of the parabola through the loss over all data along a line: its second derivative, and
    where its minimum lies, in distance from the weights.  A change is relative to that curvature, RMS over pairs of batches.
    """

    params: Params
    examples: int  # in the training set
    distance: Estimate  # from the first weights of the plain network to its last
    step_length: Estimate  # of the plain network's SGD steps, at the first of the eval_steps to the last, on average
    shapes: pd.DataFrame  # per run, direction and step: curvature, place, and what each cause by itself changes
    middle: int  # the step in the middle of those at which the loss is evaluated, from which lags count
    lags: pd.DataFrame  # plain network, per direction and lag: change of the loss over all data
    sizes: pd.DataFrame  # plain network, per batch size: change from batch to batch, measured and by the law
    steps: pd.DataFrame  # plain network, along SGD's own step: how parabolic, where the minimum lies, how it moves
    lines: pd.DataFrame  # plain network, seed 0: the loss along two lines, over all data and of single batches


def _of(r: Result, variant: str, direction: str | None = None) -> pd.DataFrame:
    """Return a variant's rows of `shapes` at the common learning rate."""
    found = r.shapes[(r.shapes["variant"] == variant) & (r.shapes["lr"] == r.params.lr)]
    return found if direction is None else found[found["direction"] == direction]


def _largest(intervals: Sequence[Interval]) -> Interval:
    return max(low for low, _ in intervals), max(high for _, high in intervals)


def _percent(intervals: pd.Series) -> str:
    """Say the range of a column of changes, in %."""
    low, high = 100 * intervals.min(), 100 * intervals.max()
    return f"{low:.2g} to {high:.2g} %"


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="every-iteration",
        text="The loss function’s shape changes after every iteration.",
        source=Lines("N3", 46, 46),
        rule=Caveat(
            Above(
                "the change of the curvature from one iteration to the next, at every step and along every line tried, both of "
                "the loss that SGD is given and of the loss over all data,",
                lambda r: rows(_of(r, PLAIN), "every") + rows(_of(r, PLAIN), "weights_all"),
                VISIBLE,
                reason="1 % is about the thickness of a line in a figure",
            ),
            Above("the smallest change of the loss that SGD is given", lambda r: rows(_of(r, PLAIN), "every"), VISIBLE),
        ),
        number=lambda r: (
            f"{_percent(_of(r, PLAIN)['every'])} in the loss that SGD is given, "
            f"{_percent(_of(r, PLAIN)['weights_all'])} in the loss over all data"
        ),
    ),
    Claim(
        name="weights",
        text="It changes because the weights change.",
        source=Lines("N3", 46, 46),
        rule=Caveat(
            Above(
                "the change of the curvature by one step of the weights alone, with the same batch, at every step and along "
                "every line tried,",
                lambda r: rows(_of(r, PLAIN), "weights"),
                VISIBLE,
            ),
            Above("the largest of these changes", lambda r: _largest(rows(_of(r, PLAIN), "weights")), VISIBLE),
        ),
        number=lambda r: f"new weights alone change it by {_percent(_of(r, PLAIN)['weights'])}",
    ),
    Claim(
        name="batch-norm",
        text="The parameters of batch norm change it.",
        source=Lines("N3", 46, 46),
        rule=Caveat(
            All(
                Above(
                    "the change by one step of scale and shift alone, at every step tried,",
                    lambda r: rows(_of(r, NORM), "scale_shift"),
                    VISIBLE,
                ),
                Above(
                    "the change by one step of the running averages alone, in evaluation mode,",
                    lambda r: rows(_of(r, NORM), "running"),
                    VISIBLE,
                ),
            ),
            Any(
                Above(
                    "the largest change by scale and shift",
                    lambda r: _largest(rows(_of(r, NORM), "scale_shift")),
                    VISIBLE,
                ),
                Above(
                    "the largest change by running averages", lambda r: _largest(rows(_of(r, NORM), "running")), VISIBLE
                ),
            ),
        ),
        number=lambda r: (
            f"scale and shift alone change it by {_percent(_of(r, NORM)['scale_shift'])}, running averages alone by "
            f"{_percent(_of(r, NORM)['running'])}"
        ),
    ),
    Claim(
        name="dropout",
        text="Dropout changes it.",
        source=Lines("N3", 46, 46),
        rule=Caveat(
            Above(
                "the change by a new dropout mask alone, with the same weights and batch, at every step tried,",
                lambda r: rows(_of(r, DROPOUT), "dropout"),
                VISIBLE,
            ),
            Above("the largest of these changes", lambda r: _largest(rows(_of(r, DROPOUT), "dropout")), VISIBLE),
        ),
        number=lambda r: f"a new mask alone changes it by {_percent(_of(r, DROPOUT)['dropout'])}",
    ),
    Claim(
        name="weight-decay",
        text="Weight decay changes it.",
        source=Lines("N3", 47, 47),
        rule=Caveat(
            Above(
                "the change by one step of the weights alone in runs with weight decay, minus the change in the same runs "
                "without, at every step tried,",
                lambda r: rows(_of(r, DECAY), "more_than_plain"),
                VISIBLE,
            ),
            Above(
                "the largest of these differences", lambda r: _largest(rows(_of(r, DECAY), "more_than_plain")), VISIBLE
            ),
        ),
        number=lambda r: (
            f"with weight decay a step of the weights changes it by {-100 * _of(r, DECAY)['more_than_plain'].min():.1f} percentage "
            f"points less to {100 * _of(r, DECAY)['more_than_plain'].max():.3f} more than without"
        ),
    ),
    Claim(
        name="relu",
        text="ReLU changes it.",
        source=Lines("N3", 47, 47),
        rule=Caveat(
            Above(
                "the change by those ReLU units alone that one step of the weights switches on or off, at every step and along "
                "every line tried,",
                lambda r: rows(_of(r, PLAIN), "switched"),
                VISIBLE,
            ),
            Above("the largest of these changes", lambda r: _largest(rows(_of(r, PLAIN), "switched")), VISIBLE),
        ),
        number=lambda r: f"units that switch change it by {_percent(_of(r, PLAIN)['switched'])}",
    ),
    Claim(
        name="batch",
        text="What the notes leave out matters most: the next iteration has another batch.",
        source=None,
        rule=Caveat(
            Above(
                "the change by a new batch alone, divided by the change by new weights alone, in every variant, at every "
                "learning rate, at every step and along every line tried,",
                lambda r: rows(r.shapes, "ratio"),
                1,
            ),
            Above(
                "that ratio in the plain network at the book’s learning rate", lambda r: rows(_of(r, PLAIN), "ratio"), 1
            ),
        ),
        number=lambda r: (
            f"in the plain network a new batch changes it {_of(r, PLAIN)['ratio'].min():.1f} to "
            f"{_of(r, PLAIN)['ratio'].max():.0f} times as much as new weights"
        ),
    ),
)


def run(params: Params) -> Result:
    """Train every variant, evaluate its loss along lines, and exchange one thing at a time."""
    runs = [(variant, params.lr) for variant in VARIANTS] + [(PLAIN, lr) for lr in params.other_lrs]
    *each, frames = spread(partial(_task, params), [*runs, None], "runs")
    found: dict[tuple[str, float], dict[str, Measured]] = dict(zip(runs, each, strict=True))
    plain = found[PLAIN, params.lr]
    shapes = {(*run, *key): row for run, rows_ in found.items() for key, row in rows_["shapes"].items()}
    for (_, lr, *place), row in shapes.items():
        row["more_than_plain"] = row["weights"] - shapes[PLAIN, lr, *place]["weights"][: len(row["weights"])]
    whole = plain["whole"][()]
    return Result(
        params=params,
        examples=len(names.training_set(params.data)[0]),
        distance=Estimate.of(whole["distance"]),
        step_length=Estimate.of(whole["step_length"]),
        shapes=_table(("variant", "lr", "direction", "step"), shapes),
        middle=_middle(params),
        lags=_table(("direction", "lag"), plain["lags"]),
        sizes=_table(("size",), plain["sizes"]),
        steps=_table(("step",), plain["steps"]),
        lines=frames,
    )


Measured = dict[tuple[object, ...], dict[str, Array]]  # by row of a table: a number for each seed, by column


class _Notes:
    """Numbers of one seed after the other, by table, row and column."""

    def __init__(self) -> None:
        self.found: dict[str, dict[tuple[object, ...], dict[str, list[float]]]] = {}

    def add(self, table: str, row: tuple[object, ...], **values: float) -> None:
        columns = self.found.setdefault(table, {}).setdefault(row, {})
        for column, value in values.items():
            columns.setdefault(column, []).append(value)

    def arrays(self) -> dict[str, Measured]:
        return {
            table: {row: {name: np.array(values) for name, values in columns.items()} for row, columns in found.items()}
            for table, found in self.found.items()
        }


def _task(params: Params, run: tuple[str, float] | None) -> typing.Any:
    """Compute what becomes of one run or, without one, the frames of the live figure."""
    return _one_run(params, run) if run else _frames(params)


def _one_run(params: Params, run: tuple[str, float]) -> dict[str, Measured]:
    """Train one variant at one learning rate, and evaluate its loss along lines, seed by seed."""
    variant, lr = run
    main = run == (PLAIN, params.lr)
    steps, middle = _steps(params), _middle(params)
    lags = [lag for lag in params.lags if middle + lag <= params.steps]
    wanted = {0, params.steps, *steps, *(step + 1 for step in steps), *(middle + lag for lag in lags)}
    seeds = params.seeds if main else min(params.seeds, params.other_seeds)
    snapshots = _trained(params, variant, lr, seeds, wanted)
    data = Examples.all_of(names.training_set(params.data)[2])
    loss = Loss(variant, params.weight_decay if variant == DECAY else 0.0)
    notes = _Notes()
    for seed in track(range(seeds), "seeds"):
        at = {step: networks[seed] for step, networks in snapshots.items()}
        way = difference(at[params.steps].weights, at[0].weights)
        for step in steps:
            now, after = at[step], at[step + 1]
            lines = _lines(params, loss, seed, now, way, data)
            for direction, line in lines.items() if main else [(GRADIENT, lines[GRADIENT])]:
                row = _exchanged(params, loss, seed, line, now, after, data)
                notes.add("shapes", (direction, step), **row)
                for lag in lags if main and step == middle else []:
                    (later,), (place,) = line.parabolas(line.curves(loss, at[step + lag].weights, data))
                    change, moved = abs(later / row["curvature"] - 1), abs(place - row["place"])
                    notes.add("lags", (direction, lag), change=change, moved=moved)
            if main:
                notes.add("steps", (step,), **_own_step(params, loss, now, after, data))
        if main:
            line = _lines(params, loss, seed, at[middle], way, data)[GRADIENT]
            for size, row in _by_size(params, loss, seed, line, at[middle], data).items():
                notes.add("sizes", (size,), **row)
            moves = [float(squares(difference(at[step + 1].weights, at[step].weights))) ** 0.5 for step in steps]
            notes.add("whole", (), distance=float(squares(way)) ** 0.5, step_length=float(np.mean(moves)))
    return notes.arrays()


def _steps(params: Params) -> list[int]:
    return [step for step in params.eval_steps if step < params.steps]


def _middle(params: Params) -> int:
    steps = _steps(params)
    return steps[len(steps) // 2]


def _trained(params: Params, variant: str, lr: float, seeds: int, steps: Iterable[int]) -> dict[int, list[Snapshot]]:
    x, y, _ = names.training_set(params.data)
    order = mlp.batches(range(seeds), len(x), params.batch, params.steps)
    return trained(variant, range(seeds), params.width, x, y, order, lr, params.weight_decay, params.dropout, steps)


def _lines(
    params: Params, loss: Loss, seed: int, now: Snapshot, way: dict[str, torch.Tensor], data: Examples
) -> dict[str, Line]:
    """Return the three lines along which the loss is evaluated at one step."""
    downhill = {name: -tensor for name, tensor in gradient(loss, now.weights, data).items()}
    generator = torch.Generator().manual_seed(DIRECTION + seed)
    chance = {name: torch.randn(tensor.shape, generator=generator) for name, tensor in way.items()}
    return {
        GRADIENT: Line(downhill, params.near, params.points),
        RANDOM: Line(chance, params.far, params.points),
        END: Line(way, params.far, params.points),
    }


def _batches(params: Params, seed: int, size: int) -> Examples:
    """Return batches that no step has been taken on."""
    x, y, _ = names.training_set(params.data)
    generator = torch.Generator().manual_seed(OTHER + seed)
    return Examples.batches(x, y, torch.randint(len(x), (params.batches, size), generator=generator))


def _exchanged(
    params: Params, loss: Loss, seed: int, line: Line, now: Snapshot, after: Snapshot, data: Examples
) -> dict[str, float]:
    """Measure the shape along a line, and what each thing by itself changes when it is exchanged for the next one."""
    if loss.variant == PLAIN:  # nothing is added to the examples' losses
        each = line.each(loss, now.weights, data)
        curve = (each * data.shares).sum((1, 2))[:, None]
    else:
        curve = line.curves(loss, now.weights, data)
    (curvature,), (place,) = line.parabolas(curve)
    (next_curvature,), (next_place,) = line.parabolas(line.curves(loss, after.weights, data))
    batches = _batches(params, seed, params.batch)
    given = new_mask = loss  # what SGD is given: the loss of a batch, with a mask where there is dropout
    if loss.variant == DROPOUT:
        generator = torch.Generator().manual_seed(DIRECTION + OTHER + seed)
        keep = masks((params.batches, params.batch, params.width), params.dropout, generator)
        given, new_mask = Loss(DROPOUT, keep=keep), Loss(DROPOUT, keep=keep.roll(-1, 0))

    def shape(of: Loss, at: Snapshot, examples: Examples, **more: object) -> Array:
        return line.parabolas(line.curves(of, at.weights, examples, **more)).curvature  # type: ignore[arg-type]

    def change(one: Array, other: Array) -> float:
        return float(np.sqrt(np.mean((one - other) ** 2)) / curvature)

    before = line.parabolas(line.curves(given, now.weights, batches))
    stepped = shape(given, after, batches)
    found = {
        "curvature": curvature,
        "place": place,
        "misfit": line.misfit(curve[:, 0]),
        "place_batch": float(before.place.std(ddof=1)),
        "place_step": float(abs(next_place - place)),
        "every": change(np.roll(stepped, -1), before.curvature),  # new weights, batch and mask
        "weights": change(stepped, before.curvature),
        "weights_all": float(abs(next_curvature / curvature - 1)),
        "batch": change(np.roll(before.curvature, -1), before.curvature),
    }
    if loss.variant == DROPOUT:  # the masks stay
        found["batch"] = change(shape(given, now, batches.next()), before.curvature)
    found["log_ratio"] = float(np.log(found["batch"] / found["weights"]))
    if loss.variant == DROPOUT:
        found["dropout"] = change(shape(new_mask, now, batches), before.curvature)
    if loss.variant == PLAIN:
        found["switched"] = change(shape(loss, now, batches, switched=after.weights), before.curvature)
        spread_curvature, spread_place = line.law(each, data)
        found["batch_law"] = spread_curvature * (2 / params.batch) ** 0.5  # of a difference of two batches
        found["place_law"] = spread_place / params.batch**0.5
    if loss.variant == NORM:
        moved = {name: (after if name.startswith("norm.") else now).weights[name] for name in now.weights}
        found["scale_shift"] = change(shape(loss, Snapshot(moved, None), batches), before.curvature)
        old, new = (shape(Loss(NORM, running=at.running), now, data) for at in (now, after))
        found["running"] = float(abs(new[0] / old[0] - 1))
    return found


def _by_size(
    params: Params, loss: Loss, seed: int, line: Line, now: Snapshot, data: Examples
) -> dict[int, dict[str, float]]:
    """Measure how the shape varies from batch to batch, and what the law of the batch says, per batch size."""
    each = line.each(loss, now.weights, data)
    (curvature,), _ = line.parabolas((each * data.shares).sum((1, 2))[:, None])
    spread_curvature, spread_place = line.law(each, data)
    found = {}
    for size in params.sizes:
        shapes = line.parabolas(line.curves(loss, now.weights, _batches(params, seed, size)))
        found[size] = {
            "batch": float(shapes.curvature.std(ddof=1) * 2**0.5 / curvature),
            "batch_law": spread_curvature * (2 / size) ** 0.5,
            "place": float(shapes.place.std(ddof=1)),
            "place_law": spread_place / size**0.5,
        }
    return found


def _own_step(params: Params, loss: Loss, now: Snapshot, after: Snapshot, data: Examples) -> dict[str, float]:
    """Measure the loss over all data along SGD's own step; distances in steps."""
    step = difference(after.weights, now.weights)
    length = float(squares(step)) ** 0.5
    line = Line(step, params.near, params.points)
    curve = line.curves(loss, now.weights, data)
    _, (place,) = line.parabolas(curve)
    _, (next_place,) = line.parabolas(line.curves(loss, after.weights, data))
    return {
        "length": length,
        "misfit": line.misfit(curve[:, 0]),
        "place": place / length,
        "moved": (next_place - place) / length,
    }


def _frames(params: Params) -> pd.DataFrame:
    """Tabulate seed 0 of the plain network: the loss over all data and of the batch in turn, along two lines."""
    soon = {step + more for step in _steps(params) for more in range(3)}
    frames = sorted({0, params.steps - 1, *(step for step in soon if step < params.steps)})
    at = {step: found for step, (found,) in _trained(params, PLAIN, params.lr, 1, {*frames, 0, params.steps}).items()}
    x, y, counts = names.training_set(params.data)
    order = mlp.batches([0], len(x), params.batch, params.steps)[:, 0]
    data, loss = Examples.all_of(counts), Loss(PLAIN)
    way = difference(at[params.steps].weights, at[0].weights)
    found = []
    for step in frames:
        lines = _lines(params, loss, 0, at[step], way, data)
        for direction in (END, RANDOM):
            line = Line(lines[direction].direction, params.far, 2 * params.points - 1)  # smooth to the eye
            curves = [
                line.curves(loss, at[step].weights, each) for each in (data, Examples.batches(x, y, order[step][None]))
            ]
            places = [line.parabolas(curve).place[0] for curve in curves]
            columns = [line.distances.tolist(), *(curve[:, 0].tolist() for curve in curves)]
            for distance, all_data, batch in zip(*columns, strict=True):
                row = {"direction": direction, "step": step, "distance": distance, "all_data": all_data, "batch": batch}
                found.append(row | {"place": places[0], "place_batch": places[1]})
    return pd.DataFrame(found)


def _table(keys: Sequence[str], measured: Measured) -> pd.DataFrame:
    """Tabulate means over seeds with intervals; a column that a row lacks is NaN there."""
    found = []
    for row, columns in measured.items():
        cells: dict[str, object] = dict(zip(keys, row, strict=True))
        for column, values in columns.items():
            estimate = Estimate.columns(column, values)
            if column == "log_ratio":  # ratios multiply, so their logarithms are averaged
                estimate = {name.removeprefix("log_"): float(np.exp(value)) for name, value in estimate.items()}
            cells |= estimate
        found.append(cells)
    return pd.DataFrame(found)
