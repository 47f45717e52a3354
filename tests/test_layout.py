"""The rules of the tree: one question, one stem everywhere; imports run one way; nothing is read that a key cannot see."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import subprocess
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import yaml

from lab.claims import Claim
from lab.cli.commands import COMMANDS
from lab.keys.call_graph import Reach
from lab.keys.experiments import load, names
from lab.keys.sources import Sources
from press.read.project import read_project

ROOT = Path(__file__).resolve().parents[1]
STEMS = names(ROOT)
# The packages, and what each may import: book -> figures -> experiments -> nets; press stands alone.
MAY_IMPORT = {
    "nets": {"nets", "lab"},
    "experiments": {"experiments", "nets", "lab"},
    "figures": {"figures", "experiments", "nets", "lab"},
    "press": {"press"},
    "lab": {"lab", "press"},
}
# experiments and nets need from lab only what states claims and estimates, and what says how they run, which is no part of a key;
# figures what describes a figure to move, and what hands it to a page; and the README's figure reads as a chapter does.
_RUNNING = {
    f"lab.{name}"
    for name in ("claims", "estimate", "progress", "tasks", "compiled", "device", "stopwatch", "lazy_torch")
}
FROM_LAB = {
    "experiments": _RUNNING,
    "nets": _RUNNING,
    "figures": {"lab.live", "lab.pages"},
    "figures.__main__": {"lab.read", "lab.keys.experiments"},
}
# A figure to move walks along a closed form; other than that figures compute nothing.
CLOSED_FORMS = {"nets.mean_field", "nets.finite_width"}
# The rooms of a package, the lowest first: each imports itself and those before it; rooms side by side don't import each other.
# The modules that lie in no room are the lowest, but for the facades: what chapters and other packages import.
TOP, FACADES = "top", "facades"
ROOMS = {
    "lab": [[TOP], ["keys"], ["results"], ["workers"], ["dask"], ["run"], ["book"], [FACADES], ["cli"]],
    "press": [[TOP], ["read"], ["execute"], ["resolve"], ["html", "pdf"], ["build"], [FACADES]],
}
IN_FACADES = {"lab.read", "lab.chapter", "press"}
ENTRANCES = {"lab.__main__": "cli"}

# Pickles travel between live processes of one run, over their own pipes; the one module that makes them opens no file.
PICKLING = ROOT / "lab/pickling.py"


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    """Return the modules that a file imports: the project's own by the module's full name, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_name(path): path for package in MAY_IMPORT for path in _modules(package)}


def _room(module: str) -> str:
    """Return the room that a module of lab or press lies in."""
    if module in IN_FACADES:
        return FACADES
    second = [*module.split("."), ""][1]
    rooms = [room for level in ROOMS[module.partition(".")[0]] for room in level]
    return ENTRANCES.get(module) or (second if second in rooms else TOP)


def wrong_way(module: str, imported: str) -> str:
    """Say why a module must not import another; "" if it may."""
    package, other = module.partition(".")[0], imported.partition(".")[0]
    if other in ("tests", "benchmarks", "book") or (other in MAY_IMPORT and other not in MAY_IMPORT[package]):
        return f"{package} must not know {other}"
    if package == "figures" and other == "nets" and imported not in CLOSED_FORMS:
        return f"figures must not know nets, but for {', '.join(sorted(CLOSED_FORMS))}"
    if other == "lab" and (few := FROM_LAB.get(module, FROM_LAB.get(package))) and imported not in few:
        return f"{package} may import of the lab {', '.join(sorted(few))}"
    if package == other == "experiments" and module.split(".")[:2] != imported.split(".")[:2]:
        return "what two experiments share lives in nets"
    if package == "lab" and other == "press" and imported != "press":
        return "the lab imports of press what press/__init__ lists"
    if package != other or package not in ROOMS:
        return ""
    mine, its = _room(module), _room(imported)
    levels = {room: level for level, rooms in enumerate(ROOMS[package]) for room in rooms}
    if its == "dask" and mine not in ("dask", "run"):
        return "dask is reached from run only"
    if mine != its and levels[its] >= levels[mine]:
        return f"the room {its} is not below {mine}"
    return ""


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("place", ["figures/{}.py", "book/{}.qmd", "tests/test_{}.py", "results/{}/result.json"])
def test_every_question_has_the_same_stem_everywhere(stem: str, place: str) -> None:
    assert (ROOT / place.format(stem)).is_file()


