"""Where ensembles train: on the processor, or where `lab run --device cuda` says.

Not something that an experiment chooses.  A device adds in an order of its own, so a result that another one computed has
a key of its own and is never the book's.
"""

from __future__ import annotations

from lab.errors import LabError

PROCESSOR = "cpu"

_chosen = PROCESSOR


def use(name: str) -> None:
    """Let this process train on a device, by PyTorch's name for it.  Raises LabError if it is not there."""
    global _chosen
    if name != PROCESSOR:
        import torch

        try:
            torch.zeros(1, device=name).add_(1).item()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            why = str(error).strip().splitlines()[0]
            raise LabError(
                f"no device {name} here, says PyTorch {torch.__version__}: {why}\n"
                "leave --device out to compute on the processor"
            ) from None
    _chosen = name


def training_device() -> str:
    """Return the device that ensembles train on."""
    return _chosen
