"""What does a batch-norm layer add?

Method  What the layer holds is counted in PyTorch's own.  What is algebra is checked to rounding: scale and shift that undo
        the layer, a bias before it, epsilon with constant and nearly constant features.  The names network with batch norm
        and tanh learns with scale and shift, with one of the two, with neither, and with a bias before the layer under three
        optimisers.  Running averages at momenta over three decades, in one training, against the statistics of the
        training set, while weights change and while they do not.  The names network with ReLU learns without batch norm,
        with it, and with its shift frozen at zero, at learning rates over more than a decade; units that are inactive on
        the whole training set are counted.  All of an arm's networks begin with the same random numbers.
Cost    About 2 minutes on one core.
Notes   000_10f5d5d0f6910b7a.txt, question 5 of "small details matter", "division by epsilon", "is adding bias doing
        anything", "calculate means and std of distributions", and line 12, "solves the dead relu prob directly".

Modules: `networks` has the network and its training, `exact` what is algebra, `running` the running averages, `dead` the
dead units.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.batchnorm_parameters import dead, exact, networks, running
from experiments.batchnorm_parameters.dead import WITH, WITHOUT
from experiments.batchnorm_parameters.exact import BIAS_OPTIMISERS, EPSILON
from experiments.batchnorm_parameters.networks import TEST, TRAIN, VALIDATION, Arm
from experiments.batchnorm_parameters.running import law
from lab.claims import Above, All, Below, Caveat, Claim, Equals, Lines, Within, rows
from lab.estimate import Estimate, rough
from lab.tasks import spread

Array = NDArray[np.float64]

ONE_PERCENT = 0.01  # of the units; of a loss, in nats: 1 % in perplexity
ROUNDING = 1e-5  # what sums of some thirty float32 numbers, each rounded by 6e-8 of it, stay far below
PYTORCH, LECTURE = 0.1, 0.001  # momenta of the running averages
EVALUATIONS = 16  # of the running averages, evenly in the logarithm of the step
BOTH, NO_SHIFT, NO_SCALE, NEITHER = "scale and shift", "scale only", "shift only", "neither"
TRAINED = {
    BOTH: Arm("tanh"),
    NO_SHIFT: Arm("tanh", frozen=("bias",)),
    NO_SCALE: Arm("tanh", frozen=("weight",)),
    NEITHER: Arm("tanh", frozen=("weight", "bias")),
}


@dataclass(frozen=True)
class Params:
    """The names network, its training, and what is varied."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 100  # hidden units
    batch: int = 32  # examples a step
    steps: int = 1500  # of plain SGD, unless a parameter below says otherwise
    seeds: int = 12  # independent networks: initialisation and batches
    lrs: Annotated[tuple[float, ...], "> 0"] = (0.1, 0.2, 0.4, 0.8)  # learning rates with and without scale and shift
    bias_lr: Annotated[float, "> 0"] = 0.2  # learning rate of SGD with a bias before the layer
    decay: Annotated[float, "> 0"] = 0.001  # weight decay there
    adam_lr: Annotated[float, "> 0"] = 0.003  # learning rate of Adam there
    biases: Annotated[tuple[float, ...], "> 0"] = (0.01, 0.1, 1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6)  # random, in std
    stds: Annotated[tuple[float, ...], "> 0"] = (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0)  # inputs
    momenta: Annotated[tuple[float, ...], "> 0, < 1"] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5)  # of running averages
    running_lr: Annotated[float, "> 0"] = 0.1  # learning rate of the networks whose averages are watched
    running_steps: int = 4000  # of their training
    still_steps: int = 10000  # batches that networks see without learning
    inverse_batches: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512)  # examples; of the layer that undoes itself
    dead_lrs: Annotated[tuple[float, ...], "> 0"] = (0.1, 0.3, 1.0, 1.5, 2.0, 3.0)  # learning rates with ReLU
    eval_every: int = 250  # steps between two evaluations of all units
    shift: Annotated[float, "> 0"] = 3.0  # how far biases lie below zero at one initialisation, std of a pre-activation
    layers: int = 30  # of the deep ReLU networks, at initialisation only
    deep_width: int = 128  # their units a layer


