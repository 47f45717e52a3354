"""Does coupling the examples of a batch regularise?

Method  The names network, its hidden layer normalised, learns 3,000 names, few enough to over-fit.  Batch, learning
        rate, initialisations and order of the examples stay the same; the statistics of the normalisation are those of the
        whole batch or of ever smaller groups within it, so that only the jitter changes.  Controls: no
        normalisation; layer normalisation; the statistics of all examples, which do not jitter; and imaginary mates: random
        numbers that jitter by the same law and couple nothing.  Losses use the training set's own statistics.
Cost    About 4 minutes on one core.
Notes   000_10f5d5d0f6910b7a.txt, "What's unnatural about batch-norm".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lab.claims import Above, All, Any, Below, Caveat, Claim, Equals, Lines
from lab.estimate import Estimate
from lab.progress import track
from lab.tasks import spread
from nets import ghost_norm, mlp, names, normed_mlp
from nets.ghost_norm import Norm, grouped, standardise
from nets.normed_mlp import Weights

Array = NDArray[np.float64]

DIMENSION = 10  # of an embedding
TRAIN, VALIDATION, TEST = range(3)
NONE, LAYER, STILL = "none", "layer", "no jitter"  # variants besides the groups and imaginary mates
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %
FRESH = 1000  # added to a seed for the batches of the loss with mates: those just trained on look better
SEEN = 16  # such batches
MATES = 3_000_017  # added to a seed for the probes and mates by which jitter is measured, the same for every variant
ROUNDING = 1e-4  # change of a logit that float32 cannot make: logits are of order 1 to 10, their rounding 1e-6


@dataclass(frozen=True)
class Params:
    """The network, its training, and the groups."""

    data: Path = Path("data/names.txt")  # one name a line
    train_names: int = 3000  # names to learn from
    width: int = 200  # hidden units
    batch: int = 256  # examples a step
    steps: int = 3000  # of plain SGD
    lr: Annotated[float, "> 0"] = 0.5  # learning rate
    seeds: int = 8  # independent runs
    groups: tuple[int, ...] = (256, 64, 32, 16, 8, 4)  # examples that share statistics; largest first, the whole batch
    imitated: int = 16  # examples of the groups that imaginary mates imitate; one of the groups
    evaluations: int = 12  # of the losses, evenly over training
    probes: int = 32  # examples whose jitter is measured
    mate_sets: int = 32  # random sets of mates for each of them


SMOKE = Params(
    train_names=60,
    width=16,
    batch=16,
    steps=30,
    seeds=2,
    groups=(16, 8, 4),
    imitated=8,
    evaluations=3,
    probes=6,
    mate_sets=4,
)
MINUTE = Params(seeds=4, steps=900)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats a character, with population statistics, after the last step."""

    params: Params
    examples: int  # to learn from
    coupled: (
        float  # smallest change of an example's logits with other mates, over groups and seeds (RMS over characters)
    )
    uncoupled: float  # largest change of any logit with other mates, without normalisation or with layer norm
    gap_fall: Estimate  # validation less training loss: that of the whole batch less that of the smallest groups
    gap_rise: (
        float  # largest upper end of the gap's change, from no jitter to the whole batch or to the next group size
    )
    slope: Estimate  # change of the gap for every halving of the group, by a straight line through all sizes
    best: int  # group size with the lowest mean validation loss
    gain_batch: Estimate  # test loss of the whole batch less that of the best group
    gain_none: Estimate  # the same against no normalisation
    gain_layer: Estimate  # the same against layer normalisation
    gain_still: Estimate  # the same against the statistics of all examples, which do not jitter
    gain_stopped: (
        Estimate  # gain over the whole batch where both stop at the evaluation of the lowest mean validation loss
    )
    plain_gain: Estimate  # test loss without normalisation less that of the whole batch
    still_gain: Estimate  # the same less that without jitter
    excess: Estimate  # test loss of the smallest group less that of the best
    share_imaginary: Estimate  # fall of the gap by imaginary mates over that by real ones, at the same group size
    imaginary_test: Estimate  # test loss with imaginary mates less that with real ones, at the same group size
    variants: pd.DataFrame  # per variant: losses, gap, jitter, against the whole batch
    curves: pd.DataFrame  # per variant and evaluation: losses


