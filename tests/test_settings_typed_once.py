"""A setting is typed once, in Params: at other settings a chapter's texts, labels and axis limits are others too.

Every experiment runs at two small settings in which every parameter differs from the book's.  Its chapter is then executed with
those results in place of the book's.  A number of the book's setting that both renderings show, where neither setting has
it, was typed.  So was an axis limit far beyond the data of a small setting.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from IPython.display import Markdown
from matplotlib.figure import Figure
from matplotlib.text import Text as Words

import lab.book.verdicts
import lab.chapter
from lab.keys.experiments import home, load, names
from lab.results import store
from lab.results.reading import as_result
from press.read.qmd import Cell, Source, Text, parse
from tests.chapter_code import executed

ROOT = Path(__file__).resolve().parents[1]
# Parameters that are bound to each other, and so cannot be varied one by one: for the two settings.
BOUND: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "batch_average": ({"batch": 8}, {"batch": 32}),
    "batchnorm_regularization": (
        {"batch": 18, "groups": (18, 9, 3), "imitated": 9},
        {"batch": 20, "groups": (20, 10, 5), "imitated": 10},
    ),
    "normalization_family": (
        {"width": 20, "channels": 10, "groups": 5, "sizes": (1, 3, 6, 12), "parts": (3, 6), "conv_sizes": (1, 3, 6)}
        | {"examples": 60},
        {"width": 18, "channels": 6, "groups": 3, "sizes": (1, 5, 10, 20), "parts": (5, 10), "conv_sizes": (1, 5, 10)}
        | {"examples": 100},
    ),
    "loss_log": ({"late_lr": 0.04}, {"late_lr": 0.03}),  # texts speak of the ratio of the two rates
}
# Numbers that stand in a text for a reason of their own and are a parameter's default by chance: question, number, and a
# part of the place (nothing: wherever it stands).
BY_CHANCE = {
    ("batch_average", 16.0, ""): "the notes' own number, in the question",
    ("batch_average", 10.0, ""): "the base of a power",
    ("batchnorm_parameters", 12.0, "len("): "at how many steps averages are looked at in so short a training",
    ("cross_entropy", 5.0, ""): "tensors that a formula keeps",
    ("dead_neurons", 8.0, "strip("): "how many claims there are",
    ("dead_neurons", 6.0, "died_by_lr"): "per cent of units",
    ("forgiving", 5.0, "strip("): "how many claims there are",
    ("forgiving", 5.0, "len("): "how many kinds of network there are",
    ("forgiving", 6.0, "len("): "how many learning rates there are",
    ("identity_depth", 64.0, "table(shown"): "the layer at which powers of 1/4 become subnormal in float32",
    ("initial_loss", 100.0, "shrink"): "the lecture's factor on the last layer, 1/100",
    ("initial_loss", 0.01, "figures.loss"): "the same",
    ("kaiming", 8.0, "len("): "how many learning rates there are",
    ("identity_depth", 8.0, "strip("): "how many claims there are",
    ("loss_log", 0.1, "strip("): "what a run costs that takes no time",
    ("momentum_ema", 100.0, ""): "1 / (1 - 0.99), the window of one of the betas",
    ("momentum_ema", 1000.0, "table(counted"): "1 / (1 - 0.999), the same",
    (
        "momentum_ema",
        32.0,
        "table(counted",
    ): "1 / (1 - 0.969) and (1 + 0.939) / (1 - 0.939), for the betas that this test adds",
    ("moving_landscape", 0.1, "strip("): "what a run costs that takes no time",
    ("moving_landscape", 8.0, "at(PLAIN"): "half of an interval, in per cent",
    ("normalization_family", 8.0, "verdicts"): "cases: four norms in two networks",
    ("normalization_family", 8.0, "len("): "how many learning rates there are",
    ("squashing", 8.0, "strip("): "how many claims there are",
    ("tanh_gain", 10.0, ""): "the base of a power, and factors of ten",
    ("update_ratio", 0.001, ""): "the ratio that the notes call good, by chance Adam's learning rate",
    ("update_ratio", 7.0, "strip("): "how many claims there are",
    ("update_ratio", 6.0, "table("): "the best ratio at one setting, in thousandths",
    ("update_ratio", 5.0, "GOOD**2"): "millionths, a weight decay that an exercise computes",
    ("weight_distribution", 100.0, "'kept'"): "per cent of the variance: a network that hardly trained keeps all",
    ("weight_distribution", 0.003, "table("): "half of an interval, to one digit",
    ("weight_distribution", 0.3, "table("): "the same",
    ("zero_init", 10.0, ""): "a factor of ten, and powers of ten",
    ("zero_init", 100.0, "verdicts"): "per cent: all units are distinct",
}

NUMBER = re.compile(r"(?<![\w./−-])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w/]|[.,]\d|\s?%)")  # shares in % are no setting
SUPERSCRIPT = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]")
NUMBER_WORDS = {
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16,
    "twenty": 20, "twenty-four": 24, "thirty": 30, "thirty-two": 32, "forty": 40, "fifty": 50, "sixty": 60,
    "sixty-four": 64, "hundred": 100, "thousand": 1000,
}  # fmt: skip
NOT_PROSE = (
    re.compile(r"\A---\n.*?\n---\n", re.S),
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"(?<!\\)\$\$.*?\$\$", re.S),
    re.compile(r"(`+)[^`].*?\1", re.S),
    re.compile(r"(?<![\\$])\$(?=\S)[^$]*?(?<=\S)\$(?!\d)"),
    re.compile(r"\[[^\[\]]*\]\{[^}]*\.given[^}]*\}"),
    re.compile(r"(?<=\])\([^)\s]*\)"),
    re.compile(r"@[\w-]+|\{[#.][^}]*\}"),
)


# Two settings


def numbers(value: Any) -> set[float]:
    """Return the numbers in a parameter's value."""
    if isinstance(value, tuple):
        return set().union(*map(numbers, value))
    return {float(value)} if isinstance(value, int | float) and not isinstance(value, bool) else set()


