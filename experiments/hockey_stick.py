"""What are the easy gains of a bad initialisation?

Method  The names network is trained with every weight standard normal, and from the same weights with a small last layer
        and no last bias, on the same batches.  Loss and standard deviation of the logits over the whole training set are
        followed step by step.  The first logits are then shrunk by hand to the standard deviation that the bad run has
        at each step: what that costs says how much of the fall so far was shrinking.  Where the steep part ends is a
        matter of taste, so three ends are tried: half of the fall to ln 27, the corner of the curve, and ln 27 itself.
        Scales of the last layer in between show how much is enough, and other learning rates whether the loss depends
        on this one.
Cost    About a minute on one core.
Notes   000_10f5d5d0f6910b7a.txt, question 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from lab.claims import Above, Any, Caveat, Claim, Lines, rows
from lab.estimate import Estimate
from lab.progress import track
from lab.tasks import spread
from nets import initialisation, logit_statistics, mlp, names, sgd, threshold_crossing
from nets.mlp import Weights
from nets.names import Counts

Array = NDArray[np.float64]

VOCABULARY = len(names.VOCABULARY)
UNIFORM = float(np.log(VOCABULARY))  # nats: what a uniform guess costs
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %
STANDARD_NORMAL = 1.0  # scale of the last layer in the bad initialisation, where it keeps its bias too
ONLY, MAINLY = 0.9, 0.5  # shares of the fall


@dataclass(frozen=True)
class Params:
    """The names network, its initialisations, and how long it trains."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    batch: int = 32  # examples
    steps: int = 8_000  # of plain SGD: several times what a bad run needs to cross ln 27
    lr: Annotated[float, "> 0"] = 0.1  # learning rate
    seeds: int = 16  # independent networks: initialisation and batches
    small: Annotated[float, "> 0"] = 0.01  # scale of the last layer in the fixed initialisation; the lecture's
    scales: tuple[float, ...] = (0.3, 0.1)  # of the last layer, in between, without bias too; evaluated in the end only
    other_lrs: tuple[float, ...] = (0.03, 0.3)  # learning rates at which both initialisations train too, to the end
    early: tuple[int, ...] = (1, 3, 10, 20, 30, 45, 60, 100, 150, 200, 300, 400, 500, 600, 700, 850)  # evaluations
    later: tuple[int, ...] = (1000, 1300, 1600, 2000, 2500, 3000, 4000, 5000, 6500)  # steps; besides first and last


