"""Which normalisation does not couple examples?

Method  The names network, and a small convolution of it, learn with batch, layer, group, instance and RMS norm and with
        none, at batch sizes from 1 to 256.  Every training sees the same number of examples; each norm has the best of
        several learning rates at each size.  Coupling is measured by exchanging the other examples of a batch.  Control for
        what small batches do by themselves: batches of the largest size whose statistics run over small parts.
Cost    About 4 minutes on one core.
Notes   000_10f5d5d0f6910b7a.txt, "Layer, instance normalization" and the lines above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.normalization_family import networks
from experiments.normalization_family.networks import (
    CHANNEL,
    CONVOLUTION,
    EXAMPLE,
    GROUP,
    NETWORK,
    POSITION,
    Norm,
    Running,
    Weights,
)
from lab.claims import Above, All, Any, Below, Caveat, Claim, Equals, Lines, rows
from lab.estimate import Estimate
from lab.progress import track
from lab.tasks import spread
from nets import mlp, names
from nets.names import CONTEXT, Counts

Array = NDArray[np.float64]

DIMENSION = 10  # of an embedding
NONE, BATCH, LAYER, GROUPED, RMS, INSTANCE = "none", "batch", "layer", "group", "RMS", "instance"
WITHIN = (LAYER, GROUPED, RMS, INSTANCE)  # norms within an example
ONE_PERCENT = 0.01  # nats; in perplexity, exp(loss), 1 %
ROUNDING = 1e-4  # change of a logit that float32 cannot make: logits are of order 0.1 to 10, their rounding 1e-6
SHUFFLE = 4_000_037  # seed of the order of evaluated examples, so that neighbours are not of the same name
FRESH = 1000  # added to a seed for the batches in which coupling and gradients are measured


@dataclass(frozen=True)
class Params:
    """The two networks, and how they are trained."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 64  # units of the names network
    channels: int = 32  # of the convolution
    positions: int = 6  # at which the convolution looks
    groups: int = 8  # of units or channels, for group norm
    examples: int = 32_768  # seen in each training
    sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 256)  # examples in a batch, names network; smallest first
    conv_sizes: tuple[int, ...] = (1, 4, 32)  # the same, convolution
    parts: tuple[int, ...] = (2, 4, 8, 16)  # examples that share statistics in batches of the largest size
    lrs: Annotated[tuple[float, ...], "> 0"] = (0.003125, 0.00625, 0.0125, 0.025)  # learning rates for each example
    wide_lrs: Annotated[tuple[float, ...], "> 0"] = (0.0015625, 0.05)  # the same, for norms that few values may share
    seeds: int = 6  # independent runs of the names network
    conv_seeds: int = 5  # of the convolution
    compared_seeds: int = 9  # of the convolution at its largest batch size, where the norms are compared
    tuned_on: int = 4000  # validation examples by which a learning rate is chosen
    evaluated: int = 30_000  # examples of each part that losses are taken over, at most
    probed: int = 32  # examples in the batches in which coupling is measured


SMOKE = Params(
    width=16,
    channels=8,
    positions=3,
    groups=4,
    examples=64,
    sizes=(1, 2, 4, 16),
    conv_sizes=(1, 4, 16),
    parts=(2, 4),
    lrs=(0.01, 0.02, 0.04),
    wide_lrs=(0.005, 0.08),
    seeds=2,
    conv_seeds=2,
    compared_seeds=3,
    tuned_on=100,
    evaluated=400,
    probed=4,
)
MINUTE = Params(examples=16_384)  # about that long on two cores: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  Losses are in nats a character after the last step, at the best of the learning rates."""

    params: Params
    coupled: float  # smallest change of an example's logits with other mates under batch norm (RMS over characters)
    uncoupled: float  # largest change of any logit with other mates under any other norm
    between_modes: float  # largest difference of a logit between training and evaluation mode under any other norm
    batch_refused: float  # share of the two networks in which PyTorch refuses batch norm on one example
    others_refused: float  # share of networks and other norms that it refuses
    worsening_batch: (
        Estimate  # rise of the test loss from the best batch size to the smallest, names network, batch norm
    )
    share_of_statistics: Estimate  # what statistics over pairs cost in large batches, over what batches of two cost
    conv_layer: Estimate  # test loss of layer norm less that of batch norm, convolution, largest size
    conv_instance: Estimate  # the same for instance norm
    halving: (
        Estimate  # batch norm's excess over layer norm in pairs, over that in the next larger batches; jitter says 2
    )
    one_example: pd.DataFrame  # per network and norm: whether PyTorch trains on one example, and what it says
    coupling: pd.DataFrame  # per network and norm: change of the logits with other mates, at initialisation
    losses: pd.DataFrame  # per network, size and norm: best learning rate, losses, excess over layer norm
    tuning: pd.DataFrame  # per network, size, norm and learning rate: validation loss on some examples
    worsening: pd.DataFrame  # per network and norm: test loss at the smallest size less that at the best size
    modes: (
        pd.DataFrame
    )  # per network and size, batch norm: loss in training mode, with running averages, with population's
    parts: pd.DataFrame  # per number of examples that share statistics in large batches: excess over layer norm
    gradients: pd.DataFrame  # per network, norm and size: share of the squared gradient that gets through


