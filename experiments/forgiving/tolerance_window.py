"""How wide a range of settings does: the window around the best one in which the loss stays within a tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.estimate import Estimate

Array = NDArray[np.float64]


class Window(NamedTuple):
    """Where the window begins and ends, one for each run, in the unit of the places given."""

    low: Array  # [seed]
    high: Array  # [seed]
    open_low: NDArray[np.bool_]  # [seed]; the window reaches the first place: it begins there or before
    open_high: NDArray[np.bool_]  # [seed]; it reaches the last: it ends there or later

    @property
    def width(self) -> Array:
        """Width of each run's window, [seed]: what was seen of it, where it is open."""
        return self.high - self.low


def window(places: Array, losses: Array, best: int, ceiling: Array) -> Window:
    """Find the connected window around place number `best` whose losses [seed, place] do not exceed ceiling [seed].

    Edges are interpolated between neighbouring places.  A run whose loss at `best` exceeds its ceiling has no window: one
    of width 0 there.
    """
    found = [_window(places, row, best, float(limit)) for row, limit in zip(losses, ceiling, strict=True)]
    low, high, open_low, open_high = zip(*found, strict=True)
    return Window(np.array(low), np.array(high), np.array(open_low), np.array(open_high))


def best_place(losses: Array) -> int:
    """Return the number of the place with the lowest mean over runs, of losses [seed, place]."""
    return int(losses.mean(0).argmin())


def around_best(places: Array, losses: Array, tolerance: float | Array) -> Window:
    """Return the window around the place that is best on average: its ceiling is each run's own loss there, plus tolerance.

    `tolerance` is one for all runs or one for each.  The best place is one for all runs: the lowest of each run's many noisy
    losses would be too low for a comparison.
    """
    best = best_place(losses)
    return window(places, losses, best, losses[:, best] + tolerance)


def compare(places: Array, losses: Mapping[str, Array], tolerance: float) -> tuple[pd.DataFrame, dict[str, Estimate]]:
    """Tabulate windows for losses [seed, place] by remedy, places log10 of a gain; the first remedy is the control.

    Also returns the control's width ("width"), and by how much each other remedy's window is wider, by name.  `shared`
    is the width within the tolerance of the best remedy of all.
    """
    best = {name: best_place(each) for name, each in losses.items()}
    lowest = losses[min(losses, key=lambda name: losses[name][:, best[name]].mean())]
    ceiling = lowest[:, best_place(lowest)] + tolerance
    own = {name: around_best(places, each, tolerance) for name, each in losses.items()}
    shared = {name: window(places, each, best[name], ceiling).width for name, each in losses.items()}
    control = next(iter(losses))
    rows = []
    for name, each in losses.items():
        at_best, found = each[:, best[name]], own[name]
        row: dict[str, object] = {"remedy": name, "best_gain": float(10 ** places[best[name]])}
        row |= Estimate.columns("loss", at_best)
        row |= {"window_from": float(10 ** found.low.mean()), "window_to": float(10 ** found.high.mean())}
        row |= Estimate.columns("decades", found.width) | Estimate.columns("wider", found.width - own[control].width)
        row |= Estimate.columns("shared", shared[name]) | Estimate.columns(
            "shared_wider", shared[name] - shared[control]
        )
        row |= {"open_low": float(found.open_low.mean()), "open_high": float(found.open_high.mean())}  # shares of runs
        rows.append(row)
    estimates = {name: Estimate.of(found.width - own[control].width) for name, found in own.items() if name != control}
    return pd.DataFrame(rows), estimates | {"width": Estimate.of(own[control].width)}


def tolerances(places: Array, losses: Mapping[str, Array], allowed: Sequence[float]) -> pd.DataFrame:
    """Tabulate the width of the window against the tolerance, for losses [seed, place] by remedy."""
    rows = []
    for name, each in losses.items():
        for tolerance in allowed:
            found = around_best(places, each, tolerance)
            seen = {"open": float((found.open_low | found.open_high).mean())}  # share of runs: wider than was seen
            rows.append({"remedy": name, "tolerance": tolerance, **Estimate.columns("decades", found.width), **seen})
    return pd.DataFrame(rows)


def _window(places: Array, row: Array, best: int, limit: float) -> tuple[float, float, bool, bool]:
    if row[best] > limit:
        return float(places[best]), float(places[best]), False, False
    high, open_high = _edge(places[best:], row[best:], limit)
    low, open_low = _edge(places[best::-1], row[best::-1], limit)
    return low, high, open_low, open_high


def _edge(places: Array, row: Array, limit: float) -> tuple[float, bool]:
    """Walk from the first place to where the loss passes the limit; return that, and whether it never does."""
    beyond = np.flatnonzero(row > limit)
    if not beyond.size:
        return float(places[-1]), True
    after = int(beyond[0])
    share = (limit - row[after - 1]) / (row[after] - row[after - 1])
    return float(places[after - 1] + share * (places[after] - places[after - 1])), False