SMOKE = Params(
    width=16, batch=16, steps=20, seeds=2, lrs=(0.1, 0.4), biases=(1.0, 1e5), stds=(1e-5, 1e-2), momenta=(0.001, 0.1),
    running_steps=20, still_steps=200, inverse_batches=(8, 32), dead_lrs=(0.3, 3.0), eval_every=10, layers=3,
    deep_width=16,
)  # fmt: skip
MINUTE = Params(seeds=5)  # about that long on two cores: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats a character, after the last step, with the training set's own statistics."""

    params: Params
    layer_undone: (
        float  # largest change of a pre-activation by a layer set to undo itself, evaluation mode, over their RMS
    )
    logits_undone: float  # the same of a logit
    best_lrs: tuple[float, float]  # learning rate with the lowest validation loss: with scale and shift, with neither
    worth: Estimate  # test loss with neither less that with scale and shift, each at its best learning rate
    scale_worth: Estimate  # test loss with the shift only less that with both, each at its best learning rate
    shift_worth: Estimate  # test loss with the scale only less that with both, likewise
    bias_gradient: (
        float  # largest gradient of a bias before batch norm, over the RMS of that of the same bias without it
    )
    constant_lost: float  # share of constant features that become NaN or infinite without epsilon
    constant_kept: float  # the same with PyTorch's epsilon
    largest_constant: float  # largest output for a constant feature, with PyTorch's epsilon
    divisor: float  # by what the layer divides the narrowest feature of the table
    narrowest_unit: (
        float  # smallest standard deviation of a unit in the networks whose averages are watched, after training
    )
    running_loss: Estimate  # their training loss
    best_dead_lrs: tuple[float, float]  # learning rate with the lowest training loss: ReLU without batch norm, with it
    revived: (
        Estimate  # of the units dead at some evaluation with batch norm, the share alive later, highest lr; over seeds
    )
    alive_normalised: float  # of units that died without batch norm, the share alive once normalised, smallest over lrs
    alive_unshifted: (
        float  # of units that died with batch norm, the share alive once the shift is zero, smallest over lrs
    )
    sizes: pd.DataFrame  # per width: trained, averages, counter
    inverse: pd.DataFrame  # per batch size in training mode: error (x, x_low, x_high), predicted
    affine: pd.DataFrame  # per arm and lr: train, validation, test, and over_both: test less that with scale and shift
    bias_sizes: pd.DataFrame  # per size of a random bias: training, evaluation (x, x_low, x_high), change of the logits
    bias_training: pd.DataFrame  # per optimiser: test, difference, left, wandered (x, x_low, x_high), left_predicted
    narrow: pd.DataFrame  # per std of a feature: output, gain, each with its law
    running: pd.DataFrame  # per momentum: error, still_error, excess, test_excess (x, ...), predicted, trusted (step)
    curves: pd.DataFrame  # per momentum and step: excess, error (x, x_low, x_high)
    at_init: pd.DataFrame  # per initialisation: without, with (x, x_low, x_high), shares of dead units
    trained: pd.DataFrame  # per arm and lr: diverged, and over the other networks died, loss (x, x_low, x_high)
    more: pd.DataFrame  # per lr: with, without, more (x, ...), shares that died where neither network diverged; pairs
    reach: pd.DataFrame  # per -shift/scale: share dead at initialisation and after training (x, x_low, x_high)


def _dying(r: Result) -> pd.DataFrame:
    """Return the comparisons of batch norm with none at the learning rates at which more than 1 % of the units die in either."""
    return r.more[r.more[["with", "without"]].max(axis=1) > ONE_PERCENT]


def _momentum(r: Result, momentum: float, column: str) -> Estimate:
    row = r.running[r.running["momentum"] == momentum].iloc[0].to_dict()
    return Estimate(row[column], row[f"{column}_high"] - row[column], r.params.seeds)


def _dead_number(r: Result) -> str:
    with_norm = r.trained[r.trained["arm"] == WITH]
    worst = with_norm.sort_values("died").dropna().iloc[-1]
    return (
        f"dead at initialisation with batch norm: {100 * r.at_init['with'].max():g} %; died in training with it: up to "
        f"{100 * worst['died']:.0f} % (learning rate {worst['lr']:g})"
    )


