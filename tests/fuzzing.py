"""How hard the fuzzers try: moderately, and always with the same examples; `FUZZ=50 pytest ...` tries fifty times as many new ones."""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("FUZZ", "1"))


def fuzz(examples: int, seconds: float | None = None) -> settings:
    """Return settings for that many examples, each of which may take so many seconds."""
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=seconds and timedelta(seconds=seconds),
        phases=[Phase.explicit, Phase.generate] + ([Phase.shrink] if TIMES > 1 else []),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
