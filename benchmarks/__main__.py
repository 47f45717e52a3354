"""`python -m benchmarks [NAME ...]`: run the benchmarks, all of them or those named."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run each module's `main`."""
    modules = [*HERE.glob("*.py"), *(path.parent for path in HERE.glob("*/__init__.py"))]
    there = sorted(path.stem for path in modules if not path.stem.startswith("_") and path.stem != "project")
    wanted = sys.argv[1:] or there
    unknown = [name for name in wanted if name not in there]
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(there)}")
    for name in wanted:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