def _more_number(r: Result) -> str:
    each = [
        f"{100 * with_norm:.0f} % with it and {100 * without:.0f} % without at learning rate {lr:g}"
        for lr, with_norm, without in _dying(r)[["lr", "with", "without"]].to_numpy()
    ]
    return "units that died, over the seeds that did not diverge: " + (
        "; ".join(dict.fromkeys([*each[:1], *each[-1:]])) or "hardly any"
    )


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="count",
        text="Batch norm on $n$ units adds $2n$ trainable numbers.",
        source=Lines("N0", 59, 59),
        rule=Equals(
            "the number of trainable parameters of PyTorch's layer over its units (at every width tried)",
            lambda r: list(r.sizes["trained"] / r.sizes["width"]),
            2,
        ),
        number=lambda r: (
            f"{(r.sizes['trained'] / r.sizes['width']).iloc[0]:g} trained numbers a unit, beside "
            f"{(r.sizes['averages'] / r.sizes['width']).iloc[0]:g} that are kept and not trained"
        ),
    ),
    Claim(
        name="undo",
        text="Scale and shift let the layer undo itself.",
        source=Lines("N0", 59, 59),
        rule=Caveat(
            All(
                Below(
                    "the largest change of a pre-activation by a layer set to undo itself, in evaluation mode (over their RMS)",
                    lambda r: r.layer_undone,
                    ROUNDING,
                    reason="nothing but rounding",
                ),
                Below(
                    "the RMS change by the same layer in training mode (over a unit's standard deviation), at every batch size",
                    lambda r: rows(r.inverse, "error"),
                    ONE_PERCENT,
                    reason="1 %",
                ),
            ),
            Below("the change in evaluation mode", lambda r: r.layer_undone, ROUNDING, reason="exact at least there"),
        ),
        number=lambda r: (
            f"change of a pre-activation: {rough(r.layer_undone)} in evaluation mode, {100 * r.inverse['error'].min():.0f} % or "
            "more of its standard deviation in training mode"
        ),
    ),
    Claim(
        name="worth",
        text="Scale and shift are worth having: the network ends lower with them.",
        source=Lines("N0", 59, 59),
        rule=Above(
            "what they lower the test loss by (each network at its best learning rate)",
            lambda r: r.worth,
            ONE_PERCENT,
            "nats",
            "1 % in perplexity",
        ),
        number=lambda r: f"scale and shift lower the test loss by {r.worth} nats",
    ),
    Claim(
        name="bias",
        text="A bias before batch norm does nothing and can be removed.",
        source=Lines("N0", 70, 70),
        rule=All(
            Below(
                "the largest gradient with respect to it (over the RMS of that without batch norm)",
                lambda r: r.bias_gradient,
                ROUNDING,
                reason="nothing but rounding",
            ),
            Below(
                "the change of the logits in training mode by a random bias no larger than a pre-activation (as a share of "
                "the logits' RMS)",
                lambda r: rows(r.bias_sizes[r.bias_sizes["size"] <= 1], "training"),
                ROUNDING,
                reason="nothing but rounding",
            ),
            Within(
                "the test loss with it, minus that without, with SGD, with weight decay and with Adam",
                lambda r: rows(r.bias_training, "difference"),
                -ONE_PERCENT,
                ONE_PERCENT,
                "nats",
                "1 % in perplexity",
            ),
        ),
        number=lambda r: (
            f"its gradient is {rough(r.bias_gradient)} of what it would be; the test loss differs by at most "
            f"{rough(float(r.bias_training[['difference_low', 'difference_high']].abs().to_numpy().max()))} nats"
        ),
    ),
    Claim(
        name="divides",
        text="Batch norm divides by epsilon.",
        source=Lines("N0", 68, 68),
        rule=Equals(
            "what the narrowest feature is divided by (over epsilon)",
            lambda r: r.divisor / EPSILON,
            1,
            0.01,
            reason="where epsilon matters most",
        ),
        number=lambda r: (
            f"the narrowest feature is divided by {r.divisor:.5f}, {r.divisor / EPSILON:.0f} times epsilon"
        ),
    ),
    Claim(
        name="constant",
        text="Epsilon keeps a constant feature from a division by zero.",
        source=Lines("N0", 68, 68),
        rule=All(
            Equals(
                "the share of constant features that become NaN or infinite with PyTorch's epsilon",
                lambda r: r.constant_kept,
                0,
            ),
            Above("the share without epsilon", lambda r: r.constant_lost, 0.5, reason="most of them"),
        ),
        number=lambda r: (
            f"{100 * r.constant_lost:.0f} % of constant features are lost without epsilon, {100 * r.constant_kept:.0f} % with it"
        ),
    ),
    Claim(
        name="running",
        text="Running averages agree with the means and standard deviations over the whole training set.",
        source=Lines("N0", 73, 73),
        rule=Caveat(
            Below(
                "what they add to the loss, at every momentum tried and every evaluation",
                lambda r: rows(r.curves, "excess"),
                ONE_PERCENT,
                "nats",
                "1 % in perplexity",
            ),
            Within(
                "what they add to the test loss after the last step, at PyTorch's momentum and the lecture's",
                lambda r: [_momentum(r, PYTORCH, "test_excess"), _momentum(r, LECTURE, "test_excess")],
                -ONE_PERCENT,
                ONE_PERCENT,
                "nats",
            ),
        ),
        number=lambda r: (
            f"they add {_momentum(r, PYTORCH, 'test_excess')} nats at momentum {PYTORCH:g} and "
            f"{_momentum(r, LECTURE, 'test_excess')} at {LECTURE:g} in the end; up to {r.curves['excess'].max():.2f} on the way"
        ),
    ),
    Claim(
        name="dead",
        text="Batch norm solves the dead-ReLU problem.",
        source=Lines("N0", 12, 12),
        rule=Caveat(
            All(
                Equals(
                    "the share of units dead at initialisation with batch norm (at every initialisation tried)",
                    lambda r: rows(r.at_init, "with"),
                    0,
                ),
                Below(
                    "the share that dies in training with it, at every learning rate tried",
                    lambda r: rows(r.trained[r.trained["arm"] == WITH], "died"),
                    ONE_PERCENT,
                    reason="1 %",
                ),
            ),
            Equals("the share dead at initialisation", lambda r: rows(r.at_init, "with"), 0),
        ),
        number=_dead_number,
    ),
    Claim(
        name="dead-in-training",
        text="In training, fewer units die with batch norm than without.",
        source=Lines("N0", 12, 12),
        rule=Below(
            "the share of units that dies with it, minus the share without, at every learning rate at which more than 1 % die "
            "in either",
            lambda r: rows(_dying(r), "more"),
            0,
        ),
        number=_more_number,
    ),
)


