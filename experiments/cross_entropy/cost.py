"""What each way to write cross-entropy costs: what it keeps for the backward pass, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import torch

from experiments.cross_entropy import timing
from experiments.cross_entropy.formulas import (
    COSTED,
    LARGEST_SUBTRACTED,
    LIBRARY,
    LOG_SOFTMAX_BY_HAND,
    LOG_SOFTMAX_THEN_NLL,
    SOFTMAX_THEN_LOG,
    THREE_LINES,
    Loss,
)
from experiments.cross_entropy.peak_memory import peak_bytes
from experiments.cross_entropy.saved_tensors import count_saved
from lab.progress import track

# What is kept beside one float32 for each class: bytes an example, and bytes a batch.  A float takes 4, an index 8.
EXTRA_BYTES = {
    THREE_LINES: (4 + 4 + 8 + 8, 0),  # the sum, the target's probability, and the two indices that picked it
    LARGEST_SUBTRACTED: (4 + 4 + 8 + 8 + 8, 0),  # and the index of the largest
    SOFTMAX_THEN_LOG: (8 + 8, 0),  # the two indices
    LIBRARY: (8, 4),  # the target; the number of examples
    LOG_SOFTMAX_BY_HAND: (4 + 8 + 8 + 8, 0),  # the sum, the index of the largest, the two indices
    LOG_SOFTMAX_THEN_NLL: (8, 4),
}


def costs(batch: int, vocabularies: Sequence[int], calls: Sequence[int], rounds: int) -> pd.DataFrame:
    """Return what each formula costs, forward and backward, for each vocabulary.

    Columns vocabulary, formula; nodes, tensors and bytes kept; memory: bytes over the library's, and memory_predicted;
    forward_peak and peak: most memory held at once in the forward pass, and in both, the logits' gradient included, over
    the memory of the logits, which are not counted; time over the library's, with time_low and time_high (`experiments.cross_entropy.timing`).
    """
    rows = []
    for classes, repeats in track(list(zip(vocabularies, calls, strict=True)), "vocabularies"):
        logits, y = _examples(batch, classes)
        saved = {name: count_saved(partial(formula, logits, y)) for name, formula in COSTED.items()}
        tasks = {name: partial(_forward_and_backward, formula, logits, y) for name, formula in COSTED.items()}
        ratios = timing.time_ratios(tasks, LIBRARY, rounds, repeats)
        for name, formula in COSTED.items():
            time = timing.median(ratios[name])
            rows.append(
                {
                    "vocabulary": classes,
                    "formula": name,
                    **saved[name]._asdict(),
                    "memory": saved[name].bytes / saved[LIBRARY].bytes,
                    "memory_predicted": _bytes(name, batch, classes) / _bytes(LIBRARY, batch, classes),
                    "forward_peak": peak_bytes(partial(formula, logits, y)) / logits.nbytes,
                    "peak": peak_bytes(tasks[name]) / logits.nbytes,
                    "time": time.median,
                    "time_low": time.low,
                    "time_high": time.high,
                }
            )
    return pd.DataFrame(rows)


def _bytes(formula: str, batch: int, classes: int) -> int:
    per_example, per_batch = EXTRA_BYTES[formula]
    return batch * (4 * classes + per_example) + per_batch


def _examples(batch: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(batch, classes, generator=generator).requires_grad_()
    return logits, torch.randint(classes, (batch,), generator=generator)


def _forward_and_backward(formula: Loss, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(formula(logits, y), logits)
    return gradient