def every_number(params: Any) -> set[float]:
    return set().union(*(numbers(value) for value in vars(params).values()))


def varied(value: Any, which: int, taken: set[float]) -> Any:
    """Return a value near this one that is not among those taken; `which` is 1 or 2, for two of them."""
    if isinstance(value, tuple):
        return tuple(varied(item, which, taken) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value == 0:
        return value
    step = which
    while True:
        found = value + step if isinstance(value, int) else float(f"{value * (1 - 0.03 * step):.3g}")
        if float(found) not in taken:
            return found
        step += 2


def other_settings(module: Any, folder: Path) -> list[Any]:
    """Return two settings of SMOKE's size in which every parameter is another than in the book, on other data.

    No number is one of the book's, except that a tuple of floats keeps its items and gets one more: texts speak of items by
    their value (the gain 1), and one that is missing fails loudly.
    """
    book, smoke = module.Params(), module.SMOKE
    taken, found = every_number(book), []
    for which in (1, 2):
        values = {name: varied(value, which, taken) for name, value in vars(smoke).items()}
        for name, value in vars(book).items():
            if isinstance(value, tuple) and any(isinstance(item, float) for item in value):
                more = varied(value[-1], which, taken)
                values[name] = tuple(sorted((*value, more), reverse=value[0] > value[-1]))
            if isinstance(value, Path):
                lines = (ROOT / value).read_text(encoding="utf-8").splitlines()
                values[name] = folder / f"{which}-{value.name}"
                values[name].write_text("\n".join(lines[500 * which : 500 * which + 2000]) + "\n", encoding="utf-8")
        found.append(module.Params(**values | BOUND.get(module.__name__.rpartition(".")[2], ({}, {}))[which - 1]))
    return found


# A chapter, executed in this process


@dataclass
class Rendering:
    """What a chapter shows at one setting: texts by place in its source, and its figures."""

    errors: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)