def _worsening(r: Result, batch: bool) -> list[tuple[float, float]]:
    return rows(r.worsening[(r.worsening["norm"] == BATCH) == batch], "worsening")


def _refusals(share: float, cases: int) -> str:
    return f"{share * cases:.0f} of {cases}"


def _mode_gaps(r: Result) -> list[tuple[float, float]]:
    """Return by how much the loss in training mode is off that in evaluation mode, whichever is lower."""
    signs = np.sign(r.modes["gap"])
    found = zip(signs, rows(r.modes, "gap"), strict=True)
    return [(low, high) if sign >= 0 else (-high, -low) for sign, (low, high) in found]


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="uncoupled",
        text="Layer norm and instance norm do not couple the examples of a batch, unlike batch norm.",
        source=Lines("N0", 66, 66),
        rule=All(
            Equals(
                "the largest change of a logit when the other examples are exchanged, with layer, instance, group and RMS norm,",
                lambda r: r.uncoupled,
                0,
                reason="nothing joins the examples",
            ),
            Above(
                "the smallest change with batch norm (over networks and seeds, RMS over the logits)",
                lambda r: r.coupled,
                ROUNDING,
                reason="rounding cannot do it",
            ),
        ),
        number=lambda r: (
            f"exchanging the others changes a logit by {r.uncoupled:g}; with batch norm, by {r.coupled:.2g} or more"
        ),
    ),
    Claim(
        name="replace",
        text="Layer norm and instance norm can take the place of batch norm.",
        source=Lines("N0", 66, 66),
        rule=Caveat(
            Below(
                "the test loss of either, minus that of batch norm, in the convolution at the largest batch size,",
                lambda r: [r.conv_layer, r.conv_instance],
                ONE_PERCENT,
                "nats",
                "1 % in perplexity",
            ),
            Any(
                Below("the difference for layer norm", lambda r: r.conv_layer, ONE_PERCENT, "nats"),
                Below("the difference for instance norm", lambda r: r.conv_instance, ONE_PERCENT, "nats"),
            ),
        ),
        number=lambda r: (
            f"layer norm’s test loss is higher than batch norm’s by {r.conv_layer} nats, instance norm’s by {r.conv_instance}"
        ),
    ),
    Claim(
        name="one-example",
        text="Batch norm cannot train on a single example; norms within an example can.",
        source=Lines("N0", 64, 64),
        rule=Caveat(
            All(
                Equals(
                    "the share of the two networks in which PyTorch refuses batch norm on one example",
                    lambda r: r.batch_refused,
                    1,
                ),
                Equals("the share of networks and other norms that it refuses", lambda r: r.others_refused, 0),
            ),
            Above("the share of the two networks in which it refuses batch norm", lambda r: r.batch_refused, 0),
        ),
        number=lambda r: (
            f"PyTorch refuses batch norm in {_refusals(r.batch_refused, 2)} networks, and other norms in "
            f"{_refusals(r.others_refused, 2 * len(WITHIN))} cases"
        ),
    ),
    Claim(
        name="modes",
        text="A network with batch norm does one thing in training and another in evaluation; with the other norms it does the same in both.",
        source=Lines("N0", 64, 64),
        rule=Caveat(
            All(
                Above(
                    "the difference between batch norm’s loss in training mode and in evaluation mode, at every batch size of "
                    "both networks,",
                    _mode_gaps,
                    ONE_PERCENT,
                    "nats",
                    "1 % in perplexity",
                ),
                Equals(
                    "the largest difference of a logit between the modes for any other norm",
                    lambda r: r.between_modes,
                    0,
                ),
            ),
            All(
                Above("the largest of these differences", lambda r: max(_mode_gaps(r)), ONE_PERCENT, "nats"),
                Equals("the largest difference of a logit for any other norm", lambda r: r.between_modes, 0),
            ),
        ),
        number=lambda r: (
            f"batch norm’s two losses differ by {r.modes['gap'].abs().max():.3f} nats at most and by "
            f"{r.modes['gap'].abs().min():.3f} at least; no other norm’s logits differ"
        ),
    ),
    Claim(
        name="small-batches",
        text="Batch norm gets worse as the batch shrinks; the others do not.",
        source=Lines("N0", 64, 64),
        rule=Caveat(
            All(
                Above(
                    "the test loss at the smallest batch size, minus that at the best one, with batch norm in both networks,",
                    lambda r: _worsening(r, batch=True),
                    ONE_PERCENT,
                    "nats",
                    "1 % in perplexity",
                ),
                Below(
                    "the same difference with every other norm and with none",
                    lambda r: _worsening(r, batch=False),
                    ONE_PERCENT,
                    "nats",
                ),
            ),
            Above(
                "the difference with batch norm in the names network",
                lambda r: r.worsening_batch,
                ONE_PERCENT,
                "nats",
            ),
        ),
        number=lambda r: (
            f"from the best batch size to pairs, batch norm’s loss in the names network rises by {r.worsening_batch} nats"
        ),
    ),
    Claim(
        name="statistics",
        text="That is due to statistics over few examples, and not to a small batch.",
        source=None,
        rule=Above(
            "the loss that statistics over pairs cost in large batches, divided by the loss that batches of two cost (each "
            "against layer norm at the same batch size),",
            lambda r: r.share_of_statistics,
            0.5,
            reason="they explain most of it",
        ),
        number=lambda r: f"statistics over pairs alone cost {r.share_of_statistics} times as much",
    ),
)


