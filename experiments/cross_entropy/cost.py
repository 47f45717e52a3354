"""What each way to write cross-entropy costs: what it keeps for the backward pass, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import torch

from experiments.cross_entropy import timing
from experiments.cross_entropy.formulas import FORMULAS, Loss
from experiments.cross_entropy.saved_tensors import count
from lab.progress import track

# What is kept beside one float32 for each letter: bytes an example, and a batch.  A float takes 4, an index 8.
BESIDE = {
    "three lines": (4 + 4 + 8 + 8, 0),  # the sum, the probability picked, and the two indices that picked it
    "largest subtracted": (4 + 4 + 8 + 8 + 8, 0),  # and where the largest stood
    "softmax, then log": (8 + 8, 0),  # the two indices
    "library": (8, 4),  # the right letter; the number of examples
}


def costs(batch: int, vocabularies: Sequence[int], calls: Sequence[int], rounds: int) -> pd.DataFrame:
    """Return what each formula costs, forward and backward, for each vocabulary.

    Columns vocabulary, formula; nodes, tensors and bytes kept; memory: bytes over the library's, and memory_predicted;
    time over the library's, with time_low and time_high (`experiments.cross_entropy.timing`).
    """
    rows = []
    for letters, often in track(list(zip(vocabularies, calls, strict=True)), "vocabularies"):
        logits, y = _examples(batch, letters)
        saved = [count(partial(formula, logits, y)) for formula in FORMULAS.values()]
        tasks = [partial(_both_ways, formula, logits, y) for formula in FORMULAS.values()]
        ratios = timing.ratios(tasks, rounds, often)
        for name, kept, ratio in zip(FORMULAS, saved, ratios, strict=True):
            time = timing.median(ratio)
            rows.append({"vocabulary": letters, "formula": name, **kept._asdict()})
            rows[-1]["memory"] = kept.bytes / saved[-1].bytes  # the library comes last
            rows[-1]["memory_predicted"] = _bytes(name, batch, letters) / _bytes("library", batch, letters)
            rows[-1] |= {"time": time.median, "time_low": time.low, "time_high": time.high}
    return pd.DataFrame(rows)


def _bytes(formula: str, batch: int, letters: int) -> int:
    an_example, a_batch = BESIDE[formula]
    return batch * (4 * letters + an_example) + a_batch


def _examples(batch: int, letters: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(letters)
    logits = torch.randn(batch, letters, generator=generator).requires_grad_()
    return logits, torch.randint(letters, (batch,), generator=generator)


def _both_ways(formula: Loss, logits: torch.Tensor, y: torch.Tensor) -> None:
    torch.autograd.grad(formula(logits, y), logits)
