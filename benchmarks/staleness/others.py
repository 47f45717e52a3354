"""The other systems, each declared as its documentation says: script, data and parameters."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.staleness.files import PARAMETERS
from benchmarks.staleness.system import IMPORTS, READ, System, framed

SHOW = 'f"{value:.6f}"'
YAML = "steps: 2\nseed: 0\ndevice: cpu\n"


class Joblib(System):
    """joblib.readthedocs.io, "On demand recomputing: the Memory class": a function decorated with @memory.cache."""

    name, entry, declares = "joblib", "walk.py", "main.py"

    def layout(self) -> dict[str, str]:
        function = f"@memory.cache\ndef walk(data, many, steps, seed, device):\n    numbers, many = read(data, many)\n{framed('    ')}    return {SHOW}\n"
        entry = f"from joblib import Memory\n{IMPORTS}memory = Memory('cache', verbose=0)\n\n\n{READ}\n\n{function}"
        main = "from walk import walk\n\nprint(walk('data/numbers.txt', 'data/many', steps=2, seed=0, device='cpu'))\n"
        return {self.entry: entry, self.declares: main}

    def stated(self, name: str, value: object) -> str:
        return f"{name}={value!r}"

    def command(self) -> list[str]:
        return [sys.executable, "main.py"]

    def value(self, said: str) -> str:
        return said

    def kept(self) -> list[Path]:
        return sorted((self.root / "cache").rglob("output.pkl"))


class Pytask(System):
    """pytask-dev.readthedocs.io: dependencies and products as annotated arguments; parameters in a file of its own."""

    name, entry = "pytask", "task_walk.py"

    def layout(self) -> dict[str, str]:
        arguments = (
            "    many: Annotated[list[Path], DirectoryNode(root_dir=Path('data/many'), pattern='*.txt')],\n"
            "    data: Path = Path('data/numbers.txt'),\n"
            "    stated: Path = Path('params.yaml'),\n"
            "    out: Annotated[Path, Product] = Path('out.txt'),\n"
        )
        body = (
            "    numbers, _ = read(data, 'data/many')\n    many = [float(x) for file in many for x in Path(file).read_text().split()]\n"
            "    params = yaml.safe_load(Path(stated).read_text())\n"
            "    steps, seed, device = params['steps'], params['seed'], params['device']\n"
        )
        head = (
            f"import yaml\nfrom typing import Annotated\nfrom pytask import DirectoryNode, Product\n{IMPORTS}{READ}\n\n"
        )
        return {
            self.entry: f"{head}def task_walk(\n{arguments}) -> None:\n{body}{framed('    ')}    abacus.write(out, {SHOW})\n",
            self.declares: YAML,
        }

    def command(self) -> list[str]:
        return ["pytask"]


class Snakemake(System):
    """snakemake.readthedocs.io: a rule with input, params from a config file, and `script:`."""

    name, entry, indent = "snakemake", "scripts/walk.py", ""

    def layout(self) -> dict[str, str]:
        rule = (
            "configfile: 'params.yaml'\n\nrule walk:\n"
            "    input:\n        data='data/numbers.txt',\n        many='data/many'\n    output:\n        'out.txt'\n"
            "    params:\n        steps=config['steps'],\n        seed=config['seed'],\n        device=config['device']\n"
            "    script:\n        'scripts/walk.py'\n"
        )
        body = (
            "numbers, many = read(snakemake.input.data, snakemake.input.many)\n"
            "steps, seed, device = snakemake.params.steps, snakemake.params.seed, snakemake.params.device\n"
        )
        entry = f"{IMPORTS}{READ}\n\n{body}{framed('')}abacus.write(snakemake.output[0], {SHOW})\n"
        return {self.entry: entry, "Snakefile": rule, self.declares: YAML}

    def command(self) -> list[str]:
        return ["snakemake", "--cores", "1"]


class Dvc(System):
    """dvc.org/doc: a stage in dvc.yaml with cmd, deps (script and data), params and outs, and `dvc repro`."""

    name, entry, indent = "dvc", "walk.py", ""

    def layout(self) -> dict[str, str]:
        stage = (
            "stages:\n  walk:\n    cmd: python walk.py\n    deps:\n      - walk.py\n      - data/numbers.txt\n      - data/many\n"
            "    params:\n      - steps\n      - seed\n      - device\n    outs:\n      - out.txt\n"
        )
        body = (
            "numbers, many = read('data/numbers.txt', 'data/many')\nparams = yaml.safe_load(Path('params.yaml').read_text())\n"
            "steps, seed, device = params['steps'], params['seed'], params['device']\n"
        )
        entry = f"import yaml\n{IMPORTS}{READ}\n\n{body}{framed('')}abacus.write('out.txt', {SHOW})\n"
        return {
            self.entry: entry, "dvc.yaml": stage, self.declares: YAML,
            ".dvc/config": "[core]\n    no_scm = true\n    analytics = false\n",
        }  # fmt: skip

    def command(self) -> list[str]:
        return ["dvc", "repro"]


class JupyterCache(System):
    """jupyter-cache.readthedocs.io: notebooks of a project, executed where their code cells are new, outputs merged in."""

    name, entry, declares, indent, chapters = "jupyter-cache", "walk.ipynb", "params.yaml", "", True
    RUN = """
import sys
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
cache = get_cache(".jupyter_cache")
for name in sys.argv[1:]:
    if name not in [record.uri.rpartition("/")[2] for record in cache.list_project_records()]:
        cache.add_nb_to_project(name)
done = load_executor("local-serial", cache=cache).run_and_cache()
if done.errored or done.excepted:
    sys.exit("it failed")
