"""Can neurons die, when, and do they come back?

Method  A unit is dead if its derivative is zero for every context of the training set.  At initialisation: ReLU units with
        biases some way below zero, and deep ReLU layers without biases, against theory.  In training: the names network
        with ReLU, leaky ReLU and tanh at learning rates over two decades, from an initialisation without a dead unit and
        from one whose biases put many out of reach; every unit is evaluated every few steps on the whole training set.
        Controls: embeddings frozen, so that nothing below a dead unit changes; leaky ReLU, whose units can be inactive but
        never dead; and the same training with every dead unit brought back by its bias alone, in one layer and in many.
        tanh, sigmoid, SiLU and GELU at higher learning rates: can their units die?
Cost    About 400 s on one idle core.
Notes   000_10f5d5d0f6910b7a.txt, the paragraph "dead neuron" and question 7.

Modules: `at_initialisation` counts before training, `runs` has the networks that train, `history` follows their units,
`tables` says what became of them, `revival` brings them back, `other_activations` asks the same of smooth activations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from experiments.dead_neurons import at_initialisation, other_activations, revival, runs, tables
from experiments.dead_neurons.history import History
from experiments.dead_neurons.other_activations import OTHERS, Found
from experiments.dead_neurons.revival import ARMS, Deep
from experiments.dead_neurons.runs import PLANS, Plan
from experiments.dead_neurons.tables import Group
from lab.claims import Above, All, Any, Below, Caveat, Claim, Equals, Interval, Lines, Within, rows
from lab.estimate import Estimate
from lab.tasks import spread
from nets import deep_relu, mlp

DIED_TRAINED, DIED_FROZEN = "died in training, embeddings trained", "died in training, embeddings frozen"
BY_BIAS, BY_DEPTH = "dead at initialisation, by biases", "dead at initialisation, by depth"
ONE_PERCENT = 0.01  # of the units; of a loss, in nats: 1 % in perplexity
FAST = 1.0  # learning rate from which on units die in training at all: where the two ways to die are compared
DEPTHS = (0.0, 0.02, 0.1, 0.5, np.inf)  # ends of the bins by how far below zero a unit lies when found, in std


@dataclass(frozen=True)
class Params:
    """The names network, how it is initialised and how long it trains; and the deep layers that are only initialised."""

    data: Path = Path("data/names.txt")  # one name a line
    lrs: Annotated[tuple[float, ...], "> 0"] = (0.03, 0.1, 0.3, 1.0, 1.5, 2.0, 3.0)  # learning rates
    width: int = 100  # hidden units
    batch: int = 32  # examples
    steps: int = 2000  # of plain SGD
    eval_every: int = 25  # steps between two evaluations of all units
    shift: float = 3.0  # how far biases lie below zero in the shifted initialisation, std of a pre-activation
    shifts: tuple[float, ...] = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5)  # the same, at initialisation only
    layers: int = 30  # of the deep networks
    deep_width: int = 128  # their units a layer
    seeds: int = 16  # independent networks: initialisation and batches
    pairs: int = 32  # networks trained with and without their dead units
    deep_lrs: Annotated[tuple[float, ...], "> 0"] = (0.003, 0.01, 0.03)  # learning rates of the deep networks
    deep_steps: int = 500  # of their training
    deep_seeds: int = 6  # of those that are trained
    high_lrs: tuple[float, ...] = (1.0, 2.0, 3.0, 10.0, 30.0)  # learning rates at which smooth activations are tried
    high_steps: int = 1000  # of their training
    high_seeds: int = 8  # of them


SMOKE = Params(
    lrs=(0.1, 1.0), width=16, batch=8, steps=30, eval_every=5, shift=3.5, layers=3, deep_width=16, seeds=2, pairs=2,
    deep_lrs=(0.03, 0.1), deep_steps=5, deep_seeds=2, high_lrs=(1.0, 10.0), high_steps=10, high_seeds=2,
)  # fmt: skip
MINUTE = Params(
    steps=500, seeds=4, deep_steps=200, deep_seeds=3, high_steps=500, high_seeds=3
)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  Embeddings are trained, shares are of all units, and losses in nats, unless it says otherwise."""

    params: Params
    contexts: int  # distinct contexts in the training set
    dead_at_init: Estimate  # share of ReLU units in one hidden layer without biases
    deep_dead_at_init: Estimate  # the same in the last of many layers
    best_lr: float  # learning rate at which ReLU from the good initialisation ends lowest
    died_at_best_lr: Estimate  # share of units
    highest_lr: float  # learning rate, the highest at which no ReLU network diverged
    died_at_highest_lr: Estimate  # share of units
    revived: Estimate  # of the units that died in training, share that was alive again later; all learning rates
    dead_at_init_revived: Estimate  # of the units dead at initialisation, the same
    revival_ratio: Estimate  # dead_at_init_revived over revived, seed by seed
    frozen_dead: int  # units dead at some evaluation with frozen embeddings; all learning rates, both initialisations
    frozen_revived: int  # of those, units alive again later
    leaky_dead: int  # times that a leaky unit was found dead
    leaky_reactivated: Estimate  # of the leaky units found inactive, share that was active again later
    leaky_frozen_reactivated: Estimate  # the same with frozen embeddings, where nothing but the leak moves a unit
    tanh_dead_at_init: Estimate  # share of tanh units, shifted initialisation
    best_deep_lr: float  # learning rate at which the deep networks end lowest, as they are
    benefits: pd.DataFrame  # per setting and arm: lr, benefit over the network as it is (x, x_low, x_high), n compared
    deep_trained: pd.DataFrame  # per lr and arm of the deep networks: loss, dead_at_init, revived (x, x_low, x_high)
    others: pd.DataFrame  # per smooth activation and lr: died, dead_at_init (x, x_low, x_high), diverged, loss
    relu_changes: tuple[int, ...]  # embeddings frozen: pairs of evaluations of a dead unit, changed weights in, and out
    tanh_changes: tuple[int, ...]  # the same for tanh, embeddings trained
    curves: pd.DataFrame  # per plan, learning rate and step: dead, inactive (x, x_low, x_high)
    final: pd.DataFrame  # per plan and learning rate, after the last step: see `tables.final_row`
    by_depth: pd.DataFrame  # per group and depth, learning rates of `FAST` or more: units, revived (x, x_low, x_high)
    shifted: pd.DataFrame  # per shift of the biases, at initialisation: dead (x, x_low, x_high), bounds by theory
    deep: pd.DataFrame  # per layer, share dead at initialisation: embeddings, normal (x, x_low, x_high), predicted