def run(params: Params) -> Result:
    """Check what is exact, train every arm, watch the running averages, and count dead units."""
    seeds, data = range(params.seeds), networks.read_data(params.data)
    tasks: list[tuple[Any, ...]] = [("running",), *(("dead", arm) for arm in dead.ARMS)]
    tasks += [("affine", arm) for arm in TRAINED]
    tasks += [("bias", *it) for it in product(BIAS_OPTIMISERS, (True, False))]
    tasks += [("deep", norm) for norm in (False, True)]
    found = dict(zip(tasks, spread(partial(_task, params), tasks, "networks"), strict=True))
    losses: dict[tuple[str, float], Array] = {
        (arm, lr): value for arm in TRAINED for lr, value in zip(params.lrs, found["affine", arm], strict=True)
    }
    best = {arm: _best_lr({lr: losses[arm, lr][VALIDATION].mean() for lr in params.lrs}) for arm in TRAINED}
    test = {arm: losses[arm, best[arm]][TEST] for arm in TRAINED}
    units: dict[tuple[str, float], dead.Units] = {
        (arm, lr): value for arm in dead.ARMS for lr, value in zip(params.dead_lrs, found["dead", arm], strict=True)
    }
    best_dead = {arm: _best_lr({lr: units[arm, lr].loss.mean() for lr in params.dead_lrs}) for arm in dead.ARMS}
    watched: running.Averages = found[("running",)]
    layer, logits = exact.undone(seeds, data, params.width)
    constant = exact.constant_features(1000, params.batch)
    narrow = exact.narrow_features(params.stds, params.batch)
    highest = max(lr for lr in params.dead_lrs if np.isfinite(units[WITH, lr].died).all())
    return Result(
        params=params,
        layer_undone=layer,
        logits_undone=logits,
        best_lrs=(best[BOTH], best[NEITHER]),
        worth=Estimate.of(test[NEITHER] - test[BOTH]),
        scale_worth=Estimate.of(test[NO_SCALE] - test[BOTH]),
        shift_worth=Estimate.of(test[NO_SHIFT] - test[BOTH]),
        bias_gradient=exact.bias_gradient(seeds, data, params.width, params.batch),
        constant_lost=min(constant["zero_without"], constant["other_without"]),
        constant_kept=max(constant["zero_with"], constant["other_with"]),
        largest_constant=constant["largest_with"],
        divisor=float(narrow["std"].iloc[0] / narrow["output"].iloc[0]),
        narrowest_unit=float(watched.smallest.min()),
        running_loss=Estimate.of(watched.loss),
        best_dead_lrs=(best_dead[WITHOUT], best_dead[WITH]),
        revived=Estimate.of_finite(units[WITH, highest].revived),
        alive_normalised=_smallest(units[WITHOUT, lr].alive_again for lr in params.dead_lrs),
        alive_unshifted=_smallest(units[WITH, lr].alive_again for lr in params.dead_lrs),
        sizes=exact.sizes((params.width, 2 * params.width, 10 * params.width)),
        inverse=exact.undone_in_training(seeds, data, params.width, params.inverse_batches, 50),
        affine=_affine(params, losses),
        bias_sizes=exact.bias_changes(seeds, data, params.width, params.batch, params.biases),
        bias_training=_bias_training(params, found),
        narrow=narrow,
        running=_running(params, watched),
        curves=_curves(params, watched),
        at_init=_at_init(params, found),
        trained=_trained(params, units),
        more=_more(params, units),
        reach=_reach(params, data, units[WITH, best_dead[WITH]].largest),
    )


