"""What the other examples of a batch do to one: measured on an ensemble of normalised networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nets import mlp, normed_mlp
from nets.ghost_norm import Norm, grouped, standardise
from nets.normed_mlp import Weights

MATES = 3_000_017  # added to a seed for the probes and mates by which jitter is measured, the same for every variant


def jitter(
    weights: Weights, x: torch.Tensor, norm: Norm, seeds: Sequence[int], probes: int, draws: int
) -> torch.Tensor:
    """Return the jitter of normalised values: rms over `probes` examples and all units, [seed], float64.

    Each probe is put, `draws` times, in a group with other examples of x [example, context]; its jitter is the standard
    deviation (unbiased variance) over these draws.  Probes and mates depend on the seed, not on the weights.
    """
    found = []
    for alone, seed in zip(mlp.one_by_one(weights), seeds, strict=True):
        generator = torch.Generator().manual_seed(MATES + seed)
        chosen = torch.randint(len(x), (probes,), generator=generator)
        mates = torch.randint(len(x), (draws, norm.size - 1), generator=generator)
        others = normed_mlp.pre_activations(alone, x[mates.flatten()]).view(
            1, *mates.shape, -1
        )  # [1, draw, mate, unit]
        variance = []
        for probe in normed_mlp.pre_activations(alone, x[chosen])[0]:
            group = torch.cat([probe.expand(1, draws, 1, -1), others], 2).flatten(1, 2)  # [1, draw * member, unit]
            values = grouped(standardise(group, norm)[0], norm.size)[0, :, 0]  # [draw, unit]
            variance.append(values.double().var(0).mean())
        found.append(torch.stack(variance).mean().sqrt())
    return torch.stack(found)


def change(weights: Weights, norm: Norm, batch: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return how far the logits of a batch's first example move when the rest of `other` takes the place of its mates.

    Both are [seed, example, context]; the answer is the rms over letters, [seed], float64.
    """
    swapped = torch.cat([batch[:, :1], other[:, 1:]], 1)
    logits = [normed_mlp.logits(weights, x, norm)[:, 0].double() for x in (batch, swapped)]
    return (logits[1] - logits[0]).square().mean(1).sqrt()


def loss_seen(weights: Weights, norm: Norm, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of batches with their own statistics, as training sees it: [seed], float64.

    `x` is [step, seed, batch, context], `y` [step, seed, batch].
    """
    found = []
    for letters, following in zip(x, y, strict=True):
        logarithms = torch.log_softmax(normed_mlp.logits(weights, letters, norm), 2).double()
        found.append(-logarithms.gather(2, following[..., None]).mean((1, 2)))
    return torch.stack(found).mean(0)