def _relu_changes(r: Result) -> list[int]:
    """Return how often a weight into or out of a dead unit changed; nothing where no pair of evaluations shows it."""
    pairs, *changed = r.relu_changes
    return changed if pairs else []


def _benefit(r: Result, *settings: str) -> list[Interval]:
    """Return what reviving the dead units lowers the loss by in each of these settings, in nats."""
    found = r.benefits.query("arm == 'dead units revived'").set_index("setting").loc[list(settings)]
    return rows(found, "benefit")


def _benefits_number(r: Result) -> str:
    found = r.benefits[r.benefits["arm"] == "dead units revived"]
    clear = found[found["benefit_low"] > ONE_PERCENT]
    lowers = [f"{gain:.2f} ({setting})" for setting, gain in clear[["setting", "benefit"]].to_numpy()]
    return (
        f"reviving lowers the loss by {' and '.join(lowers) or 'nothing'}; in {len(found) - len(clear)} other settings not "
        f"clearly by {ONE_PERCENT:g} nats"
    )


def _died(r: Result) -> pd.DataFrame:
    """Return each smooth activation's row at the learning rate at which most of its units die."""
    return r.others.loc[r.others.fillna({"died": -1.0}).groupby("activation", sort=False)["died"].idxmax()]


def _others_number(r: Result) -> str:
    return "largest share of units that die in training: " + ", ".join(
        f"{activation} {100 * died:.0f} % (lr {lr:g}, {r.params.high_seeds - diverged:g} networks)"
        for activation, died, lr, diverged in _died(r)[["activation", "died", "lr", "diverged"]].to_numpy()
    )


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="nothing",
        text="A unit whose gradient is zero for every example learns nothing.",
        source=Lines("N0", 8, 8),
        rule=Caveat(
            All(
                Equals(
                    "the number of changes of a weight into or out of a dead ReLU unit (embeddings frozen, from one "
                    "evaluation to the next)",
                    _relu_changes,
                    0,
                    reason="not by a bit",
                ),
                Equals("the number of changes of a weight out of a dead tanh unit", lambda r: r.tanh_changes[2], 0),
            ),
            Equals(
                "the number for a dead ReLU unit",
                _relu_changes,
                0,
                reason="only the weights into a dead tanh unit have stopped then",
            ),
        ),
        number=lambda r: (
            f"{sum(r.relu_changes[1:])} changes in {r.relu_changes[0]:,} pairs of evaluations of dead ReLU units; weights "
            f"out of dead tanh units change in {r.tanh_changes[2]:,} of {r.tanh_changes[0]:,} pairs"
        ),
    ),
    Claim(
        name="start",
        text="Units can be dead at initialisation.",
        source=Lines("N0", 8, 8),
        rule=Caveat(
            Above(
                "the share of units dead at initialisation in one hidden layer of variance 2/n without biases",
                lambda r: r.dead_at_init,
                ONE_PERCENT,
                reason="1 %, with the initialisation that one would choose",
            ),
            Above(
                "the share in the last of many layers",
                lambda r: r.deep_dead_at_init,
                ONE_PERCENT,
                reason="only deep down",
            ),
        ),
        number=lambda r: (
            f"share dead at initialisation: {r.dead_at_init} in a single layer, {r.deep_dead_at_init} in the last of "
            f"{r.params.layers}"
        ),
    ),
    Claim(
        name="training",
        text="Units can die in training after too large a step, even from a good initialisation.",
        source=Lines("N0", 8, 8),
        rule=Caveat(
            All(
                Above(
                    "the share of units that die at the highest learning rate at which no network diverges",
                    lambda r: r.died_at_highest_lr,
                    ONE_PERCENT,
                    reason="1 %",
                ),
                Below(
                    "the share at the learning rate that ends lowest",
                    lambda r: r.died_at_best_lr,
                    ONE_PERCENT,
                    reason="otherwise the steps need not be too large",
                ),
            ),
            Above("the share at the highest learning rate", lambda r: r.died_at_highest_lr, ONE_PERCENT),
        ),
        number=lambda r: (
            f"share that dies: {r.died_at_highest_lr} at lr {r.highest_lr:g}, {r.died_at_best_lr} at the best, "
            f"{r.best_lr:g}"
        ),
    ),
    Claim(
        name="stays",
        text="A dead unit stays dead for the rest of training.",
        source=Lines("N0", 8, 8),
        rule=All(
            Equals("the number of dead units revived with frozen embeddings", lambda r: r.frozen_revived, 0),
            Caveat(
                Below(
                    "the share revived of the units that died in training (embeddings trained)",
                    lambda r: r.revived,
                    ONE_PERCENT,
                    reason="hardly any",
                ),
                Within("the share revived", lambda r: r.revived, ONE_PERCENT, 0.5, reason="some, but not most"),
            ),
        ),
        number=lambda r: (
            f"share alive again later: {r.revived} with trained embeddings; {r.frozen_revived} of {r.frozen_dead:,} units "
            "with frozen ones"
        ),
    ),
    Claim(
        name="alike",
        text="It makes no difference whether a unit was dead at initialisation or died in training.",
        source=Lines("N0", 8, 8),
        rule=Within(
            "the share revived of the units dead at initialisation (over that of the units that died in training)",
            lambda r: r.revival_ratio,
            0.5,
            2.0,
            reason="a factor of two is seen without counting",
        ),
        number=lambda r: (
            f"share alive again later: {r.dead_at_init_revived} of units dead at initialisation, {r.revived} of those that "
            f"died; ratio {r.revival_ratio}"
        ),
    ),
    Claim(
        name="leaky",
        text="Leaky ReLU does not have the problem.",
        source=Lines("N0", 8, 8),
        rule=All(
            Equals("the number of times that a leaky unit is found dead", lambda r: r.leaky_dead, 0),
            Caveat(
                Above(
                    "the share of the units found inactive on every example that are active again later",
                    lambda r: r.leaky_reactivated,
                    0.5,
                    reason="most of them",
                ),
                Below(
                    "the share active again",
                    lambda r: r.leaky_reactivated,
                    0.5,
                    reason="a gradient of a hundredth is then not much of a cure",
                ),
            ),
        ),
        number=lambda r: (
            f"{r.leaky_dead} leaky units dead; a share of {r.leaky_reactivated} of those inactive on every example is active "
            "again later"
        ),
    ),
    Claim(
        name="any",
        text="It can happen for any activation.",
        source=Lines("N0", 8, 8),
        rule=Caveat(
            Above(
                "the share of units that die in training from a good initialisation, of each of tanh, sigmoid, SiLU and "
                "GELU (at the learning rate where it is largest)",
                lambda r: rows(_died(r), "died"),
                ONE_PERCENT,
                reason="1 %; leaky ReLU aside, which the notes except themselves",
            ),
            Above(
                "the share of units dead at an initialisation that shifts them there, of each",
                lambda r: rows(_died(r), "dead_at_init"),
                ONE_PERCENT,
                reason="not every activation's units get there by training",
            ),
        ),
        number=_others_number,
    ),
    Claim(
        name="matters",
        text="Dead units are a problem.",
        source=Lines("N0", 12, 12),
        rule=Caveat(
            Above(
                "what reviving every dead unit lowers the loss by, whether units died in training (embeddings trained or "
                "frozen) or were dead at initialisation (by biases or by depth)",
                lambda r: _benefit(r, DIED_TRAINED, DIED_FROZEN, BY_BIAS, BY_DEPTH),
                ONE_PERCENT,
                "nats",
                "1 % in perplexity",
            ),
            Any(
                Above(
                    "that of units that died, embeddings trained",
                    lambda r: _benefit(r, DIED_TRAINED),
                    ONE_PERCENT,
                    "nats",
                ),
                Above("embeddings frozen", lambda r: _benefit(r, DIED_FROZEN), ONE_PERCENT, "nats"),
                Above("of units dead at initialisation by biases", lambda r: _benefit(r, BY_BIAS), ONE_PERCENT, "nats"),
                Above("by depth", lambda r: _benefit(r, BY_DEPTH), ONE_PERCENT, "nats"),
            ),
        ),
        number=_benefits_number,
    ),
)


