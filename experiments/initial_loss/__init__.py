"""What loss should an untrained classifier have?

Method  The names network is looked at before its first step.  Its last layer is scaled so that the logits spread over
        four decades; the loss of the whole training set is taken apart into the price of that spread and the luck of
        the draw, and set beside the expectation over normal logits, by quadrature.  Then the starts that the notes
        name.  Nothing is trained.
Cost    About 15 s on one core.
Notes   000_10f5d5d0f6910b7a.txt, "bad initial loss", questions 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.initial_loss import at_initialisation
from experiments.initial_loss.at_initialisation import LEVELS, MEASURES, PARTS
from lab.claims import Claim, Verdict, side, within
from lab.estimate import Estimate, rough
from lab.progress import track
from nets import logit_statistics, names, unigram_baseline
from nets.names import Counts

Array = NDArray[np.float64]

LETTERS = len(names.VOCABULARY)
UNIFORM = float(np.log(LETTERS))  # nats: what a uniform guess costs
ROUNDING_64 = 1e-12  # nats: a float64 sum of as many terms as there are contexts and letters errs by less
ROUNDING_32 = 2.0**-22  # nats: the distance between neighbouring float32 numbers around 3.3
CONSTANTS = (-10.0, 0.0, 10.0)  # logits that are all alike


@dataclass(frozen=True)
class Params:
    """The names network before its first step."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    seeds: int = 32  # independent draws
    smallest: float = 0.01  # spread of the logits
    largest: float = 100.0  # spread of the logits
    scales: int = 17  # spreads in between, evenly on a logarithmic axis: four a decade
    shown: tuple[float, ...] = (0.1, 1.0, 3.0, 10.0)  # spreads at which probabilities are looked at one by one
    batch: int = 1024  # examples for the first gradient
    draws: int = 20_000  # examples with normal logits that belong to no network


