"""What is done to the project, one row each, and what is right after it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.staleness.system import System

HIT, RUN, EITHER = "hit", "run", "either"  # the last: the true value, computed again or kept safe


@dataclass(frozen=True)
class Row:
    """One change; `act` makes it in a project whose result is up to date."""

    what: str
    right: str
    act: Callable[[System], None]
    before: Callable[[System], None] | None = None  # done first, and brought up to date
    also: str = ""  # a kind of its own: chapter, killed, two, python, again
    refusal: bool = False  # whether to refuse, with file and line, is right too


def edit(file: str, old: str, new: str) -> Callable[[System], None]:
    """Return a change of a file's text; `entry` stands for the system's own file with the computation."""
    return lambda system: system.edit(file, old, new)


def _nothing(system: System) -> None:
    pass


def _data(system: System) -> None:
    (system.root / "data/numbers.txt").write_text("1\n2\n30\n")


def _data_with_old_time(system: System) -> None:
    path = system.root / "data/numbers.txt"
    stamp = path.stat()
    path.write_text("1\n2\n9\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def _touch(file: str) -> Callable[[System], None]:
    return lambda system: os.utime(system.place(file))


def _more_data(system: System) -> None:
    (system.root / "data/many/two.txt").write_text("8\n")


def _upgrade(system: System) -> None:
    library = system.installed
    (library / "abacus.py").write_text((library / "abacus.py").read_text().replace("FACTOR = 2", "FACTOR = 4"))
    old, new = library / "abacus-1.0.dist-info", library / "abacus-2.0.dist-info"
    old.rename(new)
    (new / "METADATA").write_text((new / "METADATA").read_text().replace("1.0", "2.0"))


def _move(system: System) -> None:
    system.root = system.root.rename(system.root.with_name("moved"))


def _clone(system: System) -> None:
    """Give every file a new time stamp, in alphabetical order, as a clone writes them."""
    begun = time.time() - 60
    for number, path in enumerate(sorted(path for path in system.root.rglob("*") if path.is_file())):
        stamp = begun + number / 100
        os.utime(path, (stamp, stamp))


def _back(system: System) -> None:
    edit("entry", "* steps", "+ steps")(system)
    system.run()
    edit("entry", "+ steps", "* steps")(system)


def _truncate(system: System) -> None:
    for path in system.kept():
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _delete(system: System) -> None:
    for path in system.kept():
        path.unlink() if path.is_file() else shutil.rmtree(path)


def _kill(system: System) -> None:
    edit("parts/deep.py", "1.25", "1.5")(system)
    edit("entry", "* steps", "+ steps")(system)
    Path(f"{system.ticks}.kill").touch()
    system.run(dies=True)


def _add(code: str, **files: str) -> Callable[[System], None]:
    """Let the module of the model do more: `code` in it, its `extra()` added to what is computed, and files in data/."""

    def before(system: System) -> None:
        for name, text in files.items():
            place = system.root / "data" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        system.edit("parts/model.py", "def unrelated", f"{code}\n\n\ndef unrelated")
        system.edit("parts/model.py", "* abacus.FACTOR", "* abacus.FACTOR + extra()")

    return before


def _write(file: str, text: str) -> Callable[[System], None]:
    return lambda system: (system.root / file).write_text(text)


def _own_code(system: System) -> None:
    (system.home / "src").mkdir()
    (system.home / "src/mine.py").write_text("def extra():\n    return 10\n")
    _add("from mine import extra")(system)


def _rename(system: System) -> None:
    (system.root / "parts/deep.py").rename(system.root / "parts/depths.py")
    system.edit("parts/model.py", "import deep, kinds", "import depths as deep, kinds")


def _move_function(system: System) -> None:
    (system.root / "parts/other.py").write_text((system.root / "parts/named.py").read_text())
    (system.root / "parts/named.py").write_text("from parts.other import chosen as chosen\n")


_read = 'from pathlib import Path\n\n\ndef extra():\n    return float(Path("data", "ex" + "tra.txt").read_text())'
_listed = "def extra():\n    return len(load('data/' + 'shelf'))\n\n\ndef load(folder):\n    return os.listdir(folder)"
_vain = "def extra():\n    return 5 if os.path.exists('data/' + 'more.txt') else 6"
_set = "lib = abacus\nlib.FACTOR = 2\n\n\ndef extra():\n    return 0"

_far = edit("parts/deep.py", "* 1.25", "* 1.75")
_both = lambda system: (_far(system), edit("entry", "* steps", "+ steps")(system))  # noqa: E731

ROWS = (
    Row("no change", HIT, _nothing),
    Row("prose edit in chapter", HIT, edit("chapter", "This much.", "As much as this."), also="chapter"),
    Row("cell option edit (fig-cap)", HIT, edit("chapter", "A drawing.", "A better drawing."), also="chapter"),
    Row("comment in entry code", HIT, edit("entry", "# Steps are added", "# The steps are added")),
    Row("entry code changed", RUN, edit("entry", "* steps", "+ steps")),
    Row("imported function body changed", RUN, edit("parts/model.py", "* SCALE +", "/ SCALE +")),
    Row("transitively imported function changed", RUN, _far),
    Row("module constant changed", RUN, edit("parts/model.py", "SCALE = 3.0", "SCALE = 4.0")),
    Row("default argument changed", RUN, edit("parts/model.py", "offset=0.5", "offset=0.75")),
    Row("comment in imported module", HIT, edit("parts/model.py", "SCALE = 3.0", "# A scale.\nSCALE = 3.0")),
    Row("unrelated function in imported module", HIT, edit("parts/model.py", "value + 1", "value + 2")),
    Row("installed library upgraded", RUN, _upgrade),
    Row("data file changed", RUN, _data),
    Row("data file changed, time kept", RUN, _data_with_old_time),
    Row("data file touched only", HIT, _touch("data/numbers.txt")),
    Row("entry file touched only", HIT, _touch("entry")),
    Row("parameter changed", RUN, lambda system: system.parameter("steps", 5)),
    Row("environment variable changed", RUN, lambda system: system.variables.update(STALENESS_GAIN="2"), refusal=True),
    Row("included _inc.qmd changed", RUN, edit("_inc.qmd", "inside + 1", "inside + 2"), also="chapter",
        before=lambda system: system.include(), refusal=True),
    Row("fig-width in _quarto.yml changed", RUN, edit("_quarto.yml", "fig-width: 5", "fig-width: 6"), also="chapter",
        before=lambda system: system.figure_width(), refusal=True),
    Row("edit then revert (A-B-A)", HIT, _back),
    Row("project moved to another path", HIT, _move),
    Row("dynamic import: what it brings changed", RUN, edit("parts/plugin.py", "100", "200"),
        before=lambda system: system.add_dynamic_import(), refusal=True),
    Row("function found by getattr changed", RUN, edit("parts/named.py", "20", "30")),
    Row("method of a subclass changed", RUN, edit("parts/kinds.py", "return 7", "return 8")),
    Row("decorator changed", RUN, edit("parts/kinds.py", "+ 10", "+ 11")),
    Row("closure changed", RUN, edit("parts/kinds.py", "0.125", "0.25")),
    Row("new file in a data folder", RUN, _more_data),
    Row("seed changed", RUN, lambda system: system.parameter("seed", 1)),
    Row("device changed", RUN, lambda system: system.parameter("device", "cuda")),
    Row("second output format", HIT, lambda system: system.second_format(), also="chapter"),
    Row("truncated entry", EITHER, _truncate),
    Row("killed in the middle of writing", RUN, _kill),
    Row("two writers at once", RUN, _both, also="two"),
    Row("deleted entry", EITHER, _delete),
    Row("fresh clone (new time stamps)", HIT, _clone),
    Row("other Python minor version", HIT, _nothing, also="python"),
    Row("result's fields changed", RUN, lambda system: system.change_fields()),
    Row("file read by a name put together changed", RUN, _write("data/extra.txt", "8"), before=_add(_read, **{"extra.txt": "7"})),
    Row("new file in a folder listed by a helper", RUN, _write("data/shelf/b", ""), before=_add(_listed, **{"shelf/a": ""})),
    Row("file looked for in vain appears", RUN, _write("data/more.txt", ""), before=_add(_vain)),
    Row("library set up under another name", RUN, edit("parts/model.py", "lib.FACTOR = 2", "lib.FACTOR = 5"), before=_add(_set)),
    Row("effect in a package's __init__ changed", RUN, _write("parts/__init__.py", "import abacus\nabacus.FACTOR = 7\n"),
        before=_write("parts/__init__.py", "import abacus\nabacus.FACTOR = 6\n")),
    Row("variable that the code sets itself changed", RUN, edit("parts/__init__.py", '"3"', '"4"'),
        before=_write("parts/__init__.py", 'import os\nos.environ["STALENESS_GAIN"] = "3"\n')),
    Row("code of one's own outside the project changed", RUN,
        lambda system: (system.home / "src/mine.py").write_text("def extra():\n    return 11\n"), before=_own_code),
    Row("module renamed", HIT, _rename),
    Row("function moved to another module", HIT, _move_function),
    Row("chapter renamed", HIT, lambda system: system.rename_chapter(), also="chapter"),
    Row("one experiment used by two chapters", HIT, lambda system: system.second_chapter(), also="chapter"),
)  # fmt: skip
