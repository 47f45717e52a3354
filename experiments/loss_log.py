"""What is each fix worth?

Method  The names network is trained as long as in the lecture from four initialisations and with batch norm, each change
        on top of the one before.  All share random numbers and batches, seed by seed.  Two controls: the fourth variant
        with other batches, which changes nothing and so measures chance; and three variants whose learning rate is never
        lowered.  Losses are over all examples.
Cost    About 5 minutes on one core with a C++ compiler, three times that without.
Notes   000_10f5d5d0f6910b7a.txt, "Train for fixed epochs and report the loss" and the fixes listed there.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit

from lab.claims import Above, Caveat, Claim, Lines, Within
from lab.estimate import Estimate
from lab.tasks import spread
from nets import ghost_norm, mlp, names, normed_mlp, sgd, unigram_baseline

Array = NDArray[np.float64]

DIMENSION = 10  # of an embedding
FIXES = ("original", "logits", "tanh", "gain", "batch norm")  # each on top of the one before
AGAIN = "gain again"  # with other batches
KEPT = {name: f"{name}, lr kept" for name in ("original", "gain", "batch norm")}  # learning rate never lowered
VARIANTS = (*FIXES, AGAIN, *KEPT.values())
CHANGES = (*pairwise(FIXES), ("gain", AGAIN))  # what is compared with what
OTHER = 500_000  # added to a seed for those
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %
PARTS = ("train", "validation", "test")  # of the data, in the order of a loss's axis
# Training and validation loss of one run each, on another list of names: the lecture's notebook on activations and
# gradients (A. Karpathy, "makemore", part 3), where the notes come from.
LECTURE = {
    "original": (2.1245, 2.1682),
    "logits": (2.07, 2.13),
    "tanh": (2.0356, 2.1027),
    "gain": (2.0376, 2.1070),
    "batch norm": (2.0668, 2.1048),
}


@dataclass(frozen=True)
class Params:
    """The names network as in the lecture, and how long it trains."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    batch: int = 32  # examples
    steps: int = 200_000  # of plain SGD
    lr: Annotated[float, "> 0"] = 0.1  # of the first half
    late_lr: Annotated[float, "> 0"] = 0.01  # of the second half
    eval_steps: tuple[int, ...] = (  # steps
        10, 32, 100, 316, 1000, 3162, 10_000, 31_623, 65_000, 100_000, 110_000, 150_000,
    )  # fmt: skip
    seeds: int = 6  # independent runs


# A batch of 4 fills no vector, so that nothing has to be compiled.
SMOKE = Params(width=8, batch=4, steps=60, eval_steps=(10, 30), seeds=2)
MINUTE = Params(
    steps=40_000, eval_steps=(10, 32, 100, 316, 1000, 3162, 10_000, 13_000, 20_000, 22_000, 30_000), seeds=3
)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """Losses in nats a character, over all examples.  A fix lowers the loss by the loss without it minus that with it."""

    params: Params
    examples: int  # in the training set
    entropy_context: float  # of the next character given its context, training set: no network gets below
    initial: Estimate  # training loss of the original initialisation before the first step
    logits_train: Estimate  # what each fix lowers the loss by after the last step, seed by seed
    logits_validation: Estimate
    tanh_train: Estimate
    tanh_validation: Estimate
    gain_train: Estimate
    gain_validation: Estimate
    norm_train: Estimate
    norm_validation: Estimate
    again_train: Estimate  # the same for other batches: nothing but chance
    again_validation: Estimate
    chance: pd.DataFrame  # per change: 95 % of the differences between single runs lie this close to their mean
    runs: pd.DataFrame  # per variant and seed: loss before the first step and after the last
    curves: pd.DataFrame  # per variant and step: losses with intervals
    reductions: pd.DataFrame  # per fix and step: what it lowers the losses by, with intervals


def lecture_reduction(part: int) -> dict[str, float]:
    """Return what each fix lowers the loss by in the lecture's single runs: `part` 0 for training loss, 1 for validation loss."""
    return {fix: LECTURE[before][part] - LECTURE[fix][part] for before, fix in pairwise(FIXES)}


def _over_chance(r: Result) -> list[float]:
    """Return the size of each of the lecture's reductions of the validation loss over what chance makes of one."""
    chance = r.chance.set_index("fix")["validation"]
    return [abs(reduction) / chance[fix] for fix, reduction in lecture_reduction(1).items()]


def _single_number(r: Result) -> str:
    chance = r.chance.set_index("fix")["validation"]
    told = [fix for fix, by in lecture_reduction(1).items() if abs(by) > chance[fix]]
    return f"of the lecture’s {len(chance) - 1} differences, each between two runs, {len(told)} are larger than chance alone makes"


def _size(estimate: Estimate) -> Estimate:
    return replace(estimate, mean=abs(estimate.mean))


def _reverse(estimate: Estimate) -> Estimate:
    return replace(estimate, mean=-estimate.mean)


