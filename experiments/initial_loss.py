"""What loss should an untrained classifier have?

Method  The names network is evaluated before its first step.  Its last layer is scaled so that the standard deviation
        of the logits covers four decades; the loss of the whole training set is taken apart into the logsumexp of the
        logits and the correct character's logit, and set beside the expectation over normal logits, by quadrature.
        Then the initialisations that the notes name.  Nothing is trained.
Cost    About 15 s on one core.
Notes   000_10f5d5d0f6910b7a.txt, "bad initial loss", questions 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lab.claims import Above, All, Any, Caveat, Claim, Equals, Interval, Lines, Within
from lab.estimate import Estimate, rough
from lab.progress import track
from nets import initialisation, logit_statistics, mlp, names, unigram_baseline
from nets.mlp import Weights
from nets.names import Counts

Array = NDArray[np.float64]

CHARACTERS = len(names.VOCABULARY)
UNIFORM = float(np.log(CHARACTERS))  # nats: what a uniform guess costs
ROUNDING_64 = 1e-12  # nats: a float64 sum of as many terms as there are contexts and characters errs by less
ROUNDING_32 = 2.0**-22  # nats: the distance between neighbouring float32 numbers around 3.3
CONSTANTS = (-10.0, 0.0, 10.0)  # logits that are all alike
SMALL = 0.01  # factor on the last layer; the lecture's
BY_STD = (
    "std",
    "logsumexp",
    "correct_logit",
    "probability",
    "confidently_wrong",
)  # measured at each standard deviation
BY_INIT = ("std", "loss", "confidently_wrong", "gradient")  # at each initialisation; the gradient but the last bias's
LEVELS = np.linspace(0.005, 0.995, 100)  # shares of the examples


@dataclass(frozen=True)
class Params:
    """The names network before its first step."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    seeds: int = 32  # independent networks
    smallest_std: Annotated[float, "> 0"] = 0.01  # standard deviation of the logits
    largest_std: Annotated[float, "> 0"] = 100.0  # standard deviation of the logits
    stds: int = 17  # standard deviations from the one to the other, evenly on a logarithmic axis: four a decade
    distribution_stds: tuple[float, ...] = (0.1, 1.0, 3.0, 10.0)  # those at which probabilities are kept one by one
    batch: int = 1024  # examples for the first gradient
    normal_examples: int = 20_000  # examples with normal logits that belong to no network


