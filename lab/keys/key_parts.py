"""What reached code comes to: hashes by name, and the files, environment variables and libraries that it uses."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from lab.errors import Refused
from lab.keys.call_graph import Reach, Reached
from lab.keys.canonical_json import content
from lab.keys.key_diff import ORDER
from lab.keys.resolve import WHOLE
from lab.keys.statement_kinds import DEF, LOOSE
from lab.keys.syntax import short

_C = {".c", ".cc", ".cpp", ".cu", ".cxx", ".h", ".hpp"}
_WITHOUT_EFFECT = ("lab.progress", "lab.tasks", "lab.compiled", "lab.device")  # what may be used and changes no number


def libraries(outside: Iterable[str]) -> set[str]:
    """Return the libraries (by import name) among names from outside the project, without Python's own."""
    tops = {name.partition(".")[0] for name in outside}
    return {top for top in tops if top not in sys.stdlib_module_names and top not in ("lab", "__main__")}


def refuse(reach: Reach, reached: Reached) -> None:
    """Raise Refused for the first piece of reached code that cannot be followed."""
    places = sorted(place for place in reached.places if place[1] != WHOLE)
    reads = any(reach.unit(place).reads for place in places)
    for place in places:
        unit, file = reach.unit(place), reach.sources.label(place[0])
        if refused := unit.refused or (unit.builds if reads else []):
            line, why = refused[0]
            raise Refused(f"{file}:{line}: {why}")
        for target in reach.targets(place):
            if target.outside.startswith("lab.") and not target.outside.startswith(_WITHOUT_EFFECT):
                hint = "an experiment needs from the lab only lab.claims, lab.estimate, lab.progress and lab.tasks"
                raise Refused(f"{file}:{unit.line}: {target.outside} cannot be followed\n{hint}")


def code(reach: Reach, reached: Reached) -> tuple[dict[str, str], dict[str, str]]:
    """Return the hash of each reached definition, and the text of short constants, by name: "nets/mlp.py: train"."""
    hashes: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    order: dict[str, list[str]] = {}  # of what runs on import, by file
    told: set[str] = set()  # files in which it matters
    acts = {place for name in reached.modules for place, *_ in reach.effects(name)}
    for place in sorted(reached.places):
        module, index = place
        if index == WHOLE:
            continue
        unit, file = reach.unit(place), reach.sources.label(module)
        label = f"{file}: {', '.join(unit.names) or 'what importing it does'}"
        hashes.setdefault(label, []).append(reach.hash(place, shell=place in reached.shells))
        if unit.kind != DEF or len(hashes[label]) > 1 or place in acts:
            order.setdefault(file, []).append(label)
        if unit.kind == LOOSE or len(hashes[label]) > 1 or place in acts:
            told.add(file)
        if unit.text:
            texts[label] = unit.text
    hashes |= {f"{file}: {ORDER}": [short("\n".join(order[file]))] for file in told & set(order)}
    return {label: found[0] if len(found) == 1 else short(" ".join(found)) for label, found in hashes.items()}, texts


def files(look: Reach, reached: Reached, root: Path) -> dict[str, str]:
    """Return the content of each file that reached code names."""
    units = look.units(reached.places - reached.shells)
    named = {path for unit in units for path in unit.files}
    todo = sorted(named | {path for unit in units for path in unit.paths if (root / path).is_file()})
    found: dict[str, str] = {}
    while todo:
        path = todo.pop(0)
        if path not in found:
            found[path] = content(root / path) if (root / path).exists() else "missing"
            todo += _included(path, root)
    return found


def _included(path: str, root: Path) -> list[str]:
    """Return the files beside it that a C or C++ file includes."""
    if Path(path).suffix not in _C or not (root / path).is_file():
        return []
    inside = re.findall(r'^\s*#\s*include\s*"([^"]+)"', (root / path).read_text("utf-8", "replace"), re.MULTILINE)
    return [os.path.normpath(Path(path).parent / name) for name in inside]


def environment(look: Reach, reached: Reached) -> dict[str, str | None]:
    """Return the value of each environment variable that reached code names."""
    return {name: os.environ.get(name) for unit in look.units(reached.places) for name in unit.variables}
