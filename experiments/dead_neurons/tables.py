"""What became of units that died: shares of them by seed, and tables.

Networks that diverged are left out: a unit whose weights are NaN is neither dead nor alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.dead_neurons import history
from experiments.dead_neurons.history import Flags, History
from experiments.dead_neurons.revival import ARMS, Deep
from experiments.dead_neurons.runs import Plan
from lab.estimate import Estimate

Array = NDArray[np.float64]


class Group(NamedTuple):
    """Units that died in the same way, in some runs."""

    histories: Sequence[History]
    at_init: bool = False  # dead at initialisation; otherwise died in training
    inactive: bool = False  # inactive is enough; otherwise dead

    def at(self, places: Iterable[int]) -> Group:
        """Return the same group in some of the runs."""
        return self._replace(histories=[self.histories[place] for place in places])


def dead_flags(run: History, inactive: bool = False) -> Flags:
    """Return which units are dead, or merely `inactive`, [evaluation, seed, unit]; none in networks that diverged."""
    return (run.inactive if inactive else run.dead) & ~run.diverged[:, None]


def died(run: History) -> Estimate:
    """Estimate the share of all units that were alive at initialisation and dead at some evaluation since."""
    state = dead_flags(run)[:, ~run.diverged]
    return Estimate.of_finite((history.ever(state) & ~state[0]).mean(1))


def share_revived(group: Group) -> Array:
    """Return the share of units that were revived, of those that died in all the runs: [seed], nan for none."""
    states = [dead_flags(run, group.inactive) for run in group.histories]
    lost = np.stack([history.lost(state, group.at_init) for state in states])
    return history.shares(np.stack([history.revived(state) for state in states]), lost)


def count_revived(runs: Iterable[History]) -> tuple[int, int]:
    """Return how many units were revived, and how many were dead before, at initialisation or since."""
    states = [dead_flags(run) for run in runs]
    back = sum(int(history.revived(state).sum()) for state in states)
    return back, sum(int(history.ever(state[:-1]).sum()) for state in states)


def final_row(run: History, inactive: bool) -> dict[str, float]:
    """Return what there is after the last step (x, x_low, x_high over seeds), nan where there is nothing to share.

    "Inactive" is dead where `inactive` is false.

    diverged         networks whose weights are not finite
    inactive         share of all units that are inactive in the end
    batch_inactive   share of all units that are inactive on every example of the last batch
    ever_inactive    share of all units that were inactive at some evaluation
    revived          of the units found inactive before the last evaluation, those that were active at a later one
    unseen_active    of the units inactive in the end, those active on a context that only the validation set has
    positive_bias    of the units inactive in the end, those whose bias is above zero
    loss             over the training set, nats
    """
    state = dead_flags(run, inactive)
    last = state[-1]
    measures = {
        "inactive": last.mean(1),
        "batch_inactive": run.batch_inactive.mean(1),
        "ever_inactive": history.ever(state).mean(1),
        "revived": history.shares(history.revived(state), history.ever(state[:-1])),
        "unseen_active": history.shares(run.unseen_active, last),
        "positive_bias": history.shares(run.positive_bias, last),
        "loss": run.loss,
    }
    row: dict[str, float] = {"diverged": int(run.diverged.sum())}
    for name, values in measures.items():
        row |= columns(name, values[~run.diverged])
    return row


def by_depth(groups: Mapping[str, Group], edges: Sequence[float]) -> pd.DataFrame:
    """Tabulate for each group, and bin of depth, how many units died and which share was revived."""
    rows: list[dict[str, object]] = []
    for name, (histories, at_init, inactive) in groups.items():
        states = [dead_flags(run, inactive) for run in histories]
        lost = np.stack([history.lost(state, at_init) for state in states])  # [run, seed, unit]
        back = np.stack([history.revived(state) for state in states])
        depth = np.stack([run.depth for run in histories])
        for low, high in pairwise(edges):
            here = lost & (depth >= low) & (depth < high)
            row: dict[str, object] = {"group": name, "from": low, "to": high, "units": int(here.sum())}
            rows.append(row | columns("revived", history.shares(back, here)))
    return pd.DataFrame(rows)


def changes(runs: Iterable[History]) -> tuple[int, ...]:
    """Count pairs of evaluations that found a unit dead, and those between which weights into it, out of it, changed."""
    counts = [(run.dead_pairs, run.changed_in, run.changed_out) for run in runs]
    return tuple(int(count) for count in np.sum(counts, axis=0))


def curves(histories: Mapping[tuple[Plan, float], History]) -> pd.DataFrame:
    """Tabulate the share of units that are dead, and inactive, at each evaluation of each plan and learning rate."""
    rows: list[dict[str, object]] = []
    for (plan, lr), run in histories.items():
        finite = ~run.diverged
        for step, dead, inactive in zip(run.steps.tolist(), run.dead, run.inactive, strict=True):
            found = columns("dead", dead[finite].mean(1)) | columns("inactive", inactive[finite].mean(1))
            rows.append({**plan._asdict(), "lr": lr, "step": step, **found})
    return pd.DataFrame(rows)


def final(histories: Mapping[tuple[Plan, float], History]) -> pd.DataFrame:
    """Tabulate `final_row` for each plan and learning rate; units of tanh networks count where they are dead."""
    return pd.DataFrame(
        [
            {**plan._asdict(), "lr": lr, **final_row(run, inactive=plan.activation != "tanh")}
            for (plan, lr), run in histories.items()
        ]
    )


def benefit(setting: str, arm: str, lr: float, plain: Array, changed: Array) -> dict[str, object]:
    """Return a row: what an arm lowers the loss by, seed by seed, where neither network diverged; losses are [seed]."""
    both = plain - changed
    return {
        "setting": setting,
        "arm": arm,
        "lr": lr,
        **columns("loss", plain),
        **columns("benefit", both),
        "compared": int(np.isfinite(both).sum()),
    }


def deep(found: Mapping[tuple[float, bool], Deep]) -> pd.DataFrame:
    """Tabulate the trained deep networks: a row for each learning rate, and units as they are or revived before."""
    return pd.DataFrame(
        [
            {
                "lr": lr,
                "arm": ARMS[int(revived)],
                "diverged": int((~np.isfinite(run.loss)).sum()),
                **columns("loss", run.loss),
                **columns("dead_at_init", run.dead_at_init),
                **columns("revived", np.where(np.isfinite(run.loss), run.revived, np.nan)),
            }
            for (lr, revived), run in found.items()
        ]
    )


def columns(name: str, values: Array) -> dict[str, float]:
    """Return the cells of `Estimate.columns` over the seeds that have a value; nan if fewer than two have one."""
    found = Estimate.of_finite(values)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