SMOKE = Params(width=20, seeds=3, largest_std=10.0, stds=4, distribution_stds=(1.0,), batch=32, normal_examples=500)


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats a character, over the whole training set, before the first step."""

    params: Params
    uniform_error: float  # largest distance of the loss of equal logits from ln 27, float64
    all_zero_error: float  # largest distance of the all-zero network's loss from ln 27, over seeds, float32
    all_zero_gradient: (
        float  # length of its first gradient with respect to all but the last bias, the largest over seeds
    )
    small_gradient: Estimate  # the same with a small last layer without bias
    normal_loss: Estimate  # loss with every weight standard normal
    normal_std: Estimate  # standard deviation of its logits over characters
    normal_confidently_wrong: Estimate  # share of examples in which it gives a wrong character more than half
    small_loss: Estimate  # loss with a small last layer without bias
    small_loss_worst: float  # the loss furthest from ln 27 among its seeds
    small_std: Estimate  # standard deviation of its logits
    small_biased_loss: Estimate  # loss with the same layer and a standard normal bias
    entropy: float  # of the characters: the least that a network that ignores its input can reach
    correct_logit_std: float  # of the mean correct logit over seeds, where logits have standard deviation 1
    expected_maximum: float  # mean of the largest of 27 standard normal numbers
    by_std: pd.DataFrame  # per standard deviation: loss, logsumexp less ln 27 (also predicted), mean probability
    inits: pd.DataFrame  # per initialisation: standard deviation of the logits, loss, share confidently wrong, gradient
    probabilities: pd.DataFrame  # per standard deviation and share of examples: ln p below which that share lies


def _over_uniform(loss: Estimate) -> Interval:
    return loss.low / UNIFORM, loss.high / UNIFORM


CONFIDENTLY_WRONG: Above[Result] = Above(
    "the share of examples in which a wrong character gets more than half of the probability",
    lambda r: r.normal_confidently_wrong,
    0.5,
)
COSTLY: Above[Result] = Above(
    "the loss with every weight standard normal, over $\\ln 27$,", lambda r: _over_uniform(r.normal_loss), 2
)

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="uniform",
        text="A uniform guess costs $\\ln 27$.",
        source=Lines("N0", 27, 27),
        rule=Equals(
            "the loss of equal logits, whatever their value, less $\\ln 27$",
            lambda r: r.uniform_error,
            0,
            tolerance=ROUNDING_64,
            unit="nats",
            reason="the rounding of float64 sums of this length",
        ),
        number=lambda r: f"at most {rough(r.uniform_error)} nats off",
    ),
    Claim(
        name="confident",
        text="Large unequal logits are confidently wrong and cost far more.",
        source=Lines("N0", 29, 29),
        line="With every weight standard normal: holds if most examples give a wrong character more than half of the "
        "probability, and if the loss is above twice $\\ln 27$. One without the other is a caveat.",
        rule=Caveat(All(CONFIDENTLY_WRONG, COSTLY), Any(CONFIDENTLY_WRONG, COSTLY)),
        number=lambda r: (
            f"a wrong character gets over half of the probability in {100 * r.normal_confidently_wrong.mean:.0f} % of the "
            f"examples; the loss is {r.normal_loss} nats"
        ),
    ),
    Claim(
        name="small",
        text="A small last layer without bias brings the first loss to $\\ln 27$.",
        source=Lines("N0", 3, 3),
        rule=Within(
            "the loss with a small last layer, over $\\ln 27$,",
            lambda r: _over_uniform(r.small_loss),
            0.99,
            1.01,
            reason="1 % is a small part of what training will gain: @sec-zero-init",
        ),
        number=lambda r: f"first loss {r.small_loss} nats, where $\\ln {CHARACTERS}$ is {UNIFORM:.3f}",
    ),
    Claim(
        name="zeros",
        text="All-zero weights give exactly $\\ln 27$ too.",
        source=Lines("N0", 29, 29),
        rule=Equals(
            "the largest distance of a network's loss from $\\ln 27$, over the spacing of float32 numbers there, $2^{-22}$,",
            lambda r: r.all_zero_error / ROUNDING_32,
            0,
            tolerance=1,
            reason="“exactly” cannot mean more to a float32 network",
        ),
        number=lambda r: f"{rough(r.all_zero_error)} nats off, a rounding error of float32",
    ),
    Claim(
        name="no-proof",
        text="So a right first loss is no proof of a good initialisation.",
        source=Lines("N0", 29, 29),
        rule=All(
            Equals(
                "the length of the all-zero network's first gradient, without that of the last bias,",
                lambda r: r.all_zero_gradient,
                0,
            ),
            Above(
                "the same length with a small last layer",
                lambda r: r.small_gradient,
                0,
                reason="both have the right first loss",
            ),
        ),
        number=lambda r: (
            f"at the same loss the first gradient has length {r.all_zero_gradient:g} with all weights zero, and "
            f"{r.small_gradient} with a small last layer"
        ),
    ),
)


class Setting(NamedTuple):
    """What every network is evaluated with."""

    x: torch.Tensor  # [example, position]
    y: torch.Tensor  # [example]
    data: Counts  # of these examples
    width: int  # hidden units
    batch: int  # examples for the first gradient
    stds: Array  # standard deviations of the logits
    distribution_stds: Array  # those at which probabilities are kept one by one


class Measured(NamedTuple):
    """What one network shows."""

    by_std: Array  # [std, measure], measures as in BY_STD
    by_init: Array  # [init, measure], measures as in BY_INIT
    quantiles: Array  # [std, level], ln p


def run(params: Params) -> Result:
    """Evaluate many networks before their first step, at every standard deviation of the logits and initialisation."""
    x, y = names.contexts(names.split(names.load(params.data)).train)
    data = names.counts(x, y)
    stds = np.geomspace(params.smallest_std, params.largest_std, params.stds)
    setting = Setting(x, y, data, params.width, params.batch, stds, np.array(params.distribution_stds))
    measured = [measure(seed, setting) for seed in track(range(params.seeds), "networks")]
    by_std, by_init, quantiles = (np.stack(arrays) for arrays in zip(*measured, strict=True))  # [seed, ...]
    init = {
        name: dict(zip(BY_INIT, by_init[:, place].T, strict=True))
        for place, name in enumerate(initialisations(0, setting))
    }
    frequencies = (data.next_counts.sum(0) / data.next_counts.sum()).numpy()
    return Result(
        params=params,
        uniform_error=_uniform(data),
        all_zero_error=float(np.abs(init["all zero"]["loss"] - UNIFORM).max()),
        all_zero_gradient=float(init["all zero"]["gradient"].max()),
        small_gradient=Estimate.of(init["small, no bias"]["gradient"]),
        normal_loss=Estimate.of(init["standard normal"]["loss"]),
        normal_std=Estimate.of(init["standard normal"]["std"]),
        normal_confidently_wrong=Estimate.of(init["standard normal"]["confidently_wrong"]),
        small_loss=Estimate.of(init["small, no bias"]["loss"]),
        small_loss_worst=float(max(init["small, no bias"]["loss"], key=lambda loss: abs(loss - UNIFORM))),
        small_std=Estimate.of(init["small, no bias"]["std"]),
        small_biased_loss=Estimate.of(init["small"]["loss"]),
        entropy=unigram_baseline.entropy(frequencies),
        correct_logit_std=float((by_std[:, 0, BY_STD.index("correct_logit")] / stds[0]).std(ddof=1)),
        expected_maximum=logit_statistics.expected_maximum(CHARACTERS),
        by_std=_by_std(stds, by_std),
        inits=pd.DataFrame(
            [
                {"init": name} | {key: value for m in BY_INIT for key, value in Estimate.columns(m, found[m]).items()}
                for name, found in init.items()
            ]
        ),
        probabilities=_probabilities(params, quantiles),
    )


def loss_parts(logits: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the cross-entropy apart: the logsumexp of the logits less their mean, and the correct class's own."""
    centred = logits - logits.mean(1, keepdim=True)  # [example, class]
    logsumexp = torch.logsumexp(centred, 1).mean()
    correct_logit = centred.gather(1, y[:, None]).mean()
    return logsumexp, correct_logit  # F.cross_entropy(logits, y) is the first less the second