def _ordinary_gain(r: Result) -> Estimate:
    """Return the test loss without jitter less that of the whole batch."""
    row = r.variants.set_index("variant").loc[STILL].to_dict()
    return Estimate(row["over_batch_norm"], row["over_batch_norm_high"] - row["over_batch_norm"], r.params.seeds)


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="coupled",
        text="What a network with batch norm says about one example depends on whatever else is in the batch.",
        source=Lines("N0", 61, 62),
        rule=All(
            Above(
                "the smallest change of the logits with other mates (over group sizes and seeds)",
                lambda r: r.coupled,
                ROUNDING,
                reason="rounding cannot do it",
            ),
            Equals(
                "the largest change of a logit with other mates where there is no batch norm",
                lambda r: r.uncoupled,
                0,
                reason="nothing but the statistics joins the examples",
            ),
        ),
        number=lambda r: (
            f"exchanging the others changes a logit by {r.coupled:.2f} or more; without batch norm, by {r.uncoupled:g}"
        ),
    ),
    Claim(
        name="regularises",
        text="The jitter regularises.",
        source=Lines("N0", 64, 64),
        line=(
            f"Holds if the gap between validation and training loss falls by more than [{ONE_PERCENT}]{{.given}} nats (1 % in "
            "perplexity) from the whole batch to the smallest groups, and nowhere rises by as much when the jitter does, from "
            "none to the whole batch’s and on from size to size, to the end of each interval; with a caveat if only the first "
            "is so."
        ),
        rule=Caveat(
            All(
                Above(
                    "the fall of the gap between validation and training loss from the whole batch to the smallest "
                    "groups",
                    lambda r: r.gap_fall,
                    ONE_PERCENT,
                    "nats",
                    "1 % in perplexity",
                ),
                Below(
                    "the most by which the gap may rise when the jitter does, from none to the whole batch’s and on from each "
                    "group size to the next smaller one (the upper end of the interval),",
                    lambda r: r.gap_rise,
                    ONE_PERCENT,
                    "nats",
                ),
            ),
            Above("the fall from the whole batch to the smallest groups", lambda r: r.gap_fall, ONE_PERCENT, "nats"),
        ),
        number=lambda r: (
            f"the gap falls by {r.gap_fall} nats from groups of {r.params.groups[0]} to groups of {r.params.groups[-1]}"
        ),
    ),
    Claim(
        name="noise",
        text="It is the noise that regularises: noise that does not couple the members of a group does so as well.",
        source=Lines("N0", 64, 64),
        rule=Above(
            "the fall of the gap by imaginary mates (random numbers that make jitter of the same law) over the fall by "
            "real ones",
            lambda r: r.share_imaginary,
            0.5,
            reason="noise explains most of it",
        ),
        number=lambda r: (
            f"such noise narrows the gap {r.share_imaginary} times as much as real groups of {r.params.imitated}"
        ),
    ),
    Claim(
        name="better",
        text="The result is better for it.",
        source=Lines("N0", 64, 64),
        line=(
            f"Holds if jitter lowers the test loss by more than [{ONE_PERCENT}]{{.given}} nats (1 % in perplexity): ordinary "
            "batch norm’s, over the whole batch, against none; and that of the group size which is best by validation loss, "
            "against none, the whole batch, no normalisation, layer norm, and the whole batch when both stop at their best "
            "step.  With a caveat if the best group size does so against none."
        ),
        rule=Caveat(
            All(
                Above(
                    "what the jitter of ordinary batch norm, over the whole batch, lowers the test loss by, against statistics "
                    "without jitter,",
                    _ordinary_gain,
                    ONE_PERCENT,
                    "nats",
                    reason="1 % in perplexity",
                ),
                Above(
                    "what the group size that is best by validation loss lowers it by (against statistics without jitter, "
                    "whole-batch norm, no normalisation, layer norm, and whole-batch norm when both stop at their best step)",
                    lambda r: [r.gain_still, r.gain_batch, r.gain_none, r.gain_layer, r.gain_stopped],
                    ONE_PERCENT,
                    "nats",
                ),
            ),
            Above(
                "what that group size lowers it by against statistics without jitter",
                lambda r: r.gain_still,
                ONE_PERCENT,
                "nats",
            ),
        ),
        number=lambda r: (
            f"jitter lowers the test loss by {r.gain_still} nats with groups of {r.best}, by {_ordinary_gain(r)} with the whole "
            "batch"
        ),
    ),
    Claim(
        name="more",
        text="More jitter is better still.",
        source=Lines("N0", 64, 64),
        rule=Any(
            Equals(
                "the test loss of the smallest groups less that of the best group size",
                lambda r: r.excess.mean,
                0,
                unit="nats",
                reason="the smallest groups are the best",
            ),
            Below("the whole interval of that difference", lambda r: r.excess, 0, "nats"),
        ),
        number=lambda r: f"groups of {r.params.groups[-1]} are worse than groups of {r.best} by {r.excess} nats",
    ),
)


