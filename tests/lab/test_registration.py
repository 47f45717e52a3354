"""Lines before numbers: rules are registered in a commit, results keep it, pages print it, git can be asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_project import ROOT, Project

from lab.keys.experiments import names
from lab.results.registration import check

RULE = 'rule=Above("the distance", lambda r: r.distance, 1)'
FILE = "experiments/quick.registered.json"
SAY = """
from pathlib import Path
from experiments import quick
from lab.results import store
from lab.results.registration import standings
root = Path.cwd()
for name, found in standings(quick, store.read_result(root / "results/quick", root).provenance).items():
    print(name, found.when)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "book")
    made.write(".gitignore", ".lab/\n__pycache__/\n")
    _git(made.root, "init", "-q", "-b", "main")
    _commit(made.root, "the question")
    return made


def _git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *words], cwd=root, capture_output=True, text=True, check=True).stdout


def _commit(root: Path, message: str) -> None:
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", message)


def _standing(project: Project) -> str:
    variables = os.environ | {"PYTHONPATH": f"{project.root}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", SAY], cwd=project.root, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _registered_and_run(project: Project) -> None:
    assert "1 line before number" in project.shell("register", "quick")
    _commit(project.root, "rules")
    assert "not registered" not in project.shell("run", "quick")
    _commit(project.root, "result")


def test_a_rule_committed_before_the_first_run_is_before_the_number_and_git_agrees(project: Project) -> None:
    _registered_and_run(project)
    assert _standing(project) == "far line before number"
    assert "yes" in project.shell("register", "--check", "quick")


def test_words_may_change_freely_and_thresholds_may_not(project: Project) -> None:
    _registered_and_run(project)
    project.edit("experiments/quick.py", '"the distance"', '"how far it got"')
    project.edit("experiments/quick.py", "A walk gets", "Every walk gets")
    assert _standing(project) == "far line before number"
    project.edit("experiments/quick.py", "r.distance, 1)", "r.distance, 2)")
    assert _standing(project) == "far after the number"
    assert "1 after the number" in project.shell("register", "quick")
    _commit(project.root, "another line")
    project.shell("run", "quick", "--force")
    assert _standing(project) == "far after the number", "a new run does not make a line older than its number"


def test_words_of_a_leaf_that_rules_share_may_change_too(project: Project) -> None:
    project.edit("experiments/quick.py", RULE, "rule=FAR")
    project.edit(
        "experiments/quick.py", "CLAIMS = (", 'FAR = Above("the distance", lambda r: r.distance, 1)\n\n\nCLAIMS = ('
    )
    _registered_and_run(project)
    project.edit("experiments/quick.py", '"the distance"', '"how far it got"')
    assert _standing(project) == "far line before number"
    project.edit("experiments/quick.py", "r.distance, 1)", "r.distance, 2)")
    assert _standing(project) == "far after the number"


def test_a_quantity_may_not_change_behind_its_name(project: Project) -> None:
    project.edit("experiments/quick.py", RULE, 'rule=Above("the distance", _far, 1)')
    project.edit("experiments/quick.py", "CLAIMS = (", "def _far(r): return r.distance\n\n\nCLAIMS = (")
    _registered_and_run(project)
    assert _standing(project) == "far line before number"
    project.edit("experiments/quick.py", "return r.distance", "return 2 * r.distance")
    assert _standing(project) == "far after the number"


def test_a_rule_that_was_never_registered_is_not_provable_and_the_run_says_so(project: Project) -> None:
    assert "not registered" in project.shell("run", "quick")
    assert _standing(project) == "far not provable"
    assert "1 not provable" in project.shell("register", "quick")
    _commit(project.root, "rules and result in one")
    project.shell("run", "quick", "--force")
    assert _standing(project) == "far not provable"


def test_a_rule_that_asks_for_parameters_is_not_taken_for_one_on_a_number_still_unknown(project: Project) -> None:
    project.edit("experiments/quick.py", "class Result:\n", "class Result:\n    params: Params\n")
    project.edit("experiments/quick.py", "return Result(max", "return Result(params, max")
    project.edit("experiments/quick.py", "lambda r: r.distance, 1)", "lambda r: r.distance / r.params.steps, 1)")
    project.shell("run", "quick")
    assert "1 not provable" in project.shell("register", "quick")


