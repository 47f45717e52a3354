"""What of the time that `quarto render` takes is the book's own doing, part by part and without Quarto.

    python -m benchmarks.under_quarto [FOLDER ...]

Each FOLDER is another checkout of the project, from before some change, whose results are fresh; all are measured in turn, with the
Python that runs this.  Times are of CPU, of one thread; the least of several rounds counts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from hashlib import md5
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.project import ROOT, fresh_copy
from press.pandoc import program
from press.read.globs import matching

ROUNDS = 3
KERNELS = "a kernel, from its start to the end of the first cell, ms"
PRERENDER = "the pre-render script, where nothing has changed, ms"
FILTERS = "the filters in pandoc, for all pages and the PDF, ms"
FILES, BYTES = "files published beside the pages", "their size, MB"

# What Quarto has Jupyter do for a chapter, up to the end of its first cell, and what the kernel says it took by then.
FIRST_CELL = """
import json, os, sys, nbformat
from nbclient import NotebookClient
CPU = "import json, os, time; print(json.dumps([time.process_time(), os.getppid()]))"
cells = [nbformat.v4.new_code_cell(text) for text in (sys.argv[1], CPU)]
notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python"}})
client = NotebookClient(notebook, resources={"metadata": {"path": "."}})
client.create_kernel_manager()
client.start_new_kernel()
client.start_new_kernel_client()
for number, cell in enumerate(cells):
    client.execute_cell(cell, number)
took, parent = json.loads(cells[-1].outputs[-1].text)
shared = 0
if parent != os.getpid():  # a process that all kernels are copies of
    fields = open(f"/proc/{parent}/stat").read().rpartition(")")[2].split()
    shared = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
print(took, shared)
client._cleanup_kernel()
"""
# Runs filters as Quarto does, in one process one after the other, and says how long they took.
TIMED = """
quarto = {doc = {input_file = %s}, project = {directory = "."}}
function Pandoc(doc)
  local took = 0
  for _, file in ipairs(%s) do
    Pandoc, Inlines, Blocks = nil, nil, nil
    local filters = dofile(file) or {{Pandoc = Pandoc, Inlines = Inlines, Blocks = Blocks}}
    for _, filter in ipairs(filters[1] and filters or {filters}) do
      local begin = os.clock()
      doc = doc:walk(filter)
      took = took + os.clock() - begin
    end
  end
  io.stderr:write("took ", 1000 * took, "\\n")
  return doc
end
"""


def main(others: list[str] | None = None) -> None:
    """Measure and print."""
    folders = [*map(Path, others or []), ROOT]
    rounds: dict[Path, list[dict[str, float]]] = {folder: [] for folder in folders}
    for _ in range(ROUNDS):
        for folder in folders:
            rounds[folder].append(parts(folder))
    best = {
        folder: {what: min(found[what] for found in rounds[folder]) for what in rounds[folder][0]} for folder in folders
    }
    table = Table("what", *(folder.name for folder in folders), title="The book's share of what Quarto does")
    for what in best[ROOT]:
        shown = [f"{best[folder][what]:.0f}" for folder in folders]
        ratio = [f" ({best[folder][what] / (best[ROOT][what] or 1):.1f} times)" for folder in folders[:-1]]
        table.add_row(what, *map("".join, zip(shown, [*ratio, ""], strict=True)))
    Console(width=160).print(table)


def parts(folder: Path) -> dict[str, float]:
    """Return what each part of a checkout takes."""
    with fresh_copy(folder) as book:
        settings = yaml.safe_load((book / "_quarto.yml").read_text(encoding="utf-8"))
        files = published(book, settings["project"]["resources"])
        return {
            KERNELS: 1000 * first_cells(book, settings["project"]["pre-render"]),
            PRERENDER: 1000 * prerender(book, settings["project"]["pre-render"]),
            FILTERS: filters(book, settings["filters"]),
            FILES: len(files),
            BYTES: sum(file.stat().st_size for file in files) / 1e6,
        }


def first_cells(book: Path, script: str) -> float:
    """Return the CPU seconds of a kernel until its first cell has ended: the mean of the chapters', with what they share."""
    python, first = shlex.quote(sys.executable), shlex.quote(FIRST_CELL)
    commands = [f"{python} {script} >&2"]
    for path, text in chapters(book).items():
        if cell := re.search(r"^```\{python\}\n(.*?)^```$", text, re.M | re.S):
            where = f"QUARTO_DOCUMENT_PATH={shlex.quote(str(path.parent))} QUARTO_DOCUMENT_FILE={path.name}"
            commands.append(f"{where} {python} -c {first} {shlex.quote(cell[1])}")
    found = [tuple(map(float, line.split())) for line in run(["sh", "-ec", "\n".join(commands)], book).splitlines()]
    return (sum(took for took, _ in found) + max(shared for _, shared in found)) / len(found)


