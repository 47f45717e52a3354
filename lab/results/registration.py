"""Rules of claims, written down and committed before the number is seen.

    experiments/<name>.registered.json, or experiments/<name>/registered.json of a package: what `lab register` writes
    result.json, provenance.registered: the commit that held it when the result was computed, copied by `lab run`

A rule's digest covers its thresholds, units and the code of its quantities in the experiment's module, not its words.  Pages
print what the result holds and never ask git; `check` asks git whether it is so.
"""

from __future__ import annotations

import ast
import copy
import json
import subprocess
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from pathlib import Path
from typing import Any

from lab.claims import Claim
from lab.errors import LabError, NoResult
from lab.keys import experiments
from lab.keys.canonical_json import digest as digest_of
from lab.keys.canonical_json import dumps
from lab.keys.syntax import dump
from lab.results import store
from lab.results.reading import what_is_there
from press import write_whole

_WORDS = {"label", "reason"}  # of a leaf: no part of the rule
_LEAVES = {"Above", "Below", "Within", "Equals"}


class When(Enum):
    """Which was first, the line or the number."""

    BEFORE = "line before number"
    UNPROVABLE = "not provable"  # the line was there first by the authors' word alone
    AFTER = "after the number"  # the line was changed, or drawn, when the number was known

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Standing:
    """What a result says of one claim's rule."""

    when: When
    registered: str = ""  # date of the registering commit
    computed: str = ""  # date of the result


def file(name: str, root: Path) -> Path:
    """Return where the rules of an experiment are registered."""
    path = experiments.source(name, root)
    return path.with_name("registered.json") if path.name == "__init__.py" else path.with_suffix(".registered.json")


def digests(experiment: Any) -> dict[str, str]:
    """Return the digest of each claim's rule, by the claim's name."""
    code = _code(Path(experiment.__file__))
    return {
        claim.name: digest_of({"rule": _bare(claim.rule.packed()), "code": code.get(claim.name, "")})[:16]
        for claim in experiment.CLAIMS
    }


def register(name: str, root: Path) -> dict[str, When]:
    """Write down the rules of an experiment as they are now; return what stands of each.

    A rule that was registered and is as it was keeps its standing.  Where a result is stored already, a rule that changed is
    "after the number", one whose quantity the result does not hold is new, and all others are "not provable".
    """
    experiment = experiments.load(name, root)
    place = file(name, root)
    before = registered(name, root)
    now = digests(experiment)
    claims = {}
    for claim in experiment.CLAIMS:
        there = before.get(claim.name, {})
        when = (
            there["when"] if there.get("digest") == now[claim.name] else _standing(claim, experiment, bool(there), root)
        )
        claims[claim.name] = {"digest": now[claim.name], "when": when, "rule": claim.rule.packed()}
    write_whole(place, dumps({"claims": claims}, indent=1))
    return {claim: When[entry["when"]] for claim, entry in claims.items()}


