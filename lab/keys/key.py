"""What a result depends on as far as it can be told without running it, as a hash: code that `run` reaches, parameters, library versions.

What it reads on top of that is recorded while it runs (press.execute.recorder), and lies in the result beside the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import device
from lab.errors import LabError, Refused
from lab.keys import experiments, key_parts, params, versions
from lab.keys.call_graph import Place, Reach, Reached
from lab.keys.canonical_json import digest, pack


@dataclass(frozen=True)
class Key:
    """The key of one experiment at one setting, and what it was made of."""

    experiment: str
    key: str
    values: dict[str, Any]  # parameters
    book: bool  # whether that is the book's setting
    parts: dict[str, Any]  # "form" of the code; "versions", "environment" by name; for `lab why` alone: "code", "text"
    spreads: bool = False  # whether it cuts its work into tasks (lab.tasks)
    files: dict[str, Path] = field(default_factory=dict)  # of the code and data that it names, without the lab's

    @property
    def packed(self) -> dict[str, Any]:
        """The parameters as JSON holds them."""
        return {name: pack(value) for name, value in self.values.items()}


def compute(
    name: str,
    root: Path,
    changes: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
    look: Reach | None = None,
) -> Key:
    """Return the key of an experiment with `changes` (as typed) to the book's parameters, or with given `values`.

    `look` is one look at the project's code, shared by the keys of many experiments.  Raises Refused for code that
    cannot be followed.
    """
    look = look or Reach(root)
    of_the_book = not changes and values is None
    if of_the_book and isinstance(there := look.kept.get(name), Key):
        return there
    known = fields(name, root, look)
    default = {field.name: field.default for field in known.values()}
    chosen = values if values is not None else params.override(known, changes or {}, root)
    params.check_paths(chosen, root)
    start, reached = _follow(name, look)
    tops = {".".join(used.split(".")[:2]) for used in reached.outside}
    elsewhere = device.in_key() if "lab.device" in tops else {}
    made = {
        "form": key_parts.form(look, reached, start),
        "versions": versions.of(key_parts.libraries(reached.outside)),
        "environment": elsewhere,
    }
    code, text = key_parts.code_by_name(look, reached)
    key = digest({"params": [[field, pack(chosen[field])] for field in known if field in chosen], **made})
    files = {look.sources.label(module): look.sources.file(module) for module in reached.modules}
    files |= {path: root / path for path in params.paths(chosen)}
    book = chosen == default and not elsewhere
    named = {file: path for file, path in files.items() if path and not file.startswith("lab/")}
    found = Key(name, key, chosen, book, made | {"code": code, "text": text}, "lab.tasks" in tops, named)
    if of_the_book:
        look.kept[name] = found
    return found


def fields(name: str, root: Path, look: Reach | None = None) -> dict[str, params.Field]:
    """Return an experiment's parameters by name."""
    experiments.source(name, root)
    outline = (look or Reach(root)).sources.outline(f"experiments.{name}")
    assert outline
    if "refused" in outline.params:
        raise Refused(outline.params["refused"])
    found = [params.Field.unpacked(*packed) for packed in outline.params["fields"]]
    return {field.name: field for field in found}


def _follow(name: str, look: Reach) -> tuple[Sequence[Place], Reached]:
    """Return where an experiment's code starts, and all that it reaches."""
    module = f"experiments.{name}"
    start = [place for wanted in ("run", "Result") for place in look.find(module, wanted)]
    if not look.find(module, "run"):
        raise LabError(f"experiments/{name}.py has no function run: an experiment has five names")
    shell = look.find(module, "Params")
    reached = look.follow([*start, *shell], module)
    used = {target.place for place in reached.places for target in look.targets(place)}
    if not set(shell) & used:  # the values of its fields are the parameters, and count as those
        reached.shells = set(shell)
    key_parts.refuse(look, reached)
    return [*start, *shell], reached
