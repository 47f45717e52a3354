"""What every system on trial does: lay out the project, bring the value up to date, say what it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.staleness.files import BODY, DYNAMIC, FILES, INSTALLED, PARAMETERS

AROUND = dict(os.environ)  # as it was when all began: systems are tried side by side
REPOSITORY = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """The system ended with an error instead of a value."""


class NotActed(Exception):
    """There is no such thing in this system."""


@dataclass
class System:
    """One system in one project; the subclass says how it is declared and run."""

    home: Path  # a folder for the project, the library and the count of runs
    name = ""
    entry = ""  # the file that holds the computation
    chapters = False
    writer = False  # `run` makes two writers possible

    def __post_init__(self) -> None:
        self.root, self.installed, self.ticks = (
            self.home / "project",
            self.home / "site-packages",
            self.home / "site-packages/ticks",
        )
        self.variables: dict[str, str] = {}
        self.parameters = dict(PARAMETERS)
        self.formats = ["html"]
        for folder, files in ((self.installed, INSTALLED), (self.root, FILES | self.layout())):
            for name, text in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text.replace("{ticks}", str(self.ticks)))

    def layout(self) -> dict[str, str]:
        """Return the system's own files."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return what a user types."""
        raise NotImplementedError

    def value(self, said: str) -> str:
        """Return the value that a reader is shown, from the output file unless the system prints it."""
        return (self.root / "out.txt").read_text()

    def kept(self) -> list[Path]:
        """Return the files that hold the value."""
        return [self.root / "out.txt"]

    def parameter(self, name: str, value: object) -> None:
        """Change a parameter where this system's users state it."""
        old = self.parameters[name]
        self.parameters[name] = value  # type: ignore[assignment]
        self.edit("parameters", self.stated(name, old), self.stated(name, value))

    def stated(self, name: str, value: object) -> str:
        """Return how the file of parameters states one."""
        return f"{name}: {value}"

    def place(self, file: str) -> Path:
        """Return the path of a file of the project, or of the system's own: entry, parameters, chapter."""
        own = {"entry": self.entry, "parameters": self.declares, "chapter": "chapter.md"}
        return self.root / own.get(file, file)

    declares = "params.yaml"

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.place(file)
        if not path.is_file():
            raise NotActed(file)
        text = path.read_text()
        if file == "chapter" and old not in text:
            raise NotActed(old)
        assert old in text, f"{path} has no {old!r}"
        path.write_text(text.replace(old, new))

    def add_dynamic_import(self) -> None:
        """Let the entry import a module by a name that is put together."""
        self.edit("entry", "seed + len(device)", f"seed + len(device)\n{self.indent}{DYNAMIC.rstrip()}")

    indent = "    "

    def change_fields(self) -> None:
        """Let the entry state one number more."""
        self.edit("entry", '{value:.6f}"', '{value:.6f} {steps}"')

    def rename_chapter(self) -> None:
        raise NotActed("chapters")

    second_chapter = second_format = include = figure_width = rename_chapter

    def on_other_pythons(self) -> str:
        """Return what is shown under Pythons of other minor versions."""
        raise NotActed("it would have to be installed in each")

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(map(str, [self.installed, self.home / "src", self.root, REPOSITORY]))
        mine = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return AROUND | mine | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{AROUND['PATH']}"} | self.variables

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(), cwd=self.root, env=self.environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, dies: bool = False) -> str:
        """Bring the value up to date as a user does, and return what is shown."""
        return self.ended(self.start(), dies)

    def ended(self, process: subprocess.Popen[str], dies: bool = False) -> str:
        said, errors = process.communicate(timeout=300)
        if dies:
            return ""
        if process.returncode:
            raise Refused(errors[-2000:] + said[-2000:])
        return self.value(said).strip()

    def ran(self) -> int:
        """Return how often the true code has run."""
        return len(self.ticks.read_text().splitlines()) if self.ticks.exists() else 0

    def truth(self) -> str:
        """Return the true value: the entry's own lines, as they stand now, run afresh and kept nowhere."""
        text = self.source()
        lines = [match.strip() for match in re.findall(r"^\s*value \+?= .*$", text, re.MULTILINE)]
        assert len(lines) == len(BODY.splitlines()) - 2 + ("plugin" in text)
        shown = 'print(f"{value:.6f} {steps}")' if "{steps}" in text else 'print(f"{value:.6f}")'
        given = [f"{name} = {value!r}" for name, value in self.parameters.items()]
        read = [
            "from pathlib import Path", "import importlib", "from parts import model",
            "numbers = [float(x) for x in Path('data/numbers.txt').read_text().split()]",
            "many = [float(x) for file in sorted(Path('data/many').iterdir()) for x in file.read_text().split()]",
        ]  # fmt: skip
        command = [sys.executable, "-B", "-S", "-c", "\n".join([*read, *given, *lines, shown])]
        before = self.ticks.read_bytes() if self.ticks.exists() else b""
        done = subprocess.run(command, cwd=self.root, env=self.environment(), capture_output=True, text=True)
        self.ticks.write_bytes(before)
        assert not done.returncode, done.stderr
        return done.stdout.strip()

    def source(self) -> str:
        return self.place("entry").read_text()

    def saved(self) -> None:
        """Save the project as it is, to be put back for the next row."""
        for name in ("project", "site-packages"):
            copy = self.home.with_name(f"{self.home.name}.saved") / name
            copy.parent.mkdir(exist_ok=True)
            there = self.home / name
            shutil.copytree(there, copy, symlinks=True)

    def restored(self) -> None:
        shutil.rmtree(self.home)
        shutil.copytree(self.home.with_name(f"{self.home.name}.saved"), self.home, symlinks=True)
        self.root = self.home / "project"
        self.variables, self.parameters, self.formats = {}, dict(PARAMETERS), ["html"]


def framed(indent: str) -> str:
    """Return the computation, indented, with an f-string of its value to follow."""
    return "".join(f"{indent}{line}\n" for line in BODY.splitlines())


READ = """\
def read(data, many):
    numbers = [float(x) for x in Path(data).read_text().split()]
    return numbers, [float(x) for file in sorted(Path(many).iterdir()) for x in file.read_text().split()]
"""
IMPORTS = "import importlib\nfrom pathlib import Path\n\nimport abacus\nfrom parts import model\n\n\n"