def _task(params: Params, task: tuple[Any, ...]) -> Any:
    """Compute one independent part: what kind, and for which setting."""
    kind, *setting = task
    seeds, data = range(params.seeds), networks.read_data(params.data)
    shape = {"width": params.width, "batch": params.batch}
    if kind == "running":
        last = params.running_steps
        steps = sorted({*np.unique(np.geomspace(1, last, EVALUATIONS).round().astype(int)).tolist(), last})
        return running.watch(
            seeds,
            data,
            **shape,
            lr=params.running_lr,
            momenta=params.momenta,
            eval_steps=steps,
            still_steps=params.still_steps,
        )
    if kind == "affine":
        (arm,), every = setting, [*seeds] * len(params.lrs)  # all learning rates side by side
        models, lrs = networks.initialised(TRAINED[arm], params.width, every), np.repeat(params.lrs, len(seeds))
        *_, (_, trained) = networks.train(models, every, data, params.batch, params.steps, lrs.tolist())
        losses = networks.losses(trained, data).reshape(-1, len(params.lrs), len(seeds))
        return losses.swapaxes(0, 1)  # [learning rate, part of the data, seed]
    if kind == "bias":
        optimiser, bias = setting
        return exact.bias_in_training(
            seeds, data, optimiser, bias=bias, **shape, steps=params.steps, lr=params.bias_lr, decay=params.decay,
            adam_lr=params.adam_lr,
        )  # fmt: skip
    if kind == "dead":
        (arm,) = setting
        return dead.train(
            dead.ARMS[arm], params.dead_lrs, seeds, data, **shape, steps=params.steps, eval_every=params.eval_every
        )
    return [dead.dead_by_layer(seed, data, params.layers, params.deep_width, *setting) for seed in seeds]


def _columns(name: str, values: Array) -> dict[str, float]:
    """Return a measured column's cells, over the seeds that have a value: those whose network did not diverge."""
    known = values[np.isfinite(values)]
    return Estimate.columns(name, known if len(known) > 1 else [np.nan, np.nan])


def _smallest(values: Iterable[float]) -> float:
    return min((value for value in values if np.isfinite(value)), default=float("nan"))


def _best_lr(losses: dict[float, float]) -> float:
    """Return the learning rate with the lowest mean loss; NaN where a network diverged."""
    return min(losses, key=lambda lr: losses[lr] if np.isfinite(losses[lr]) else np.inf)


def _affine(params: Params, losses: dict[tuple[str, float], Array]) -> pd.DataFrame:
    """Tabulate what networks with and without scale and shift end at: a row for each arm and learning rate."""
    parts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    return pd.DataFrame(
        [
            {
                "arm": arm,
                "lr": lr,
                **{
                    column: cell
                    for part, place in parts.items()
                    for column, cell in _columns(part, found[place]).items()
                },
                **_columns("over_both", found[TEST] - losses[BOTH, lr][TEST]),
            }
            for (arm, lr), found in losses.items()
        ]
    )