def run(params: Params) -> Result:
    """Train every variant from the same initialisations on the same batches, and measure losses, jitter and coupling."""
    found = spread(partial(_variant, params), variants := list(_norms(params)), "variants")
    losses, changes, rows = (dict(zip(variants, each, strict=True)) for each in zip(*found, strict=True))
    last = {name: found[-1] for name, found in losses.items()}
    gap = {name: found[VALIDATION] - found[TRAIN] for name, found in last.items()}
    groups = [str(size) for size in params.groups]
    whole, smallest, imaginary = groups[0], groups[-1], f"imaginary {params.imitated}"
    best = min(groups, key=lambda name: last[name][VALIDATION].mean())
    gain = {name: last[name][TEST] - last[best][TEST] for name in last}
    halvings = -np.log2(params.groups)
    stopped = {name: found[found[:, VALIDATION].mean(1).argmin(), TEST] for name, found in losses.items()}
    return Result(
        params=params,
        examples=len(_data(params)[0]),
        coupled=min(float(changes[name].min()) for name in groups),
        uncoupled=max(float(changes[name].max()) for name in (NONE, LAYER)),
        gap_fall=Estimate.of(gap[whole] - gap[smallest]),
        gap_rise=max(Estimate.of(gap[after] - gap[before]).high for before, after in pairwise([STILL, *groups])),
        slope=Estimate.of(np.polyfit(halvings, np.stack([gap[name] for name in groups]), 1)[0]),
        best=int(best),
        gain_batch=Estimate.of(gain[whole]),
        gain_none=Estimate.of(gain[NONE]),
        gain_layer=Estimate.of(gain[LAYER]),
        gain_still=Estimate.of(gain[STILL]),
        gain_stopped=Estimate.of(stopped[whole] - stopped[best]),
        plain_gain=Estimate.of(last[NONE][TEST] - last[whole][TEST]),
        still_gain=Estimate.of(last[NONE][TEST] - last[STILL][TEST]),
        excess=Estimate.of(gain[smallest]),
        share_imaginary=Estimate.of((gap[whole] - gap[imaginary]) / (gap[whole] - gap[str(params.imitated)])),
        imaginary_test=Estimate.of(last[imaginary][TEST] - last[str(params.imitated)][TEST]),
        variants=_variants(params, losses, list(rows.values())),
        curves=_curves(params, losses),
    )


