"""Where ensembles train: on the processor, or where `lab run --device cuda` says.

Not something that an experiment chooses.  A device adds up in an order of its own, so a result that another one computed has
a key of its own and is never the book's.
"""

from __future__ import annotations

import os

from lab.errors import LabError

VARIABLE = "LAB_DEVICE"  # set by `lab run`, and so the same in all processes of a run
PROCESSOR = "cpu"


def training_device() -> str:
    """Return the device that ensembles train on, by PyTorch's name for it."""
    return os.environ.get(VARIABLE, PROCESSOR)


def choose(name: str) -> None:
    """Let this process, and those that it starts, train on a device."""
    os.environ[VARIABLE] = name
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it CUDA's products are not deterministic


def in_key() -> dict[str, str]:
    """Return what the device adds to the key of an experiment that trains on it: nothing, on the processor."""
    return {} if training_device() == PROCESSOR else {VARIABLE: training_device()}


def check_device() -> None:
    """Raise LabError if the device is not there."""
    import torch

    try:
        (torch.zeros(1, device=training_device()) + 1).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).strip().splitlines()[0]
        raise LabError(
            f"PyTorch {torch.__version__} has no device {training_device()!r} here: {why}\n"
            "leave --device out to compute on the processor"
        ) from None
