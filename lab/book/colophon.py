"""How a chapter's numbers came about: the command, the key, the cost, and where everything lies."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from IPython.display import Markdown

from lab.book import notebooks
from lab.book.markdown_tables import as_text, markdown_table
from lab.book.verdicts import in_book_order
from lab.duration import duration
from lab.errors import LabError
from lab.keys import experiments
from lab.keys.canonical_json import loads
from lab.keys.experiments import find_root, home
from lab.keys.params import as_options
from lab.results.reading import book_result, own_changes, page_result
from press import SourceError, read_project

REPRODUCED = "reproduced"  # holds what `lab verify --json` printed on readers' machines, under any name, committed


def colophon(experiment: Any) -> Markdown:
    """Return the last section of a chapter (a page in book/): how to run it again, and what it was run with."""
    name, root = home(experiment)
    stored, own = page_result(name, root), own_changes(name)
    made = stored.provenance
    place = f".lab/cache/{name}/{stored.key}" if own else f"results/{name}"
    data = {"result.json": f"{place}/result.json"}
    data |= {f"{table}.csv ({of.rows} rows)": f"{place}/{table}.csv" for table, of in stored.tables.items()}
    first, *more = experiments.files(name, root)
    code = {"experiment": first} | {Path(file).name: file for file in more}
    code |= {"figures": f"figures/{name}.py", "tests": f"tests/test_{name}.py"}
    cost, machine = duration(made["seconds"]), as_text(made["machine"])
    rows = [
        ["Result", f"computed {as_text(made['date'][:10])} in {cost} on one core of {machine}"],
        ["Versions", _versions(made, *sorted(made["versions"]))],
        ["Key", f"`{stored.key[:16]}`, a hash of the code it reaches, its parameters, its data and the versions"],
        ["Data", _links(data, root)],
        ["Code", _links(code, root)],
    ]
    if notebook := _links({f"{name}.ipynb": f"{notebooks.FOLDER}/{name}.ipynb"}, root):
        address = ""
        with suppress(SourceError):  # Quarto's settings are more than press can honour
            address = notebooks.colab(name, read_project(root))
        online = f", [in Colab]({address})" if address else ""
        smaller = getattr(experiment, "MINUTE", experiment.Params()) != experiment.Params()
        runs = "a smaller setting, whose verdicts may differ," if smaller else "the experiment"
        rows.append(["Notebook", f"{notebook}, which runs {runs} in about a minute{online}"])
    command = f"# compute it again beside the book's result, and compare\nlab verify {name}\n"
    if own:
        command = f"# compute this page's numbers again\nlab run {name} {as_options(own)} --force\n"
    elif other := _example(stored.params):
        command += "# another setting, and this page with your own numbers; the book's result stays as it is\n"
        command += f"lab run {name} --set {other}\nlab render {name} --set {other}\n"
    return Markdown(f"```bash\n{command}```\n\n{markdown_table(['', ''], rows, widths=[12, 88])}")


def costs() -> Markdown:
    """Return what every result of the book cost, when and where it was computed."""
    rows = []
    for name, made in _all_made():
        cost = duration(made["seconds"]).replace(" ", "\N{NO-BREAK SPACE}")
        where = [as_text(made["date"][:10]), _versions(made, "torch"), as_text(made["machine"])]
        rows.append([f"@sec-{name.replace('_', '-')}", cost, *where])
    header = ["Chapter", "Cost", "Computed", "Versions", "Machine"]
    return Markdown(markdown_table(header, rows, right=[False, True], widths=[12, 16, 14, 25, 33]))


def total_cost() -> str:
    """Return what all results of the book cost together, on one core."""
    return duration(sum(made["seconds"] for _, made in _all_made()))


def reproduced() -> Markdown:
    """Return the table of machines: those that the book's results come from, and those that computed them again."""
    machines = dict.fromkeys(made["machine"] for _, made in _all_made())
    rows = [[as_text(machine), "", "computed the book's results"] for machine in machines]
    rows += [_reproduced_row(path) for path in sorted((find_root() / REPRODUCED).glob("*.json"))]
    so_far = "" if len(rows) > 1 else "One machine so far.\n\n"
    return Markdown(so_far + markdown_table(["Machine", "Versions", "Result"], rows, widths=[40, 25, 35]))


def _all_made() -> list[tuple[str, dict[str, Any]]]:
    """Return how each result of the book was made, by its experiment."""
    root = find_root()
    return [(name, book_result(name, root).provenance) for name in in_book_order(root)]


def _versions(made: dict[str, Any], *libraries: str) -> str:
    """Return the versions that something was made with, of Python and of those of the libraries that it used."""
    used = [f"{library} {made['versions'][library]}" for library in libraries if library in made["versions"]]
    return ", ".join(as_text(version) for version in [f"Python {made['python']}", *used])


def _example(params: dict[str, Any]) -> str:
    """Return a change to try: twice the first whole number."""
    for name, value in params.items():
        if name.isidentifier() and isinstance(value, int) and not isinstance(value, bool):
            return f"{name}={2 * value}"
    return ""


def _links(files: dict[str, str], root: Path) -> str:
    return ", ".join(f"[{text}](../{file})" for text, file in files.items() if (root / file).is_file())


def _reproduced_row(path: Path) -> list[str]:
    try:
        said: dict[str, Any] = loads(path.read_bytes())
        of = said["experiments"]
        agree = sum(bool(one["agrees"]) for one in of.values())
        same = sum(bool(one["identical"]) for one in of.values())
        verdicts = [sum(one["verdicts"][part] for one in of.values()) for part in ("same", "of")]
        when, where, versions = as_text(said["date"][:10]), as_text(said["machine"]), _versions(said, *said["versions"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{path.name} in {REPRODUCED}/ is no summary of `lab verify --json` ({error!r})") from None
    found = f"{when}: {agree} of {len(of)} experiments agree, {verdicts[0]} of {verdicts[1]} verdicts; the same bits in {same}"
    return [where, versions, found]
