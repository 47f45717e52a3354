"""From ratios and losses, seed by seed, to what the chapter compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.update_ratio.training import Array, Runs
from lab.estimate import Estimate
from nets.names import VOCABULARY
from nets.unigram_baseline import clipped

UNIFORM = float(np.log(len(VOCABULARY)))  # nats; what a uniform guess costs, and a network that costs more has diverged


class Sweep(NamedTuple):
    """One network at every learning rate.  Logarithms are to the base 10; over the second half of the run unless it says."""

    lrs: Array  # [lr]
    watched: Array  # log of update over data, [seed, watched step, lr, layer]
    log_update: Array  # its mean over the second half, [seed, lr, layer]
    log_gradient: Array  # the same of gradient over data
    losses: Array  # after the last step, [seed, lr]; those of diverged runs are a uniform guess's
    best: int  # place of the learning rate with the lowest mean loss

    @classmethod
    def of(cls, lrs: Array, runs: Sequence[Runs]) -> Sweep:
        """Put the seeds of a sweep together."""
        update, gradient = (log_ratios([run[kind] for run in runs]) for kind in (0, 1))
        losses = clipped(np.stack([run.losses[-1] for run in runs]))
        return cls(lrs, update, late(update), late(gradient), losses, int(losses.mean(0).argmin()))

    @property
    def ratio(self) -> Array:
        """Return the logarithm of the median layer's ratio, [seed, lr]."""
        return np.asarray(np.median(self.log_update, 2))

    def lr_at(self, log_ratio: float) -> float:
        """Return the learning rate at which the median layer's ratio should be this, along the rates that did not diverge."""
        mean, logs = self.ratio.mean(0), np.log10(self.lrs)
        stable = np.flatnonzero(self.losses.max(0) < UNIFORM)
        below, above = mean[stable[0]], mean[stable[-1]]
        if log_ratio < below:  # an update is in proportion to the learning rate where the rate is small
            return float(10 ** (logs[stable[0]] + log_ratio - below))
        if log_ratio > above:
            return float(10 ** (logs[stable[-1]] + log_ratio - above))
        return float(10 ** np.interp(log_ratio, np.maximum.accumulate(mean[stable]), logs[stable]))


class Follow(NamedTuple):
    """What came of acting on a sweep."""

    rates: Array  # of each member, [member, layer]
    ratio: Array  # log of the median layer's, [seed, target]
    targets: Array  # losses at the target ratios, [seed, target]
    equal: Array  # losses with each layer's own rate, [seed, factor]
    equal_ratios: Array  # log of each layer's ratio there, [seed, factor, layer]
    faster: Array  # losses with one layer faster, [seed, layer]

    @classmethod
    def of(cls, count: int, rates: Array, runs: Sequence[Runs]) -> Follow:
        """Put the seeds together and take the members apart: `count` target ratios, own rates, each layer faster."""
        factors = len(rates) - rates.shape[1] - count
        update = log_ratios([run.update for run in runs]).mean(1)  # [seed, member, layer]
        losses = clipped(np.stack([run.losses[-1] for run in runs]))
        return cls(
            rates,
            np.median(update[:, :count], 2),
            losses[:, :count],
            losses[:, count : count + factors],
            update[:, count : count + factors],
            losses[:, count + factors :],
        )

    @property
    def best(self) -> int:
        """Return the place of the factor with the lowest mean loss."""
        return int(self.equal.mean(0).argmin())


