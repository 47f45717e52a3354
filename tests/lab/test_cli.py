"""The command line: what it prints, what it refuses and how, and that looking at results loads no network."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import ROOT, TABLES, Project

from lab.book.markdown_tables import plain
from lab.cli import show
from lab.cli.commands import COMMANDS
from lab.cli.watch import Position
from lab.keys.experiments import names


@pytest.fixture
def done(tmp_path: Path, computed: Callable[[Path], Project]) -> Project:
    return computed(tmp_path)


def test_status_says_missing_fresh_stale_and_damaged(project: Project) -> None:
    assert re.fullmatch(r"quick +missing\n", project.lab("status"))
    assert "quick: done in" in project.lab("run")
    assert re.fullmatch(r"quick +fresh +(under )?\d.\d s\n", project.lab("status"))
    project.edit("experiments/quick.py", "SCALE = 1.0", "SCALE = 2.0")
    assert re.search(r"quick +stale .*SCALE", project.lab("status"))
    project.edit("experiments/quick.py", "SCALE = 2.0", "SCALE = 1.0")
    file = project.result() / "result.json"
    file.write_text(file.read_text().replace('"distance": ', '"distance": 1'))
    assert re.search(r"quick +damaged .*result.json does not agree with its checksum", project.lab("status"))
    assert "quick: done in" in project.lab("run")
    assert re.search(r"quick +fresh", project.lab("status"))


def test_status_remembers_a_failure_until_the_code_changes(project: Project) -> None:
    project.edit("experiments/quick.py", "walks = []", "walks = [1 / len([])]")
    said = project.lab("run", code=1)
    line = (project.root / "experiments/quick.py").read_text().split("\n").index("    walks = [1 / len([])]") + 1
    assert f'experiments/quick.py", line {line}, in run' in said and "error: quick: ZeroDivisionError" in said
    assert re.search(r"quick +failed .*ZeroDivisionError", project.lab("status"))
    assert "ZeroDivisionError" in project.lab("why", "quick")
    project.edit("experiments/quick.py", "walks = [1 / len([])]", "walks = []")
    assert re.search(r"quick +missing", project.lab("status"))


def test_an_error_of_the_projects_own_is_told_without_a_traceback(project: Project) -> None:
    """As for a names file with a bad character: which line and why is all that there is to say."""
    project.write("nets/__init__.py", "")
    project.write("nets/lines.py", "class LinesError(ValueError):\n    pass\n")
    project.edit("experiments/quick.py", "from lab.progress", "from nets.lines import LinesError\nfrom lab.progress")
    project.edit(
        "experiments/quick.py", "walks = []", "raise LinesError('numbers.txt, line 2: no number')\n    walks = []"
    )
    said = project.lab("run", code=1)
    assert said.endswith("\nerror: quick: numbers.txt, line 2: no number\n") and "Traceback" not in said


def test_one_failing_experiment_stops_no_other(project: Project) -> None:
    text = (project.root / "experiments/quick.py").read_text()
    project.write("experiments/alas.py", text.replace("walks = []", "walks = [1 / len([])]"))
    said = project.lab("run", code=1)
    assert "quick: done in" in said and "error: alas: ZeroDivisionError" in said
    assert re.search(r"alas +failed.*\nquick +fresh", project.lab("status"))


def test_an_experiment_that_does_not_parse_is_one_line_of_status(done: Project) -> None:
    done.write("experiments/odd.py", "def run(:\n")
    assert re.search(r"odd +failed .*experiments/odd.py:1.*\nquick +fresh", done.lab("status"))


def test_nothing_to_do_is_said_and_force_does_it_anyway(done: Project) -> None:
    assert done.lab("run") == "nothing to do: they are all fresh\n"
    assert done.shell("run", "quick").startswith("nothing to do: quick is fresh\nin results/quick/\n")
    assert "quick: done in" in done.shell("run", "quick", "--force")


def test_smoke_computes_the_tests_setting_and_leaves_the_book_alone(project: Project) -> None:
    said = project.shell("run", "quick", "--smoke")
    assert "quick: done in" in said and "quick with steps=2, " in said and not project.result().exists()
    said = project.shell("run", "quick", "--smoke", "--set", "widths=3,4")
    assert "widths=3.0,4.0" in said and "steps=2" in said


def test_an_experiment_that_is_a_package_is_one_like_any_other(done: Project) -> None:
    """Its state, also where it does not parse, its key, its result; and what lies beside its __init__ counts."""
    text = (done.root / "experiments/quick.py").read_text()
    (done.root / "experiments/quick.py").unlink()
    done.write(
        "experiments/quick/__init__.py", text.replace("SCALE = 1.0", "from experiments.quick.sizes import SCALE")
    )
    done.write("experiments/quick/sizes.py", "SCALE = 1.0\n")
    assert "nothing to do" in done.lab("run") and re.search(r"quick +fresh", done.lab("status"))  # the same code, moved
    assert re.search(r"quick +far +", done.shell("claims"))
    done.write("experiments/quick/sizes.py", "SCALE = 2.0\n")
    assert re.search(r"quick +stale .*SCALE", done.lab("status"))
    assert "quick: done in" in done.lab("run") and re.search(r"quick +fresh", done.lab("status"))
    done.write("experiments/quick/__init__.py", "def run(:\n")
    assert re.search(r"quick +failed .*experiments/quick/__init__.py:1", done.lab("status"))


def test_why_names_what_changed_old_against_new(done: Project) -> None:
    assert "is fresh" in done.lab("why", "quick")
    done.edit("experiments/quick.py", "steps: int = 50", "steps: int = 60")
    done.edit("data/numbers.txt", "2", "3")
    said = done.lab("why", "quick")
    assert "parameter steps: 50 → 60" in said and "data" in said and "type: lab run quick" in said


def test_an_unknown_experiment_is_told_the_nearest(project: Project) -> None:
    for command in ("run", "why", "verify"):
        said = project.lab(command, "quik", code=1)
        assert said == "error: no experiment is called 'quik'; did you mean quick?\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stepz=3", "no parameter is called 'stepz'; did you mean steps?"),
        ("steps=3.5", "--set steps=3.5: wanted a whole number, as in --set steps=50"),
        ("signed=1", "--set signed=1: wanted true or false, as in --set signed=true"),
        ("widths=a,b", "--set widths=a,b: wanted tuple[float, ...], written like 0.5,1,2, as in --set widths=0.5,1.0"),
        ("data=nowhere.txt", "--set data=nowhere.txt: wanted a data file, as in --set data=data/numbers.txt"),
        ("data=", "--set data=: wanted a data file, as in --set data=data/numbers.txt"),  # not the project's folder
        ("steps=50", "steps=50: that is the book's own setting"),
    ],
)
def test_a_wrong_change_says_what_was_wanted(project: Project, change: str, message: str) -> None:
    assert project.lab("run", "quick", "--set", change, code=1).startswith(f"error: {message}")


def test_wrong_usage_ends_with_exit_code_two(project: Project) -> None:
    assert "is not field=value" in project.lab("run", "quick", "--set", "steps", code=2)
    assert "is given twice" in project.lab("run", "quick", "--seeds", "3", "--set", "seeds=4", code=2)
    assert "is not html, pdf" in project.lab("render", "--to", "docx", code=2)
    assert "Did you mean 'run'" in project.lab("rum", code=2)
    assert "name it" in project.lab("run", "--seeds", "3", code=1)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("quick", "--seeds", "0"), "greater than or equal to 1"),
        (("--jobs", "0"), "greater than or equal to 1"),
        (("--jobs", "100000"), "less than or equal to"),  # each would take its share of the memory
        (("quick", "--seeds", "3", "--cache", ""), "it is empty: name a folder or a URL"),  # not the folder we are in
        (("quick", "--cache", "elsewhere"), "it is for other settings: --set, --seeds, --smoke or --device"),
    ],
)
def test_an_option_out_of_range_is_an_error_not_a_surprise(
    project: Project, typed: tuple[str, ...], words: str
) -> None:
    before = sorted(project.root.rglob("*"))
    assert words in re.sub(r"[\s│]+", " ", project.lab("run", *typed, code=2))
    assert sorted(project.root.rglob("*")) == before


def test_the_processor_is_no_other_device(project: Project) -> None:
    said = project.lab("run", "quick", "--device", "cpu", code=1)
    assert said == "error: --device cpu: that is the book's own setting\ntype: lab run quick\n"


def test_a_setting_that_fails_is_shown_beside_the_books(project: Project) -> None:
    project.edit("experiments/quick.py", "walks = []", "walks = [1 / (params.steps - 5)]")
    said = project.lab("run", "quick", "--set", "steps=5", "--set", "widths=1,2", code=1)
    end = "error: quick: ZeroDivisionError: division by zero\n  with steps=5; the book has 50\n"
    assert said.endswith(f"{end}  with widths=1,2; the book has 0.5,1.0\n")


def test_another_setting_is_printed_and_never_touches_the_books_results(done: Project) -> None:
    before = {path: path.read_bytes() for path in done.root.glob("results/**/*") if path.is_file()}
    said = done.shell("run", "quick", "--set", "steps=7", "--set", "widths=2,1,0.5", "--seeds", "3")
    assert "quick with steps=7, seeds=3, widths=2.0,1.0,0.5" in said and re.search(r"^distance +\d", said, re.M)
    verdict = "(holds|fails|undecided)"  # the book's, and this setting's
    assert re.search(rf"far +{verdict} +{verdict} +distance .* +distance .* A walk gets beyond 1\.", said)
    place = re.search(r"^in (\.lab/cache/quick/\w+)/$", said, re.M)
    assert place and (done.root / place[1] / "result.json").is_file()
    assert {path: path.read_bytes() for path in done.root.glob("results/**/*") if path.is_file()} == before
    assert "already there" in done.shell("run", "quick", "--set", "steps=7", "--set", "widths=2,1,0.5", "--seeds", "3")


def test_estimates_and_tables_are_printed_too(project: Project) -> None:
    project.write("experiments/tables.py", TABLES)
    said = project.shell("run", "tables", "--seeds", "3")
    assert re.search(r"^distance +\d.*\s±\s", said, re.M) and "walks.csv, 3 rows\nseed  distance\n" in said


WIDE = """pd.DataFrame(
    {"kind": ["slow", "fast"] * 20, "step": range(40), "x": 2.0, "x_low": 1.5, "x_high": 2.5}
    | {f"column_{i}": 0.5 for i in range(9)}
)"""


def test_a_rerun_prints_its_tables_as_far_as_they_fit_and_says_where_the_rest_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("COLUMNS", "60")
    project.write("experiments/tables.py", TABLES)
    said = project.shell("run", "tables")
    assert "results/tables/walks.csv, 4 rows\nseed  distance\n   0 " in said and "3  " in said and "shown" not in said
    assert project.shell("run", "tables").partition("\n")[2] in said  # what is fresh is shown, too
    cut = project.shell("run", "tables", "--seeds", "30")
    place = re.search(r"^in (\S+)/$", cut, re.M)
    assert place and f"{place[1]}/walks.csv, 30 rows, 10 shown\n" in cut
    assert re.search(r"^ +9 ", cut, re.M) and not re.search(r"^ +10 ", cut, re.M)

    narrow = 'pd.DataFrame({"seed": range(params.seeds), "distance": ends})'
    many = TABLES.replace(narrow, WIDE)
    project.write("experiments/tables.py", many)
    said = project.shell("run", "tables")
    assert "results/tables/walks.csv, 40 rows, 2 shown: the last of each kind\nkind  step " in said
    assert re.search(r"^slow +38  2.0 ± 0.5 +0.5", said, re.M) and re.search(r"^fast +39 ", said, re.M)
    assert (
        re.search(r"^not shown: column_\d, .*column_8$", said, re.M) and "x_low" not in said.partition("kind  step")[2]
    )


def test_params_lists_what_can_be_set_its_unit_and_what_is_allowed(project: Project) -> None:
    said = project.lab("params", "quick")
    assert re.search(r"^steps +50 +of one walk +a whole number, 1 or more$", said, re.M)
    assert re.search(
        r"^widths +0.5,1.0 +of a step, tried in turn +one or more, with commas, each a finite number$", said, re.M
    )
    assert re.search(r"^data +data/numbers.txt +one number a line, added to every walk +a data file$", said, re.M)
    assert re.search(r"^signed +true +both directions +true or false$", said, re.M)
    assert said.endswith("lab run quick --set steps=100\n")
    assert project.lab("params", "quik", code=1) == "error: no experiment is called 'quik'; did you mean quick?\n"
    assert "lab params NAME" in project.lab("run", "--help")


def test_a_data_file_may_lie_anywhere(done: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "other numbers.txt"
    outside.write_text("100\n")
    said = done.shell("run", "quick", "--set", f"data={outside}")
    assert float(re.search(r"^distance +[\d.]+ +([\d.]+)", said, re.M)[1]) > 50  # type: ignore[index]
    again = done.lab("run", "quick", "--set", "data=other numbers.txt", code=1)
    assert "there is no file" in again
    inside = done.write("data/deep/few.txt", "7\n")
    assert "data=data/deep/few.txt" in done.shell("run", "quick", "--set", "data=few.txt", cwd=inside.parent)


def test_names_choose_among_states_claims_and_reasons(done: Project) -> None:
    text = (done.root / "experiments/quick.py").read_text()
    done.write("experiments/other.py", text)
    assert re.fullmatch(r"other +missing\nquick +fresh.*\n", done.lab("status"))
    assert re.fullmatch(r"quick +fresh.*\n", done.lab("status", "quick"))
    assert "other" not in done.shell("claims", "quick")
    assert done.lab("why") == "other is missing: it has never been computed here\ntype: lab run other\n"
    assert done.lab("why", "quick", "other").startswith("quick (computed ")
    (done.root / "experiments/other.py").unlink()
    assert done.lab("why") == "all are fresh: nothing that they depend on has changed since\n"


def test_an_output_that_knows_no_sign_but_ascii_gets_question_marks(done: Project) -> None:
    done.edit("experiments/quick.py", "steps: int = 50", "steps: int = 60")
    done.edit(
        "experiments/quick.py", 'number=lambda r: f"distance {r.distance:.3f}"', 'number=lambda r: "1 ± 2 × 10⁻³ β"'
    )
    done.edit("experiments/quick.py", "A walk gets [beyond 1]{.given}.", "It’s “odd”.")
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": f"{done.root}{os.pathsep}{ROOT}"}
    for typed, words in (
        (("why", "quick"), "parameter steps: 50 ? 60"),
        (("run", "quick", "--seeds", "3"), "1 ? 2 ? 10?? ?"),
        (("run",), "quick: done in"),
        (("claims", "--json"), '"number": "1 ? 2 ? 10?? ?"'),
    ):
        running = done.start(*typed, env=os.environ | ascii_only)
        said, errors = running.communicate(timeout=120)
        assert running.returncode == 0 and words in said and said.isascii(), errors
    (entry,) = json.loads(said)
    assert entry["text"] == "It?s ?odd?."


def test_a_table_breaks_no_word_where_the_terminal_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [["momentum", "smoother", "holds with a caveat", "ratio at most 0.955 ± 0.007", ""]]
    head = ["experiment", "claim", "verdict", "number", "same?"]
    for width, lines in ((100, 2), (50, 3), (30, 4), (22, 5)):
        monkeypatch.setattr(show, "terminal_width", lambda width=width: width)
        show.print_table(rows, head)
        printed = capsys.readouterr().out
        assert len(printed.splitlines()) == lines and max(map(len, printed.splitlines())) <= width, printed
        assert all(word in printed.split() for cell in rows[0] for word in cell.split())
    assert printed.startswith("momentum  smoother\n  verdict: holds with\n  a caveat\n  number: ratio at\n")


def test_a_dumb_terminal_gets_no_colours(done: Project) -> None:
    shown = {}
    for term in ("xterm", "dumb"):
        terminal, end = pty.openpty()
        env = os.environ | {"TERM": term, "PYTHONPATH": f"{done.root}{os.pathsep}{ROOT}"}
        env.pop("NO_COLOR", None)
        running = done.start("status", stdout=end, env=env)
        os.close(end)
        shown[term] = os.read(terminal, 1000)
        running.communicate(timeout=120)
        os.close(terminal)
    assert b"\x1b[32mfresh" in shown["xterm"] and b"\x1b" not in shown["dumb"]


def test_claims_are_a_table_or_json_and_say_what_is_missing(done: Project) -> None:
    assert re.search(r"quick +far +(holds|fails|undecided) +distance .*beyond 1", done.shell("claims"))
    (entry,) = json.loads(done.shell("claims", "--json"))
    assert entry["experiment"] == "quick" and entry["claim"] == "far"
    done.edit("data/numbers.txt", "2", "3")
    assert "quick: no verdicts, its result is stale; type: lab run quick" in done.shell("claims", code=1)


def test_outside_a_book_it_says_where_to_go(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    said = project.lab("status", cwd=tmp_path_factory.mktemp("empty"), code=1)
    assert "is not inside a book" in said and "LAB_ROOT" in said


def test_help_shows_an_example_of_every_command(project: Project) -> None:
    overview = project.lab("--help")
    for command in COMMANDS:
        assert f" {command} " in overview
        assert f"lab {command}" in project.lab(command, "--help").partition("Example")[2], command
    said = project.lab("run", "--help")
    assert "lab run tanh_gain --set depth=200" in said
    assert "pip install 'notes-measured[dask]'" in re.sub(r"\s+", " ", said)  # the brackets are no markup


@pytest.mark.parametrize("typed", ["status", "why", "claims"])
def test_looking_at_results_loads_no_network(typed: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "lab", typed, *(names(ROOT) if typed == "why" else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    loaded = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.M))
    said = re.sub(r"experiments\.\w+", "", done.stdout + done.stderr)
    assert all(name in said for name in names(ROOT)) and "lab.results.store" in loaded
    assert not {name for name in loaded if name.split(".")[0] in ("torch", "jax")}
    if typed != "claims":
        assert not loaded & {"pandas", "numpy", "IPython"}


def test_no_experiment_touches_the_network_library_when_it_is_imported() -> None:
    """Names the line that did: a type alias with a bare torch.Tensor in it, most likely, which wants quotes."""
    program = """
