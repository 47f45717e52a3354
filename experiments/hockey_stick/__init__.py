"""What are the easy gains of a bad start?

Method  The names network is trained from every weight as drawn, and from the same draws with a small last layer and no
        last bias, on the same batches.  Loss and spread of the logits over the whole training set are followed step by
        step.  The first logits are then shrunk by hand to the spread that the bad run has when it passes ln 27: what
        that costs says how much of the fall was shrinking.  Two sizes of the last layer in between give the dose.
Cost    About 20 s on one core.
Notes   000_10f5d5d0f6910b7a.txt, question 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.hockey_stick import logit_scale
from lab.claims import Claim, Verdict, side
from lab.estimate import Estimate
from lab.progress import track
from lab.tasks import spread
from nets import initialisation, logit_statistics, mlp, names, sgd, threshold_crossing
from nets.mlp import Weights
from nets.names import Counts

Array = NDArray[np.float64]

LETTERS = len(names.VOCABULARY)
UNIFORM = float(np.log(LETTERS))  # nats: what a uniform guess costs
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %
DRAWN = 1.0  # factor on the last layer that leaves everything as drawn
ONLY, MAINLY = 0.9, 0.5  # shares of the fall


@dataclass(frozen=True)
class Params:
    """The names network, its starts, and how long it trains."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    batch: int = 32  # examples
    steps: int = 8_000  # of plain SGD: several times what a bad run needs to pass ln 27
    rate: float = 0.1  # learning rate
    seeds: int = 16  # independent networks: draws and batches
    small: float = 0.01  # factor on the last layer of the fixed start; the lecture's
    doses: tuple[float, ...] = (0.3, 0.1)  # factors in between, without bias too; looked at in the end only
    early: tuple[int, ...] = (1, 3, 10, 30, 60, 100, 200, 300, 500, 700)  # steps at which to look
    later: tuple[int, ...] = (1000, 1300, 1600, 2000, 2500, 3000, 4000, 5000, 6500)  # steps; besides first and last