def run(params: Params) -> Result:
    """Count what is dead at initialisation, train from each at every learning rate, and follow every unit."""
    contexts = _examples(params).counts.contexts
    normal = mlp.init(range(params.seeds), params.width)
    planned = list(product(PLANS, params.lrs))
    histories = dict(zip(planned, spread(partial(_train, params), planned, "networks"), strict=True))
    relu, relu_frozen, shifted, shifted_frozen, leaky, leaky_frozen, tanh, tanh_shifted = (
        [histories[plan, lr] for lr in params.lrs] for plan in PLANS
    )
    finite = [place for place, found in enumerate(relu) if not found.diverged.any()]
    best, highest = min(finite, key=lambda place: float(relu[place].loss.mean())), max(finite)
    groups = {
        "died": Group(relu),
        "dead at initialisation": Group(shifted, at_init=True),
        "leaky, inactive": Group(leaky, inactive=True),
    }
    fast = [place for place, lr in enumerate(params.lrs) if lr >= FAST]
    revived, at_init_revived, leaky_reactivated = (tables.share_revived(group) for group in groups.values())
    frozen_revived, frozen_dead = tables.count_revived([*relu_frozen, *shifted_frozen])
    benefits = _benefits(
        params, {DIED_TRAINED: params.lrs[highest], DIED_FROZEN: params.lrs[highest], BY_BIAS: params.lrs[best]}
    )
    deep_trained = _train_deep_networks(params)
    deep_losses = {lr: float(found.loss.mean()) for (lr, revived), found in deep_trained.items() if not revived}
    best_deep_lr = min(deep_losses, key=lambda lr: deep_losses[lr] if np.isfinite(deep_losses[lr]) else np.inf)
    deep = at_initialisation.dead_share_by_layer(contexts, params.layers, params.deep_width, params.seeds)
    return Result(
        params=params,
        contexts=len(contexts),
        dead_at_init=Estimate.of(relu[0].dead[0].mean(1)),
        deep_dead_at_init=Estimate.of(deep[0][:, -1]),
        best_lr=params.lrs[best],
        died_at_best_lr=tables.died(relu[best]),
        highest_lr=params.lrs[highest],
        died_at_highest_lr=tables.died(relu[highest]),
        revived=Estimate.of_finite(revived),
        dead_at_init_revived=Estimate.of_finite(at_init_revived),
        revival_ratio=Estimate.of_finite(at_init_revived / np.where(revived > 0, revived, np.nan)),
        frozen_dead=frozen_dead,
        frozen_revived=frozen_revived,
        leaky_dead=sum(int(found.dead.sum()) for found in [*leaky, *leaky_frozen]),
        leaky_reactivated=Estimate.of_finite(leaky_reactivated),
        leaky_frozen_reactivated=Estimate.of_finite(tables.share_revived(Group(leaky_frozen, inactive=True))),
        tanh_dead_at_init=Estimate.of(tanh_shifted[0].dead[0].mean(1)),
        best_deep_lr=best_deep_lr,
        benefits=pd.DataFrame(
            [
                *benefits,
                tables.benefit(
                    BY_DEPTH,
                    ARMS[1],
                    best_deep_lr,
                    deep_trained[best_deep_lr, False].loss,
                    deep_trained[best_deep_lr, True].loss,
                ),
            ]
        ),
        deep_trained=tables.deep(deep_trained),
        others=_others(params),
        relu_changes=tables.changes([*relu_frozen, *shifted_frozen]),
        tanh_changes=tables.changes([*tanh, *tanh_shifted]),
        curves=tables.curves(histories),
        final=tables.final(histories),
        by_depth=tables.by_depth({name: group.at(fast) for name, group in groups.items()}, DEPTHS),
        shifted=at_initialisation.shift_table(runs.init(normal, "relu"), contexts, runs.GAINS["relu"], params.shifts),
        deep=at_initialisation.layer_table(*deep, len(contexts)),
    )