SMOKE = Params(width=16, batch=16, steps=60, seeds=2, scales=(0.1,), other_lrs=(0.3,), early=(5, 20), later=(40,))
MINUTE = Params(seeds=4)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats per character over the whole training set; "crossing" is that of ln 27."""

    params: Params
    cosine: Estimate  # of logits and the gradient of the loss with respect to them, before the bad run's first step
    cosine_predicted: float  # the same for normal logits of large standard deviation
    initial_loss: Estimate  # of the bad run
    initial_std: Estimate  # of its logits
    half_step: Estimate  # at which half of the bad run's fall to ln 27 is over
    corner_step: Estimate  # at which its curve is furthest below the straight line from its first point to its last
    crossing_step: Estimate  # at which it crosses ln 27; a seed that never does counts with the last step
    all_cross: bool  # whether every seed does
    crossing_std: Estimate  # of the bad run's logits when it crosses
    remaining: Estimate  # share of its first logits that remains then
    shrinking_half: Estimate  # share of the fall until half of it, from shrinking the first logits to the same std
    shrinking_corner: Estimate  # ... of the fall until the corner
    shrinking_share: Estimate  # ... of the fall to ln 27
    forgetting_share: Estimate  # of the fall to ln 27, from leaving that share of the first logits
    learnt: Estimate  # nats below ln 27 that the bad run would be with its logits at their best scale, just after the crossing
    learnt_fixed: Estimate  # nats below ln 27 that the fixed run is at the same step
    bad: Estimate  # final loss
    fixed: Estimate  # final loss
    rescaled: Estimate  # final loss of the bad run with its logits at their best scale
    gap: Estimate  # bad - fixed in the end, seed by seed
    steps_behind: Estimate  # of the bad run in the end: since the fixed run had the same loss
    final_std: Estimate  # of the bad run's logits
    curves: pd.DataFrame  # per init and step: loss, std, and for the bad run the rest of `Fall` (x, x_low, x_high)
    uninformed: pd.DataFrame  # theory: loss of logits that are independent of the target, against their std
    shares: (
        pd.DataFrame
    )  # per step of the bad run: share of the fall so far from shrinking, from forgetting (x, x_low, x_high)
    last_layers: pd.DataFrame  # per scale of the last layer: initial std and loss, final loss, gap (x, x_low, x_high)
    lrs: pd.DataFrame  # per learning rate: final loss of both, gap (x, x_low, x_high)


def _shares_at_ends(r: Result) -> list[Estimate]:
    return [r.shrinking_half, r.shrinking_corner, r.shrinking_share]


def _two_digits(step: Estimate) -> str:
    """Print a step with the two digits that its interval bears."""
    return f"{float(f'{step.mean:.2g}'):,.0f}"


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="shrinks",
        text="The steep first part of a badly initialised run only shrinks the logits.",
        source=Lines("N0", 31, 31),
        line="Shrink the first logits by hand to the size that they have when the steep part ends. Holds if that gives over "
        "[0.9]{.given} of the fall until then: at half of the fall, at the corner, and at $\\ln 27$. A tenth is left for "
        "what “only” may overlook.",
        rule=Above("the share of the fall that shrinking gives, at each of the three ends,", _shares_at_ends, ONLY),
        number=lambda r: (
            f"shrinking gives {100 * r.shrinking_half.mean:.0f} % of the first half of the fall, "
            f"{100 * r.shrinking_share.mean:.0f} % of the fall to $\\ln {VOCABULARY}$"
        ),
    ),
    Claim(
        name="mainly",
        text="Most of that fall is shrinking.",
        source=Lines("N0", 31, 31),
        line="Holds if that share is over [0.5]{.given} at all three ends; with a caveat if only at some of them.",
        rule=Caveat(
            Above("the share of the fall that shrinking gives, at each of the three ends,", _shares_at_ends, MAINLY),
            Any(
                Above("that share at half of the fall", lambda r: r.shrinking_half, MAINLY),
                Above("that share at the corner", lambda r: r.shrinking_corner, MAINLY),
                Above("that share at $\\ln 27$", lambda r: r.shrinking_share, MAINLY),
            ),
        ),
        number=lambda r: (
            f"{100 * r.shrinking_half.mean:.0f} % of the fall until step {_two_digits(r.half_step)}, "
            f"{100 * r.shrinking_corner.mean:.0f} % until step {_two_digits(r.corner_step)}, "
            f"{100 * r.shrinking_share.mean:.0f} % until step {_two_digits(r.crossing_step)}"
        ),
    ),
    Claim(
        name="wasted",
        text="Without it the same number of steps ends at a lower loss.",
        source=Lines("N0", 31, 31),
        rule=Above(
            "the final loss of the bad initialisation less that of the fixed one, seed by seed,",
            lambda r: r.gap,
            ONE_PERCENT,
            "nats",
            "1 % in perplexity",
        ),
        number=lambda r: f"it ends {r.gap} nats lower",
    ),
    Claim(
        name="any-rate",
        text=lambda p: (
            "So it does at other learning rates, "
            + " and ".join(f"{lr:g}" for lr in sorted(p.other_lrs))
            + f" in place of {p.lr:g}."
        ),
        source=Lines("N0", 31, 31),
        rule=Above(
            "the same difference at each of these rates",
            lambda r: rows(r.lrs[r.lrs["lr"] != r.params.lr], "gap"),
            ONE_PERCENT,
            "nats",
        ),
        number=lambda r: (
            "lower by "
            + ", ".join(
                f"{row['gap']:.2f} nats at {row['lr']:g}" for _, row in r.lrs.iterrows() if row["lr"] != r.params.lr
            )
        ),
    ),
)


def run(params: Params) -> Result:
    """Train from the bad initialisation, the fixed one and those in between, and decompose the fall of the loss."""
    counts = names.training_set(params.data)[2]
    steps, normal = _eval_steps(params), mlp.init(range(params.seeds), params.width)
    scales = (STANDARD_NORMAL, params.small, *params.scales)
    ways = [(scale, params.lr) for scale in scales]
    ways += [(scale, lr) for lr in params.other_lrs for scale in scales[:2]]
    runs = dict(zip(ways, spread(partial(_run, params), ways, "initialisations"), strict=True))
    bad_run, fixed_run = (runs[scale, params.lr] for scale in scales[:2])
    bad, fixed = bad_run.falls, fixed_run.falls
    first, last = bad["loss"][0], bad["loss"][-1]
    half = threshold_crossing.first_crossing(steps, (first + UNIFORM) / 2 / bad["loss"], 1.0)
    crossing = threshold_crossing.first_crossing(steps, 1 / bad["loss"], 1 / UNIFORM)
    corner = steps[corners(steps, bad["loss"])].astype(float)
    then = {name: _interpolate(steps, values, crossing) for name, values in bad.items()}  # [seed]
    first_logits = [centred_logits(normal, seed, counts) for seed in range(params.seeds)]
    return Result(
        params=params,
        cosine=Estimate.of(cosine(logits, counts) for logits in first_logits),
        cosine_predicted=expected_cosine(VOCABULARY),
        initial_loss=Estimate.of(first),
        initial_std=Estimate.of(bad["std"][0]),
        half_step=Estimate.of(half),
        corner_step=Estimate.of(corner),
        crossing_step=Estimate.of(crossing),
        all_cross=bool((bad["loss"].min(0) < UNIFORM).all()),
        crossing_std=Estimate.of(then["std"]),
        remaining=Estimate.of(then["remaining"]),
        shrinking_half=Estimate.of(_share(steps, bad, "shrunk", half)),
        shrinking_corner=Estimate.of(_share(steps, bad, "shrunk", corner)),
        shrinking_share=Estimate.of(_share(steps, bad, "shrunk", crossing)),
        forgetting_share=Estimate.of(_share(steps, bad, "forgotten", crossing)),
        learnt=Estimate.of(UNIFORM - bad_run.crossing_rescaled),
        learnt_fixed=Estimate.of(UNIFORM - fixed["loss"][bad_run.crossed, range(params.seeds)]),
        bad=Estimate.of(last),
        fixed=Estimate.of(fixed["loss"][-1]),
        rescaled=Estimate.of(bad_run.rescaled),
        gap=Estimate.of(last - fixed["loss"][-1]),
        steps_behind=Estimate.of(params.steps - threshold_crossing.first_crossing(steps, last / fixed["loss"], 1.0)),
        final_std=Estimate.of(bad["std"][-1]),
        curves=pd.concat([_curves("bad", steps, bad), _curves("fixed", steps, fixed)], ignore_index=True),
        uninformed=_uninformed(),
        shares=_shares(steps, bad),
        last_layers=_last_layers(
            {scale: runs[scale, params.lr].falls for scale in (STANDARD_NORMAL, *params.scales, params.small)}
        ),
        lrs=_lrs({lr: [runs[scale, lr].falls for scale in scales[:2]] for lr in (params.lr, *params.other_lrs)}),
    )


class Run(NamedTuple):
    """One training of all seeds."""

    falls: dict[str, Array]  # the fields of `Fall`, each [evaluation, seed]
    crossed: Array  # the evaluation at or after the crossing of ln 27: [seed]
    crossing_rescaled: Array  # loss there, with the logits at their best scale: [seed]
    rescaled: Array  # ... in the end: [seed]


def _eval_steps(params: Params) -> NDArray[np.int64]:
    """Return the steps at which the bad run and the fixed one are evaluated."""
    return np.array(sorted({0, params.steps, *(step for step in params.early + params.later if step < params.steps)}))


def _run(params: Params, way: tuple[float, float]) -> Run:
    """Train from one scale of the last layer, at one learning rate.  At `STANDARD_NORMAL` the last bias is kept too."""
    scale, lr = way
    x, y, counts = names.training_set(params.data)
    normal = mlp.init(range(params.seeds), params.width)
    init = normal if scale == STANDARD_NORMAL else initialisation.small_last_layer(normal, scale)
    followed = lr == params.lr and scale not in params.scales
    eval_steps = _eval_steps(params) if followed else [0, params.steps]
    trained = sgd.checkpoints(init, x, y, range(params.seeds), params.batch, [lr] * params.steps, eval_steps)
    networks = [weights for _, weights in track(trained, "evaluations")]
    falls = _falls(networks, counts)
    crossed = (falls["loss"] < UNIFORM).argmax(0)
    crossing_rescaled, rescaled = (
        np.array([best_scale_loss(centred_logits(networks[at], s, counts), counts) for s, at in enumerate(evaluations)])
        for evaluations in (crossed, [-1] * params.seeds)
    )
    return Run(falls, crossed, crossing_rescaled, rescaled)


def corners(steps: NDArray[np.int64], losses: Array) -> NDArray[np.int64]:
    """Return where each curve [evaluation, seed] is furthest below the straight line from its first point to its last.

    Both axes run from 0 to 1 for this, as on a page; what comes back are evaluations, [seed].
    """
    along = (steps - steps[0]) / (steps[-1] - steps[0])
    height = (losses - losses[-1]) / (losses[0] - losses[-1])
    found: NDArray[np.int64] = (1 - along[:, None] - height).argmax(0)
    return found


def _share(steps: NDArray[np.int64], falls: dict[str, Array], of: str, at: Array) -> Array:
    """Return how much of the fall until a step of each seed's own `shrunk` or `forgotten` logits would give: [seed]."""
    first = falls["loss"][0]
    fallen = first - _interpolate(steps, falls["loss"], at)
    return np.asarray((first - _interpolate(steps, falls[of], at)) / fallen)