for name in sys.argv[1:]:
    _, book = cache.merge_match_into_file(name)
    print(*[output.get("text", "") for cell in book.cells for output in cell.get("outputs", [])])
"""

    def layout(self) -> dict[str, str]:
        body = (
            "numbers, many = read('data/numbers.txt', 'data/many')\nparams = yaml.safe_load(Path('params.yaml').read_text())\n"
            "steps, seed, device = params['steps'], params['seed'], params['device']\n"
        )
        code = f"#| fig-cap: A drawing.\nimport yaml\n{IMPORTS}{READ}\n\n{body}{framed('')}print({SHOW})\n"
        return {self.entry: self.notebook("This much.", code), self.declares: YAML, "run.py": self.RUN}

    def notebook(self, prose: str, code: str) -> str:
        cells = [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": prose},
            {"cell_type": "code", "id": "b", "metadata": {}, "source": code, "outputs": [], "execution_count": None},
        ]
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})

    def edit(self, file: str, old: str, new: str) -> None:
        if file not in ("entry", "chapter"):
            super().edit(file, old, new)
            return
        for part in (old, new):
            assert json.loads(json.dumps(part)) == part
        super().edit("entry", json.dumps(old)[1:-1], json.dumps(new)[1:-1])

    def source(self) -> str:
        return "".join(json.loads(super().source())["cells"][1]["source"])

    def rename_chapter(self) -> None:
        self.place("entry").rename(self.root / "renamed.ipynb")
        self.entry = "renamed.ipynb"

    def second_chapter(self) -> None:
        self.second = "second.ipynb"
        text = self.notebook("The same again.", self.source() + "print('again')\n")
        (self.root / self.second).write_text(text)

    second = ""

    def restored(self) -> None:
        super().restored()
        self.entry, self.second = "walk.ipynb", ""

    def command(self) -> list[str]:
        return [sys.executable, "run.py", self.entry, *filter(None, [self.second])]

    def value(self, said: str) -> str:
        return said.split("\n")[0]

    def kept(self) -> list[Path]:
        return sorted((self.root / ".jupyter_cache" / "executed").rglob("*.ipynb"))


class StepUp(System):
    """reproducible-reporting.github.io/stepup-core: a plan.py with static files, globs and a script; it finds local imports itself."""

    name, entry, indent = "stepup", "walk.py", ""

    def layout(self) -> dict[str, str]:
        plan = (
            "#!/usr/bin/env python3\nfrom stepup.core.api import glob, run, static\n\n"
            "static('walk.py', 'params.yaml', 'data/', 'data/numbers.txt', 'data/many/', 'parts/')\nglob('parts/*.py')\n"
            "run('./walk.py', inp=['params.yaml', 'data/numbers.txt', *glob('data/many/*.txt')], out='out.txt')\n"
        )
        body = (
            "numbers, many = read('data/numbers.txt', 'data/many')\nparams = yaml.safe_load(Path('params.yaml').read_text())\n"
            "steps, seed, device = params['steps'], params['seed'], params['device']\n"
        )
        entry = f"#!/usr/bin/env python3\nimport yaml\n{IMPORTS}{READ}\n\n{body}{framed('')}abacus.write('out.txt', {SHOW})\n"
        return {self.entry: entry, "plan.py": plan, self.declares: YAML}

    def start(self) -> subprocess.Popen[str]:
        for script in ("plan.py", self.entry):
            (self.root / script).chmod(0o755)
        return super().start()

    def command(self) -> list[str]:
        return ["stepup", "build", "--no-progress"]


class Marimo(System):
    """docs.marimo.io, "Caching": a notebook, run as a script, whose cell computes under `with mo.persistent_cache(...)`."""

    name, entry, declares, indent, chapters = "marimo", "walk.py", "walk.py", " " * 8, True

    def layout(self) -> dict[str, str]:
        def cell(given: str, body: str, returned: str) -> str:
            lines = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
            return f"@app.cell\ndef _({given}):\n{lines}    return {returned}\n\n\n"

        imports = "import marimo as mo\n" + IMPORTS.strip()
        parameters = "".join(f"{name} = {value!r}\n" for name, value in PARAMETERS.items())
        body = f"with mo.persistent_cache(name='walk'):\n    numbers, many = read('data/numbers.txt', 'data/many')\n{framed('    ')}"
        given = ", ".join(["abacus", "importlib", "mo", "model", "read", *PARAMETERS])
        cells = [
            cell("mo", "mo.md('This much.')", ""),
            cell("", imports, "Path, abacus, importlib, mo, model"),
            cell("Path", READ, "(read,)"),
            cell("", parameters, ", ".join(PARAMETERS)),
            cell(given, f"{body}print({SHOW})", ""),
        ]
        return {
            self.entry: f"import marimo\n\napp = marimo.App()\n\n\n{''.join(cells)}if __name__ == '__main__':\n    app.run()\n"
        }

    def place(self, file: str) -> Path:
        return super().place("entry" if file == "chapter" else file)

    def stated(self, name: str, value: object) -> str:
        return f"{name} = {value!r}"

    def command(self) -> list[str]:
        return [sys.executable, "walk.py"]

    def value(self, said: str) -> str:
        return said.strip().split("\n")[-1]

    def kept(self) -> list[Path]:
        return sorted(path for path in (self.root / "__marimo__").rglob("*") if path.is_file())


OTHERS = {"joblib": Joblib, "pytask": Pytask, "snakemake": Snakemake, "dvc": Dvc, "jupyter_cache": JupyterCache} | {
    "stepup": StepUp, "marimo": Marimo,
}  # fmt: skip


def installed() -> list[type[System]]:
    """Return those of the other systems that are installed here."""
    return [system for package, system in OTHERS.items() if find_spec(package)]