SMOKE = Params(width=20, seeds=3, largest=10.0, scales=4, shown=(1.0,), batch=32, draws=500)


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats a letter, over the whole training set, before the first step."""

    uniform: float  # largest distance of the loss of equal logits from ln 27, float64
    zero: float  # largest distance of the all-zero network's loss from ln 27, over seeds, float32
    zero_reach: float  # length of its first gradient by all but the last bias, the largest over seeds
    small_reach: Estimate  # the same of the small start
    drawn: Estimate  # loss of the notes' start: every weight standard normal
    drawn_spread: Estimate  # spread of its logits about their mean over letters
    drawn_wrong: Estimate  # share of examples in which it gives a wrong letter more than half
    small: Estimate  # loss with a small last layer without bias
    small_worst: float  # the loss furthest from ln 27 among the seeds of that start
    small_spread: Estimate  # spread of its logits
    small_biased: Estimate  # loss with the same layer and the bias as it was drawn
    entropy: float  # of the letters: the least that a network deaf to the context can cost
    luck: float  # spread over seeds of the luck, logits of spread 1
    largest: float  # mean of the largest of 27 standard normal numbers
    scales: pd.DataFrame  # per spread: loss, price and mean probability measured, price predicted in three ways
    starts: pd.DataFrame  # per start: spread, loss, share confidently wrong, length of the first gradient
    probabilities: pd.DataFrame  # per spread and share of examples: ln p below which that share lies


def _confident_verdict(r: Result) -> Verdict:
    dear = side(r.drawn.low - UNIFORM, r.drawn.high - UNIFORM, above=UNIFORM)
    sure = side(r.drawn_wrong.low, r.drawn_wrong.high, above=0.5)
    if dear is sure:
        return dear
    return Verdict.UNDECIDED if Verdict.UNDECIDED in (dear, sure) else Verdict.CAVEAT


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="uniform",
        text="A uniform guess costs $\\ln 27$.",
        source="N0, question 3",
        line="Holds if equal logits, whatever their common value, cost $\\ln 27$ to within $10^{-12}$ nats: "
        "it is algebra, and float64 sums of this length leave no more.",
        verdict=lambda r: Verdict.HOLDS if r.uniform <= ROUNDING_64 else Verdict.FAILS,
        number=lambda r: f"off by at most {rough(r.uniform)}",
    ),
    Claim(
        name="confident",
        text="Large unequal logits are confidently wrong and cost far more.",
        source="N0, question 4",
        line="Holds if with every weight standard normal a wrong letter gets more than half of the probability in more "
        "than half of the examples (confident, and wrong), and the loss is more than twice $\\ln 27$ (far more: "
        "knowing worse than nothing then costs more than knowing nothing). One without the other is a caveat.",
        verdict=_confident_verdict,
        number=lambda r: f"{100 * r.drawn_wrong.mean:.0f} % confidently wrong, loss {r.drawn}",
    ),
    Claim(
        name="small",
        text="A small last layer without bias brings the first loss to $\\ln 27$.",
        source="N0, “use no bias + small weights”, question 4",
        line="Holds within 1 %: that is [0.03]{.given} nats, a small part of what training will gain (@sec-zero-init).",
        verdict=lambda r: within(r.small.low / UNIFORM, r.small.high / UNIFORM, lower=0.99, upper=1.01),
        number=lambda r: f"{r.small} against {UNIFORM:.4f}",
    ),
    Claim(
        name="zeros",
        text="All-zero weights give exactly $\\ln 27$ too.",
        source="N0, question 4",
        line="Holds if no seed is off by more than the distance between neighbouring float32 numbers there, $2^{-22}$: "
        "“exactly” cannot mean more to a float32 network.",
        verdict=lambda r: Verdict.HOLDS if r.zero <= ROUNDING_32 else Verdict.FAILS,
        number=lambda r: f"off by {rough(r.zero)}",
    ),
    Claim(
        name="no-proof",
        text="So a right first loss is no proof of a good start.",
        source="N0, question 4",
        line="Holds if two starts with the right loss, the small one and the all-zero one, differ in whether anything "
        "but the last bias can learn: a first gradient of exactly 0 by all of them for the one, not for the other.",
        verdict=lambda r: Verdict.HOLDS if r.zero_reach == 0 < r.small_reach.low else Verdict.FAILS,
        number=lambda r: f"gradient {r.zero_reach:g} against {r.small_reach}",
    ),
)


def run(params: Params) -> Result:
    """Look at the first losses of many draws, at every spread of the logits and from every start."""
    x, y = names.contexts(names.split(names.load(params.data)).train)
    data = names.counts(x, y)
    scales = np.geomspace(params.smallest, params.largest, params.scales)
    asked = at_initialisation.Asked(x, y, data, params.width, params.batch, scales, np.array(params.shown))
    seen = [at_initialisation.look(seed, asked) for seed in track(range(params.seeds), "networks")]
    by_scale, by_start, levels = (np.stack(arrays) for arrays in zip(*seen, strict=True))  # [seed, ...]
    start = {
        name: dict(zip(MEASURES, by_start[:, place].T, strict=True))
        for place, name in enumerate(at_initialisation.every_start(0, asked))
    }
    frequencies = (data.next_counts.sum(0) / data.next_counts.sum()).numpy()
    return Result(
        uniform=_uniform(data),
        zero=float(np.abs(start["all zero"]["loss"] - UNIFORM).max()),
        zero_reach=float(start["all zero"]["gradient"].max()),
        small_reach=Estimate.of(start["small, no bias"]["gradient"]),
        drawn=Estimate.of(start["drawn"]["loss"]),
        drawn_spread=Estimate.of(start["drawn"]["spread"]),
        drawn_wrong=Estimate.of(start["drawn"]["wrong"]),
        small=Estimate.of(start["small, no bias"]["loss"]),
        small_worst=float(max(start["small, no bias"]["loss"], key=lambda loss: abs(loss - UNIFORM))),
        small_spread=Estimate.of(start["small, no bias"]["spread"]),
        small_biased=Estimate.of(start["small"]["loss"]),
        entropy=unigram_baseline.entropy(frequencies),
        luck=float((by_scale[:, 0, PARTS.index("luck")] / scales[0]).std(ddof=1)),
        largest=logit_statistics.expected_maximum(LETTERS),
        scales=_scales(scales, by_scale),
        starts=pd.DataFrame(
            [
                {"start": name} | {key: value for m in MEASURES for key, value in Estimate.columns(m, found[m]).items()}
                for name, found in start.items()
            ]
        ),
        probabilities=_probabilities(params, levels),
    )


def _uniform(data: Counts) -> float:
    """Return how far from ln 27 equal logits of any value cost, by the library's loss in float64."""
    costs = [
        -(torch.log_softmax(torch.full_like(data.next_counts, value), 1) * data.next_counts).sum()
        / data.next_counts.sum()
        for value in CONSTANTS
    ]
    return float(max(abs(cost - UNIFORM) for cost in costs))


def _scales(scales: Array, found: Array) -> pd.DataFrame:
    """Table the parts [seed, scale, measure] beside what theory says of the price."""
    largest = logit_statistics.expected_maximum(LETTERS)
    rows = []
    for index, scale in enumerate(scales):
        spread, price, luck, probability, wrong = found[:, index].T
        rows.append(
            {"scale": scale}
            | Estimate.columns("loss", price - luck)
            | Estimate.columns("price", price - UNIFORM)  # above ln 27
            | Estimate.columns("probability", probability)
            | Estimate.columns("wrong", wrong)
            | {
                "spread": float(spread.mean()),
                "luck": float(luck.std(ddof=1)),  # over seeds
                "predicted": logit_statistics.expected_logsumexp(float(scale), LETTERS) - UNIFORM,
                "square_law": (1 - 1 / LETTERS) * scale**2 / 2,
                "straight_law": scale * largest - UNIFORM,
            }
        )
    return pd.DataFrame(rows)


def _probabilities(params: Params, levels: Array) -> pd.DataFrame:
    """Table ln p [seed, shown, level], averaged over seeds, beside that of normal logits."""
    normal = logit_statistics.normal_logits(params.draws, LETTERS, seed=params.seeds)
    alike = torch.ones_like(normal)  # which letter is right makes no difference to logits that know nothing
    rows = []
    for index, scale in enumerate(params.shown):
        predicted = logit_statistics.log_probability_quantiles(scale * normal, alike, LEVELS)
        for place, level in enumerate(LEVELS):
            found = Estimate.columns("log_p", levels[:, index, place])
            rows.append({"scale": scale, "level": level, **found, "predicted": predicted[place]})
    return pd.DataFrame(rows)