def _falls(networks: list[Weights], counts: Counts) -> dict[str, Array]:
    """Measure every evaluation: the fields of `Fall`, each [evaluation, seed]."""
    seeds = range(len(networks[0].embedding))
    first = [centred_logits(networks[0], seed, counts) for seed in seeds]
    falls = np.array([[fall(centred_logits(w, s, counts), first[s], counts) for s in seeds] for w in networks])
    return dict(zip(Fall._fields, np.moveaxis(falls, 2, 0), strict=True))


def _interpolate(at: NDArray[np.int64], values: Array, steps: Array) -> Array:
    """Return values [evaluation, seed] at a step of each seed's own, straight between evaluations: [seed]."""
    return np.array([np.interp(step, at, column) for step, column in zip(steps, values.T, strict=True)])


def _curves(init: str, steps: NDArray[np.int64], falls: dict[str, Array]) -> pd.DataFrame:
    """Tabulate one initialisation: a row for each evaluation."""
    columns: dict[str, object] = {"init": init, "step": steps}
    for name, values in falls.items():
        columns |= Estimate.whole_columns(name, values)
    return pd.DataFrame(columns)


def _uninformed() -> pd.DataFrame:
    """Tabulate what logits that are independent of the target cost, by their standard deviation: pure shrinking."""
    std = np.geomspace(0.05, 20, 40)
    own = np.sqrt(1 - 1 / VOCABULARY)  # the mean that is subtracted shares in every logit
    losses = [logit_statistics.expected_logsumexp(float(each / own), VOCABULARY) for each in std]
    return pd.DataFrame({"std": std, "loss": losses})


