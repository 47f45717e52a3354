"""Can all weights start at zero?

Method  The names network is trained from several initialisations with the same batches: all zero; all one constant;
        constant layers on random embeddings; only the last layer zero; random, but tiny; random and well scaled.  A
        network of a single unit, with learning rates chosen so that algebra makes it equal to the constant one, is the
        control.  The loss is that of the whole training set.  Separate short runs time how fast tiny weights, and tiny
        differences between units, grow.
Cost    About 2 minutes on two cores.
Notes   000_10f5d5d0f6910b7a.txt, "can we set our initial weights to 0?" and question 4.

Modules: `training` trains and evaluates one initialisation, `escape_time` times the growth of something small.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.zero_init import escape_time, initialisations, training
from lab.claims import Above, All, Below, Caveat, Claim, Equals, Interval, Lines, Within
from lab.estimate import Estimate
from lab.tasks import spread
from nets import initialisation, mlp, threshold_crossing, unigram_baseline
from nets.mlp import LearningRates, Weights

Array = NDArray[np.float64]
Plan = tuple[Weights, LearningRates]

DIMENSION = 10  # of an embedding
CONTEXT_USED = (
    0.1  # RMS of the logits' variation over contexts at which a network uses its context: odds differ by 10 %
)
GRADIENTS_ONLY = ("zero layers", "zero first layer")  # initialisations of which only the first gradients are wanted
NOISE_SEED = 1000  # added to a seed for the noise on constant layers
SEPARATED = 0.1  # distance between units, relative to their length, at which they count as separated
ROUNDING = 1e-5  # relative difference between units that float32 (6e-8) can make in some ten steps, with room to spare
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %


@dataclass(frozen=True)
class Params:
    """The names network and how long it trains.  Scales are factors on the well-scaled initialisation."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    batch: int = 32  # examples
    steps: int = 8000  # of plain SGD; the tiniest initialisation needs most of them
    lr: Annotated[float, "> 0"] = 0.1  # learning rate
    eval_steps: tuple[int, ...] = (  # besides first and last
        10,
        32,
        100,
        316,
        562,
        1000,
        1500,
        2000,
        2500,
        3000,
        4000,
        5000,
        6000,
        7000,
    )
    seeds: int = 16  # independent networks: initialisation and batches
    constant: Annotated[float, "> 0"] = 0.1  # every weight of the constant network: pre-activations of 0.4
    tiny_scales: Annotated[tuple[float, ...], "> 0"] = (0.1, 0.01)  # of all weights, trained to the end; largest first
    escape_scales: tuple[float, ...] = (0.1, 0.05, 0.025, 0.01)  # of all weights, until the context is used
    layer_scales: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)  # of both layers only, until the context is used
    noise_scales: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)  # on constant layers, relative, until units separate


