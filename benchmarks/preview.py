"""How long `lab preview` takes from saving to seeing, in the whole book: until a browser is told to load the page again.

Each kind of file that one edits is changed once and saved; the aim is 3 seconds.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from benchmarks.project import environment, fresh_copy
from benchmarks.render import LAB

WAYS = {  # what is saved: file, and what is replaced in it by what
    "a sentence": ("book/tanh_gain.qmd", "\n## ", "\nOne sentence more than before.\n\n## "),
    "the theme": ("book/theme/book.css", "\n", "\n\n"),
    "a figure": ("figures/tanh_gain.py", '"gain 1"', '"gain one"'),
    "an experiment's text": ("experiments/tanh_gain.py", "too small", "far too small"),
}


def main() -> None:
    """Measure and print."""
    table = Table("what is saved", "until seen, s", title="lab preview")
    with fresh_copy() as book:
        command = [*LAB, "preview", "--with", "press", "--no-browser", "--port", "0"]
        running = subprocess.Popen(command, cwd=book, env=environment(book), stdout=subprocess.PIPE, text=True)
        assert running.stdout
        address = next(found[0] for line in running.stdout if (found := re.search(r"http://\S+/", line)))
        try:
            for what, (path, old, new) in WAYS.items():
                table.add_row(what, f"{_seen_after(book / path, old, new, address):.1f}")
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(timeout=60)
    Console().print(table)


def _seen_after(path: Path, old: str, new: str, address: str) -> float:
    """Save a change and return the seconds until a browser that waits hears of the page made from it."""
    known = _version(address)
    begun = time.perf_counter()
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    while _version(address) == known:
        time.sleep(0.02)
    return time.perf_counter() - begun


def _version(address: str) -> int:
    """Return the version of the site that the server tells of."""
    return int(json.load(urlopen(f"{address}preview-news"))["version"])


if __name__ == "__main__":
    main()
