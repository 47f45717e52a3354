"""What a result depends on, as a hash: code that `run` reaches, parameters, contents of data files, library versions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import device
from lab.errors import LabError, Refused
from lab.keys import experiments, key_parts, params, versions
from lab.keys.call_graph import Reach, Reached
from lab.keys.canonical_json import digest, pack


@dataclass(frozen=True)
class Key:
    """The key of one experiment at one setting, and what it was made of."""

    experiment: str
    key: str
    values: dict[str, Any]  # parameters
    book: bool  # whether that is the book's setting
    parts: dict[str, Any]  # "code", "data", "versions", "environment", by name; "text": constants for `lab why`
    spreads: bool = False  # whether it cuts its work into tasks (lab.tasks)
    files: tuple[str, ...] = ()  # that all this was read from, relative to the root, without the lab's

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
    known = fields(name, root, look)
    default = {field.name: field.default for field in known.values()}
    chosen = values if values is not None else params.override(known, changes or {}, root)
    data = params.data(chosen, root)
    given = {field: pack(value) for field, value in chosen.items() if field not in data}
    code, text, reached = _code(name, look)
    tops = {".".join(used.split(".")[:2]) for used in reached.outside}
    named = key_parts.files(look, reached, root)
    elsewhere = device.in_key() if "lab.device" in tops else {}
    made = {
        "code": code,
        "data": data | named,
        "versions": versions.of(key_parts.libraries(reached.outside)),
        "environment": key_parts.environment(look, reached) | elsewhere,
    }
    key = digest({"params": given, **made})
    files = {*map(look.sources.label, reached.modules), *named, *params.paths(chosen)}
    book = chosen == default and not elsewhere
    return Key(name, key, chosen, book, made | {"text": text}, "lab.tasks" in tops, tuple(sorted(files)))


def fields(name: str, root: Path, look: Reach | None = None) -> dict[str, params.Field]:
    """Return an experiment's parameters by name."""
    experiments.source(name, root)
    outline = (look or Reach(root)).sources.outline(f"experiments.{name}")
    assert outline
    if "refused" in outline.params:
        raise Refused(outline.params["refused"])
    found = [params.Field.unpacked(*packed) for packed in outline.params["fields"]]
    return {field.name: field for field in found}


def _code(name: str, look: Reach) -> tuple[dict[str, str], dict[str, str], Reached]:
    module = f"experiments.{name}"
    start = [place for wanted in ("run", "Result") for place in look.find(module, wanted)]
    if not look.find(module, "run"):
        raise LabError(f"experiments/{name}.py has no function run: an experiment has five names")
    shell = set(look.find(module, "Params"))
    reached = look.follow([*start, *shell], module)
    used = {target.place for place in reached.places - shell for target in look.targets(place)}
    if not shell & used:  # the values of its fields are the parameters, and count as those
        reached.shells = shell
    key_parts.refuse(look, reached)
    return *key_parts.code(look, reached), reached
