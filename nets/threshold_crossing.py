"""When a measured curve crosses a threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def first_crossing(steps: NDArray[np.int64], values: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Return the step at which values [evaluation, seed], growing exponentially in between, reach `threshold`: [seed].

    A seed that never does gets the last step: too early, and so a cautious answer.  One that starts there gets step 0.
    """
    logs = np.log(np.maximum(values, 1e-300) / threshold)
    found = np.full(values.shape[1], float(steps[-1]))
    for seed, column in enumerate(logs.T):
        above = int(np.argmax(column >= 0))
        if above:
            share = column[above - 1] / (column[above - 1] - column[above])
            found[seed] = steps[above - 1] + share * (steps[above] - steps[above - 1])
        elif column[0] >= 0:
            found[seed] = steps[0]
    return found