def late(logs: Array) -> Array:
    """Average logarithms [seed, watched step, ...] over the second half of the steps."""
    return np.asarray(logs[:, logs.shape[1] // 2 :].mean(1))


def log_ratios(runs: Sequence[Array]) -> Array:
    """Return log10 of ratios, a seed at a time, as [seed, ...]; a diverged network's, if zero or infinite, are cut off."""
    return np.asarray(np.log10(np.clip(np.nan_to_num(np.stack(runs), nan=1e-12, posinf=1e12), 1e-12, 1e12)))


def vertex(lrs: Array, losses: Array, ratio: Array) -> tuple[Array, Array]:
    """Return the log ratio at the best learning rate between those of the grid, and the rate's log: [seed] each.

    A parabola through the losses [seed, lr] at the grid's best and its neighbours, in log learning rate, has its lowest
    point there; `ratio` [seed, lr] is read between the same three.
    """
    best = int(np.clip(losses.mean(0).argmin(), 1, len(lrs) - 2))
    logs = np.log10(lrs[best - 1 : best + 2])
    found, places = [], []
    for loss, ratios in zip(losses[:, best - 1 : best + 2], ratio[:, best - 1 : best + 2], strict=True):
        curvature, slope, _ = np.polyfit(logs - logs[1], loss, 2)
        step = np.clip(-slope / (2 * curvature), *(logs[[0, 2]] - logs[1])) if curvature > 0 else 0.0
        found.append(np.interp(logs[1] + step, logs, ratios))
        places.append(logs[1] + step)
    return np.array(found), np.array(places)


def width(sweep: Sweep, more: float) -> tuple[float, float]:
    """Return the log ratios between which the mean loss is within `more` of the best."""
    loss, ratio = sweep.losses.mean(0) - sweep.losses.mean(0).min(), sweep.ratio.mean(0)
    ends = []
    for step, last in ((-1, 0), (1, len(loss) - 1)):
        place = sweep.best
        while place != last and loss[place] < more:
            place += step
        inside, outside = place - step, place
        if loss[place] < more:  # the grid ends before the loss is too high
            ends.append(float(ratio[place]))
        else:
            ends.append(float(np.interp(more, loss[[inside, outside]], ratio[[inside, outside]])))
    return ends[0], ends[1]


def slopes(sweep: Sweep, logs: Array, per_decade: int) -> Array:
    """Return the decades that the median layer's ratio moves for one of learning rate, below the best one: [seed]."""
    first = max(0, sweep.best - per_decade)
    last = max(sweep.best, first + 1) + 1
    return np.array(
        [np.polyfit(np.log10(sweep.lrs[first:last]), row, 1)[0] for row in np.median(logs, 2)[:, first:last]]
    )


def rank(sweep: Sweep) -> Estimate:
    """Estimate the correlation over layers of log gradient and log update over data, at the best learning rate."""
    pairs = zip(sweep.log_gradient[:, sweep.best], sweep.log_update[:, sweep.best], strict=True)
    return Estimate.of([float(np.corrcoef(gradient, update)[0, 1]) for gradient, update in pairs])


def settings(sweeps: Mapping[str, Sweep], follow: Mapping[str, Follow], more: float, per_decade: int) -> pd.DataFrame:
    """Tabulate each network: its best learning rate and ratio, and what acting on the ratios does."""
    found = []
    for name, sweep in sweeps.items():
        acted, best = follow[name], sweep.losses[:, sweep.best]
        gains = best[:, None] - acted.faster  # [seed, layer]
        ratios = sweep.log_update[:, sweep.best].mean(0)
        slowest = int(ratios.argmin())
        others = np.delete(gains, slowest, 1)
        next_best = int(others.mean(0).argmax())
        low, high = width(sweep, more)
        found.append(
            {
                "network": name,
                "best_lr": float(sweep.lrs[sweep.best]),
                **Estimate.columns("best_loss", best),
                **Estimate.columns("best_ratio", vertex(sweep.lrs, sweep.losses, sweep.ratio)[0]),
                "good_from": low,  # log ratios between which the loss is nearly the best
                "good_to": high,
                **Estimate.columns("speeding", acted.targets[:, 0] - acted.targets[:, 1]),
                "slowest": slowest,
                "most_gaining": int(gains.mean(0).argmax()),
                **Estimate.columns("slowest_gain", gains[:, slowest]),
                **Estimate.columns("slowest_over_next", gains[:, slowest] - others[:, next_best]),
                **Estimate.columns("slowest_over_mean", gains[:, slowest] - others.mean(1)),
                "equal_factor": acted.best,
                **Estimate.columns("equal_gain", best - acted.equal[:, acted.best]),
                "range_before": float(np.ptp(ratios)),  # decades between the fastest and the slowest layer
                "range_after": float(np.ptp(acted.equal_ratios[:, acted.best].mean(0))),
                **Estimate.columns("update_slope", slopes(sweep, sweep.log_update, per_decade)),
                **Estimate.columns("gradient_slope", slopes(sweep, sweep.log_gradient, per_decade)),
            }
        )
    return pd.DataFrame(found)


def sweep(sweeps: Mapping[str, Sweep]) -> pd.DataFrame:
    """Tabulate loss and ratios by network and learning rate."""
    found = []
    for name, one in sweeps.items():
        gradient = np.median(one.log_gradient, 2)
        for place, lr in enumerate(one.lrs):
            found.append(
                {
                    "network": name,
                    "lr": float(lr),
                    **Estimate.columns("loss", one.losses[:, place]),
                    **Estimate.columns("ratio", one.ratio[:, place]),
                    **Estimate.columns("gradient", gradient[:, place]),
                    "diverged": float((one.losses[:, place] >= UNIFORM).mean()),
                }
            )
    return pd.DataFrame(found)


def targets(sweeps: Mapping[str, Sweep], follow: Mapping[str, Follow], wanted: Sequence[float]) -> pd.DataFrame:
    """Tabulate what the target ratios came to, by network."""
    found = []
    for name, acted in follow.items():
        best = sweeps[name].losses[:, sweeps[name].best]
        for place, target in enumerate(wanted):
            found.append(
                {
                    "network": name,
                    "target": target,
                    "lr": float(acted.rates[place, 0]),
                    **Estimate.columns("ratio", acted.ratio[:, place]),
                    **Estimate.columns("excess", acted.targets[:, place] - best),
                }
            )
    return pd.DataFrame(found)


def layers(sweeps: Mapping[str, Sweep], follow: Mapping[str, Follow]) -> pd.DataFrame:
    """Tabulate the layers of each network at its best learning rate."""
    found = []
    for name, one in sweeps.items():
        acted, best = follow[name], one.losses[:, one.best]
        for layer in range(one.log_update.shape[2]):
            found.append(
                {
                    "network": name,
                    "layer": layer,
                    **Estimate.columns("ratio", one.log_update[:, one.best, layer]),
                    **Estimate.columns("gradient", one.log_gradient[:, one.best, layer]),
                    **Estimate.columns("equalised", acted.equal_ratios[:, acted.best, layer]),
                    **Estimate.columns("gain", best - acted.faster[:, layer]),
                }
            )
    return pd.DataFrame(found)


def watch(sweeps: Mapping[str, Sweep], steps: Sequence[int]) -> pd.DataFrame:
    """Tabulate the log ratio of embedding, hidden layers' median and last layer by network, learning rate and step."""
    found = []
    for name, one in sweeps.items():
        mean = one.watched.mean(0)  # [step, lr, layer]
        for place, lr in enumerate(one.lrs):
            for step, row in zip(steps, mean[:, place], strict=True):
                ends = {"embedding": float(row[0]), "hidden": float(np.median(row[1:-1])), "last": float(row[-1])}
                found.append({"network": name, "lr": float(lr), "step": step, **ends})
    return pd.DataFrame(found)


def equal(follow: Mapping[str, Follow], factors: Array) -> pd.DataFrame:
    """Tabulate losses with each layer's own rate, by network and factor on all of them."""
    return pd.DataFrame(
        [
            {"network": name, "factor": float(factor), **Estimate.columns("loss", losses)}
            for name, acted in follow.items()
            for factor, losses in zip(factors, acted.equal.T, strict=True)
        ]
    )


def length(
    grids: Mapping[int, Array], runs: Sequence[tuple[Array, Array]], good: float
) -> tuple[pd.DataFrame, Estimate, Estimate]:
    """Tabulate the long runs by number of steps, and estimate how the best ratio moves with it, and the best rate.

    `grids` has the learning rates for each number of steps; the shorter ones may have more of them, at the end.
    A ratio is the mean, in logarithms, of those half way and at the end.  The loss at a ratio of `good` is read between
    the learning rates of the grid, by a parabola through the nearest three.
    """
    logs = log_ratios([ratios for ratios, _ in runs])  # [seed, evaluation, lr, layer]
    losses = clipped(np.stack([found for _, found in runs]))  # [seed, evaluation, lr]
    found, best = [], []
    for place, (number, lrs) in enumerate(grids.items(), 1):
        ratio = np.median(logs[:, place - 1 : place + 1, : len(lrs)].mean(1), 2)  # [seed, lr]
        loss = losses[:, place, : len(lrs)]
        place_of_best = int(loss.mean(0).argmin())
        best.append(vertex(lrs, loss, ratio))
        at_good = np.array([_between(np.log10(good), row, values) for row, values in zip(ratio, loss, strict=True)])
        lowest = np.array([_lowest(np.log10(lrs), values, place_of_best) for values in loss])
        found.append(
            {
                "steps": number,
                "best_lr": float(lrs[place_of_best]),
                **Estimate.columns("best_ratio", best[-1][0]),
                **Estimate.columns("best_log_lr", best[-1][1]),
                **Estimate.columns("best_loss", loss[:, place_of_best]),
                **Estimate.columns("excess", at_good - lowest),
            }
        )
    of_ratio, of_lr = (
        np.polyfit(np.log10(list(grids)), np.stack(each), 1)[0] for each in zip(*best, strict=True)
    )  # [seed]
    return pd.DataFrame(found), Estimate.of(of_ratio), Estimate.of(of_lr)


def _between(at: float, x: Array, y: Array) -> float:
    """Return y at a place, by the parabola through the three nearest points."""
    nearest = np.argsort(np.abs(x - at))[:3]
    return float(np.polyval(np.polyfit(x[nearest] - at, y[nearest], 2), 0.0))


def _lowest(x: Array, y: Array, best: int) -> float:
    """Return the lowest value of the parabola through three neighbours, or of the three where it has none between."""
    middle = int(np.clip(best, 1, len(x) - 2))
    near = slice(middle - 1, middle + 2)
    curvature, slope, level = np.polyfit(x[near] - x[middle], y[near], 2)
    step = -slope / (2 * curvature) if curvature > 0 else np.inf
    inside = x[near][0] - x[middle] <= step <= x[near][-1] - x[middle]
    return float(level - slope**2 / (4 * curvature)) if inside else float(y[near].min())