def _bias_training(params: Params, found: dict[tuple[Any, ...], Any]) -> pd.DataFrame:
    """Tabulate what became of a bias before batch norm, and of the loss, under each optimiser."""
    rows = []
    for optimiser in BIAS_OPTIMISERS:
        (test, left, wandered), (test_without, *_) = (found["bias", optimiser, bias] for bias in (True, False))
        decays = optimiser == "SGD with weight decay"
        rows.append(
            {
                "optimiser": optimiser,
                **_columns("test", test),
                **_columns("difference", test - test_without),
                **_columns("left", left),
                **_columns("wandered", wandered),
                "left_predicted": (1 - params.bias_lr * params.decay) ** params.steps if decays else 1.0,
            }
        )
    return pd.DataFrame(rows)


def _running(params: Params, watched: running.Averages) -> pd.DataFrame:
    """Tabulate running averages after the last step: a row for each momentum.

    trusted is the first evaluation from which on they add less than 1 % to the loss, on average; NaN if there is none.
    """
    excess = watched.excess.mean(2)  # [evaluation, momentum]
    rows = []
    for place, momentum in enumerate(params.momenta):
        late = np.flatnonzero(np.abs(excess[:, place]) >= ONE_PERCENT)
        first = late[-1] + 1 if len(late) else 0
        rows.append(
            {
                "momentum": momentum,
                "predicted": law(momentum, params.batch),
                **_columns("error", watched.error[-1, place]),
                **_columns("still_error", watched.still_error[place]),
                **_columns("excess", watched.excess[-1, place]),
                **_columns("test_excess", watched.test_excess[place]),
                "trusted": float(watched.steps[first]) if first < len(watched.steps) else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def _curves(params: Params, watched: running.Averages) -> pd.DataFrame:
    """Tabulate running averages in training: a row for each momentum and evaluation."""
    return pd.DataFrame(
        [
            {
                "momentum": momentum,
                "step": int(step),
                **_columns("excess", watched.excess[when, place]),
                **_columns("error", watched.error[when, place]),
            }
            for place, momentum in enumerate(params.momenta)
            for when, step in enumerate(watched.steps)
        ]
    )


def _at_init(params: Params, found: dict[tuple[Any, ...], Any]) -> pd.DataFrame:
    """Tabulate the shares of units dead at initialisation, without and with batch norm: a row for each initialisation."""
    seeds, data = range(params.seeds), networks.read_data(params.data)
    shares = dead.dead_at_init(seeds, data, params.width, params.shift)
    for name, layers in (("all layers", slice(None)), ("last layer", slice(-1, None))):
        without, with_norm = (np.array([one[layers].mean() for one in found["deep", norm]]) for norm in (False, True))
        shares[name] = (without, with_norm)
    return pd.DataFrame(
        [
            {"initialisation": name, **_columns("without", without), **_columns("with", with_norm)}
            for name, (without, with_norm) in shares.items()
        ]
    )


def _trained(params: Params, units: dict[tuple[str, float], dead.Units]) -> pd.DataFrame:
    """Tabulate what became of ReLU units: a row for each arm and learning rate."""
    return pd.DataFrame(
        [
            {
                "arm": arm,
                "lr": lr,
                **_columns("died", found.died),
                **_columns("loss", found.loss),
                "diverged": int(np.isnan(found.loss).sum()),
            }
            for (arm, lr), found in units.items()
        ]
    )


def _more(params: Params, units: dict[tuple[str, float], dead.Units]) -> pd.DataFrame:
    """Compare units that died with and without batch norm, over seeds of which neither network diverged: a row for each lr."""
    rows = []
    for lr in params.dead_lrs:
        with_norm, without = units[WITH, lr].died, units[WITHOUT, lr].died
        both = np.isfinite(with_norm) & np.isfinite(without)
        rows.append(
            {
                "lr": lr,
                "pairs": int(both.sum()),
                **_columns("with", with_norm[both]),
                **_columns("without", without[both]),
                **_columns("more", with_norm[both] - without[both]),
            }
        )
    return pd.DataFrame(rows)


def _reach(params: Params, data: networks.Data, trained: Array) -> pd.DataFrame:
    """Tabulate which share of units with batch norm is dead for a shift so many scales below zero: a row for each."""
    models = networks.initialised(dead.ARMS[WITH], params.width, range(params.seeds))
    initial = np.stack([dead.largest_normalised(model, data) for model in models])
    return pd.DataFrame(
        [
            {
                "below": below,
                **_columns("initial", (initial <= below).mean(1)),
                **_columns("trained", (trained <= below).mean(1)),
            }
            for below in np.arange(0, 6.01, 0.25)
        ]
    )