def _shares(steps: NDArray[np.int64], falls: dict[str, Array]) -> pd.DataFrame:
    """Tabulate both shares at every evaluation but the first, where nothing has fallen."""
    first = falls["loss"][0]
    columns: dict[str, object] = {"step": steps[1:]}
    for name, of in (("shrinking", "shrunk"), ("forgetting", "forgotten")):
        columns |= Estimate.whole_columns(name, (first - falls[of][1:]) / (first - falls["loss"][1:]))
    return pd.DataFrame(columns)


def _lrs(falls: dict[float, list[dict[str, Array]]]) -> pd.DataFrame:
    """Tabulate each learning rate: where both initialisations end."""
    return pd.DataFrame(
        [
            {"lr": lr}
            | Estimate.columns("bad", bad["loss"][-1])
            | Estimate.columns("fixed", fixed["loss"][-1])
            | Estimate.columns("gap", bad["loss"][-1] - fixed["loss"][-1])
            for lr, (bad, fixed) in sorted(falls.items())
        ]
    )


def _last_layers(falls: dict[float, dict[str, Array]]) -> pd.DataFrame:
    """Tabulate each scale of the last layer; the last one is the fixed initialisation."""
    *_, fixed = falls.values()
    return pd.DataFrame(
        [
            {"scale": scale}
            | Estimate.columns("std", found["std"][0])
            | Estimate.columns("initial_loss", found["loss"][0])
            | Estimate.columns("final_loss", found["loss"][-1])
            | Estimate.columns("gap", found["loss"][-1] - fixed["loss"][-1])
            for scale, found in falls.items()
        ]
    )