class Trained(NamedTuple):
    """What the trainings of one network at one batch size come to, by norm."""

    tuning: dict[str, Array]  # validation loss on some examples, [learning rate, seed]
    losses: dict[str, Array]  # at the best learning rate: training, validation, test, [3, seed]
    modes: Array  # batch norm, validation: in training mode, with running averages, [2, seed]
    gradients: dict[str, Array]  # share of the squared gradient that gets through, before and after training, [2, seed]


class Data(NamedTuple):
    """The examples as windows, each by its place in a table of all distinct windows."""

    x: torch.Tensor  # contexts to learn from, [example, context]
    y: torch.Tensor  # their next characters, [example]
    population: Counts  # all distinct windows, and how often each is met in `x`
    parts: list[
        tuple[torch.Tensor, torch.Tensor]
    ]  # training, validation, test: windows [example, position], characters


def run(params: Params) -> Result:
    """Train both networks with every norm at every batch size, and measure losses, coupling and gradients."""
    largest = params.sizes[-1]
    plans = [(CONVOLUTION, size, False) for size in params.conv_sizes]  # first what takes longest
    plans += [*((NETWORK, size, False) for size in params.sizes), (NETWORK, largest, True)]
    found = dict(zip(plans, spread(partial(_train, params), plans, "trainings"), strict=True))
    ghosts = found.pop((NETWORK, largest, True))
    cells = {(network, size): trained for (network, size, _), trained in found.items()}
    test = {
        (network, norm, size): losses[2]
        for (network, size), cell in cells.items()
        for norm, losses in cell.losses.items()
    }
    coupling, one_example = _coupling(params), _one_example(params)
    batch = coupling["norm"] == BATCH
    within = coupling["norm"].isin(WITHIN)
    refused = one_example.groupby(one_example["norm"] == BATCH)["refused"].mean()
    excess = {size: test[NETWORK, BATCH, size] - test[NETWORK, LAYER, size] for size in params.sizes if size > 1}
    pair, conv = params.sizes[1], params.conv_sizes[-1]
    by_parts = {size: ghosts.losses[str(size)][2] - test[NETWORK, LAYER, largest] for size in params.parts}
    return Result(
        params=params,
        coupled=float(coupling.loc[batch, "smallest"].min()),
        uncoupled=float(coupling.loc[within, "largest"].max()),
        between_modes=float(coupling.loc[within, "between_modes"].max()),
        batch_refused=float(refused[True]),
        others_refused=float(refused[False]),
        worsening_batch=Estimate.of(_worsening_of(cells, NETWORK, BATCH)[2]),
        share_of_statistics=Estimate.of(by_parts[params.parts[0]] / excess[pair]),
        conv_layer=Estimate.of(test[CONVOLUTION, LAYER, conv] - test[CONVOLUTION, BATCH, conv]),
        conv_instance=Estimate.of(test[CONVOLUTION, INSTANCE, conv] - test[CONVOLUTION, BATCH, conv]),
        halving=Estimate.of(excess[pair] / excess[params.sizes[2]]),
        one_example=one_example,
        coupling=coupling,
        losses=_loss_table(params, cells),
        tuning=_tuning_table(params, cells),
        worsening=_worsening_table(cells),
        modes=_mode_table(cells),
        parts=pd.DataFrame(
            [
                {"size": size, "lr": _best_lr(params, largest, str(size), ghosts)} | Estimate.columns("excess", by)
                for size, by in by_parts.items()
            ]
        ),
        gradients=_gradient_table(params, cells),
    )