def test_nothing_but_questions_lies_in_experiments() -> None:
    found = {path.relative_to(ROOT / "experiments").parts[0].removesuffix(".py") for path in _modules("experiments")}
    assert found - {"__init__"} == set(STEMS)
    assert {path.name for path in (ROOT / "results").iterdir() if path.is_dir()} == set(STEMS)


@pytest.mark.parametrize("stem", STEMS)
def test_an_experiment_has_five_names_and_asks_a_question(stem: str) -> None:
    module = load(stem)
    first, *rest = (module.__doc__ or "").splitlines()
    assert first.endswith("?"), f"experiments/{stem}.py: the first line of the docstring is the question"
    assert all(any(line.startswith(word) for line in rest) for word in ("Method", "Cost", "Notes"))
    assert module.Params.__dataclass_params__.frozen and module.Result.__dataclass_params__.frozen
    assert isinstance(module.SMOKE, module.Params) and module.Params() != module.SMOKE
    assert module.CLAIMS and all(isinstance(claim, Claim) for claim in module.CLAIMS)
    assert len({claim.name for claim in module.CLAIMS}) == len(module.CLAIMS)
    assert list(inspect.signature(module.run).parameters) == ["params"]


@pytest.mark.parametrize("stem", STEMS)
def test_every_parameter_says_its_unit_or_symbol(stem: str) -> None:
    module = load(stem)
    source = inspect.getsource(module.Params)
    for field in dataclasses.fields(module.Params):
        assert re.search(rf"^\s+{field.name}: .*#", source, re.M), f"experiments/{stem}.py: {field.name} has no comment"


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    reasons = {imported: wrong_way(module, imported) for imported in sorted(_imports(MODULES[module]))}
    wrong = [f"{module} imports {imported}: {reason}" for imported, reason in reasons.items() if reason]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: (_imports(path) & MODULES.keys()) - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" is imported by ".join(error.args[1]))


@pytest.mark.parametrize(
    ("module", "imported", "reason"),
    [
        ("lab.results.store", "lab.run.status", "the room run is not below results"),
        ("lab.keys.key", "lab.results.store", "the room results is not below keys"),
        ("lab.estimate", "lab.keys.key", "the room keys is not below top"),
        ("lab.book.verdicts", "lab.read", "the room facades is not below book"),
        ("lab.cli.run", "lab.dask.client", "dask is reached from run only"),
        ("lab.keys.sources", "press.files", "the lab imports of press what press/__init__ lists"),
        ("press.pdf.writer", "press.html.site", "the room html is not below pdf"),
        ("press.read.qmd", "press", "the room facades is not below read"),
        ("press.build", "lab.errors", "press must not know lab"),
        ("nets.mlp", "experiments.kaiming", "nets must not know experiments"),
        ("nets.mlp", "lab.read", "nets may import of the lab lab.claims"),
        ("figures.kaiming", "nets.mlp", "figures must not know nets"),
        ("experiments.kaiming", "experiments.tanh_gain", "what two experiments share lives in nets"),
        ("lab.run.scheduler", "tests.fuzzing", "lab must not know tests"),
        ("lab.run.scheduler", "lab.dask.client", ""),
        ("press.build", "press.pdf", ""),
        ("experiments.zero_init", "experiments.zero_init.escape_time", ""),
    ],
)
def test_an_import_that_breaks_the_rule_is_named(module: str, imported: str, reason: str) -> None:
    assert wrong_way(module, imported).startswith(reason) and bool(wrong_way(module, imported)) == bool(reason)