def measure(seed: int, setting: Setting) -> Measured:
    """Measure the network of one seed."""
    normal = mlp.init([seed], setting.width)
    data = setting.data
    often = data.next_counts.sum(1) / data.next_counts.sum()  # [context]
    hidden = mlp.hidden(normal, data.contexts)[0].double()  # [context, unit]
    length = (often @ hidden.square().sum(1)).sqrt()
    unit = hidden @ normal.output[0].double() / length  # [context, character]: each logit has variance 1
    return Measured(
        np.array([_at_std(float(std) * unit, data) for std in setting.stds]),
        np.array([_at_init(seed, weights, setting) for weights in initialisations(seed, setting).values()]),
        np.array(
            [
                logit_statistics.log_probability_quantiles(float(std) * unit, data.next_counts, LEVELS)
                for std in setting.distribution_stds
            ]
        ),
    )


def initialisations(seed: int, setting: Setting) -> dict[str, Weights]:
    """Return every initialisation of one network, by name; all but the last differ in the last layer and its bias."""
    normal = mlp.init([seed], setting.width)
    small = initialisation.small_last_layer(normal, SMALL)
    return {
        "standard normal": normal,
        "no bias": initialisation.small_last_layer(normal, 1.0),
        "small": small._replace(output_bias=normal.output_bias),
        "small, no bias": small,
        "small, unigram bias": small._replace(output_bias=initialisation.unigram_bias(normal, setting.data)),
        "last layer zero": initialisation.small_last_layer(normal, 0.0),
        "all zero": initialisation.constant(normal, 0.0),
    }


def _at_std(logits: torch.Tensor, data: Counts) -> tuple[float, ...]:
    probability = logit_statistics.mean_correct_probability(logits, data)
    return (*logit_statistics.decompose(logits, data), probability, logit_statistics.confidently_wrong(logits, data))


def _at_init(seed: int, weights: Weights, setting: Setting) -> tuple[float, ...]:
    batch = mlp.batches([seed], len(setting.x), setting.batch, 1)[0]  # [seed, batch]
    logits = mlp.logits(weights, setting.data.contexts)[0].double()
    gradient = mlp.gradient(weights, setting.x[batch], setting.y[batch])
    return (
        logit_statistics.decompose(logits, setting.data).std,
        float(mlp.losses(weights, *setting.data)[0]),
        logit_statistics.confidently_wrong(logits, setting.data),
        float(torch.stack([tensor.norm() for tensor in gradient[:4]]).norm()),
    )


def _uniform(data: Counts) -> float:
    """Return how far from ln 27 equal logits of any value cost, by the library's loss in float64."""
    costs = [
        -(torch.log_softmax(torch.full_like(data.next_counts, value), 1) * data.next_counts).sum()
        / data.next_counts.sum()
        for value in CONSTANTS
    ]
    return float(max(abs(cost - UNIFORM) for cost in costs))


def _by_std(stds: Array, found: Array) -> pd.DataFrame:
    """Table the measures [seed, std, measure] beside what theory says of the logsumexp."""
    maximum = logit_statistics.expected_maximum(CHARACTERS)
    rows = []
    for index, std in enumerate(stds):
        measured_std, logsumexp, correct_logit, probability, confidently_wrong = found[:, index].T
        rows.append(
            {"std": std}
            | Estimate.columns("loss", logsumexp - correct_logit)
            | Estimate.columns("logsumexp", logsumexp - UNIFORM)  # above ln 27
            | Estimate.columns("probability", probability)
            | Estimate.columns("confidently_wrong", confidently_wrong)
            | {
                "measured_std": float(measured_std.mean()),
                "correct_logit_std": float(correct_logit.std(ddof=1)),  # over seeds
                "predicted": logit_statistics.expected_logsumexp(float(std), CHARACTERS) - UNIFORM,
                "quadratic": (1 - 1 / CHARACTERS) * std**2 / 2,
                "linear": std * maximum - UNIFORM,
            }
        )
    return pd.DataFrame(rows)


def _probabilities(params: Params, quantiles: Array) -> pd.DataFrame:
    """Table ln p [seed, std, level], averaged over seeds, beside that of normal logits."""
    normal = logit_statistics.normal_logits(params.normal_examples, CHARACTERS, seed=params.seeds)
    alike = torch.ones_like(normal)  # which character is right makes no difference to logits that know nothing
    rows = []
    for index, std in enumerate(params.distribution_stds):
        predicted = logit_statistics.log_probability_quantiles(std * normal, alike, LEVELS)
        for place, level in enumerate(LEVELS):
            found = Estimate.columns("log_p", quantiles[:, index, place])
            rows.append({"std": std, "level": level, **found, "predicted": predicted[place]})
    return pd.DataFrame(rows)