def _examples(params: Params) -> runs.Examples:
    return runs.examples(params.data, params.seeds, params.batch, params.steps)


def _train(params: Params, planned: tuple[Plan, float]) -> History:
    """Train one plan at one learning rate, and follow its units."""
    plan, lr = planned
    normal = mlp.init(range(params.seeds), params.width)
    return runs.train(plan, lr, normal, _examples(params), params.shift, params.eval_every)


def _benefits(params: Params, lrs: dict[str, float]) -> list[dict[str, object]]:
    """Train each of the settings at its learning rate as it is and in the other arms; return a row for each comparison."""
    planned = [(setting, arm, lr) for setting, lr in lrs.items() for arm in ARMS]
    losses = dict(
        zip(planned, spread(partial(_train_arm, params), planned, "networks with units revived"), strict=True)
    )
    return [
        tables.benefit(setting, arm, lr, losses[setting, ARMS[0], lr], losses[setting, arm, lr])
        for setting, lr in lrs.items()
        for arm in ARMS[1:]
    ]


def _train_arm(params: Params, planned: tuple[str, str, float]) -> tables.Array:
    """Train one arm of one setting; return the final losses, [seed]."""
    setting, arm, lr = planned
    examples = runs.examples(params.data, params.pairs, params.batch, params.steps)
    shift = params.shift if setting == BY_BIAS else 0.0
    init = runs.init(mlp.init(range(params.pairs), params.width), "relu", shift)
    lrs = mlp.same_lr(lr)._replace(embedding=0.0 if setting == DIED_FROZEN else lr)
    return revival.train(init, lrs, examples, arm, params.eval_every)