_PAIRED = "an interval of paired seeds says whether there is anything"

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="logits",
        text="Fixing the logits lowers the final loss.",
        source=Lines("N0", 42, 42),
        rule=Caveat(
            Above(
                "the fall in both training and validation loss",
                lambda r: [r.logits_train, r.logits_validation],
                0,
                "nats",
                _PAIRED,
            ),
            Above("the fall in validation loss alone", lambda r: r.logits_validation, 0, "nats"),
        ),
        number=lambda r: f"validation loss lower by {r.logits_validation} nats, training loss by {r.logits_train}",
    ),
    Claim(
        name="tanh",
        text="Fixing the saturated tanh too lowers it further.",
        source=Lines("N0", 44, 44),
        rule=Caveat(
            Above(
                "the fall in both training and validation loss",
                lambda r: [r.tanh_train, r.tanh_validation],
                0,
                "nats",
                _PAIRED,
            ),
            Above("the fall in validation loss alone", lambda r: r.tanh_validation, 0, "nats"),
        ),
        number=lambda r: f"validation loss lower by {r.tanh_validation} nats, training loss by {r.tanh_train}",
    ),
    Claim(
        name="gain",
        text="Initialising with the gain 5/3 ends at the same loss as scaling by hand.",
        source=None,
        rule=Within(
            "the difference of the two validation losses",
            lambda r: r.gain_validation,
            -ONE_PERCENT,
            ONE_PERCENT,
            "nats",
            "1 % in perplexity: the formula is meant to save the search, not to beat it",
        ),
        number=lambda r: f"the validation losses differ by {_size(r.gain_validation)} nats",
    ),
    Claim(
        name="batch-norm",
        text="Adding batch norm lowers the loss further, as it does in the lecture’s log.",
        source=None,
        rule=Caveat(
            Above(
                "the fall in both training and validation loss",
                lambda r: [r.norm_train, r.norm_validation],
                0,
                "nats",
                _PAIRED,
            ),
            Above("the fall in validation loss alone", lambda r: r.norm_validation, 0, "nats"),
        ),
        number=lambda r: (
            f"validation loss higher by {_reverse(r.norm_validation)} nats, training loss by {_reverse(r.norm_train)}"
        ),
    ),
    Claim(
        name="single-run",
        text="Reporting one loss for each fix shows what each fix does.",
        source=Lines("N0", 46, 46),
        rule=Caveat(
            Above(
                "each of the four differences in the lecture's validation losses, divided by the difference that two single "
                "runs of equally good recipes exceed in only 5 % of cases,",
                _over_chance,
                1,
                reason="if the lecture's runs vary as ours do",
            ),
            Above("the largest of these ratios", lambda r: max(_over_chance(r)), 1),
        ),
        number=_single_number,
    ),
)


def run(params: Params) -> Result:
    """Train every variant, measure its losses on the way, and compare them seed by seed."""
    x, _, data = _data(params)
    steps = _eval_steps(params)
    found = ChainMap(*spread(partial(_train, params), (*FIXES, AGAIN), "variants"))
    losses = {name: found[name] for name in VARIANTS}
    reductions = {fix: losses[before] - losses[fix] for before, fix in CHANGES}
    ends = {fix: [Estimate.of(row) for row in found[-1]] for fix, found in reductions.items()}
    return Result(
        params=params,
        examples=len(x),
        entropy_context=unigram_baseline.conditional_entropy(data[0].next_counts.numpy()),
        initial=Estimate.of(losses["original"][0, 0]),
        logits_train=ends["logits"][0],
        logits_validation=ends["logits"][1],
        tanh_train=ends["tanh"][0],
        tanh_validation=ends["tanh"][1],
        gain_train=ends["gain"][0],
        gain_validation=ends["gain"][1],
        norm_train=ends["batch norm"][0],
        norm_validation=ends["batch norm"][1],
        again_train=ends[AGAIN][0],
        again_validation=ends[AGAIN][1],
        chance=_chance(losses),
        runs=_runs(losses),
        curves=_table("variant", losses, steps),
        reductions=_table("fix", reductions, steps),
    )


def _train(params: Params, variant: str) -> dict[str, Array]:
    """Train one variant and return its losses on the way, [evaluation, part, seed].

    Where there is a variant whose learning rate is kept, so does this: both are one run until the rate is lowered.
    """
    x, y, data = _data(params)
    lrs = {variant: params.late_lr} | ({KEPT[variant]: params.lr} if variant in KEPT else {})  # of the second half
    trained = dict.fromkeys(lrs, _initialisations(params)[variant])
    first = OTHER if variant == AGAIN else 0
    generators = [torch.Generator().manual_seed(mlp.BATCH_SEED + first + seed) for seed in range(params.seeds)]
    half, steps, losses = (params.steps + 1) // 2, _eval_steps(params), {name: list[Array]() for name in lrs}
    stops = sorted({*steps, half, *range(0, params.steps, sgd.PORTION)})
    for before, step in pairwise([0, *stops]):
        order = [torch.randint(len(x), (step - before, params.batch), generator=each) for each in generators]
        shown = x, y, torch.stack(order, 1)
        if step <= half:
            trained = dict.fromkeys(lrs, sgd.train(trained[variant], *shown, [params.lr] * (step - before)))
        else:
            trained = {name: sgd.train(trained[name], *shown, [lr] * (step - before)) for name, lr in lrs.items()}
        if step in steps:
            for name, weights in trained.items():
                losses[name].append(_losses(weights, data))
    return {name: np.stack(found) for name, found in losses.items()}


