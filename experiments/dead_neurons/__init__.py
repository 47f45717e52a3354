"""Can neurons die, when, and do they come back?

Method  A unit is dead if its slope is zero for every context of the training set.  Start: ReLU units with biases some
        way below zero, and deep ReLU layers without biases, against theory.  Training: the names network with ReLU,
        leaky ReLU and tanh at learning rates over two decades, from a start without a dead unit and from one whose
        biases put many out of reach; every unit is looked at every few steps with the whole training set.  Controls:
        letters held still, so that nothing below a dead unit moves; leaky ReLU, whose units can be off but never dead.
Cost    About 130 s on one idle core.
Notes   000_10f5d5d0f6910b7a.txt, the paragraph "dead neuron" and question 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.dead_neurons import at_initialisation, tables
from experiments.dead_neurons import runs as mortal
from experiments.dead_neurons.history import History
from experiments.dead_neurons.runs import PLANS, Plan
from experiments.dead_neurons.tables import Way
from lab.claims import Claim, Verdict, side, within
from lab.estimate import Estimate
from lab.tasks import spread
from nets import mlp

ONE_PERCENT = 0.01  # of the units; of a loss, in nats: 1 % in perplexity
FAST = 1.0  # learning rate from which on units die in training at all: where the two ways to die are compared
DEPTHS = (0.0, 0.02, 0.1, 0.5, np.inf)  # ends of the bins by how deep a unit lies when found, in spreads


@dataclass(frozen=True)
class Params:
    """The names network, how it starts and how long it trains; and the deep layers that are only drawn."""

    data: Path = Path("data/names.txt")  # one name a line
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 1.5, 2.0, 3.0)  # learning rates
    width: int = 100  # hidden units
    batch: int = 32  # examples
    steps: int = 2000  # of plain SGD
    every: int = 25  # steps between two looks at all units
    shift: float = 3.0  # how far biases lie below zero in the shifted start, spreads of a pre-activation
    shifts: tuple[float, ...] = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5)  # the same, for starts that are only drawn
    layers: int = 30  # of the deep networks
    deep_width: int = 128  # their units a layer
    seeds: int = 16  # independent networks: draws and batches


SMOKE = Params(rates=(0.1, 1.0), width=16, batch=8, steps=30, every=5, shift=3.5, layers=3, deep_width=16, seeds=2)


@dataclass(frozen=True)
class Result:
    """What was found.  Letters are trained, shares are of all units, and losses in nats, unless it says otherwise."""

    contexts: int  # distinct contexts in the training set
    single_start: Estimate  # share of ReLU units dead at the start in one hidden layer without biases
    deep_start: Estimate  # share dead at the start in the last of many layers without biases
    calm_rate: float  # learning rate at which ReLU from the good start ends lowest
    calm: Estimate  # share of units that died at that rate
    wild_rate: float  # highest learning rate at which no ReLU network broke down
    wild: Estimate  # share of units that died at that rate
    returned: Estimate  # of the units that died in training, share that was alive again later; all rates
    born_returned: Estimate  # of the units dead at the start, share that was alive again later; all rates
    alike: Estimate  # born_returned over returned, seed by seed
    still: int  # units dead at some look with the letters held still; all rates, both starts
    still_returned: int  # of those, units alive again later
    leaky_dead: int  # times that a leaky unit was found dead
    leaky_returned: Estimate  # of the leaky units found off, share that worked again later; all rates
    leaky_worth: Estimate  # loss of ReLU - of leaky ReLU at the wild rate, seed by seed, where neither broke down
    tanh_died: Estimate  # share of tanh units that died from the good start, at the rate where it is largest
    tanh_born: Estimate  # share of tanh units dead at the shifted start
    relu_moved: tuple[int, ...]  # letters still: pairs of looks at a dead unit, changes of weights into it, out of it
    tanh_moved: tuple[int, ...]  # the same for tanh, letters trained
    curves: pd.DataFrame  # per plan, rate and step: dead, off (mean, low, high)
    ends: pd.DataFrame  # per plan and rate, after the last step: see `experiments.dead_neurons.tables.ending`
    depths: (
        pd.DataFrame
    )  # per way to go and depth, at rates of `FAST` or more: units, share that returned (mean, low, high)
    shifted: pd.DataFrame  # per shift of the biases: share born dead (mean, low, high), theory's least and most
    layers: pd.DataFrame  # per layer: share born dead, letters and normal inputs (mean, low, high), predicted


def _nothing(r: Result) -> Verdict:
    pairs, into, out = r.relu_moved
    if into or out or not pairs:
        return Verdict.FAILS if pairs else Verdict.UNDECIDED
    return Verdict.CAVEAT if r.tanh_moved[2] else Verdict.HOLDS


def _either(strict: Estimate, loose: Estimate) -> Verdict:
    """Verdict on "more than 1 %", by the first number; with a caveat if only by the second."""
    first, second = (side(found.low, found.high, above=ONE_PERCENT) for found in (strict, loose))
    return Verdict.CAVEAT if first is not Verdict.HOLDS and second is Verdict.HOLDS else first


def _training(r: Result) -> Verdict:
    wild = side(r.wild.low, r.wild.high, above=ONE_PERCENT)
    return Verdict.CAVEAT if wild is Verdict.HOLDS and r.calm.high >= ONE_PERCENT else wild


def _stays(r: Result) -> Verdict:
    if r.still_returned:
        return Verdict.FAILS
    few, most = (side(-r.returned.high, -r.returned.low, above=-share) for share in (ONE_PERCENT, 0.5))
    if few is not Verdict.FAILS:
        return few
    return Verdict.CAVEAT if most is Verdict.HOLDS else most


def _leaky(r: Result) -> Verdict:
    back = side(r.leaky_returned.low, r.leaky_returned.high, above=0.5)
    return Verdict.FAILS if r.leaky_dead else Verdict.CAVEAT if back is Verdict.FAILS else back


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="nothing",
        text="A unit whose gradient is zero for every example learns nothing.",
        source="N0, “dead neuron”: “they will remain same”",
        line="Fails if, letters held still, one weight into or out of a dead ReLU unit changes by a bit between two looks "
        "that both find it dead; holds with a caveat if weights out of a dead tanh unit change, as then only its own "
        "side of the network has stopped.",
        verdict=_nothing,
        number=lambda r: (
            f"changed in {sum(r.relu_moved[1:])} of {r.relu_moved[0]:,} pairs of looks; tanh: {r.tanh_moved[1]} on the "
            f"way in, {r.tanh_moved[2]:,} on the way out, of {r.tanh_moved[0]:,}"
        ),
    ),
    Claim(
        name="start",
        text="Units can be dead at the start.",
        source="N0, “dead neuron”, A: “can happen during initialization”",
        line="Holds if more than 1 % of the units are dead in a layer of variance 2/n without biases, the start that one "
        "would choose; with a caveat if so many are dead only deep down and not in a network of one hidden layer.",
        verdict=lambda r: _either(r.single_start, r.deep_start),
        number=lambda r: f"one layer {r.single_start}, the last of many {r.deep_start}",
    ),
    Claim(
        name="training",
        text="Units can die in training after too large a step, even from a good start.",
        source="N0, “dead neuron”, B, and question 7",
        line="Holds if more than 1 % of the units die at the highest learning rate at which all networks still give "
        "numbers, and fewer at the one that ends lowest; with a caveat if more than 1 % die there too, for then the "
        "steps need not be too large.",
        verdict=_training,
        number=lambda r: f"{r.wild} at {r.wild_rate:g}, {r.calm} at {r.calm_rate:g}",
    ),
    Claim(
        name="stays",
        text="A dead unit stays dead for the rest of training.",
        source="N0, “dead neuron”, B: “remain same for the rest of the training”",
        line="Fails if one dead unit comes back with the letters held still, or if most of those that died come back "
        "with the letters trained; holds if hardly any does, 1 % at most; with a caveat in between.",
        verdict=_stays,
        number=lambda r: (
            f"{r.still_returned} of {r.still:,} came back, letters still; a share of {r.returned}, trained"
        ),
    ),
    Claim(
        name="alike",
        text="It makes no difference whether a unit was born dead or died.",
        source="N0, “dead neuron”: A and B share one fate",
        line="Holds if the shares that come back differ by less than a factor of two, to be seen without counting.",
        verdict=lambda r: within(r.alike.low, r.alike.high, lower=0.5, upper=2.0),
        number=lambda r: f"{r.born_returned} of those born dead, {r.returned} of those that died; ratio {r.alike}",
    ),
    Claim(
        name="leaky",
        text="Leaky ReLU does not have the problem.",
        source="N0, “dead neuron”: “not a problem for (leakyrelu)”",
        line="Fails if one leaky unit is ever dead; holds if of those found off for every example more than half work "
        "again later; with a caveat if fewer do, as a gradient of a hundredth is then not much of a cure.",
        verdict=_leaky,
        number=lambda r: f"{r.leaky_dead} dead; {r.leaky_returned} of those found off come back",
    ),
    Claim(
        name="any",
        text="It can happen for any activation.",
        source="N0, “dead neuron”: “can happen for any activation”",
        line="Leaky ReLU aside, which the notes except themselves.  Holds if more than 1 % of the tanh units die in "
        "training from a good start at some rate; with a caveat if they are dead only where a start puts them there.",
        verdict=lambda r: _either(r.tanh_died, r.tanh_born),
        number=lambda r: f"{r.tanh_died} of tanh units die; {r.tanh_born} where the start puts them",
    ),
    Claim(
        name="matters",
        text="Dead units are a problem.",
        source="N0, “dead neuron” and “batch-norm”: “the dead relu prob”",
        line="Holds if at the highest unbroken rate leaky units end more than [0.01]{.given} nats lower, 1 % in perplexity.",
        verdict=lambda r: side(r.leaky_worth.low, r.leaky_worth.high, above=ONE_PERCENT),
        number=lambda r: f"leaky ReLU is worth {r.leaky_worth} nats at {r.wild_rate:g}",
    ),
)


def run(params: Params) -> Result:
    """Count what starts dead, train from every start at every rate, and follow every unit."""
    contexts = mortal.show(params.data, params.seeds, params.batch, params.steps).data.contexts
    drawn = mlp.init(range(params.seeds), params.width)
    runs = list(product(PLANS, params.rates))
    histories = dict(zip(runs, spread(partial(_live, params), runs, "networks"), strict=True))
    relu, relu_still, shifted, shifted_still, leaky, leaky_still, tanh, tanh_shifted = (
        [histories[plan, rate] for rate in params.rates] for plan in PLANS
    )
    whole = [place for place, history in enumerate(relu) if not history.broken.any()]
    calm, wild = min(whole, key=lambda place: float(relu[place].loss.mean())), max(whole)
    ways = {"died": Way(relu), "born dead": Way(shifted, born=True), "leaky": Way(leaky, off=True)}
    fast = [place for place, rate in enumerate(params.rates) if rate >= FAST]
    returned, born_returned, leaky_returned = (tables.returns(way) for way in ways.values())
    still_returned, still = tables.came_back([*relu_still, *shifted_still])
    deep = at_initialisation.count_by_layer(contexts, params.layers, params.deep_width, params.seeds)
    return Result(
        contexts=len(contexts),
        single_start=Estimate.of(relu[0].dead[0].mean(1)),
        deep_start=Estimate.of(deep[0][:, -1]),
        calm_rate=params.rates[calm],
        calm=tables.ever(relu[calm]),
        wild_rate=params.rates[wild],
        wild=tables.ever(relu[wild]),
        returned=tables.over_known(returned),
        born_returned=tables.over_known(born_returned),
        alike=tables.over_known(born_returned / np.where(returned > 0, returned, np.nan)),
        still=still,
        still_returned=still_returned,
        leaky_dead=sum(int(history.dead.sum()) for history in [*leaky, *leaky_still]),
        leaky_returned=tables.over_known(leaky_returned),
        leaky_worth=tables.over_known(relu[wild].loss - leaky[wild].loss),
        tanh_died=max((tables.ever(history) for history in tanh), key=lambda found: found.mean),
        tanh_born=Estimate.of(tanh_shifted[0].dead[0].mean(1)),
        relu_moved=tables.moved([*relu_still, *shifted_still]),
        tanh_moved=tables.moved([*tanh, *tanh_shifted]),
        curves=tables.curves(histories),
        ends=tables.endings(histories),
        depths=tables.by_depth({name: way.at(fast) for name, way in ways.items()}, DEPTHS),
        shifted=at_initialisation.shift_table(
            mortal.begin(drawn, "relu"), contexts, mortal.GAINS["relu"], params.shifts
        ),
        layers=at_initialisation.layer_table(*deep, len(contexts)),
    )


def _live(params: Params, run: tuple[Plan, float]) -> History:
    """Train one plan at one rate, and follow its units."""
    shown = mortal.show(params.data, params.seeds, params.batch, params.steps)
    return mortal.live(*run, mlp.init(range(params.seeds), params.width), shown, params.shift, params.every)