import importlib, importlib.abc, sys, traceback
class Tell(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torch._C":
            mine = [f for f in traceback.extract_stack() if f.filename.startswith(sys.argv[1]) and "/.venv/" not in f.filename]
            sys.exit("\\n".join(f"{f.filename}:{f.lineno}: {f.line}" for f in mine[-2:-1]))
sys.meta_path.insert(0, Tell())
for name in sys.argv[2:]:
    importlib.import_module(f"experiments.{name}")
"""
    command = [sys.executable, "-c", program, str(ROOT), *names(ROOT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_serve_shows_the_site_and_says_when_there_is_none(project: Project) -> None:
    from urllib.request import urlopen

    assert "there is no site in" in project.lab("serve", code=1)
    project.write("_book/index.html", "<p>Hello")
    serving = project.start("serve", "--port", "0")
    assert serving.stdout
    address = re.search(r"http://127\.0\.0\.1:(\d+)/", serving.stdout.readline())
    assert address
    with urlopen(address[0], timeout=120) as page:
        assert page.read() == b"<p>Hello"
    said = project.lab("serve", "--port", address[1], code=1)
    assert "is not to be had" in said and said.endswith("type: lab serve --port 0, which takes any that is free\n")
    serving.send_signal(2)
    assert serving.wait(timeout=120) == 0
    serving.communicate()


def test_a_mistake_in_a_chapter_is_printed_with_file_and_line(project: Project) -> None:
    project.write("index.qmd", "# Preface {.unnumbered}\n\nSee @sec-nowhere.\n")
    said = project.shell("render", "--with", "press", "--to", "html", code=1)
    assert said.startswith("error: index.qmd:3: ") and "sec-nowhere" in said and "Traceback" not in said
    assert not (project.root / "_book").exists()
    assert "no chapter is called 'indx'; did you mean index?" in project.lab("render", "indx", code=1)


def test_ctrl_c_leaves_the_book_as_it_was_and_says_so(project: Project) -> None:
    project.write("_book/index.html", "<p>Hello")
    sleeps = "```{python}\n1\n```\n\n```{python}\nimport time\ntime.sleep(120)\n```\n"
    project.write("index.qmd", f"# Preface {{.unnumbered}}\n\n{sleeps}")
    running = project.start("render", "--with", "press", "--to", "html")
    assert running.stderr and running.stderr.readline() == "execute index.qmd starting\n"
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert (
        running.returncode == 130
        and said.strip() == "stopped; the book is as it was\nthe same command goes on from here"
    )
    assert (project.root / "_book/index.html").read_text() == "<p>Hello"


def test_quarto_is_asked_for_in_vain_where_there_is_none(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    quarto = project.write("bin/quarto", "#!/bin/sh\necho 1.8.27\n")
    quarto.chmod(0o755)
    monkeypatch.setenv("PATH", f"{quarto.parent}:/usr/bin:/bin")
    said = project.lab("render", "--with", "quarto", code=1)
    assert "there is no quarto 1.9 or newer on PATH" in said and "lab render --with press" in said


def test_quarto_renders_where_it_is_new_enough(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in notes how it was called; what the real one makes of the book is tested where it is installed."""
    noted = 'if [ "$1" = --version ]; then echo 1.10.18; else echo "$@" >> called; fi'
    quarto = project.write("bin/quarto", f"#!/bin/sh\n{noted}\n")
    quarto.chmod(0o755)
    monkeypatch.setenv("PATH", f"{quarto.parent}:/usr/bin:/bin")
    assert "rendered with quarto 1.10.18" in project.lab("render")
    said = project.lab("render", "index", "--to", "pdf")
    assert "_book/small.pdf" in said and "html" not in said
    assert (project.root / "called").read_text() == "render\nrender index.qmd --to typst\n"


def test_position_follows_loops_inside_loops() -> None:
    at = Position()
    at.note("networks", 0, 4, now=10.0)
    at.note("steps", 0, 10, now=10.0)
    at.note("steps", 5, 10, now=12.0)
    assert at.share == pytest.approx(1 / 8) and str(at) == "networks 0 of 4, steps 5 of 10"
    at.note("networks", 2, 4, now=18.0)  # the inner loop's end went unreported
    assert at.share == pytest.approx(1 / 2) and str(at) == "networks 2 of 4"
    at.note("networks", 4, 4, now=26.0)
    at.note("letters", 1, None, now=27.0)
    assert at.share is None and str(at) == "letters 1" and at.begun == 27.0


def test_marks_of_markdown_are_dropped() -> None:
    assert plain("about [1.592]{.given}, 10^-4.9^ of `a*b` and *y*") == "about 1.592, 10^-4.9 of a*b and y"


def test_progress_is_told_in_plain_lines_where_there_is_no_terminal(project: Project) -> None:
    said = project.lab("run")
    assert said.splitlines()[0] == "quick: running" and "\x1b" not in said and "\r" not in said


def test_a_reader_who_has_read_enough_gets_no_traceback(project: Project) -> None:
    """Its end of the pipe is closed before anything is written, as by head."""
    reads, writes = os.pipe()
    running = project.start("status", stdout=writes)
    os.close(reads)
    os.close(writes)
    _, said = running.communicate(timeout=120)
    assert said == "" and running.returncode == 0