def rendered(source: Source, results: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Rendering:
    """Execute a chapter's cells and inline code, with these results in place of the stored ones."""

    def read(experiment: Any, stored: Any = None) -> Any:
        name, _ = home(experiment)
        if name in results:
            return results[name]
        return as_result(experiment, store.read_result(ROOT / "results" / name, ROOT))

    monkeypatch.setattr(lab.chapter, "read", read)
    monkeypatch.setattr(lab.book.verdicts, "as_result", read)
    stored = SimpleNamespace(provenance={"seconds": 0.0})  # of no registration: the rules are looked at elsewhere
    monkeypatch.setattr(lab.book.verdicts, "page_result", lambda *_: stored)
    monkeypatch.setattr(lab.chapter, "colophon", lambda *_: Markdown(""))  # of the book's run, which this is not
    found, variables = Rendering(), {"__name__": "__main__"}
    for chunk in source.chunks:
        places = [chunk] if isinstance(chunk, Cell) else chunk.inlines()
        for place in places:
            where = f"{source.file}:{place.line}: {place.code.strip().splitlines()[-1][:80]}"
            value, errors = executed(place.code, variables)
            found.errors += [f"{where}: {error}, at another setting" for error in errors]
            if isinstance(value, Figure):
                found.figures[where] = value
            elif not isinstance(place, Cell) or place.options.get("include") is not False:
                found.texts[f"{where} ({len(found.texts)})"] = getattr(value, "data", None) or str(value)
    return found


def shown(text: str) -> set[float]:
    """Return the numbers that a text shows, outside its code and what is marked as given."""
    for pattern in NOT_PROSE[1:]:
        text = pattern.sub(" ", text)
    found = {float(match.replace(",", "")) for match in NUMBER.findall(SUPERSCRIPT.sub("x", text))}
    return found | {number for word, number in NUMBER_WORDS.items() if re.search(rf"(?<![\w-]){word}(?![\w-])", text)}


def words(figure: Figure) -> dict[int, str]:
    """Return what is written in a figure, except the numbers along its axes."""
    along = [(line, text) for axis in figure.axes for line in (axis.xaxis, axis.yaxis) for text in line.findobj(Words)]
    ticks = {id(text) for line, text in along if text is not line.label and not re.search("[a-z]", text.get_text())}
    found = [text.get_text() for text in figure.findobj(Words) if id(text) not in ticks and text.get_text().strip()]
    return dict(enumerate(text for text in found if "mathdefault" not in text))


def cramped(figure: Figure) -> list[tuple[float, float]]:
    """Return the limits set by hand of horizontal axes of which the data fill less than a quarter."""
    found = []
    for axis in figure.axes:
        if axis.get_autoscalex_on() or not axis.has_data():
            continue
        scale = axis.xaxis.get_transform().transform
        ends = np.array(sorted(axis.get_xlim()))
        data = axis.dataLim.intervalx.copy()
        if axis.get_xscale() == "log":
            data[0] = max(data[0], axis.dataLim.minposx)
        low, high = scale(ends)
        first, last = np.clip(scale(np.sort(data)), low, high)
        if last - first < 0.25 * (high - low):
            found.append((float(ends[0]), float(ends[1])))
    return found


def prose(source: Source) -> Iterator[tuple[str, str]]:
    """Yield a chapter's prose line by line, alt texts among it, without code, formulas, given numbers and references."""
    for chunk in source.chunks:
        if isinstance(chunk, Text):
            text = chunk.text
            for pattern in NOT_PROSE:
                text = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
            for number, line in enumerate(text.split("\n"), chunk.line):
                yield f"{source.file}:{number}", line
        elif "fig-alt" in chunk.options:
            yield f"{source.file}:{chunk.line}, alt text", str(chunk.options["fig-alt"])


def typed_settings(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return where a chapter, its claims or its figures show a number that only the book's setting has."""
    module = load(name, ROOT)
    settings = other_settings(module, folder)
    book = every_number(module.Params()) - set().union(*map(every_number, settings)) - {0.0, 1.0, 2.0, 3.0, 4.0}

    def by_chance(where: str) -> set[float]:
        return {number for question, number, place in BY_CHANCE if question == name and place in where}

    file = f"book/{name}.qmd"
    source = parse((ROOT / file).read_text(encoding="utf-8"), file, {})
    found = [
        f"{where}: {number:g} in {line.strip()!r}"
        for where, line in prose(source)
        for number in sorted(shown(line) & {number for number in book if number >= 5} - by_chance(where))
    ]
    monkeypatch.chdir(ROOT)
    one, other = (rendered(source, {name: module.run(params)}, monkeypatch) for params in settings)
    found += [error for error in dict.fromkeys(one.errors + other.errors) if "NameError" not in error]

    def typed(where: str, text: str, other_text: str) -> list[float]:
        return sorted((shown(text) & shown(other_text) & book) - by_chance(where))

    for where, text in one.texts.items():
        for number in typed(where, text, other.texts.get(where, "")):
            found.append(f"{where}\nshows {number:g} at every setting")
    for where, figure in one.figures.items():
        if where not in other.figures:
            continue  # its error is told
        for drawn in (figure, other.figures[where]):
            drawn.savefig(io.BytesIO(), format="png", dpi=40)  # layouts and labels are made when a figure is drawn
        ours, theirs = words(figure), words(other.figures[where])
        for place, text in ours.items():
            for number in typed(where, text, theirs.get(place, "")):
                found.append(f"{where}\nhas {number:g} in {text!r} at every setting")
        for ends in sorted(set(cramped(figure)) & set(cramped(other.figures[where]))):
            found.append(f"{where}\nhas the limits {ends} at every setting, most of it empty: compute them")
    return found


@pytest.mark.parametrize("question", names(ROOT))
def test_no_setting_of_the_book_is_typed_in_its_chapter_claims_or_figures(
    question: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks this small diverge, and their figures have little room
        found = typed_settings(question, tmp_path, monkeypatch)
    assert not found, f"{len(found)} places:\n" + "\n".join(found)


def test_numbers_are_found_in_texts_as_digits_and_as_words_but_not_where_they_mean_something_else() -> None:
    assert shown("Over fifty layers, layer 50; 3,000 steps.") == {50, 3000}
    assert shown("within 5 % of `50`, [50]{.given}, $50$, @sec-50, 10⁵⁰ and 50/3") == set()


def test_other_settings_share_no_number_with_the_book_but_what_tuples_keep(tmp_path: Path) -> None:
    if not names(ROOT):
        pytest.skip("the book has no question")
    module = load(names(ROOT)[-1], ROOT)
    one, other = other_settings(module, tmp_path)
    book = vars(module.Params())
    for params in (one, other):
        assert all(value != book[name] for name, value in vars(params).items())
    assert all(vars(one)[name] != value for name, value in vars(other).items())
    kept = set().union(*(numbers(value) for value in book.values() if isinstance(value, tuple)))
    assert every_number(module.Params()) & every_number(one) <= kept


def test_limits_that_leave_the_data_in_a_corner_are_found() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    for axis in (left, right):
        axis.plot([1, 6], [0, 1])
    left.set_xlim(0, 57)
    right.set_xlim(0, 7)
    assert cramped(figure) == [(0, 57)]