def _train_deep_networks(params: Params) -> dict[tuple[float, bool], Deep]:
    planned = list(product(params.deep_lrs, (False, True)))
    return dict(zip(planned, spread(partial(_train_deep, params), planned, "deep networks"), strict=True))


def _train_deep(params: Params, planned: tuple[float, bool]) -> Deep:
    """Train deep networks at a learning rate, as they are or without a dead unit."""
    lr, revived = planned
    examples = runs.examples(params.data, params.deep_seeds, params.batch, params.deep_steps)
    network = deep_relu.init(range(params.deep_seeds), params.layers, params.deep_width, lambda fan_in: 2 / fan_in)
    return revival.train_deep(network, examples, lr, revived)


def _others(params: Params) -> pd.DataFrame:
    """Tabulate for each smooth activation which share of its units dies in training, and can be dead at initialisation."""
    planned = list(product(OTHERS, params.high_lrs))
    found = spread(partial(_train_other, params), planned, "smooth activations")
    contexts = _examples(params).counts.contexts
    normal = mlp.init(range(params.high_seeds), params.width)
    at_init = {
        name: other_activations.dead(other_activations.init(normal, name, params.shift), name, contexts).mean(1)
        for name in OTHERS
    }
    return pd.DataFrame(
        [
            {
                "activation": name,
                "lr": lr,
                "diverged": run.diverged,
                **tables.columns("died", run.died),
                **tables.columns("dead_at_init", at_init[name]),
                **tables.columns("loss", run.loss),
            }
            for (name, lr), run in zip(planned, found, strict=True)
        ]
    )


def _train_other(params: Params, planned: tuple[str, float]) -> Found:
    """Train one smooth activation at one learning rate, and count its dead units."""
    name, lr = planned
    examples = runs.examples(params.data, params.high_seeds, params.batch, params.high_steps)
    init = other_activations.init(mlp.init(range(params.high_seeds), params.width), name)
    eval_steps = sorted({*range(0, params.high_steps, 4 * params.eval_every), params.high_steps})
    return other_activations.train(name, lr, init, examples, eval_steps)