def _variant(params: Params, name: str) -> tuple[Array, Array, dict[str, Array]]:
    """Train one variant; return its losses [evaluation, data, seed], how mates change its logits, and its jitter [seed]."""
    x, y, data = _data(params)
    init = normed_mlp.init(seeds := range(params.seeds), params.width, DIMENSION)
    order = mlp.batches(seeds, len(x), params.batch, params.steps)
    norm, losses, row = _norms(params)[name], [], dict[str, Array]()
    if name == STILL:
        trained = still_checkpoints(init, x, y, order, params.lr, _steps(params))
    else:
        trained = normed_mlp.checkpoints(init, x, y, order, params.lr, norm, seeds, _steps(params))
    for _ in track(_steps(params), "evaluations"):
        _, weights = next(trained)
        losses.append(normed_mlp.losses(weights, norm, data[0], *data).numpy())
    if name.isdecimal():  # a ghost group
        fresh = mlp.batches([FRESH + seed for seed in seeds], len(x), params.batch, SEEN)
        row["with_mates"] = loss_with_mates(weights, norm, x[fresh], y[fresh]).numpy()
        for when, at in (("initial", init), ("final", weights)):
            row[f"jitter_{when}"] = jitter(at, x, norm, seeds, params.probes, params.mate_sets).numpy()
    if name == STILL:
        row = {f"jitter_{when}": np.zeros(params.seeds) for when in ("initial", "final")}
    return np.stack(losses), change(weights, norm, x[order[0]], x[order[-1]]).numpy(), row


def _data(params: Params) -> tuple[torch.Tensor, torch.Tensor, list[names.Counts]]:
    """Return contexts and next characters of the examples to learn from, and the counts of all parts."""
    split = names.split(names.load(params.data))
    x, y = names.contexts(split.train[: params.train_names])
    return x, y, [names.counts(x, y), *(names.counts(*names.contexts(part)) for part in split[1:])]


def _norms(params: Params) -> dict[str, Norm]:
    """Return how each variant is normalised, by name: a number for groups of that size."""
    return {
        NONE: ghost_norm.NONE,
        LAYER: ghost_norm.LAYER,
        STILL: ghost_norm.ghost(params.batch),  # of the losses' statistics, those of all examples; not of training
        **{str(size): ghost_norm.ghost(size) for size in params.groups},
        f"imaginary {params.imitated}": ghost_norm.imaginary(params.batch, params.imitated),
    }


def _variants(params: Params, losses: dict[str, Array], measured: list[dict[str, Array]]) -> pd.DataFrame:
    """Tabulate what each variant ends at, one row each, with intervals over seeds."""
    rows = []
    for (name, found), more in zip(losses.items(), measured, strict=True):
        train, validation, test = found[-1]
        over_batch_norm = test - losses[str(params.groups[0])][-1, TEST]
        best = found[:, VALIDATION].mean(1).argmin()
        kinds = {"train": train, "validation": validation, "test": test, "gap": validation - train}
        kinds |= {"stopped": found[best, TEST], "over_batch_norm": over_batch_norm, **more}
        row: dict[str, object] = {"variant": name, "size": int(name) if name.isdecimal() else 0}
        for kind, values in kinds.items():
            row |= Estimate.columns(kind, values)
        row["best_step"] = int(_steps(params)[best])
        row["jitter_law"] = ghost_norm.jitter_law(int(name)) if name.isdecimal() else float("nan")
        rows.append(row)
    return pd.DataFrame(rows)


def _curves(params: Params, losses: dict[str, Array]) -> pd.DataFrame:
    """Tabulate losses against step: a row a variant and evaluation."""
    rows = []
    for name, found in losses.items():
        for step, losses_now in zip(_steps(params), found, strict=True):
            row: dict[str, object] = {"variant": name, "step": step}
            rows.append(
                row
                | Estimate.columns("train", losses_now[TRAIN])
                | Estimate.columns("validation", losses_now[VALIDATION])
            )
    return pd.DataFrame(rows)


