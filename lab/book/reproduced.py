"""On which machines the book's results have been computed again, and what came of it: summaries that readers send.

reproduced/<any name>.json      what `lab verify --json` printed there, committed
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from IPython.display import Markdown

from lab.book.markdown_tables import as_text, markdown_table
from lab.book.verdicts import in_book_order
from lab.errors import LabError
from lab.keys.canonical_json import loads
from lab.keys.experiments import find_root
from lab.results.reading import book_result

FOLDER = "reproduced"


def reproduced() -> Markdown:
    """Return the table of machines: those that the book's results come from, and those that computed them again."""
    root = find_root()
    made = [book_result(name, root).provenance for name in in_book_order(root)]
    rows = [
        [as_text(machine), "", "computed the book's results"] for machine in dict.fromkeys(of["machine"] for of in made)
    ]
    rows += [_row(path) for path in sorted((root / FOLDER).glob("*.json"))]
    so_far = "" if len(rows) > 1 else "One machine so far.\n\n"
    return Markdown(so_far + markdown_table(["Machine", "With", "What came of it"], rows, widths=[40, 25, 35]))


def _row(path: Path) -> list[str]:
    try:
        said: dict[str, Any] = loads(path.read_bytes())
        of = said["experiments"]
        agree = sum(bool(one["agrees"]) for one in of.values())
        same = sum(bool(one["identical"]) for one in of.values())
        verdicts = [sum(one["verdicts"][part] for one in of.values()) for part in ("same", "of")]
        versions = [f"Python {said['python']}", *(f"{name} {version}" for name, version in said["versions"].items())]
        when, where = as_text(said["date"][:10]), as_text(said["machine"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{path.name} in {FOLDER}/ is no summary of `lab verify --json` ({error!r})") from None
    found = f"{when}: {agree} of {len(of)} experiments agree, {verdicts[0]} of {verdicts[1]} verdicts; the same bits in {same}"
    return [where, as_text(", ".join(versions)), found]