SMOKE = Params(width=16, batch=16, steps=60, seeds=2, doses=(0.1,), early=(5, 20), later=(40,))


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats a letter over the whole training set; "passing" is that of ln 27."""

    aim: Estimate  # cosine between logits and the loss's gradient by them, before the bad run's first step
    aim_predicted: float  # the same for normal logits of large spread
    first: Estimate  # loss of the bad start
    first_spread: Estimate  # spread of its logits
    passing: Estimate  # steps until the bad run passes ln 27; a seed that never does counts with the last step
    passed: bool  # whether every seed does
    spread: Estimate  # spread of the bad run's logits when it passes
    left: Estimate  # share of its first logits left then
    shrunk: Estimate  # share of the fall to ln 27 that shrinking the first logits to that spread gives
    forgotten: Estimate  # share of the fall that leaving that share of the first logits gives
    learnt: Estimate  # nats below ln 27 that the bad run would then be with its logits at their best scale
    learnt_fixed: Estimate  # nats below ln 27 that the fixed run is at the same step
    bad: Estimate  # final loss
    fixed: Estimate  # final loss
    rescaled: Estimate  # final loss of the bad run with its logits at their best scale
    gap: Estimate  # bad - fixed in the end, seed by seed
    behind: Estimate  # steps by which the bad run is behind in the end: since the fixed run had the same loss
    end_spread: Estimate  # spread of the bad run's logits in the end
    curves: pd.DataFrame  # per start and step: loss, spread, and for the bad run what the rest of Fall says
    path: pd.DataFrame  # theory: the loss of logits that know nothing, against their spread
    doses: (
        pd.DataFrame
    )  # per factor on the last layer: first spread and loss, final loss, and final loss less the fixed run's


def _shrinks(r: Result) -> Verdict:
    """Say whether shrinking is the whole of the fall (holds), most of it (a caveat) or less than half (fails)."""
    only = side(r.shrunk.low, r.shrunk.high, above=ONLY)
    if only is not Verdict.FAILS:
        return only
    mainly = side(r.shrunk.low, r.shrunk.high, above=MAINLY)
    return Verdict.CAVEAT if mainly is Verdict.HOLDS else mainly


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="shrinks",
        text="The steep first part of a badly started run only shrinks the logits.",
        source="N0, question 5",
        line="The steep part lasts until the loss passes $\\ln 27$: before, the network is worse than one that knows "
        "nothing. Holds if the first logits, shrunk by hand to the spread reached by then, give at least nine tenths "
        "of the fall: a tenth is left for what “only” may overlook. More than half of it is a caveat, less fails.",
        verdict=_shrinks,
        number=lambda r: f"shrinking gives {100 * r.shrunk.mean:.0f} % of the fall",
    ),
    Claim(
        name="wasted",
        text="Without it the same number of steps ends at a lower loss.",
        source="N0, question 5",
        line="Holds if the fixed start ends more than [0.01]{.given} nats lower, seed by seed: 1 % in perplexity.",
        verdict=lambda r: side(r.gap.low, r.gap.high, above=ONE_PERCENT),
        number=lambda r: f"lower by {r.gap}",
    ),
)


def run(params: Params) -> Result:
    """Train from the bad start, the fixed one and those in between, and take the fall of the loss apart."""
    data = names.training_set(params.data)[2]
    at, drawn = _looks(params), mlp.init(range(params.seeds), params.width)
    factors = (DRAWN, params.small, *params.doses)
    runs = dict(zip(factors, spread(partial(_run, params), factors, "starts"), strict=True))
    (bad, scaled, rescaled), (fixed, *_) = runs[DRAWN], runs[params.small]
    passing = threshold_crossing.first_crossing(at, 1 / bad["loss"], 1 / UNIFORM)
    then = {name: _between(at, values, passing) for name, values in bad.items()}  # [seed]
    started, ended = bad["loss"][0], bad["loss"][-1]
    return Result(
        aim=Estimate.of(logit_scale.aim(logit_scale.centred(drawn, seed, data), data) for seed in range(params.seeds)),
        aim_predicted=logit_statistics.expected_maximum(LETTERS) * float(np.sqrt(LETTERS / 2)) / (LETTERS - 1),
        first=Estimate.of(started),
        first_spread=Estimate.of(bad["spread"][0]),
        passing=Estimate.of(passing),
        passed=bool((bad["loss"].min(0) < UNIFORM).all()),
        spread=Estimate.of(then["spread"]),
        left=Estimate.of(then["left"]),
        shrunk=Estimate.of((started - then["shrunk"]) / (started - UNIFORM)),
        forgotten=Estimate.of((started - then["forgotten"]) / (started - UNIFORM)),
        learnt=Estimate.of(UNIFORM - scaled),
        learnt_fixed=Estimate.of(UNIFORM - _between(at, fixed["loss"], passing)),
        bad=Estimate.of(ended),
        fixed=Estimate.of(fixed["loss"][-1]),
        rescaled=Estimate.of(rescaled),
        gap=Estimate.of(ended - fixed["loss"][-1]),
        behind=Estimate.of(params.steps - threshold_crossing.first_crossing(at, ended / fixed["loss"], 1.0)),
        end_spread=Estimate.of(bad["spread"][-1]),
        curves=pd.concat([_curves("bad", at, bad), _curves("fixed", at, fixed)], ignore_index=True),
        path=_path(),
        doses=_doses({factor: runs[factor][0] for factor in (DRAWN, *params.doses, params.small)}),
    )


def _looks(params: Params) -> NDArray[np.int64]:
    """Return the steps at which the bad run and the fixed one are looked at."""
    return np.array(sorted({0, params.steps, *(step for step in params.early + params.later if step < params.steps)}))


def _run(params: Params, factor: float) -> tuple[dict[str, Array], Array, Array]:
    """Train from one start; return its falls, and its losses with the logits at their best scale: past ln 27, in the end.

    The factor is that on the last layer; at `DRAWN` the last bias is kept too.
    """
    x, y, data = names.training_set(params.data)
    drawn = mlp.init(range(params.seeds), params.width)
    start = drawn if factor == DRAWN else initialisation.small_last_layer(drawn, factor)
    looks = [0, params.steps] if factor in params.doses else _looks(params)
    rates = [params.rate] * params.steps
    trained = sgd.checkpoints(start, x, y, range(params.seeds), params.batch, rates, looks)
    networks = [weights for _, weights in track(trained, "looks")]
    falls = _falls(networks, data)
    past = (falls["loss"] < UNIFORM).argmax(0)  # the look at or after the passing, by seed
    scaled, rescaled = (
        np.array([logit_scale.best(logit_scale.centred(networks[look], s, data), data) for s, look in enumerate(looks)])
        for looks in (past, [-1] * params.seeds)
    )
    return falls, scaled, rescaled


def _falls(found: list[Weights], data: Counts) -> dict[str, Array]:
    """Measure every look: the fields of Fall, each [look, seed]."""
    seeds = range(len(found[0].embedding))
    first = [logit_scale.centred(found[0], seed, data) for seed in seeds]
    falls = np.array(
        [[logit_scale.fall(logit_scale.centred(w, s, data), first[s], data) for s in seeds] for w in found]
    )
    return dict(zip(logit_scale.Fall._fields, np.moveaxis(falls, 2, 0), strict=True))


def _between(at: NDArray[np.int64], values: Array, steps: Array) -> Array:
    """Return values [look, seed] at a step of each seed's own, straight between looks: [seed]."""
    return np.array([np.interp(step, at, column) for step, column in zip(steps, values.T, strict=True)])


def _curves(start: str, at: NDArray[np.int64], falls: dict[str, Array]) -> pd.DataFrame:
    """Table one start: a row a look."""
    return pd.DataFrame(
        [
            {"start": start, "step": int(step)}
            | {
                key: value
                for name, found in falls.items()
                for key, value in Estimate.columns(name, found[look]).items()
            }
            for look, step in enumerate(at)
        ]
    )


def _path() -> pd.DataFrame:
    """Table what logits that know nothing cost, by their spread about their mean: the way of pure shrinking."""
    spreads = np.geomspace(0.05, 20, 40)
    own = np.sqrt(1 - 1 / LETTERS)  # the mean that is taken off shares in every logit
    return pd.DataFrame(
        [
            {"spread": spread, "loss": logit_statistics.expected_logsumexp(float(spread / own), LETTERS)}
            for spread in spreads
        ]
    )


def _doses(falls: dict[float, dict[str, Array]]) -> pd.DataFrame:
    """Table each factor on the last layer; the last one is the fixed start."""
    *_, fixed = falls.values()
    return pd.DataFrame(
        [
            {"factor": factor}
            | Estimate.columns("spread", found["spread"][0])
            | Estimate.columns("first", found["loss"][0])
            | Estimate.columns("final", found["loss"][-1])
            | Estimate.columns("gap", found["loss"][-1] - fixed["loss"][-1])
            for factor, found in falls.items()
        ]
    )