def _steps(params: Params) -> list[int]:
    """Return the steps after which the losses are measured, evenly spread and ending with the last."""
    return [params.steps * k // params.evaluations for k in range(1, params.evaluations + 1)]


def still_checkpoints(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor, lr: float, eval_steps: Sequence[int]
) -> Iterator[tuple[int, Weights]]:
    """Train as `normed_mlp.checkpoints`, but normalise with mean and variance over all of x [example, context].

    They are functions of the weights, and the gradient goes through them.
    """
    trained = Weights(*(tensor.clone().requires_grad_() for tensor in weights))
    mean, covariance = one_hot_moments(x)
    for step, chosen in enumerate(order, 1):
        loss = _still_loss(trained, x[chosen], y[chosen], mean, covariance)
        with torch.no_grad():
            for tensor, change in zip(trained, torch.autograd.grad(loss, list(trained)), strict=True):
                tensor.sub_(change, alpha=lr)
        if step in eval_steps:
            yield step, Weights(*(tensor.detach().clone() for tensor in trained))


def one_hot_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and covariance of contexts x [example, position], one-hot coded: [position * character], and twice."""
    one_hot = torch.nn.functional.one_hot(x, len(names.VOCABULARY)).flatten(1).double()
    mean = one_hot.mean(0)
    covariance = one_hot.T @ one_hot / len(x) - torch.outer(mean, mean)
    return mean.float(), covariance.float()


def _still_loss(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor
) -> torch.Tensor:
    """Return the sum over seeds of the mean loss on x [seed, example, context], y [seed, example].

    A pre-activation is linear in the one-hot coded context, and so its mean and variance over all examples are too.
    """
    seeds, _, dimension = weights.embedding.shape
    blocks = weights.hidden.view(seeds, -1, dimension, weights.hidden.shape[2])  # [seed, position, dimension, unit]
    table = (weights.embedding[:, None] @ blocks).flatten(1, 2)  # [seed, position * character, unit]
    variance = (table * (covariance @ table)).sum(1, keepdim=True)
    scale = weights.scale * (variance + ghost_norm.EPSILON).rsqrt()
    centred = normed_mlp.pre_activations(weights, x) - (mean[:, None] * table).sum(1, keepdim=True)
    hidden = torch.tanh(centred * scale + weights.shift)
    logits = torch.baddbmm(weights.output_bias, hidden, weights.output)
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
    return losses / y.shape[1]


def jitter(
    weights: Weights, x: torch.Tensor, norm: Norm, seeds: Sequence[int], probes: int, mate_sets: int
) -> torch.Tensor:
    """Return the jitter of normalised values: RMS over `probes` examples and all units, [seed], float64.

    Each probe is put, `mate_sets` times, in a group with other examples of x [example, context]; its jitter is the standard
    deviation (unbiased variance) over these groups.  Probes and mates depend on the seed, not on the weights.
    """
    found = []
    for alone, seed in zip(mlp.members(weights), seeds, strict=True):
        generator = torch.Generator().manual_seed(MATES + seed)
        chosen = torch.randint(len(x), (probes,), generator=generator)
        mates = torch.randint(len(x), (mate_sets, norm.size - 1), generator=generator)
        others = normed_mlp.pre_activations(alone, x[mates.flatten()])
        others = others.view(1, *mates.shape, -1)  # [1, set, mate, unit]
        variance = []
        for probe in normed_mlp.pre_activations(alone, x[chosen])[0]:
            group = torch.cat([probe.expand(1, mate_sets, 1, -1), others], 2).flatten(1, 2)  # [1, set * member, unit]
            values = grouped(standardise(group, norm)[0], norm.size)[0, :, 0]  # [set, unit]
            variance.append(values.double().var(0).mean())
        found.append(torch.stack(variance).mean().sqrt())
    return torch.stack(found)


def change(weights: Weights, norm: Norm, batch: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return how far the logits of a batch's first example move when the rest of `other` takes the place of its mates.

    Both are [seed, example, context]; the answer is the RMS over characters, [seed], float64.
    """
    swapped = torch.cat([batch[:, :1], other[:, 1:]], 1)
    logits = [normed_mlp.logits(weights, x, norm)[:, 0].double() for x in (batch, swapped)]
    return (logits[1] - logits[0]).square().mean(1).sqrt()


def loss_with_mates(weights: Weights, norm: Norm, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of batches with their own statistics, as training sees it: [seed], float64.

    `x` is [step, seed, batch, context], `y` [step, seed, batch].
    """
    found = []
    for inputs, targets in zip(x, y, strict=True):
        logarithms = torch.log_softmax(normed_mlp.logits(weights, inputs, norm), 2).double()
        found.append(-logarithms.gather(2, targets[..., None]).mean((1, 2)))
    return torch.stack(found).mean(0)