def prerender(book: Path, script: str) -> float:
    """Return the CPU seconds of a pre-render script that finds everything as it left it, and every chapter frozen."""
    run([sys.executable, script], book)  # and Python keeps bytecode
    for path, text in chapters(book).items():
        frozen = book / "_freeze" / path.relative_to(book).with_suffix("") / "execute-results/html.json"
        frozen.parent.mkdir(parents=True, exist_ok=True)
        frozen.write_text(json.dumps({"hash": md5(text.encode(), usedforsecurity=False).hexdigest()}), encoding="utf-8")
    run([sys.executable, script], book)  # the keys of the chapters go on record
    begin = os.times()
    run([sys.executable, script], book)
    end = os.times()
    return end.children_user + end.children_system - begin.children_user - begin.children_system


def filters(book: Path, names: list[str]) -> float:
    """Return the CPU milliseconds of the book's filters: for each page of the site, and for the PDF with all in one."""
    texts = {path: re.sub(r"`\{python\} [^`]+`", "1.5", text) for path, text in chapters(book).items()}
    pages = [(str(path), text, "html") for path, text in texts.items()]
    took = 0.0
    for path, text, to in [*pages, (str(book / "index.qmd"), "\n\n".join(texts.values()), "typst")]:
        timed = TIMED % (json.dumps(path), "{" + ", ".join(map(json.dumps, names)) + "}")
        (book / "timed.lua").write_text(timed, encoding="utf-8")
        command = [program(), "-f", "markdown", "-t", to, "-L", "timed.lua"]
        done = subprocess.run(
            command, input=text, cwd=book, capture_output=True, text=True, encoding="utf-8", check=True
        )
        took += float(re.findall(r"^took (.*)$", done.stderr, re.M)[0])
    return took


def published(book: Path, patterns: list[str]) -> list[Path]:
    """Return the files that Quarto publishes because of `resources`, with those of an environment in the book's folder."""
    anywhere = [pattern for pattern in patterns if not pattern.startswith("/")]
    environment = Path(sys.prefix)
    return [
        folder / file
        for folder, globs in ((book, patterns), (environment, anywhere))
        for file in matching(folder, globs, Path("_book"))
    ]


def chapters(book: Path) -> dict[Path, str]:
    """Return the texts of the book's pages, by their files."""
    return {
        path: path.read_text(encoding="utf-8") for path in [book / "index.qmd", *sorted((book / "book").glob("*.qmd"))]
    }


def run(command: list[str], book: Path) -> str:
    """Run a command as Quarto runs it in a book, and return what it prints."""
    lines = (book / "_environment").read_text(encoding="utf-8").splitlines()
    environment = os.environ | dict(line.split("=", 1) for line in lines if "=" in line)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment |= {"PYTHONPATH": str(book), "QUARTO_PROJECT_ROOT": str(book), "QUARTO_PROJECT_RENDER_ALL": "1"}
    done = subprocess.run(command, cwd=book, env=environment, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{command[0]} failed in {book}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
