"""A measured number with its uncertainty: mean, 95 % interval, and how many runs it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # Student's t quantile without the cost of importing scipy.stats


@dataclass(frozen=True)
class Estimate:
    """Mean of `n` independent runs with a two-sided 95 % Student-t interval, mean ± half_width."""

    mean: float
    half_width: float  # of the 95 % interval, in the unit of the mean
    n: int  # independent runs (seeds)

    @classmethod
    def of(cls, values: Iterable[float]) -> Estimate:
        """Estimate the mean of independent `values`, one per seed.  Raises ValueError for fewer than two."""
        sample = np.asarray(list(values), dtype=np.float64)
        n = sample.size
        if n < 2:
            raise ValueError(f"an interval needs at least 2 runs, got {n}: raise the number of seeds")
        standard_error = float(sample.std(ddof=1)) / math.sqrt(n)
        return cls(float(sample.mean()), float(stdtrit(n - 1, 0.975)) * standard_error, n)

    @classmethod
    def of_finite(cls, values: Iterable[float]) -> Estimate:
        """Estimate the mean over the runs that have a value, which is NaN where one diverged; NaN if fewer than two have one."""
        known = [value for value in values if math.isfinite(value)]
        return cls.of(known) if len(known) > 1 else cls(math.nan, math.nan, len(known))

    @classmethod
    def columns(cls, name: str, values: Iterable[float]) -> dict[str, float]:
        """Return the cells in which a row of a table keeps a measured number: `name`, `name`_low, `name`_high."""
        found = cls.of(values)
        return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}

    @classmethod
    def whole_columns(cls, name: str, rows: Iterable[Iterable[float]]) -> dict[str, list[float]]:
        """Return the same for a whole table: `rows` holds the values of one row after the other."""
        cells = [cls.columns(name, values) for values in rows]
        return {column: [row[column] for row in cells] for column in (name, f"{name}_low", f"{name}_high")}

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.mean + self.half_width

    def __str__(self) -> str:
        """Print as `2.103 ± 0.004`: as many places as the first digit of the half-width deserves."""
        if not (math.isfinite(self.mean) and math.isfinite(self.half_width)):
            return _pair(f"{self.mean:.3g}", f"{self.half_width:.3g}")
        if self.half_width == 0:
            return _pair(f"{self.mean:.6g}", "0")
        leading = math.floor(math.log10(self.half_width))
        # A half-width that starts with 1 keeps a second digit: 0.014 rounded to 0.01 would lose 40 %.
        places = -leading + (self.half_width / 10.0**leading < 1.95)
        largest = max(abs(self.mean), self.half_width)
        if (not -6 < places < 7 and not 0.01 <= largest < 1e7) or largest >= 1e7:
            power = math.floor(math.log10(largest))
            factor = 10.0**-power
            inside = Estimate(self.mean * factor, self.half_width * factor, self.n)
            return f"({inside}) × 10{str(power).translate(_SUPERSCRIPT)}"
        shown = max(places, 0)
        return _pair(f"{round(self.mean, places):.{shown}f}", f"{round(self.half_width, places):.{shown}f}")


def rough(value: float) -> str:
    """Print a number by its first digit, as `4 × 10⁻¹⁶`."""
    digit, _, power = f"{value:.0e}".partition("e")
    return f"{digit.replace('-', '−')} × 10{str(int(power)).translate(_SUPERSCRIPT)}" if value else "0"


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _pair(mean: str, half_width: str) -> str:
    return f"{mean.replace('-', '−')} ± {half_width}"
