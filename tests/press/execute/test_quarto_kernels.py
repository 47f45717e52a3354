"""Kernels as Quarto starts them: jupyter_client with the provisioner that _environment names, after the pre-render script."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from press import forget
from press.fork_server import address

ROOT = Path(__file__).resolve().parents[3]
# What stands for Quarto is a shell: it runs a pre-render script, then what Quarto has Jupyter do for each chapter.
WAKE = "from press import wake_kernels; wake_kernels(['json.tool', 'ipykernel.kernelapp', 'numpy'])"
CELL = """
import json, os, sys
print(json.dumps({"here": os.getcwd(), "is": os.environ.get("WHO"), "has": "numpy" in sys.modules,
                  "own": sorted({"lab", "figures"} & set(sys.modules)), "parent": os.getppid(),
                  "draw": __import__("numpy").random.rand()}))
"""
CHAPTER = f"""
import json, os, sys, nbformat
from nbclient import NotebookClient
os.environ["WHO"] = "the chapter's"
cells = [nbformat.v4.new_code_cell(text) for text in ({CELL!r}, "import os; os.kill(os.getpid(), 9)")]
notebook = nbformat.v4.new_notebook(cells=cells, metadata={{"kernelspec": {{"name": "python3", "display_name": "Python"}}}})
client = NotebookClient(notebook, resources={{"metadata": {{"path": sys.argv[1]}}}})
client.create_kernel_manager()
client.start_new_kernel()
client.start_new_kernel_client()
client.execute_cell(cells[0], 0)
print(json.dumps(json.loads(cells[0].outputs[0].text) | {{"transport": client.km.transport, "me": os.getpid(), "quarto": os.getppid()}}))
if sys.argv[2:]:
    try:
        client.execute_cell(cells[1], 1)
    except Exception as error:
        print(json.dumps(type(error).__name__))
else:
    client._cleanup_kernel()
"""


def quarto(folder: Path, *steps: list[str]) -> tuple[list[Any], str]:
    """Run steps as Quarto does, all of one parent; return what they print, and what they say on stderr."""
    environment = os.environ | {"JUPYTER_DEFAULT_PROVISIONER_NAME": "press", "PYTHONPATH": str(ROOT)}
    script = "; ".join(f'"$PYTHON" -c "${name}" {" ".join(words)}' for name, *words in steps) + "; true"
    texts = {"PYTHON": sys.executable, "WAKE": WAKE, "CHAPTER": CHAPTER}
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment | texts, capture_output=True, text=True, timeout=100
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_kernel_is_talked_to_through_files_and_says_nothing_of_eavesdroppers(tmp_path: Path) -> None:
    [said], words = quarto(tmp_path, ["CHAPTER", str(tmp_path)])
    assert said["transport"] == "ipc" and said["here"] == str(tmp_path) and said["parent"] == said["me"]
    assert "TCP without encryption" not in words and not re.search("WARNING|Traceback", words), words


def test_kernels_are_copies_of_a_process_that_has_the_libraries_and_ends_with_quarto(tmp_path: Path) -> None:
    (one, other), words = quarto(tmp_path, ["WAKE"], ["CHAPTER", str(tmp_path)], ["CHAPTER", str(tmp_path)])
    assert one["parent"] == other["parent"] not in (one["me"], other["me"])
    assert one["has"] and one["own"] == [] and one["draw"] != other["draw"]
    assert (one["here"], one["is"]) == (str(tmp_path), "the chapter's")
    assert not re.search("WARNING|Traceback", words), words
    socket = Path(address(one["quarto"]))
    for _look in range(100):
        if not socket.exists():
            break
        time.sleep(0.1)
    assert not socket.exists()  # removed last


def test_a_copied_kernel_that_dies_is_seen_to_be_dead(tmp_path: Path) -> None:
    (_said, error), _ = quarto(tmp_path, ["WAKE"], ["CHAPTER", str(tmp_path), "kill"])
    assert error == "DeadKernelError"


def test_a_module_edited_within_its_second_is_read_again_by_a_kernel_that_starts_from_kept_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    folder, print_one = tmp_path / "beside", [sys.executable, "-c", "import beside.numbers as n; print(n.ONE)"]
    folder.mkdir()
    file = folder / "numbers.py"
    file.write_text("ONE = 1\n")

    def printed() -> str:
        return subprocess.run(print_one, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    assert printed() == "1"
    before = file.stat()
    file.write_text("ONE = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert printed() == "1"  # what is guarded against
    (tmp_path / ".venv/__pycache__").mkdir(parents=True)
    (tmp_path / ".venv/__pycache__/own.pyc").touch()
    forget(tmp_path)
    assert not [*folder.glob("__pycache__/*.pyc")] and [*tmp_path.glob(".venv/__pycache__/own.pyc")]
    assert printed() == "2"