def _norms(params: Params, network: str, size: int, in_parts: bool) -> dict[str, Norm]:
    """Return the norms that can train on batches of a size; `in_parts`, batch norm over ever more examples of each."""
    if in_parts:
        return {str(part): Norm((EXAMPLE, POSITION), parts=size // part) for part in params.parts}
    norms = {
        NONE: Norm(()),
        BATCH: Norm((EXAMPLE, POSITION)),
        LAYER: Norm((POSITION, GROUP, CHANNEL)),
        GROUPED: Norm((POSITION, CHANNEL), groups=params.groups),
        RMS: Norm((POSITION, GROUP, CHANNEL), centred=False),
        INSTANCE: Norm((POSITION,)),
    }
    if network == NETWORK:  # one position
        norms.pop(INSTANCE)
        if size == 1:
            norms.pop(BATCH)
    return norms


def _train(params: Params, plan: tuple[str, int, bool]) -> Trained:
    """Train one network at one batch size with all its norms and learning rates, as one ensemble."""
    network, size, in_parts = plan
    positions, channels, seeds = _shape(params, network)
    if network == CONVOLUTION and size == params.conv_sizes[-1]:
        seeds = range(params.compared_seeds)
    data, norms = _data(params, positions), _norms(params, network, size, in_parts)
    init = networks.init(seeds, channels, positions, DIMENSION)
    order = mlp.batches(seeds, len(data.x), size, params.examples // size)
    members = {name: [size * lr for lr in _lrs(params, name)] for name in norms}
    lrs = torch.tensor([lr for rates in members.values() for lr in rates]).repeat_interleave(len(seeds))
    slices, start = {}, 0
    for name, rates in members.items():
        slices[name] = slice(start, start := start + len(rates) * len(seeds))
    start_weights = networks.repeat(init, len(lrs) // len(seeds))
    of_norms = [(norm, slices[name]) for name, norm in norms.items()]
    steps = networks.train(start_weights, data.x, data.y, order, lrs, of_norms)
    for _ in track(range(len(order)), "steps"):
        weights, running = next(steps)
    tuning, losses, gradients, modes = {}, {}, {}, np.zeros((2, 0))
    x, y = data.x[chosen := _probes(params, seeds, len(data.x), size)], data.y[chosen]
    tune = [(part[: params.tuned_on], y[: params.tuned_on]) for part, y in data.parts[1:2]]
    for name, norm in norms.items():
        of_norm = [slice(at, at + len(seeds)) for at in range(slices[name].start, slices[name].stop, len(seeds))]
        found = [networks.losses(_part(weights, at), norm, data.population, tune)[0].numpy() for at in of_norm]
        tuning[name] = np.nan_to_num(np.stack(found), nan=np.inf, posinf=np.inf)
        best = of_norm[int(tuning[name].mean(1).argmin())]
        trained = _part(weights, best)
        losses[name] = networks.losses(trained, norm, data.population, data.parts).numpy()
        if name == BATCH:
            validation = data.parts[1:2]
            modes = np.stack(
                [
                    networks.losses(trained, norm, data.population, validation, mates=size)[0].numpy(),
                    networks.losses(
                        trained, norm, data.population, validation, running=Running(*(t[best] for t in running))
                    )[0].numpy(),
                ]
            )
        if norm.axes:
            gradients[name] = np.stack([networks.gradient_share(at, x, y, norm).numpy() for at in (init, trained)])
    return Trained(tuning, losses, modes, gradients)


def _lrs(params: Params, norm: str) -> list[float]:
    """Return the learning rates for each example that are tried, in order."""
    wide = norm not in (NONE, LAYER, GROUPED, RMS)
    return sorted((*params.lrs, *params.wide_lrs)) if wide else list(params.lrs)


def _best_lr(params: Params, size: int, norm: str, trained: Trained) -> float:
    return size * _lrs(params, norm)[int(trained.tuning[norm].mean(1).argmin())]


def _part(weights: Weights, of: slice) -> Weights:
    return Weights(*(tensor[of] for tensor in weights))


def _shape(params: Params, network: str) -> tuple[int, int, range]:
    """Return positions, channels and seeds of a network."""
    if network == NETWORK:
        return 1, params.width, range(params.seeds)
    return params.positions, params.channels, range(params.conv_seeds)


def _probes(params: Params, seeds: range, examples: int, size: int) -> torch.Tensor:
    """Choose a batch of examples for each seed that it was not trained on last: [seed, batch]."""
    return mlp.batches([FRESH + seed for seed in seeds], examples, size, 1)[0]


@cache  # one for all the tasks that a process computes
def _data(params: Params, positions: int) -> Data:
    length = CONTEXT - 1 + positions
    parts = [names.contexts(part, length) for part in names.split(names.load(params.data))]
    seen = [networks.windows(x) for x, _ in parts]  # [example * position, 3]
    everything = names.counts(torch.cat(seen), torch.zeros(sum(map(len, seen)), dtype=torch.int64)).contexts
    known, places = _codes(everything), []
    shuffled = []
    for windows, (_, y) in zip(seen, parts, strict=True):
        places.append(torch.searchsorted(known, _codes(windows)).view(-1, positions))
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(SHUFFLE))
        order = order[: min(params.evaluated, len(parts[1][1]))]  # of the training set as many as for validation
        shuffled.append((places[-1][order], y[order]))
    met = torch.bincount(places[0].flatten(), minlength=len(known)).double()[:, None]
    return Data(*parts[0], Counts(everything, met), shuffled)


def _codes(windows: torch.Tensor) -> torch.Tensor:
    """Number windows [window, 3] as `names.counts` sorts them."""
    return (windows * len(names.VOCABULARY) ** torch.arange(CONTEXT)).sum(1)


def _modules(params: Params, network: str) -> dict[str, list[torch.nn.Module]]:
    """Return each norm's networks at initialisation, one a seed, with PyTorch's own layers."""
    from experiments.normalization_family import plain  # here: reading a result must not load PyTorch

    positions, channels, seeds = _shape(params, network)
    init = networks.init(seeds, channels, positions, DIMENSION)
    family = plain.layers(params.groups, positions)
    return {name: [plain.module(alone, layer) for alone in mlp.members(init)] for name, layer in family.items()}


def _coupling(params: Params) -> pd.DataFrame:
    """Tabulate how far an example's logits move when its mates are exchanged, and between the modes."""
    table: list[dict[str, object]] = []
    for network in (NETWORK, CONVOLUTION):
        positions, _, seeds = _shape(params, network)
        x = _data(params, positions).x
        for name, models in _modules(params, network).items():
            if name == INSTANCE and network == NETWORK:
                continue  # no positions: PyTorch refuses
            moved, modes = [], []
            for seed, model in zip(seeds, models, strict=True):
                batch, other = x[mlp.batches([FRESH + seed], len(x), params.probed, 2)[:, 0]]
                with torch.no_grad():
                    logits = [model.train()(inputs) for inputs in (batch, torch.cat([batch[:1], other[1:]]))]
                    modes.append(float((model.eval()(batch) - logits[0]).abs().max()))
                moved.append((logits[1][0] - logits[0][0]).double())
            rms = [float(change.square().mean().sqrt()) for change in moved]
            row: dict[str, object] = {"network": network, "norm": name}
            row |= Estimate.columns("change", rms) | {
                "smallest": min(rms),
                "largest": max(float(change.abs().max()) for change in moved),
            }
            table.append(row | {"between_modes": max(modes)})
    return pd.DataFrame(table)


def _one_example(params: Params) -> pd.DataFrame:
    """Tabulate which networks PyTorch trains on a batch of one, and what it says where it does not."""
    table: list[dict[str, object]] = []
    for network in (NETWORK, CONVOLUTION):
        x, y = (tensor[:1] for tensor in _data(params, _shape(params, network)[0])[:2])
        for name, (model, *_) in _modules(params, network).items():
            said = ""
            try:
                loss = torch.nn.functional.cross_entropy(model.train()(x), y)
                torch.autograd.grad(loss, list(model.parameters()))
            except ValueError as error:
                said = str(error)
            if name != NONE:
                table.append({"network": network, "norm": name, "refused": bool(said), "message": said})
    return pd.DataFrame(table)


def _loss_table(params: Params, cells: Mapping[tuple[str, int], Trained]) -> pd.DataFrame:
    table: list[dict[str, object]] = []
    for (network, size), cell in sorted(cells.items(), key=lambda item: (item[0][0] == CONVOLUTION, item[0][1])):
        for norm, found in cell.losses.items():
            row: dict[str, object] = {"network": network, "size": size, "norm": norm}
            row["lr"] = _best_lr(params, size, norm, cell)
            for part, values in zip(("train", "validation", "test"), found, strict=True):
                row |= Estimate.columns(part, values)
            table.append(row | Estimate.columns("over_layer", found[2] - cell.losses[LAYER][2]))
    return pd.DataFrame(table)


def _tuning_table(params: Params, cells: Mapping[tuple[str, int], Trained]) -> pd.DataFrame:
    table: list[dict[str, object]] = []
    for (network, size), cell in sorted(cells.items(), key=lambda item: (item[0][0] == CONVOLUTION, item[0][1])):
        for norm, found in cell.tuning.items():
            for lr, values in zip(_lrs(params, norm), found, strict=True):
                row: dict[str, object] = {"network": network, "size": size, "norm": norm, "lr": size * lr}
                table.append(row | Estimate.columns("validation", values))
    return pd.DataFrame(table)


def _worsening_of(cells: Mapping[tuple[str, int], Trained], network: str, norm: str) -> tuple[int, int, Array]:
    """Return the best batch size, by validation loss, the smallest, and the rise of the test loss in between, [seed]."""
    found = {
        size: cell.losses[norm] for (where, size), cell in cells.items() if where == network and norm in cell.losses
    }
    best, smallest = min(found, key=lambda size: float(found[size][1].mean())), min(found)
    shared = min(found[best].shape[1], found[smallest].shape[1])  # seeds
    return best, smallest, found[smallest][2, :shared] - found[best][2, :shared]


def _worsening_table(cells: Mapping[tuple[str, int], Trained]) -> pd.DataFrame:
    table: list[dict[str, object]] = []
    for network in (NETWORK, CONVOLUTION):
        for norm in cells[network, max(size for where, size in cells if where == network)].losses:
            best, smallest, rise = _worsening_of(cells, network, norm)
            row: dict[str, object] = {"network": network, "norm": norm, "best": best, "smallest": smallest}
            table.append(row | Estimate.columns("worsening", rise))
    return pd.DataFrame(table)


def _mode_table(cells: Mapping[tuple[str, int], Trained]) -> pd.DataFrame:
    table: list[dict[str, object]] = []
    for (network, size), cell in sorted(cells.items(), key=lambda item: (item[0][0] == CONVOLUTION, item[0][1])):
        if BATCH in cell.losses:
            mates, running = cell.modes
            row: dict[str, object] = {"network": network, "size": size}
            row |= Estimate.columns("training_mode", mates) | Estimate.columns("running", running)
            row |= Estimate.columns("population", cell.losses[BATCH][1])
            table.append(row | Estimate.columns("gap", mates - running))
    return pd.DataFrame(table)


def _gradient_table(params: Params, cells: Mapping[tuple[str, int], Trained]) -> pd.DataFrame:
    """Tabulate the share of the squared gradient that gets through a norm, and what is left of random ones."""
    table: list[dict[str, object]] = []
    for (network, size), cell in sorted(cells.items(), key=lambda item: (item[0][0] == CONVOLUTION, item[0][1])):
        positions, channels, _ = _shape(params, network)
        sharing = {BATCH: size * positions, INSTANCE: positions, GROUPED: channels * positions // params.groups}
        for norm, (before, after) in cell.gradients.items():
            values = sharing.get(norm, channels * positions)
            row: dict[str, object] = {"network": network, "norm": norm, "size": size, "values": values}
            row["predicted"] = 1 - (1 if norm == RMS else 2) / values
            table.append(row | Estimate.columns("initial", before) | Estimate.columns("final", after))
    return pd.DataFrame(table)