def test_a_registration_that_is_not_committed_counts_for_nothing(project: Project) -> None:
    project.shell("register", "quick")
    assert "not registered" in project.shell("run", "quick")
    assert _standing(project) == "far not provable"


def test_a_new_claim_on_what_the_result_does_not_hold_yet_is_before_its_number(project: Project) -> None:
    _registered_and_run(project)
    second = 'Claim(name="near", text="It stays near.", source=None, rule=Above("it", lambda r: r.nearest, 0), number=str),\n'
    project.edit("experiments/quick.py", "CLAIMS = (\n", f"CLAIMS = (\n    {second}")
    assert "2 line before number" in project.shell("register", "quick")
    third = second.replace("near", "seen").replace("r.seenest", "r.distance")
    project.edit("experiments/quick.py", "CLAIMS = (\n", f"CLAIMS = (\n    {third}")
    assert "1 after the number" in project.shell("register", "quick")


def test_a_field_that_the_result_lacks_does_not_make_its_other_numbers_unknown(project: Project) -> None:
    _registered_and_run(project)
    project.edit("experiments/quick.py", "class Result:\n", "class Result:\n    nearest: float\n")
    seen = (
        'Claim(name="seen", text="It is there.", source=None, rule=Above("it", lambda r: r.distance, 0), number=str),\n'
    )
    project.edit("experiments/quick.py", "CLAIMS = (\n", f"CLAIMS = (\n    {seen}")
    assert "1 after the number" in project.shell("register", "quick")


def test_history_that_is_gone_is_said_to_be(project: Project, tmp_path: Path) -> None:
    _registered_and_run(project)
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{project.root}", str(tmp_path / "shallow")], check=True)
    said = project.shell("register", "--check", "quick", cwd=tmp_path / "shallow")
    assert "not checkable here" in said


def test_squashed_history_is_recorded_but_not_checkable(project: Project) -> None:
    _registered_and_run(project)
    assert "yes" in project.shell("register", "--check", "quick")
    _git(project.root, "checkout", "-q", "-b", "squashed", "HEAD~2")
    _git(project.root, "merge", "-q", "--squash", "main")
    _commit(project.root, "rules and result in one")
    assert "recorded, not checkable here" in project.shell("register", "--check", "quick")
    _git(project.root, "checkout", "-q", "main")
    assert "yes" in project.shell("register", "--check", "quick")


def test_rebased_history_is_recorded_but_not_checkable(project: Project) -> None:
    _registered_and_run(project)
    _git(project.root, "checkout", "-q", "-b", "onto", "HEAD~2")
    project.write("elsewhere.txt", "something else")
    _commit(project.root, "something else")
    _git(project.root, "rebase", "-q", "onto", "main")
    assert "recorded, not checkable here" in project.shell("register", "--check", "quick")
    assert _standing(project) == "far line before number"  # what the result holds, and pages print, is as it was


def test_no_result_of_the_book_came_before_the_rules_that_it_says_were_first() -> None:
    found = {name: check(name, ROOT) for name in names(ROOT)}
    assert not [f"{name}: {why}" for name, (right, why) in found.items() if right is False]


def test_a_result_from_before_its_registration_is_found_out(project: Project) -> None:
    _registered_and_run(project)
    rules, result = (
        _git(project.root, "show", f"{at}:{file}")
        for at, file in (("HEAD~1", FILE), ("HEAD", "results/quick/result.json"))
    )
    _git(project.root, "checkout", "-q", "-b", "other", "HEAD~2")
    project.write("results/quick/result.json", result)
    _commit(project.root, "the result first")
    project.write(FILE, rules)
    _commit(project.root, "then the rules")
    assert "no" in project.shell("register", "--check", "quick", code=1)


def test_a_damaged_registration_is_an_error_with_its_file(project: Project) -> None:
    project.write(FILE, "{")
    assert f"{FILE} is damaged" in project.shell("register", "quick", code=1)
