"""What a notebook needs of the lab besides the experiment and its figures: the claims, as a result of one's own decides them."""

from __future__ import annotations

from typing import Any

from IPython.display import Markdown

from lab.book.markdown_tables import markdown_table, plain
from lab.errors import LabError
from lab.keys.experiments import home
from lab.results.reading import as_result
from lab.run.verification import committed


def judged(experiment: Any, result: Any) -> Markdown:
    """Return the experiment's claims as a table: when each holds, and what becomes of it by this result and in the book."""
    params = getattr(result, "params", experiment.Params())
    try:
        book = as_result(experiment, committed(*home(experiment)))
    except LabError:  # there is none to read here
        book = None
    rows = []
    for claim in experiment.CLAIMS:
        text, line = map(plain, claim.stated(params))
        theirs = f"{claim.verdict(book)}: {plain(claim.number(book))}" if book is not None else "–"
        rows.append([text, line, f"**{claim.verdict(result)}**: {plain(claim.number(result))}", theirs])
    return Markdown(markdown_table(["claim", "when it holds", "here", "in the book"], rows))
