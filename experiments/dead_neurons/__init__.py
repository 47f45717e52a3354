"""Can neurons die, when, and do they come back?

Method  A unit is dead if its derivative is zero for every context of the training set.  At initialisation: ReLU units with
        biases some way below zero, and deep ReLU layers without biases, against theory.  In training: the names network
        with ReLU, leaky ReLU and tanh at learning rates over two decades, from an initialisation without a dead unit and
        from one whose biases put many out of reach; every unit is evaluated every few steps on the whole training set.
        Controls: embeddings frozen, so that nothing below a dead unit changes; leaky ReLU, whose units can be inactive but
        never dead.
Cost    About 130 s on one idle core.
Notes   000_10f5d5d0f6910b7a.txt, the paragraph "dead neuron" and question 7.

Modules: `at_initialisation` counts before training, `runs` has the networks that train, `history` follows their units,
`tables` says what became of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.dead_neurons import at_initialisation, runs, tables
from experiments.dead_neurons.history import History
from experiments.dead_neurons.runs import PLANS, Plan
from experiments.dead_neurons.tables import Group
from lab.claims import Above, All, Below, Caveat, Claim, Equals, Lines, Within
from lab.estimate import Estimate
from lab.tasks import spread
from nets import mlp

ONE_PERCENT = 0.01  # of the units; of a loss, in nats: 1 % in perplexity
FAST = 1.0  # learning rate from which on units die in training at all: where the two ways to die are compared
DEPTHS = (0.0, 0.02, 0.1, 0.5, np.inf)  # ends of the bins by how far below zero a unit lies when found, in std


@dataclass(frozen=True)
class Params:
    """The names network, how it is initialised and how long it trains; and the deep layers that are only initialised."""

    data: Path = Path("data/names.txt")  # one name a line
    lrs: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 1.5, 2.0, 3.0)  # learning rates
    width: int = 100  # hidden units
    batch: int = 32  # examples
    steps: int = 2000  # of plain SGD
    eval_every: int = 25  # steps between two evaluations of all units
    shift: float = 3.0  # how far biases lie below zero in the shifted initialisation, std of a pre-activation
    shifts: tuple[float, ...] = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5)  # the same, at initialisation only
    layers: int = 30  # of the deep networks
    deep_width: int = 128  # their units a layer
    seeds: int = 16  # independent networks: initialisation and batches


SMOKE = Params(lrs=(0.1, 1.0), width=16, batch=8, steps=30, eval_every=5, shift=3.5, layers=3, deep_width=16, seeds=2)


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
    leaky_benefit: Estimate  # loss of ReLU - of leaky ReLU at the highest lr, seed by seed, where neither diverged
    tanh_died: Estimate  # share of tanh units from the good initialisation, at the learning rate where it is largest
    tanh_dead_at_init: Estimate  # share of tanh units, shifted initialisation
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
            f"changed in {sum(r.relu_changes[1:])} of {r.relu_changes[0]:,} pairs of evaluations; tanh: "
            f"{r.tanh_changes[1]} on the way in, {r.tanh_changes[2]:,} on the way out, of {r.tanh_changes[0]:,}"
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
        number=lambda r: f"one layer {r.dead_at_init}, the last of many {r.deep_dead_at_init}",
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
        number=lambda r: f"{r.died_at_highest_lr} at lr {r.highest_lr:g}, {r.died_at_best_lr} at lr {r.best_lr:g}",
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
            f"{r.frozen_revived} of {r.frozen_dead:,} revived, embeddings frozen; a share of {r.revived}, trained"
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
            f"{r.dead_at_init_revived} of those dead at initialisation, {r.revived} of those that died; ratio "
            f"{r.revival_ratio}"
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
        number=lambda r: f"{r.leaky_dead} dead; {r.leaky_reactivated} of those found inactive are active again later",
    ),
    Claim(
        name="any",
        text="It can happen for any activation.",
        source=Lines("N0", 8, 8),
        rule=Caveat(
            Above(
                "the share of tanh units that die in training from a good initialisation (at the learning rate where it "
                "is largest)",
                lambda r: r.tanh_died,
                ONE_PERCENT,
                reason="1 %; leaky ReLU aside, which the notes except themselves",
            ),
            Above(
                "the share of tanh units dead at the shifted initialisation",
                lambda r: r.tanh_dead_at_init,
                ONE_PERCENT,
                reason="they are dead only where an initialisation puts them there",
            ),
        ),
        number=lambda r: f"{r.tanh_died} of tanh units die; {r.tanh_dead_at_init} where the initialisation puts them",
    ),
    Claim(
        name="matters",
        text="Dead units are a problem.",
        source=Lines("N0", 12, 12),
        rule=Above(
            "what leaky ReLU lowers the loss by at the highest learning rate at which no network diverges",
            lambda r: r.leaky_benefit,
            ONE_PERCENT,
            "nats",
            "1 % in perplexity",
        ),
        number=lambda r: f"leaky ReLU lowers the loss by {r.leaky_benefit} nats at lr {r.highest_lr:g}",
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
    revived, at_init_revived, leaky_reactivated = (tables.revived(group) for group in groups.values())
    frozen_revived, frozen_dead = tables.count_revived([*relu_frozen, *shifted_frozen])
    deep = at_initialisation.dead_by_layer(contexts, params.layers, params.deep_width, params.seeds)
    return Result(
        params=params,
        contexts=len(contexts),
        dead_at_init=Estimate.of(relu[0].dead[0].mean(1)),
        deep_dead_at_init=Estimate.of(deep[0][:, -1]),
        best_lr=params.lrs[best],
        died_at_best_lr=tables.died(relu[best]),
        highest_lr=params.lrs[highest],
        died_at_highest_lr=tables.died(relu[highest]),
        revived=tables.over_finite(revived),
        dead_at_init_revived=tables.over_finite(at_init_revived),
        revival_ratio=tables.over_finite(at_init_revived / np.where(revived > 0, revived, np.nan)),
        frozen_dead=frozen_dead,
        frozen_revived=frozen_revived,
        leaky_dead=sum(int(found.dead.sum()) for found in [*leaky, *leaky_frozen]),
        leaky_reactivated=tables.over_finite(leaky_reactivated),
        leaky_benefit=tables.over_finite(relu[highest].loss - leaky[highest].loss),
        tanh_died=max((tables.died(found) for found in tanh), key=lambda share: share.mean),
        tanh_dead_at_init=Estimate.of(tanh_shifted[0].dead[0].mean(1)),
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