def registered(name: str, root: Path) -> dict[str, Any]:
    """Return what is registered of an experiment, by claim; nothing if nothing is."""
    place = file(name, root)
    try:
        return _entries(place.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise LabError(
            f"{place.relative_to(root)} is damaged ({error})\ntake it from git, or type: lab register {name}"
        ) from None


def _entries(text: bytes | str) -> dict[str, dict[str, str]]:
    """Return digest and standing of each claim, as `register` writes them.  Raises ValueError for anything else."""
    try:
        found = json.loads(text)["claims"].items()
        return {claim: {"digest": str(of["digest"]), "when": When[of["when"]].name} for claim, of in found}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(repr(error)) from None


def for_result(name: str, root: Path) -> dict[str, Any] | None:
    """Return what a result that is computed now keeps: the registering commit, its date, and the digests; None without one."""
    place = file(name, root)
    path = place.relative_to(root).as_posix()
    if not place.is_file() or git_says(root, "status", "--porcelain", "--", path) != "":
        return None
    commits = [line.split() for line in (git_says(root, "log", "--format=%H %cI", "--", path) or "").splitlines()]
    if not commits:
        return None
    # Since when the rules are there as they are now: a later commit may have changed what is said of them.
    now = _digests_at(commits[0][0], path, root)
    sha, date = list(takewhile(lambda commit: _digests_at(commit[0], path, root) == now, commits))[-1]
    return {
        "commit": sha,
        "date": date[:10],
        "claims": {claim: [entry["digest"], entry["when"]] for claim, entry in registered(name, root).items()},
    }


def standings(experiment: Any, provenance: dict[str, Any]) -> dict[str, Standing]:
    """Return where each claim's rule stands, by what the result's provenance holds and by the rule as it is now."""
    held = provenance.get("registered") or {}
    known = held.get("claims", {})
    computed = str(provenance.get("date", ""))[:10]
    found = {}
    for claim, digest in digests(experiment).items():
        if claim not in known:
            found[claim] = Standing(When.UNPROVABLE if not known else When.AFTER, computed=computed)
        else:
            then, when = known[claim]
            found[claim] = Standing(When[when] if then == digest else When.AFTER, held.get("date", ""), computed)
    return found


def unregistered(name: str, root: Path) -> list[str]:
    """Return the claims whose rules, as they are now, are not registered and committed."""
    held = (for_result(name, root) or {}).get("claims", {})
    return [
        claim
        for claim, digest in digests(experiments.load(name, root)).items()
        if held.get(claim, ("", ""))[0] != digest
    ]


def check(name: str, root: Path) -> tuple[bool | None, str]:
    """Ask git whether the registering commit came before the result and holds its digests.

    Returns None where that cannot be told: no registration, or no history (a shallow clone, a squash, an archive).
    """
    try:
        stored = store.read_result(root / "results" / name, root)
    except NoResult as error:
        return None, str(error)
    held = stored.provenance.get("registered")
    if not held:
        return None, "no registration is recorded in the result"
    path = file(name, root).relative_to(root).as_posix()
    wanted = {claim: digest for claim, (digest, _) in held["claims"].items()}
    searched = ["log", "--format=%H", "--diff-filter=AM", "-S", f'"key": "{stored.key}"', "--"]
    first = git_says(root, *searched, f"results/{name}/result.json")
    result = first.split()[-1] if first else ""
    if not result or not _comes_before(held["commit"], "HEAD", root):
        # Squashed, rebased or cut off: the recorded commit is not in this history.  What can be told is if the rules came late.
        late = _first_with(wanted, path, root)
        if result and late and late != result and _comes_before(result, late, root):
            return False, f"the rules are there from {late[:12]} on, after the result in {result[:12]}"
        return None, "recorded, not checkable here: git does not have the commits in this history"
    if _digests_at(held["commit"], path, root) != wanted:
        return False, f"commit {held['commit'][:12]} holds other digests than the result"
    if held["commit"] != result and _comes_before(held["commit"], result, root):
        return True, f"registered in {held['commit'][:12]}, before the result in {result[:12]}"
    return False, f"commit {held['commit'][:12]} does not come before the result in {result[:12]}"


def _comes_before(commit: str, other: str, root: Path) -> bool:
    """Whether a commit is there and another descends from it."""
    return git_says(root, "merge-base", "--is-ancestor", commit, other) is not None


def _digests_at(commit: str, path: str, root: Path) -> dict[str, str] | None:
    """Return the digests that were registered in a commit, None if none were."""
    try:
        held = _entries(git_says(root, "show", f"{commit}:{path}") or "")
    except ValueError:
        return None
    return {claim: entry["digest"] for claim, entry in held.items()}


def _first_with(wanted: dict[str, str], path: str, root: Path) -> str | None:
    """Return the first commit of this history that registers these digests."""
    commits = (git_says(root, "log", "--reverse", "--format=%H", "--", path) or "").split()
    return next((commit for commit in commits if _digests_at(commit, path, root) == wanted), None)


def _standing(claim: Claim[Any], experiment: Any, changed: bool, root: Path) -> str:
    name, _ = experiments.home(experiment)
    try:
        stored = store.read_result(root / "results" / name, root)
    except NoResult:
        return When.BEFORE.name
    if changed:
        return When.AFTER.name
    try:
        claim.verdict(what_is_there(experiment, stored))
    except Exception:  # the result does not hold what the rule asks for
        return When.BEFORE.name
    return (When.AFTER if "registered" in stored.provenance else When.UNPROVABLE).name


def _bare(packed: dict[str, Any]) -> dict[str, Any]:
    """Return a packed rule without its words."""
    kept = {name: value for name, value in packed.items() if name not in _WORDS}
    return kept | ({"rules": [_bare(rule) for rule in kept["rules"]]} if "rules" in kept else {})


def _code(path: Path) -> dict[str, str]:
    """Return the code of each claim's rule, by the claim's name: quantities, and what they use of their module."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    defined: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                defined |= {item.id: node for item in ast.walk(target) if isinstance(item, ast.Name)}
    claims = defined.get("CLAIMS")
    found = {}
    for call in ast.walk(claims) if claims is not None else ():
        if isinstance(call, ast.Call) and {word.arg for word in call.keywords} >= {"name", "rule"}:
            given = {word.arg: word.value for word in call.keywords}
            if isinstance(given["name"], ast.Constant):
                found[str(given["name"].value)] = _reached(given["rule"], defined)
    return found


def _reached(rule: ast.expr, defined: dict[str, ast.stmt]) -> str:
    """Write out a rule without its words, and the functions and constants of the module that it uses."""
    bare = _Wordless().visit(copy.deepcopy(rule))
    found, left = dict[str, str](), [bare]
    while left:
        for item in ast.walk(left.pop()):
            if isinstance(item, ast.Name) and item.id in defined and item.id not in found and item.id != "CLAIMS":
                left.append(_Wordless().visit(copy.deepcopy(defined[item.id])))
                found[item.id] = dump(left[-1])
    return "\n".join([dump(bare), *(f"{name}: {found[name]}" for name in sorted(found))])


class _Wordless(ast.NodeTransformer):
    """Takes the words out of leaves."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Drop a leaf's label, its first argument, and its reason."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in {*_LEAVES, "Judged"}:
            node.args = node.args[1:] if node.func.id in _LEAVES else node.args[:1]
            node.keywords = [word for word in node.keywords if word.arg not in _WORDS]
        return node


def git_says(root: Path, *words: str) -> str | None:
    """Return what git says of a project; None if it fails or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.rstrip()