ROOMS_OF = [f"{package}/{room}" for package, levels in ROOMS.items() for level in levels for room in level]
FOLDERS = [
    *("lab", "press", "nets", "experiments", "figures", "benchmarks"),
    *(room for room in ROOMS_OF if (ROOT / room).is_dir()),  # a room may be one module
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_room_opens_with_what_a_newcomer_needs(folder: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(text.split()) >= 40, f"{folder}/__init__.py: what is here, in which order to read it, what it never does"
    named = set(re.findall(r"`([a-z_]+)`", text))
    there = {path.stem for path in (ROOT / folder).iterdir()} | {folder}
    assert named <= there, f"{folder}/__init__.py names {named - there}"


# What each network and each way to train one offers under the same name.
OF_NETWORKS = {"Network", "Weights", "init", "forward", "backward", "pre_activations", "logits", "losses", "gradient"}
OF_TRAINING = {"train", "checkpoints"}
# The packages in which a name stands for one thing.  Each module of figures draws one chapter, and none imports another.
PACKAGES = ["lab", "press", "nets", *sorted(path.parent.name for path in (ROOT / "experiments").glob("*/__init__.py"))]


def shared_names(package: str) -> dict[str, list[str]]:
    """Return the names of functions and classes that two modules of a package define, with the modules.

    But for `main`, for the commands, which are named for what is typed, for what two rooms side by side or two networks do
    alike, and for a chapter's plain PyTorch, which is called what its fast twin is.
    """
    folder = package if package in MAY_IMPORT else f"experiments.{package}"
    homes: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        if not f"{module}.".startswith(f"{folder}.") or module.endswith(".plain"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            command = module == f"lab.cli.{COMMANDS.get(node.name)}"
            if not command and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(module)
    alike = [{f"{package}.{room}" for room in level} for level in ROOMS.get(package, ()) if len(level) > 1]
    expected = {"main"} if package in ROOMS else OF_NETWORKS | OF_TRAINING
    return {
        name: modules
        for name, modules in homes.items()
        if len(modules) > 1 and name not in expected and {module.rpartition(".")[0] for module in modules} not in alike
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_functions_of_a_package_share_a_name(package: str) -> None:
    assert not shared_names(package)


def test_a_name_that_two_modules_share_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlp.py").write_text("def one_by_one(): ...\ndef train(): ...\ndef _own(): ...\n")
    for module in ("nets.mlp", "nets.sgd", "experiments.update_ratio.mlp"):
        monkeypatch.setitem(MODULES, module, tmp_path / "mlp.py")
    found = shared_names("nets")
    assert found["one_by_one"] == ["nets.mlp", "nets.sgd"]
    assert not {"train", "_own"} & set(found)


def _body(function: ast.FunctionDef) -> str:
    """Return what a function does, without its docstring and whatever it calls its own names."""
    given = function.args
    own = [arg.arg for arg in [*given.posonlyargs, *given.args, *given.kwonlyargs]]
    own += [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    body = function.body[1:] if ast.get_docstring(function) else function.body
    text = "\n".join(ast.dump(statement) for statement in body)
    for number, name in enumerate(dict.fromkeys(own)):
        text = text.replace(f"id='{name}'", f"id={number}")
    return text


def twins(modules: dict[str, Path]) -> list[list[str]]:
    """Return the functions that do the same, but for what they call their own names; not those of a line or two."""
    found: dict[str, list[str]] = {}
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and len(body := _body(node)) > 600:
                found.setdefault(body, []).append(f"{module}.{node.name}")
    return [names for names in found.values() if len(names) > 1]


def test_no_function_is_written_twice() -> None:
    assert not twins(MODULES)


def test_a_function_that_is_written_twice_is_found(tmp_path: Path) -> None:
    text = inspect.getsource(shared_names)
    (tmp_path / "one.py").write_text(text)
    (tmp_path / "two.py").write_text(text.replace("shared_names", "common").replace("package", "folder_of"))
    files = {"one": tmp_path / "one.py", "two": tmp_path / "two.py"}
    assert twins(files) == [["one.shared_names", "two.common"]]


@pytest.mark.parametrize("path", [p for f in MAY_IMPORT for p in _modules(f)], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_pickles_and_no_pyplot(path: Path) -> None:
    pickling = {"pickle"} if path == PICKLING else set()
    assert _imports(path) & {"pickle", "cloudpickle", "dill", "shelve", "joblib", "matplotlib.pyplot"} == pickling
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not {ast.unparse(call) for call in calls} & {"torch.load", "np.load", "numpy.load", "pd.read_pickle"}


def test_what_is_pickled_never_meets_a_file() -> None:
    assert _imports(PICKLING) == {"__future__", "base64", "pickle", "typing"}
    called = {
        ast.unparse(node.func) for node in ast.walk(ast.parse(PICKLING.read_text())) if isinstance(node, ast.Call)
    }
    assert called == {"b64encode(pickle.dumps(value, protocol=5)).decode", "b64encode", "pickle.dumps"} | {
        "pickle.loads",
        "b64decode",
    }


def test_chapters_in_the_book_are_the_files_in_the_folder() -> None:
    in_order = {chapter.path.as_posix() for chapter in read_project(ROOT).chapters}
    assert in_order == {"index.qmd", *(f"book/{path.name}" for path in (ROOT / "book").glob("*.qmd"))}


def test_the_configuration_says_what_quarto_needs() -> None:
    config = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    assert config["project"]["pre-render"] == "lab/book/prerender.py" and (ROOT / "lab/book/prerender.py").is_file()
    assert config["project"]["execute-dir"] == "project" and config["execute"]["freeze"] == "auto"
    assert (ROOT / "_environment").read_text(encoding="utf-8") == (
        "QUARTO_PYTHON=.venv/bin/python\nJUPYTER_DEFAULT_PROVISIONER_NAME=press\n"
    )


def test_no_registry_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    registries = re.compile("|".join(["py" + "pi.org", "python" + "hosted", "npm" + "js", "deb." + "debian"]))
    for name in tracked:
        if (ROOT / name).suffix in {".py", ".toml", ".txt", ".md", ".yml", ".qmd", ".sh", ".json", ""} and (
            ROOT / name
        ).is_file():
            found = registries.search((ROOT / name).read_text(encoding="utf-8", errors="ignore"))
            assert not found, f"{name} names {found.group()}"


@pytest.mark.parametrize("module", [name for name in MODULES if name.partition(".")[0] in ("experiments", "nets")])
def test_nothing_in_experiments_and_nets_asks_the_clock_the_network_or_chance(module: str) -> None:
    """Every statement of every file, whether an experiment reaches it or not."""
    refused = [why for unit in Sources(ROOT).outline(module).units for why in unit.refused]  # type: ignore[union-attr]
    assert not refused


@pytest.mark.parametrize("code", ["import time\nx = time.time()", "import socket", "import os\ny = os.urandom(3)"])
def test_a_file_that_asks_them_is_found(code: str, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        f"def unused():\n    {code.replace(chr(10), chr(10) + '    ')}\n    return socket\n"
    )
    assert [why for unit in Sources(tmp_path).outline("nets").units for why in unit.refused]  # type: ignore[union-attr]


def test_results_that_the_stopwatch_measured_say_which_of_their_fields_are_times() -> None:
    look, timed, marked = Reach(ROOT), set(), set()
    for stem in STEMS:
        reached = look.follow(look.find(f"experiments.{stem}", "run"), f"experiments.{stem}")
        timed |= {stem} if any(name.startswith("lab.stopwatch") for name in reached.outside) else set()
        marked |= (
            {stem} if any("times" in part.metadata for part in dataclasses.fields(load(stem, ROOT).Result)) else set()
        )
    assert timed == marked == {"cross_entropy"}
