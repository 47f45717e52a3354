"""What users of other tools have reported of clones, folders, files and servers, tried on the lab.  README.md has the threads."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_project import Project

import press
from lab.book.markdown_tables import as_text, markdown_table
from lab.book.serve import server
from lab.results import store
from press import pandoc, pandoc_ast
from press.errors import SourceError
from press.read.project import read_project
from tests.press.conftest import SETTINGS, MakeBook

ROOT = Path(__file__).parents[2]


def test_a_clone_that_turns_line_ends_round_has_the_same_bytes(tmp_path: Path) -> None:
    def git(*words: str, at: Path) -> None:
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *words], cwd=at, check=True)

    origin = tmp_path / "origin"
    for name in ("results/a/result.json", "results/a/t.csv", "data/names.txt", "nets/x.cpp", "lab/x.py"):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_bytes(b"one\r\ntwo\n" if name.startswith(("results", "data")) else b"one\ntwo\n")
    (origin / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    git("init", "--quiet", at=origin)
    git("-c", "core.autocrlf=true", "add", ".", at=origin)
    git("commit", "--quiet", "-m", "x", at=origin)
    git("-c", "core.autocrlf=true", "clone", "--quiet", str(origin), "clone", at=tmp_path)
    files = [path.relative_to(origin) for path in origin.rglob("*.*") if path.is_file() and ".git" not in path.parts]
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "clone" / file).read_bytes() == (origin / file).read_bytes(), file


def test_a_pipe_in_place_of_a_result_is_said_and_not_waited_for(project: Project) -> None:
    project.result().mkdir(parents=True)
    os.mkfifo(project.result() / "result.json")
    said = project.start("status").communicate(timeout=60)[0]
    assert (
        re.search(r"quick +\S+", said)
        and "result.json is not a file" in project.start("why", "quick").communicate(timeout=60)[0]
    )


def test_a_pipe_among_the_data_is_said_and_not_waited_for(project: Project) -> None:
    (project.root / "data/numbers.txt").unlink()
    os.mkfifo(project.root / "data/numbers.txt")
    said = "".join(project.start("run").communicate(timeout=60))
    assert "numbers.txt is neither a file nor a folder" in said


def test_the_server_answers_odd_addresses_and_leaves_the_site_by_no_link(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("home")
    (tmp_path / "secret.txt").write_text("secret")
    (site / "out.txt").symlink_to(tmp_path / "secret.txt")
    (site / "up").symlink_to(tmp_path)
    os.mkfifo(site / "pipe")
    with server(site, 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        answers = {}
        for path in (
            "/",
            "/index.html",
            "/%00",
            "/out.txt",
            "/up/secret.txt",
            "/pipe",
            "/" + "x" * 5000,
            "/%ff%fe",
            "/../secret.txt",
        ):
            link = http.client.HTTPConnection("127.0.0.1", serving.server_port, timeout=60)
            link.request("GET", path)
            answers[path[:20]] = link.getresponse().status
            link.close()
        serving.shutdown()
    assert answers.pop("/") == answers.pop("/index.html") == 200
    assert set(answers.values()) == {404}, answers
    assert capfd.readouterr().err == ""


def test_an_output_folder_that_is_a_link_is_refused_before_any_work(make_book: MakeBook, tmp_path: Path) -> None:
    root = make_book({})
    (root / "elsewhere").mkdir()
    (root / "_book").symlink_to(root / "elsewhere")
    with pytest.raises(SourceError, match="_book is a link, and a render puts a new folder in its place"):
        read_project(root)
    assert (root / "_book").is_symlink()


def test_an_output_folder_that_is_a_mount_is_refused_before_any_work(make_book: MakeBook) -> None:
    root = make_book({})
    (root / "_book").mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "none", str(root / "_book")], capture_output=True, check=False
    ).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(SourceError, match="_book is a mount"):
            read_project(root)
    finally:
        subprocess.run(["umount", str(root / "_book")], check=True)


ATTACK = '<img src=x onerror="document.title=1"> [a](javascript:alert(1)) `{=html} <b>` @sec-x $x$ **b** {{< x >}} | -- \x1b[1m --- ...'


def test_what_a_result_says_of_its_machine_is_text_in_a_page(make_book: MakeBook) -> None:
    book = read_project(make_book({}))
    table = markdown_table(["", ""], [["On", f"a machine: {as_text(ATTACK)}, *this* is ours"]])
    blocks = pandoc.read(table, book, "one.qmd")[0]
    kinds = {node["t"] for node in pandoc_ast.every(blocks)}
    assert not kinds & {"RawInline", "RawBlock", "Link", "Image", "Cite", "Math", "Strong", "Code"} and "Emph" in kinds
    assert ATTACK.replace("\x1b", "") in pandoc_ast.words(blocks)


def test_the_colophon_and_the_costs_print_provenance_as_text(project: Project) -> None:
    project.lab("run")
    stored = store.read_result(project.result(), project.root)
    made = dict.fromkeys(("machine", "python", "date"), ATTACK) | {"versions": {ATTACK: ATTACK, "torch": ATTACK}}
    store.write_result(project.result(), project.root, replace(stored, provenance=stored.provenance | made))
    program = (
        "from lab.book.colophon import *\nfrom experiments import quick\nprint(colophon(quick).data, costs().data)"
    )
    variables = os.environ | {"PYTHONPATH": f"{project.root}{os.pathsep}{ROOT}"}
    asked = [sys.executable, "-c", program]
    said = subprocess.run(asked, cwd=project.root, env=variables, capture_output=True, text=True, check=True).stdout
    assert said.count(as_text(ATTACK)) >= 6 and "<img" not in said and "javascript:" not in said


def test_a_result_whose_table_has_a_name_that_is_markup_is_damaged(project: Project) -> None:
    project.lab("run")
    place = project.result() / "result.json"
    from lab.keys.canonical_json import digest, dumps, loads

    content = loads(place.read_bytes())
    content.pop("checksum")
    (project.result() / "a](javascript:x).csv").write_bytes(b"x\n")
    table = {
        "file": "a](javascript:x).csv",
        "sha256": hashlib.sha256(b"x\n").hexdigest(),
        "rows": 0,
        "dtypes": {"x": "str"},
    }
    content["tables"] = {"a](javascript:x)": table}
    place.write_text(dumps(content | {"checksum": digest(content)}))
    assert "is damaged" in project.lab("why", "quick", code=None)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_render_that_is_asked_to_end_leaves_nothing_behind(project: Project, how: signal.Signals) -> None:
    temporary = project.root / "temporary"
    temporary.mkdir()
    project.write("_book/index.html", "<p>Hello")
    cell = "import os, time\nopen('kernel', 'w').write(str(os.getpid()))\ntime.sleep(600)"
    project.write("index.qmd", f"# Preface {{.unnumbered}}\n\n```{{python}}\n{cell}\n```\n")
    variables = os.environ | {"PYTHONPATH": f"{project.root}{os.pathsep}{ROOT}", "TMPDIR": str(temporary)}
    # A signal that is ignored, as under nohup, stays so: these tests may run under it.
    heard = {"preexec_fn": lambda: signal.signal(how, signal.SIG_DFL)}
    running = project.start("render", "--with", "press", "--to", "html", env=variables, **heard)
    while not ((project.root / "kernel").is_file() and (project.root / "kernel").read_text()):
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    assert list(temporary.glob("press-*/*"))
    running.send_signal(how)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130 and "stopped; the book is as it was" in said
    assert list(temporary.glob("press-*/*")) == [] and (project.root / "_book/index.html").read_text() == "<p>Hello"
    with pytest.raises(ProcessLookupError):
        os.kill(int((project.root / "kernel").read_text()), 0)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("steps=-3", "wanted 1 or more, as in --set steps=50"),
        ("seeds=0", "wanted 1 or more, as in --set seeds=4"),
        ("widths=", "wanted at least one value, as in --set widths=0.5,1.0"),
        ("widths=0.5,nan", "wanted finite numbers each, as in --set widths=0.5,1.0"),
    ],
)
def test_a_setting_that_params_does_not_allow_is_refused_before_anything_runs(
    project: Project, typed: str, wanted: str
) -> None:
    said = project.lab("run", "quick", "--set", typed, code=1)
    assert said.startswith(f"error: --set {typed}: {wanted}") and "Traceback" not in said and "running" not in said


@pytest.mark.parametrize("word", ["today", "last-modified"])
def test_a_date_that_would_be_another_every_day_is_refused_and_not_printed(make_book: MakeBook, word: str) -> None:
    root = make_book({"_quarto.yml": SETTINGS.replace("  author:", f"  date: {word}\n  author:")})
    with pytest.raises(SourceError, match=f"_quarto.yml:6: press cannot honour book.date: {word}"):
        read_project(root)


def test_a_twenty_seventh_appendix_has_no_letter_and_is_refused(make_book: MakeBook) -> None:
    names = [f"a{number}.qmd" for number in range(27)]
    chapters = dict.fromkeys(names, "# More\n")
    listed = SETTINGS.replace("    - extra.qmd\n", "".join(f"    - {name}\n" for name in names))
    with pytest.raises(SourceError, match="a 27th appendix"):
        read_project(make_book(chapters | {"_quarto.yml": listed}))
    read_project(make_book({"_quarto.yml": listed.replace("    - a26.qmd\n", "")}))


def test_a_search_index_that_cannot_be_written_is_said_without_a_traceback(
    make_book: MakeBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagefind.service.get_executable", lambda: "/bin/false")
    with pytest.raises(SourceError, match="it could not be written: pagefind ended with 1"):
        press.render(make_book({}), ("html",))


def test_a_render_killed_while_it_indexes_leaves_nothing_in_the_temporary_folder(make_book: MakeBook) -> None:
    root = make_book({})
    temporary = root / "temporary"
    temporary.mkdir()
    killer = root / "pagefind.sh"
    killer.write_text("#!/bin/sh\nkill -9 $PPID\n")
    killer.chmod(0o755)
    program = f"import pagefind.service, press; pagefind.service.get_executable = lambda: {str(killer)!r}; press.render({str(root)!r}, ('html',))"
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL and list(temporary.iterdir()) == []
    press.render(root, ("html",))
    assert not (root / ".press/search").exists() and (root / "_book/pagefind").is_dir()