# How much of a falling loss is the logits getting smaller.  Logits are [context, character], less their mean over
# characters, and `counts` says how often each character followed each context.


class Fall(NamedTuple):
    """Where the logits of one network stand, and what its first logits would cost if they had only shrunk."""

    loss: float  # nats
    std: float  # of the logits over characters
    remaining: float  # share of the first logits that remains: the factor that brings them nearest to the present ones
    shrunk: float  # loss of the first logits, scaled to the present standard deviation
    forgotten: float  # loss of the first logits times `remaining`


def centred_logits(weights: Weights, seed: int, counts: Counts) -> torch.Tensor:
    """Return one network's logits, by its place in the ensemble, less their mean over characters: float64."""
    one = Weights(*(tensor[seed : seed + 1] for tensor in weights))
    logits = mlp.logits(one, counts.contexts)[0].double()
    return logits - logits.mean(1, keepdim=True)


def fall(logits: torch.Tensor, first: torch.Tensor, counts: Counts) -> Fall:
    """Compare the logits of a network in training with its `first`, those before the first step."""
    now, then = logit_statistics.decompose(logits, counts), logit_statistics.decompose(first, counts)
    often = counts.next_counts.sum(1)
    remaining = float(often @ (logits * first).sum(1) / (often @ first.square().sum(1)))
    return Fall(
        loss=now.logsumexp - now.correct_logit,
        std=now.std,
        remaining=remaining,
        shrunk=loss(now.std / then.std * first, counts),
        forgotten=loss(remaining * first, counts),
    )


def loss(logits: torch.Tensor, counts: Counts) -> float:
    """Return the mean cross-entropy over the counted examples, in nats."""
    found = logit_statistics.decompose(logits, counts)
    return found.logsumexp - found.correct_logit


def best_scale_loss(logits: torch.Tensor, counts: Counts) -> float:
    """Return the lowest loss that multiplying all logits by one number can give, by bisection on the derivative.

    The loss is convex in the factor, and its derivative is the mean of (probability - target) times logit.
    """
    total = counts.next_counts.sum()
    low, high = 0.0, 4.0
    for _ in range(20):
        factor = (low + high) / 2
        gradient = counts.next_counts.sum(1, keepdim=True) * torch.softmax(factor * logits, 1) - counts.next_counts
        low, high = (low, factor) if float((gradient * logits).sum() / total) > 0 else (factor, high)
    return loss(low * logits, counts)


def cosine(logits: torch.Tensor, counts: Counts) -> float:
    """Return the cosine between the logits and the gradient of the loss with respect to them, over all counted examples.

    At 1 a step against the gradient shrinks the logits and does nothing else; the gradient is probability - target.
    """
    often = counts.next_counts.sum(1)  # [context]
    probabilities = torch.softmax(logits, 1)
    product = often @ (probabilities * logits).sum(1) - (counts.next_counts * logits).sum()
    squared = often @ probabilities.square().sum(1) - 2 * (counts.next_counts * probabilities).sum() + often.sum()
    return float(product / (squared * (often @ logits.square().sum(1))).sqrt())


def expected_cosine(vocabulary: int) -> float:
    """Return the same cosine for normal logits of large standard deviation that are independent of the target."""
    return logit_statistics.expected_maximum(vocabulary) * float(np.sqrt(vocabulary / 2)) / (vocabulary - 1)


# The same in plain PyTorch, for the chapter to show.


def plain_fall(logits: torch.Tensor, first: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Return the loss of the first logits [example, class], shrunk as the present ones are; and of what remains of them."""
    logits, first = (each - each.mean(1, keepdim=True) for each in (logits, first))
    shrunk = logits.std() / first.std() * first  # to the present standard deviation
    remaining = (logits * first).sum() / first.square().sum()  # the multiple of the first logits nearest to the present
    return F.cross_entropy(shrunk, y).item(), F.cross_entropy(remaining * first, y).item()