def _data(params: Params) -> tuple[torch.Tensor, torch.Tensor, list[names.Counts]]:
    """Return the training set's contexts and next characters, and each part's counts."""
    split = names.split(names.load(params.data))
    return *names.contexts(split.train), [names.counts(*names.contexts(part)) for part in split]


def _initialisations(params: Params) -> dict[str, mlp.Weights | normed_mlp.Weights]:
    """Return each variant's initialisation, from the same random numbers: the lecture's scales."""
    normal = mlp.init(range(params.seeds), params.width, DIMENSION)
    logits = normal._replace(output=0.01 * normal.output, output_bias=0 * normal.output_bias)
    tanh = logits._replace(hidden=0.2 * normal.hidden, hidden_bias=0.01 * normal.hidden_bias)
    gain = tanh._replace(hidden=5 / 3 / normal.hidden.shape[1] ** 0.5 * normal.hidden)
    norm = normed_mlp.Weights(
        embedding=gain.embedding,
        hidden=gain.hidden,
        scale=0 * gain.hidden_bias + 1,
        shift=0 * gain.hidden_bias,
        output=gain.output,
        output_bias=gain.output_bias,
    )
    found: dict[str, mlp.Weights | normed_mlp.Weights]
    found = {"original": normal, "logits": logits, "tanh": tanh, "gain": gain, "batch norm": norm, AGAIN: gain}
    return found | {kept: found[name] for name, kept in KEPT.items()}


def rescale(model: Any, fix: str) -> None:
    """Scale a network's standard normal weights and biases as the lecture does after each fix."""
    with torch.no_grad():
        if fix != "original":
            model.output.weight *= 0.01
            model.output.bias *= 0
        if fix == "tanh":
            model.hidden.weight *= 0.2
        if fix == "gain":
            model.hidden.weight *= 5 / 3 / model.hidden.in_features**0.5
        if fix in ("tanh", "gain"):
            model.hidden.bias *= 0.01


def _losses(weights: mlp.Weights | normed_mlp.Weights, data: list[names.Counts]) -> Array:
    """Return the losses over each part, [part, seed]; batch norm's statistics are the training set's."""
    if isinstance(weights, mlp.Weights):
        return np.stack([mlp.losses(weights, *part).numpy() for part in data])
    return normed_mlp.losses(weights, ghost_norm.ghost(1), data[0], *data).numpy()


def _eval_steps(params: Params) -> list[int]:
    return sorted({0, params.steps, *(step for step in params.eval_steps if step < params.steps)})


def _runs(losses: Mapping[str, Array]) -> pd.DataFrame:
    """Tabulate every run from losses [evaluation, part, seed] by variant: initial training loss, final losses."""
    rows: list[dict[str, object]] = []
    for name, found in losses.items():
        for seed, last in enumerate(found[-1].T):
            ends = {part: float(loss) for part, loss in zip(PARTS, last, strict=True)}
            rows.append({"variant": name, "seed": seed, "initial": float(found[0, 0, seed]), **ends})
    return pd.DataFrame(rows)


def _table(kind: str, found: Mapping[str, Array], steps: Sequence[int]) -> pd.DataFrame:
    """Tabulate losses, or differences of losses, [evaluation, part, seed] by name: a row a name and step, with intervals."""
    rows: list[dict[str, object]] = []
    for name, values in found.items():
        for step, now in zip(steps, values, strict=True):
            row: dict[str, object] = {kind: name, "step": step}
            for part, seeds in zip(PARTS, now, strict=True):
                row |= Estimate.columns(part, seeds)
            rows.append(row)
    return pd.DataFrame(rows)


def _chance(losses: Mapping[str, Array], changes: Sequence[tuple[str, str]] = CHANGES) -> pd.DataFrame:
    """Tabulate how far chance takes the final difference of two single runs: a row a change.

    The variances of the two variants over seeds add up, as for runs that share nothing.  They are themselves estimated from
    few runs, and so Student's t with Welch's degrees of freedom takes the place of a normal distribution's 1.96.
    """
    rows: list[dict[str, object]] = []
    for before, after in changes:
        one, other = (losses[name][-1].var(1, ddof=1) for name in (before, after))  # [part]
        freedom = (losses[before].shape[2] - 1) * (one + other) ** 2 / (one**2 + other**2)
        half_width = stdtrit(freedom, 0.975) * np.sqrt(one + other)
        rows.append({"fix": after} | {part: float(by) for part, by in zip(PARTS, half_width, strict=True)})
    return pd.DataFrame(rows)