SMOKE = Params(
    width=8,
    batch=8,
    steps=40,
    seeds=2,
    tiny_scales=(0.5,),
    escape_scales=(0.9, 0.8),
    layer_scales=(0.5, 0.1),
    noise_scales=(0.1, 0.01),
)
MINUTE = Params(seeds=3)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats per character, over the whole training set, after the last step."""

    params: Params
    entropy: float  # of the next character, whatever came before
    conditional_entropy: float  # of the next character, given the context: no network with this context gets below
    stationary_excess: float  # by theory, how far above the entropy SGD leaves the all-zero network in the end
    zero_predicted: float  # by theory, the all-zero network's mean loss after the last step
    zero: Estimate  # all zero
    constant: Estimate  # every weight the same constant
    good: Estimate  # random and well scaled
    zero_last_layer: Estimate  # random and well scaled, last layer zero
    tiniest: Estimate  # random, at the smallest of the tiny scales
    largest_change: float  # of any weight but the last bias in any all-zero run, at any evaluation
    zero_last_layer_cost: Estimate  # zero_last_layer - good, seed by seed
    width_gap: Estimate  # constant - its single unit, seed by seed
    early_distance: float  # largest relative distance between units of any constant network, at the first evaluation
    tiniest_escape: Estimate  # step at which the smallest of the escape scales has come to use the context
    constant_units: Estimate  # distinct units in the end, every weight the same constant
    constant_layers_units: Estimate  # distinct units in the end, constant layers on random embeddings
    frozen_bias_units: Estimate  # the same, with the hidden bias frozen
    tiny_distinct_share: float  # smallest share of units without a twin in the end, over tiny scales and seeds
    separation_step: Estimate  # at which rounding alone has separated the units of constant layers on random embeddings
    escape_exponent: Estimate  # of the steps until the context is used against scale, all weights; theory says -1
    steps_per_decade: Estimate  # more until the context is used, for layers ten times smaller, last bias settled
    steps_per_decade_predicted: Estimate  # the same by theory, from the covariance of context and next character
    steps_per_decade_ratio: Estimate  # measured over predicted, seed by seed
    noise_steps_per_decade: Estimate  # more until units separate, for noise ten times smaller
    gradients: pd.DataFrame  # per init and parameter: norm of the gradient at the first three steps
    curves: pd.DataFrame  # per init and step: loss, distinct units, rank, distance between units
    excess_loss: pd.DataFrame  # all zero, per step: loss above the entropy, measured and predicted
    escapes: pd.DataFrame  # per what is small, and its scale: step of the escape


def learnt(r: Result) -> Interval:
    """Return by how much the tiniest initialisation ends below the entropy."""
    return r.entropy - r.tiniest.high, r.entropy - r.tiniest.low


EARLY_EQUAL: Below[Result] = Below(
    "the largest distance between units of a constant network at the first evaluation, relative to their length,",
    lambda r: r.early_distance,
    ROUNDING,
    reason="rounding cannot explain more",
)

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="no-gradient",
        text="With every weight zero, no weight but the last bias ever gets a gradient.",
        source=Lines("N0", 4, 4),
        rule=Equals(
            "the largest change of any other weight, in any seed,",
            lambda r: r.largest_change,
            0,
            reason="a product with 0 is 0 in floating point too, so there is no tolerance to grant",
        ),
        number=lambda r: (
            f"no other weight changes by more than {r.largest_change:g}"
            if r.largest_change
            else "no other weight changes at all"
        ),
    ),
    Claim(
        name="entropy",
        text="The all-zero network's loss settles at the entropy of the letter frequencies.",
        source=Lines("N0", 29, 29),
        rule=Within(
            "its final loss less the entropy",
            lambda r: (r.zero.low - r.entropy, r.zero.high - r.entropy),
            -ONE_PERCENT,
            ONE_PERCENT,
            "nats",
            "1 % in perplexity, and far less than using the context lowers the loss by",
        ),
        number=lambda r: f"the loss ends at {r.zero}, and the entropy is {r.entropy:.4f}",
    ),
    Claim(
        name="identical",
        text="With every weight the same non-zero constant, all hidden units stay identical for ever.",
        source=Lines("N0", 4, 4),
        line=lambda params: (
            f"Fails if units differ after {min(params.eval_steps)} steps by more than rounding can explain ($10^{{-5}}$ of "
            "their length), or if more than one distinct unit is left at the end, in any seed."
        ),
        rule=All(
            EARLY_EQUAL,
            Equals(
                "the number of distinct units in the end, with every weight the same,", lambda r: r.constant_units, 1
            ),
        ),
        number=lambda r: f"{r.constant_units.mean:g} distinct unit of {r.params.width} after {r.params.steps:,} steps",
    ),
    Claim(
        name="identical-layers",
        text="They stay identical if only the layers are constant, and the embeddings random.",
        source=Lines("N0", 4, 4),
        line=lambda params: (
            f"Fails if units differ after {min(params.eval_steps)} steps by more than rounding can explain ($10^{{-5}}$ of "
            "their length). Otherwise it is true in exact arithmetic: it holds if one distinct unit is left at the end, and "
            "holds with a caveat if rounding has separated them by then."
        ),
        rule=Caveat(
            All(
                EARLY_EQUAL,
                Equals(
                    "the number of distinct units in the end, with constant layers on random embeddings,",
                    lambda r: r.constant_layers_units,
                    1,
                ),
            ),
            EARLY_EQUAL,
        ),
        number=lambda r: f"{r.constant_layers_units.mean:g} distinct units after {r.params.steps:,} steps, on average",
    ),
    Claim(
        name="width",
        text="A constant network is one effective unit, whatever its width.",
        source=Lines("N0", 4, 4),
        rule=Within(
            "its final loss less that of a single unit with matching learning rates, seed by seed,",
            lambda r: r.width_gap,
            -ONE_PERCENT,
            ONE_PERCENT,
            "nats",
            "the two are equal in exact arithmetic, and a second unit would lower the loss by more than 1 % in perplexity",
        ),
        number=lambda r: (
            f"its loss is that of a single unit to within {1e9 * max(-r.width_gap.low, r.width_gap.high):.0f} billionths of a nat"
        ),
    ),
    Claim(
        name="last-layer",
        text="Zeroing only the last layer is harmless.",
        source=Lines("N0", 3, 3),
        rule=Below(
            "the final loss less that of the same initialisation unzeroed, seed by seed,",
            lambda r: r.zero_last_layer_cost,
            ONE_PERCENT,
            "nats",
            "1 % in perplexity",
        ),
        number=lambda r: f"raises the final loss by {r.zero_last_layer_cost} nats",
    ),
    Claim(
        name="tiny",
        text="Tiny random weights break the symmetry.",
        source=Lines("N0", 3, 3),
        line="Fails if more than half of the units have a twin: copies come by the hundred, coincidences singly. Holds "
        "if, besides, even the tiniest initialisation has learnt by the end to use the context: a loss more than "
        "[0.01]{.given} nats below the entropy, which no network that ignores it can reach. Units that differ and have "
        "learnt nothing are a caveat.",
        rule=All(
            Within(
                "the share of units without a twin",
                lambda r: r.tiny_distinct_share,
                0.5,
                1,
                reason="copies come by the hundred, coincidences singly",
            ),
            Caveat(
                Above(
                    "the entropy less the final loss of the tiniest initialisation",
                    learnt,
                    ONE_PERCENT,
                    "nats",
                    "no network that ignores the context gets below the entropy",
                ),
                Below("that difference", learnt, ONE_PERCENT, "nats", "units that differ and have learnt nothing"),
            ),
        ),
        number=lambda r: (
            f"all units distinct, and the tiniest initialisation ends {r.entropy - r.tiniest.mean:.2f} nats below the entropy"
            if r.tiny_distinct_share == 1
            else f"{100 * r.tiny_distinct_share:.0f} % of units distinct"
        ),
    ),
)


def run(params: Params) -> Result:
    """Train the names network from every initialisation, and time how tiny weights and tiny differences grow."""
    examples, plans = _examples(params), _plans(params)
    counts, trained = examples.counts, [name for name in plans if name not in GRADIENTS_ONLY]
    runs = dict(zip(trained, spread(partial(_run, params), trained, "initialisations"), strict=True))
    scales = {"all weights": params.escape_scales, "layers": params.layer_scales, "noise": params.noise_scales}
    timed = [(small, scale) for small in scales for scale in scales[small]]
    times = iter(spread(partial(_escape, params), timed, "escapes"))
    escapes = {small: np.array([next(times) for _ in each]) for small, each in scales.items()}  # steps [scale, seed]
    frequencies = (counts.next_counts.sum(0) / counts.next_counts.sum()).numpy()
    expected = unigram_baseline.expected_loss(frequencies, params.lr, params.batch, params.steps)
    entropy = unigram_baseline.entropy(frequencies)
    final = {name: Estimate.of(found.loss[-1]) for name, found in runs.items()}
    growth = escape_time.small_layers_growth(plans["good"][0].embedding, counts, params.lr)
    predicted = np.log(10) / np.log(growth.numpy())
    per_decade = escape_time.slopes(-np.log10(params.layer_scales), escapes["layers"])
    layers, joined = runs["constant layers"], partial(pd.concat, ignore_index=True)
    return Result(
        params=params,
        entropy=entropy,
        conditional_entropy=unigram_baseline.conditional_entropy(counts.next_counts.numpy()),
        stationary_excess=unigram_baseline.stationary_excess(frequencies, params.lr, params.batch),
        zero_predicted=float(expected[-1]),
        zero=final["zero"],
        constant=final["constant"],
        good=final["good"],
        zero_last_layer=final["zero last layer"],
        tiniest=final[f"tiny {params.tiny_scales[-1]:g}"],
        largest_change=float(runs["zero"].largest_change.max()),
        zero_last_layer_cost=Estimate.of(runs["zero last layer"].loss[-1] - runs["good"].loss[-1]),
        width_gap=Estimate.of(runs["constant"].loss[-1] - runs["one unit"].loss[-1]),
        early_distance=max(
            float(found.distance[found.steps <= min(params.eval_steps)].max())
            for name, found in runs.items()
            if "constant" in name
        ),
        tiniest_escape=Estimate.of(escapes["all weights"][-1]),
        constant_units=Estimate.of(runs["constant"].distinct_units[-1]),
        constant_layers_units=Estimate.of(layers.distinct_units[-1]),
        frozen_bias_units=Estimate.of(runs["constant layers, bias frozen"].distinct_units[-1]),
        tiny_distinct_share=min(float(runs[f"tiny {scale:g}"].distinct_units[-1].min()) for scale in params.tiny_scales)
        / params.width,
        separation_step=Estimate.of(threshold_crossing.first_crossing(layers.steps, layers.distance, SEPARATED)),
        escape_exponent=Estimate.of(escape_time.slopes(np.log(params.escape_scales), np.log(escapes["all weights"]))),
        steps_per_decade=Estimate.of(per_decade),
        steps_per_decade_predicted=Estimate.of(predicted),
        steps_per_decade_ratio=Estimate.of(per_decade / predicted),
        noise_steps_per_decade=Estimate.of(escape_time.slopes(-np.log10(params.noise_scales), escapes["noise"])),
        gradients=joined(training.first_gradients(name, *plan, examples) for name, plan in plans.items()),
        curves=joined(training.curves(name, found) for name, found in runs.items()),
        excess_loss=training.excess_loss(runs["zero"], entropy, expected),
        escapes=escape_time.table(escapes, scales),
    )


def _examples(params: Params) -> training.Examples:
    return training.examples(params.data, params.seeds, params.batch, params.steps)


def _plans(params: Params) -> dict[str, Plan]:
    """Return every initialisation, by name, with its learning rates."""
    lr = mlp.same_lr(params.lr)
    good = initialisation.well_scaled(mlp.init(range(params.seeds), params.width, DIMENSION))
    zero, constant = initialisation.constant(good, 0.0), initialisation.constant(good, params.constant)
    layers = constant._replace(embedding=good.embedding)
    return {
        "zero": (zero, lr),
        "zero layers": (zero._replace(embedding=good.embedding), lr),
        "constant": (constant, lr),
        "one unit": initialisations.single_unit(good, params.constant, params.lr),
        "constant layers": (layers, lr),
        "constant layers, bias frozen": (layers, lr._replace(hidden_bias=0.0)),
        "zero first layer": (good._replace(hidden=zero.hidden), lr),
        "zero last layer": (good._replace(output=zero.output), lr),
        **{f"tiny {scale:g}": (initialisations.scaled(good, scale), lr) for scale in params.tiny_scales},
        "good": (good, lr),
    }


def _run(params: Params, name: str) -> training.Run:
    return training.train(*_plans(params)[name], _examples(params), params.eval_steps)


def _escape(params: Params, of: tuple[str, float]) -> Array:
    """Time one escape: what is small, and its scale.  Steps [seed]."""
    small, scale = of
    examples, plans = _examples(params), _plans(params)
    good, lr = plans["good"]
    if small == "noise":
        noise = mlp.init([NOISE_SEED + seed for seed in range(params.seeds)], params.width, DIMENSION)
        layers = initialisations.perturbed(plans["constant layers"][0], noise, scale)._replace(embedding=good.embedding)
        return escape_time.time(layers, examples, lr, escape_time.unit_distance, SEPARATED)
    if small == "layers":
        weights = initialisations.small_layers(good, scale, examples.counts)
    else:
        weights = initialisations.scaled(good, scale)
    return escape_time.time(weights, examples, lr, escape_time.context_dependence, CONTEXT_USED)
