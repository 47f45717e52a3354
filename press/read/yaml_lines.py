"""YAML with line numbers, so that an error can point at the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from press.errors import SourceError

Lines = dict[tuple[str | int, ...], int]  # ("book", "chapters", 0) -> line


def load_yaml(text: str, file: str | Path, first_line: int = 1) -> tuple[Any, Lines]:
    """Return the value of `text` and the line of every key and item in it; `first_line` is where the text starts."""
    import yaml

    loader = yaml.CSafeLoader(text) if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader(text)
    lines: Lines = {}
    seen: set[int] = set()
    odd = set(text) & set("\x85\u2028\u2029")  # ends of lines to YAML, and to no editor

    def line_of(mark: Any) -> int:
        return first_line + (text.count("\n", 0, mark.index) if odd else min(mark.line, text.count("\n")))

    def build(node: Any, path: tuple[str | int, ...]) -> Any:
        line = line_of(node.start_mark)
        if id(node) in seen:
            raise SourceError(file, line, "an alias (*name) in YAML", "press has none; write out what it stands for")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            value: dict[str, Any] = {}
            for key_node, value_node in node.value:
                line = line_of(key_node.start_mark)
                if not isinstance(key_node, yaml.ScalarNode):
                    what = "broken YAML: a name that is a list or has settings"
                    raise SourceError(file, line, what, "write name: value")
                key = str(key_node.value)
                if key in value:
                    raise SourceError(file, line, f"{key} is given twice", f"first on line {lines[(*path, key)]}")
                lines[(*path, key)] = line
                value[key] = build(value_node, (*path, key))
            return value
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                lines[(*path, index)] = line_of(item.start_mark)
                items.append(build(item, (*path, index)))
            return items
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value  # a date stays as it was written
        try:
            return loader.construct_object(node, deep=True)
        except (ValueError, KeyError):  # `!!int x`: PyYAML lets these through
            what = f"broken YAML: {node.value[:40]} is not a value of the kind {node.tag.rpartition(':')[2]}"
            raise SourceError(file, line, what, "put it in quotes to make it a text") from None

    try:
        node = loader.get_single_node()
        return (None if node is None else build(node, ())), lines
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        told = [getattr(error, "context", None), getattr(error, "problem", None)]
        what = ", ".join(part for part in told if part) or str(error).partition("\n")[0]
        line = line_of(mark) if mark else first_line
        raise SourceError(file, line, f"broken YAML: {what}", "check indentation, colons and quotes") from None
    finally:
        loader.dispose()
