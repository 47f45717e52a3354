"""The other systems, each declared as its documentation says: script, data and parameters."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

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


OTHERS = {"joblib": Joblib, "pytask": Pytask, "snakemake": Snakemake, "dvc": Dvc, "jupyter_cache": JupyterCache}


def installed() -> list[type[System]]:
    """Return those of the other systems that are installed here."""
    return [system for package, system in OTHERS.items() if find_spec(package)]
