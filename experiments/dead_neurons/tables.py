"""What became of units that died: shares of them by seed, and tables.

Networks that broke down are left out: a unit whose weights are no numbers is neither dead nor alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.dead_neurons import history as dying
from experiments.dead_neurons.history import Flags, History
from experiments.dead_neurons.runs import Plan
from lab.estimate import Estimate

Array = NDArray[np.float64]


class Way(NamedTuple):
    """A way to go out of work, and the runs in which units went it."""

    histories: Sequence[History]
    born: bool = False  # at the start; otherwise in training
    off: bool = False  # off is enough; otherwise dead

    def at(self, places: Iterable[int]) -> Way:
        """Return the same way with some of the runs."""
        return self._replace(histories=[self.histories[place] for place in places])


def out_of_work(history: History, off: bool) -> Flags:
    """Return which units are dead, or merely `off`, [look, seed, unit]; none in networks that broke down."""
    return (history.off if off else history.dead) & ~history.broken[:, None]


def ever(history: History, off: bool = False) -> Estimate:
    """Estimate the share of all units that worked at the start and were found out of work at some look since."""
    state = out_of_work(history, off)[:, ~history.broken]
    return over_known((state.any(0) & ~state[0]).mean(1))


def returns(way: Way) -> Array:
    """Return the share of units that came back, of those that went out of work in all the runs: [seed], nan for none."""
    states = [out_of_work(history, way.off) for history in way.histories]
    went = np.stack([dying.found(state, way.born) for state in states])
    return dying.shares(np.stack([dying.returned(state) for state in states]), went)


def came_back(histories: Iterable[History]) -> tuple[int, int]:
    """Return how many units were seen alive again, and how many dead ones there were to do so, born or died."""
    states = [out_of_work(history, False) for history in histories]
    back = sum(int(dying.returned(state).sum()) for state in states)
    return back, sum(int(state[:-1].any(0).sum()) for state in states)


def ending(history: History, off: bool) -> dict[str, float]:
    """Return what there is after the last step (mean, low, high over seeds), nan where there is nothing to share.

    broken     networks whose weights are no numbers
    out        share of all units that are out of work in the end; ever: at some look
    idle       share of all units that are off for every example of the last batch
    returned   of the units found out of work before the last look, those that worked at a later one
    woken      of the units out of work in the end, those turned on by a context that only the validation set has
    above      of the units out of work in the end, those whose bias is above zero
    loss       over the training set, nats
    """
    sound = ~history.broken
    state = out_of_work(history, off)
    last = state[-1]
    measures = {
        "out": last.mean(1),
        "idle": history.idle.mean(1),
        "ever": state.any(0).mean(1),
        "returned": dying.shares(dying.returned(state), dying.any_look(state[:-1])),
        "woken": dying.shares(history.awake, last),
        "above": dying.shares(history.above, last),
        "loss": history.loss,
    }
    row: dict[str, float] = {"broken": int(history.broken.sum())}
    for name, values in measures.items():
        row |= over_seeds(name, values[sound])
    return row


def by_depth(ways: Mapping[str, Way], edges: Sequence[float]) -> pd.DataFrame:
    """Tabulate for each way to go out of work, and bin of depth, how many units went and which share came back."""
    rows: list[dict[str, object]] = []
    for name, (histories, born, off) in ways.items():
        states = [out_of_work(history, off) for history in histories]
        went = np.stack([dying.found(state, born) for state in states])  # [run, seed, unit]
        back = np.stack([dying.returned(state) for state in states])
        depth = np.stack([history.depth for history in histories])
        for low, high in pairwise(edges):
            here = went & (depth >= low) & (depth < high)
            row: dict[str, object] = {"way": name, "from": low, "to": high, "units": int(here.sum())}
            rows.append(row | over_seeds("returned", dying.shares(back, here)))
    return pd.DataFrame(rows)


def moved(histories: Iterable[History]) -> tuple[int, ...]:
    """Count pairs of looks that both found a unit dead, and those between which weights into it, and out of it, changed."""
    return tuple(int(count) for count in np.sum([(run.kept, run.into, run.out) for run in histories], axis=0))


def curves(histories: Mapping[tuple[Plan, float], History]) -> pd.DataFrame:
    """Tabulate the share of units that are dead, and off, at each look of each plan and rate (mean, low, high)."""
    rows: list[dict[str, object]] = []
    for (plan, rate), history in histories.items():
        sound = ~history.broken
        for step, dead, off in zip(history.steps.tolist(), history.dead, history.off, strict=True):
            found = {**over_seeds("dead", dead[sound].mean(1)), **over_seeds("off", off[sound].mean(1))}
            rows.append({**plan._asdict(), "rate": rate, "step": step, **found})
    return pd.DataFrame(rows)


def endings(histories: Mapping[tuple[Plan, float], History]) -> pd.DataFrame:
    """Tabulate `ending` for each plan and rate."""
    return pd.DataFrame(
        [
            {**plan._asdict(), "rate": rate, **ending(history, plan.activation != "tanh")}
            for (plan, rate), history in histories.items()
        ]
    )


def over_seeds(name: str, values: Array) -> dict[str, float]:
    """Return mean and interval as `nets.interval.interval`, over the seeds that have a value; nan if fewer than two have one."""
    found = over_known(values)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def over_known(values: Array) -> Estimate:
    """Estimate the mean over the seeds that have a value; nan if fewer than two have one."""
    known = values[np.isfinite(values)]
    return Estimate.of(known) if len(known) > 1 else Estimate(float("nan"), float("nan"), len(known))
