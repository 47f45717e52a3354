"""A key changes when, and only when, what a result depends on does: the table of prior-art.md, and more, acted out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.errors import LabError, Refused
from lab.keys import key, versions
from lab.keys.syntax import dump, parse, short
from lab.results import key_diff, store

FILES = {
    "experiments/__init__.py": "",
    "experiments/probe.py": '''
"""Does it notice?"""
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import nets.chain as chained
from lab.claims import Claim, Verdict
from lab.estimate import Estimate
from lab.progress import track
from nets import loss, model
from nets.deep.inner import innermost
from nets.functions import clip as limited, TABLE

RATE = 0.1  # per step


@dataclass(frozen=True)
class Params:
    data: Path = Path("data/names.txt")  # one name a line
    steps: int = 3  # of descent
    seeds: int = 2  # networks


SMOKE = Params(steps=1)


@dataclass(frozen=True)
class Result:
    final: Estimate  # loss


CLAIMS = (Claim("small", "It is small.", "N0", "Below 1.", lambda r: Verdict.HOLDS, lambda r: f"{r.final}"),)


def run(params: Params) -> Result:
    """Descend."""
    names = params.data.read_text().split()

    def inside(value: float) -> float:
        return value * chained.twice(RATE)

    walk = partial(model.step, scale=2)
    values = [walk(inside(seed)) for seed in track(range(params.seeds), "seeds")]
    total = model.Child().total(values) + loss(len(names)) + TABLE["square"](3) + innermost(limited(np.pi))
    return Result(Estimate.of([total, math.floor(total)]))


def _unused(value: float) -> float:
    return value + 1
''',
    "nets/__init__.py": '''
"""What experiments share."""
from nets.losses import squared as loss
''',
    "nets/losses.py": """
def squared(value):
    return value**2


def absolute(value):
    return abs(value)
""",
    "nets/chain.py": """
from nets import far


def twice(value):
    return far.once(far.once(value))


def other(value):
    return value
""",
    "nets/patch.py": "",
    "nets/far.py": """
import nets.patch
import scipy.special

GAIN = 5 / 3
UNUSED = 7


def once(value, offset=0.5):
    return value * GAIN + offset


def erf(value):
    return scipy.special.erf(value)
""",
    "nets/model.py": """
from nets.registry import logged
from nets import base

START = [0.0]
START.append(1.0)
HIDDEN = [9]
HIDDEN.append(8)
for width in (1, 2):
    START.append(width)


@logged
def step(value, scale=1):
    return value * scale + START[0]


class Child(base.Parent):
    def weight(self):
        return 2


class Orphan(base.Parent):
    def weight(self):
        return 3


def unused():
    return START
""",
    "nets/base.py": """
class Parent:
    bias = 0.25

    def total(self, values):
        return sum(values) * self.weight() + self.bias

    def weight(self):
        return 1
""",
    "nets/registry.py": """
LOG = {}


def logged(function):
    LOG[function.__name__] = function
    return function
""",
    "nets/functions.py": """
try:
    from fastmaths import clip
except ImportError:
    def clip(value):
        return min(value, 1.0)

SCALE = 1.0


def square(value):
    return value**2


def cube(value):
    return value**3 * SCALE


TABLE = {"square": square, "cube": cube}
""",
    "nets/deep/__init__.py": "",
    "nets/deep/inner.py": """
def innermost(value):
    from nets.deep import local
    return local.shift(value)
""",
    "nets/deep/local.py": """
SHIFT = 3


def shift(value):
    return value + SHIFT


def back(value):
    return value - SHIFT
""",
    "data/names.txt": "ada\nbob\n",
    "_quarto.yml": "project:\n  type: book\n",
}

PROBE = "experiments/probe.py"
STALE = [
    ("the entry's code", PROBE, "value * chained", "value + chained"),
    ("a constant of the entry", PROBE, "RATE = 0.1", "RATE = 0.2"),
    ("the type of a result's field", PROBE, "final: Estimate", "final: float"),
    ("a keyword given in partial()", PROBE, "scale=2", "scale=3"),
    ("a closure", PROBE, "chained.twice(RATE)", "chained.twice(2 * RATE)"),
    ("a function called by a called function", "nets/far.py", "value * GAIN", "value / GAIN"),
    ("a constant far away", "nets/far.py", "5 / 3", "4 / 3"),
    ("a default argument", "nets/far.py", "offset=0.5", "offset=0.25"),
    ("a decorator", "nets/registry.py", "return function", "return lambda *a, **k: 0"),
    ("the use of a decorator", "nets/model.py", "@logged\ndef step", "def step"),
    ("a method of a subclass", "nets/model.py", "return 2", "return 4"),
    ("a method of its base", "nets/base.py", "sum(values)", "max(values)"),
    ("an attribute of its base", "nets/base.py", "bias = 0.25", "bias = 0.5"),
    ("another base", "nets/model.py", "class Child(base.Parent)", "class Child(Orphan0)"),
    ("a list filled on import", "nets/model.py", "START.append(1.0)", "START.append(2.0)"),
    ("a loop on import", "nets/model.py", "in (1, 2)", "in (1, 3)"),
    ("a re-exported name", "nets/__init__.py", "squared as loss", "absolute as loss"),
    ("what a re-exported name does", "nets/losses.py", "value**2", "value**4"),
    ("a function in a table", "nets/functions.py", "value**2", "value**2.5"),
    ("what a function in a table uses", "nets/functions.py", "SCALE = 1.0", "SCALE = 2.0"),
    ("a fallback for a missing library", "nets/functions.py", "min(value, 1.0)", "min(value, 2.0)"),
    ("an import inside a function", "nets/deep/inner.py", "local.shift", "local.back"),
    ("what an import inside a function brings", "nets/deep/local.py", "value + SHIFT", "value * SHIFT"),
    ("which of a library's functions a name means", PROBE, "import math", "import cmath as math"),
    ("the book's setting", PROBE, "steps: int = 3", "steps: int = 4"),
    ("another module's function replaced", PROBE, "RATE = 0.1", "RATE = 0.1\nchained.far.once = chained.other"),
    ("another module's attribute set by name", PROBE, "RATE = 0.1", 'RATE = 0.1\nsetattr(chained, "twice", abs)'),
    (
        "a library set up on import",
        "nets/registry.py",
        "LOG = {}",
        'LOG = {}\nimport numpy as np\nnp.seterr(all="raise")',
    ),
    ("a constant made again", "nets/far.py", "UNUSED = 7", "UNUSED = 7\nGAIN = GAIN + 1"),
    ("a condition on import", "nets/far.py", "UNUSED = 7", "if UNUSED:\n    GAIN = 2"),
    (
        "a global changed by what runs",
        "nets/chain.py",
        "    return far.once(far",
        "    global far\n    return far.once(far",
    ),
]
FRESH = [
    ("a comment in the entry", PROBE, "RATE = 0.1  # per step", "# a rate\nRATE = 0.1"),
    ("a docstring", PROBE, '"""Descend."""', '"""Descend a little,\n    then stop."""'),
    ("the module's docstring", PROBE, "Does it notice?", "Does it not notice?"),
    ("layout", PROBE, "    values = [walk(inside(seed)) for", "\n    values = [\n        walk(inside(seed))  for"),
    ("an annotation", PROBE, "value: float) -> float:\n        return", "value):\n        return"),
    ("a constant with an annotation", PROBE, "RATE = 0.1", "RATE: float = 0.1"),
    ("an unused function of the entry", PROBE, "value + 1", "value + 2"),
    ("an unused function of a used module", "nets/losses.py", "abs(value)", "-value"),
    ("an unused constant of a used module", "nets/far.py", "UNUSED = 7", "UNUSED = 8"),
    ("an unused function of a module far away", "nets/far.py", "special.erf(", "special.erfc("),
    ("an unused sibling class", "nets/model.py", "return 3", "return 5"),
    ("a comment in an imported module", "nets/far.py", "UNUSED", "# nothing\nUNUSED"),
    ("a claim", PROBE, "It is small.", "It is tiny."),
    ("a verdict", PROBE, "Verdict.HOLDS", "Verdict.FAILS"),
    ("the tests' parameters", PROBE, "Params(steps=1)", "Params(steps=2)"),
    ("a new function in a used module", "nets/far.py", "UNUSED = 7", "UNUSED = 7\n\n\ndef more():\n    return UNUSED"),
    ("the order of functions", "nets/losses.py", "def squared", "def first():\n    pass\n\n\ndef squared"),
    (
        "an import only for types",
        PROBE,
        "import math",
        "import math\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
    ),
    ("code that runs as a script only", "nets/far.py", "UNUSED = 7", 'if __name__ == "__main__":\n    print(once(3))'),
]


# Nothing of this bears on the result, but it is done on import, and may.
WASTED = [
    ("an unused list filled on import", "nets/model.py", "HIDDEN.append(8)", "HIDDEN.append(7)"),
    ("a check on import of what is unused", "nets/far.py", "UNUSED = 7", "UNUSED = 7\nassert len(str(UNUSED)) == 1"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def of(root: Path) -> str:
    return key.compute("probe", root).key


def edit(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"{file} has no {old!r}"
    (root / file).write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(("what", "file", "old", "new"), STALE, ids=lambda value: value if " " in value else "")
def test_a_change_that_matters_makes_the_result_stale(root: Path, what: str, file: str, old: str, new: str) -> None:
    before = of(root)
    edit(root, file, old, new)
    assert of(root) != before
    edit(root, file, new, old)
    assert of(root) == before, "edit and revert"


@pytest.mark.parametrize(("what", "file", "old", "new"), FRESH, ids=lambda value: value if " " in value else "")
def test_a_change_that_does_not_matter_leaves_the_result_fresh(
    root: Path, what: str, file: str, old: str, new: str
) -> None:
    before = of(root)
    edit(root, file, old, new)
    assert of(root) == before


@pytest.mark.parametrize(("what", "file", "old", "new"), WASTED, ids=lambda value: value if " " in value else "")
def test_what_importing_does_counts_even_where_it_turns_out_not_to_matter(
    root: Path, what: str, file: str, old: str, new: str
) -> None:
    before = of(root)
    edit(root, file, old, new)
    assert of(root) != before


# Each row: what is added to a file, what run computes with it, and then the edit that changes the number.
ADDED_STALE = [
    (
        "a name asked for by text",
        "nets/far.py",
        "def f1(): return 1\n",
        "getattr(far, chosen)()",
        "return 1",
        "return 2",
    ),
    (
        "a name asked for by a fixed text",
        "nets/far.py",
        "def f1(): return 1\n",
        'getattr(far, "f1")()',
        "return 1",
        "return 2",
    ),
    (
        "globals()",
        "nets/far.py",
        "def f1(): return 1\ndef f2(n): return globals()[n]()\n",
        "far.f2(chosen)",
        "return 1",
        "return 2",
    ),
    ("a star import", "nets/far.py", "from nets.losses import *\n", "far.absolute(1)", None, None),
    (
        "a registry",
        "nets/far.py",
        "R = {}\ndef reg(f):\n    R[f.__name__] = f\n    return f\n@reg\ndef relu(x): return x\n",
        'far.R["relu"](1)',
        "return x\n",
        "return -x\n",
    ),
    (
        "a registry with a method",
        "nets/far.py",
        "class K(dict):\n    def reg(self, f): self[f.__name__] = f\nR = K()\n@R.reg\ndef relu(x): return x\n",
        'far.R["relu"](1)',
        "return x\n",
        "return -x\n",
    ),
    (
        "a registry of subclasses",
        "nets/far.py",
        "S = []\nclass B:\n    def __init_subclass__(cls): S.append(cls)\nclass C(B):\n    v = 1\n",
        "far.S[0].v",
        "v = 1",
        "v = 2",
    ),
    (
        "a single dispatch",
        "nets/far.py",
        "from functools import singledispatch\n@singledispatch\ndef g(x): return 0\n@g.register\ndef _(x: int): return 1\n",
        "far.g(3)",
        "return 1",
        "return 2",
    ),
    (
        "the type a single dispatch is for",
        "nets/far.py",
        "from functools import singledispatch\n@singledispatch\ndef g(x): return 0\n@g.register\ndef _(x: int): return 1\n",
        "far.g(3)",
        "x: int",
        "x: float",
    ),
    ("an attribute set on a class", "nets/far.py", "class B:\n    v = 1\nB.v = 2\n", "far.B().v", "B.v = 2", "B.v = 3"),
    (
        "an attribute set on a function",
        "nets/far.py",
        "def g(): return g.v\ng.v = 2\n",
        "far.g()",
        "g.v = 2",
        "g.v = 3",
    ),
    (
        "a method replaced by another module",
        "nets/chain.py",
        "from nets import base\nbase.Parent.total = lambda self, values: 1\n",
        "0",
        ": 1\n",
        ": 2\n",
    ),
    (
        "a lambda in a constant",
        "nets/far.py",
        "F = {'a': lambda x: x}\n",
        "far.F['a'](1)",
        "lambda x: x",
        "lambda x: -x",
    ),
    (
        "a second name for a module",
        "nets/far.py",
        "from nets import losses\nM = losses\n",
        "far.M.absolute(1)",
        None,
        None,
    ),
    ("a full name", "nets/far.py", "import nets.losses\n", "far.nets.losses.absolute(1)", None, None),
    ("a relative import", "nets/far.py", "from .losses import absolute\n", "far.absolute(1)", None, None),
    (
        "a relative import of a module",
        "nets/far.py",
        "from . import losses as mine\n",
        "far.mine.absolute(1)",
        None,
        None,
    ),
    (
        "a default of another dataclass",
        "nets/far.py",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    v: int = 1\n",
        "far.D().v",
        "v: int = 1",
        "v: int = 2",
    ),
    (
        "a default of a named tuple",
        "nets/far.py",
        "from typing import NamedTuple\nclass D(NamedTuple):\n    v: int = 1\n",
        "far.D().v",
        "v: int = 1",
        "v: int = 2",
    ),
    (
        "a member of an enum",
        "nets/far.py",
        "from enum import Enum\nclass E(Enum):\n    A = 1\n",
        "far.E.A.value",
        "A = 1",
        "A = 2",
    ),
    (
        "a global set by a function",
        "nets/far.py",
        "def put():\n    global GAIN\n    GAIN = 3\n",
        "far.put() or 0",
        "GAIN = 3",
        "GAIN = 4",
    ),
    (
        "a module's __getattr__",
        "nets/far.py",
        "def __getattr__(name): return 1\n",
        "far.anything",
        "return 1",
        "return 2",
    ),
    (
        "a constant that decides a class",
        "nets/far.py",
        "BIG = 1\nclass B:\n    if BIG:\n        v = 2\n    else:\n        v = 3\n",
        "far.B.v",
        "BIG = 1",
        "BIG = 0",
    ),
    (
        "a property",
        "nets/far.py",
        "def help_it(): return 1\nclass B:\n    @property\n    def v(self): return help_it()\n",
        "far.B().v",
        "return 1",
        "return 2",
    ),
    (
        "a cached function",
        "nets/far.py",
        "from functools import cache\n@cache\ndef g(): return 1\n",
        "far.g()",
        "return 1",
        "return 2",
    ),
    (
        "a metaclass",
        "nets/far.py",
        "class M(type):\n    def __new__(m, n, b, d): return super().__new__(m, n, b, d | {'v': 1})\nclass B(metaclass=M): pass\n",
        "far.B.v",
        "'v': 1",
        "'v': 2",
    ),
    ("names unpacked", "nets/far.py", "A, B = 1, 2\n", "far.B", "1, 2", "1, 3"),
    ("a name bound by :=", "nets/far.py", "if (W := 3): pass\n", "far.W", "W := 3", "W := 4"),
    (
        "a name bound by with",
        "nets/far.py",
        "from contextlib import nullcontext\nwith nullcontext(3) as W: pass\n",
        "far.W",
        "(3)",
        "(4)",
    ),
    (
        "the order of statements",
        "nets/far.py",
        "X = [1]\nY = list(X)\nX.append(2)\n",
        "len(far.Y)",
        "Y = list(X)\nX.append(2)",
        "X.append(2)\nY = list(X)",
    ),
    ("a constant bound twice", "nets/far.py", "X = 1\nY = X\nX = 2\n", "far.Y + far.X", "Y = X\nX = 2", "X = 2\nY = X"),
    (
        "a comprehension's function",
        "nets/far.py",
        "def g(x): return x\nL = [g(i) for i in range(3)]\n",
        "far.L[2]",
        "return x\n",
        "return -x\n",
    ),
    (
        "a value computed on import",
        "nets/far.py",
        "def g(x): return x\nV = g(3)\n",
        "far.V",
        "return x\n",
        "return -x\n",
    ),
    (
        "a value computed on import with a side effect",
        "nets/far.py",
        "S = []\ndef g(x): S.append(x)\n_ = g(3)\n",
        "far.S[0]",
        "_ = g(3)",
        "_ = g(4)",
    ),
    ("an f-string", "nets/far.py", "def g(x): return f'{x:.3f}'\n", "float(far.g(1))", ".3f", ".4f"),
    (
        "a match",
        "nets/far.py",
        "def g(x):\n    match x:\n        case {'a': 1, **rest}: return rest\n        case other: return other\n",
        "far.g(1)",
        "'a': 1",
        "'a': 2",
    ),
    (
        "a local name like a module's",
        "nets/far.py",
        "def losses(): return 1\ndef g(): return losses()\n",
        "far.g()",
        "return 1",
        "return 2",
    ),
    (
        "names swapped on the way through a package",
        "nets/__init__.py",
        "from nets.losses import squared as p, absolute as q\n",
        "(far and loss(1)) + q(2) - p(3)",
        "squared as p, absolute as q",
        "squared as q, absolute as p",
    ),
    (
        "a class changed by a function on import",
        "nets/far.py",
        "class B:\n    v = 1\ndef patch(cls): cls.v = 2\npatch(B)\n",
        "far.B.v",
        "cls.v = 2",
        "cls.v = 3",
    ),
    (
        "a name set through globals()",
        "nets/far.py",
        "globals()['GAIN'] = 2\n",
        "far.GAIN",
        "= 2\n",
        "= 3\n",
    ),
    (
        "a name set through another module's vars()",
        "nets/chain.py",
        "vars(far)['GAIN'] = 2\n",
        "far.GAIN",
        "= 2\n",
        "= 3\n",
    ),
    (
        "a class changed by a module imported for that alone",
        "nets/patch.py",
        "from nets import base\nbase.Parent.bias = 3\n",
        "0",
        "bias = 3",
        "bias = 4",
    ),
    (
        "a library set up by a module imported for that alone",
        "nets/patch.py",
        "import numpy as np\nnp.random.seed(3)\n",
        "0",
        "seed(3)",
        "seed(4)",
    ),
    (
        "a name from a star import, used beside it",
        "nets/far.py",
        "from nets.losses import *\ndef g(): return absolute(1)\n",
        "far.g()",
        None,
        None,
    ),
    (
        "a global counted up by a function",
        "nets/far.py",
        "COUNT = 5\ndef up():\n    global COUNT\n    COUNT += 1\n    return COUNT\n",
        "far.up()",
        "COUNT = 5",
        "COUNT = 6",
    ),
]
ADDED_FRESH = [
    ("a function beside a lookup by fixed text", "nets/far.py", "def f1(): return 1\ndef f2(): return 5\n", 'getattr(far, "f1")()', "return 5", "return 6"),
    ("a module named by a local variable", "nets/far.py", "def f1(losses): return losses\ndef f2(): return 5\n", "far.f1(3)", "return 5", "return 6"),
    ("a computed constant that is not used", "nets/far.py", "import numpy as np\nGRID = np.linspace(0, 1, 5)\n", "1", "0, 1, 5", "0, 1, 6"),
    ("another parameter's use in a class", "nets/far.py", "class B:\n    losses: int = 1\n    @property\n    def low(self): return self.losses\ndef f2(): return 5\n", "far.B().low", "return 5", "return 6"),
    ("a cell's quotes", "nets/far.py", "def g(x): return f'{x:.3f}' 'a'\n", "len(far.g(1))", "f'{x:.3f}' 'a'", 'f"{x:.3f}a"'),
    ("a unused fallback's sibling", "nets/far.py", "try:\n    import tomllib\nexcept ImportError:\n    tomllib = None\ndef f2(): return 5\n", "bool(far.tomllib)", "return 5", "return 6"),
]  # fmt: skip

# Done on import, and so it counts.
ADDED_WASTED = [
    ("a registry that is not used", "nets/far.py", "R = {}\ndef reg(f):\n    R[f.__name__] = f\n    return f\n@reg\ndef relu(x): return x\n", "1", "return x\n", "return -x\n"),
    ("a constant computed from a used list", "nets/far.py", "BASE = [1, 2]\nMORE = sorted(BASE, key=abs)\n", "far.BASE[0]", "key=abs", "key=None"),
]  # fmt: skip


def put(root: Path, change: str | tuple[str, str] | None, file: str) -> None:
    if isinstance(change, tuple):
        (root / change[0]).parent.mkdir(exist_ok=True)
        (root / change[0]).write_text(change[1])


def act(
    root: Path, file: str, added: str, computed: str, old: str | tuple[str, str] | None, new: object
) -> tuple[str, str]:
    (root / file).write_text((root / file).read_text() + "\n" + added)
    edit(root, PROBE, "    total = model", f'    chosen = "f1"\n    extra = {computed}\n    total = extra + model')
    edit(root, PROBE, "from nets import loss, model", "from nets import far, loss, model")
    edit(
        root, PROBE, "from nets import far, loss", "from nets import far, loss" + (", p, q" if " p, " in added else "")
    )
    put(root, old if isinstance(old, tuple) else None, file)
    before = of(root)
    if old is None:
        edit(root, "nets/losses.py", "return abs(value)", "return -value")
    elif isinstance(old, str):
        edit(root, file, old, str(new))
    else:
        put(root, new if isinstance(new, tuple) else None, file)
    return before, of(root)


@pytest.mark.parametrize("row", ADDED_STALE, ids=lambda row: row[0])
def test_a_dependency_of_another_kind_makes_the_result_stale(root: Path, row: tuple) -> None:
    before, after = act(root, *row[1:])
    assert before != after


@pytest.mark.parametrize("row", ADDED_FRESH, ids=lambda row: row[0])
def test_what_only_looks_like_a_dependency_leaves_the_result_fresh(root: Path, row: tuple) -> None:
    before, after = act(root, *row[1:])
    assert before == after


@pytest.mark.parametrize("row", ADDED_WASTED, ids=lambda row: row[0])
def test_what_is_called_on_import_counts_even_where_nothing_uses_it(root: Path, row: tuple) -> None:
    before, after = act(root, *row[1:])
    assert before != after


# What cannot be followed, and what the message tells to do.
REFUSED = [
    ("import importlib\ndef g(): return importlib.import_module('nets.losses')", "import the module by name"),
    ("def g(): return __import__('nets.losses')", "import the module by name"),
    ("import sys\ndef g(): return sys.modules['nets.losses']", "import the module by name"),
    ("def g(): return eval('1')", "write the code out"),
    ("def g(): exec('x = 1')", "write the code out"),
    ("def g(): return __file__", "Path parameter"),
    ("import subprocess\ndef g(): return subprocess.run(['true'])", "another program"),
    ("import inspect\ndef g(): return inspect.getsource(g)", "how it is written"),
    ("class B: pass\ndef g(): return B.__subclasses__()", "list the classes"),
    ("def g(): return once.__doc__", "docstrings"),
    ("import datetime as d\nclock = d.datetime\ndef g(): return clock.now()", "stopwatch"),
    ("import datetime as d\ndef g(): return getattr(d.datetime, 'n' + 'ow')()", "stopwatch"),
    ("import pandas as pd\ndef g(): return pd.Timestamp('now')", "stopwatch"),
    ("import torch\ndef g(): return torch._C.PyTorchFileReader('data/names')", "read the file in Python"),
    ("import torch\ndef g(): return torch.Generator().seed()", "make a seed a parameter"),
    ("import os\ndef g(): return os.open.__self__", "write the module's or the object's name out"),
    ("import os\ndef g(): return os.getuid()", "no two machines"),
    ("import os\ndef g(): return os.getxattr('data', 'user.x')", "no two machines"),
    ("import sys\ndef g(): return sys.version_info", "every Python"),
    ("import sys\ndef g(): return sys.stdin", "make it a parameter"),
    ("import tokenize\ndef g(): return tokenize.open('nets/far.py')", "how it is written"),
    ("def g(): return id(g)", "number them"),
    ("import os\ndef g(): return os.stat('data').st_uid", "no two machines"),
    (
        "from lab.read import read\ndef g(): return read",
        "lab.claims, lab.estimate, lab.progress, lab.tasks and lab.stopwatch",
    ),
]


@pytest.mark.parametrize(("code", "hint"), REFUSED, ids=[row[0].splitlines()[-1] for row in REFUSED])
def test_code_that_cannot_be_followed_is_refused_with_file_and_line(root: Path, code: str, hint: str) -> None:
    edit(root, "nets/far.py", "UNUSED = 7", f"UNUSED = 7\n{code}")
    before = of(root)  # as long as nothing reaches it, it may stand there
    edit(root, "nets/far.py", "value * GAIN", "value * GAIN * len(str(g()))")
    with pytest.raises(Refused, match=hint) as caught:
        of(root)
    assert str(caught.value).startswith("nets/far.py:") and before


def test_a_method_called_now_is_no_clock(root: Path) -> None:
    edit(
        root,
        "nets/far.py",
        "UNUSED = 7",
        "UNUSED = 7\nimport machine\nclass G:\n    def now(self): return self.now\ndef g(): return machine.now(), G()",
    )
    edit(root, "nets/far.py", "value * GAIN", "value * GAIN * len(str(g()))")
    assert of(root)


def test_a_package_in_a_package_counts_where_any_attribute_may_be_asked_for(root: Path) -> None:
    for name, text in {"__init__.py": "", "m.py": "V = 1\n"}.items():
        (root / "nets/deep").mkdir(exist_ok=True)
        (root / "nets/deep" / name).write_text(text)
    edit(
        root,
        "nets/far.py",
        "UNUSED = 7",
        "UNUSED = 7\nimport nets.deep.m\nimport nets\nNAME = 'deep'\ndef g(): return getattr(getattr(nets, NAME), 'm').V",
    )
    edit(root, "nets/far.py", "value * GAIN", "value * GAIN * g()")
    before = of(root)
    (root / "nets/deep/m.py").write_text("V = 2\n")
    assert of(root) != before


def test_a_syntax_error_is_named_with_file_and_line(root: Path) -> None:
    edit(root, "nets/far.py", "GAIN = 5 / 3", "GAIN = 5 /")
    with pytest.raises(Refused, match=r"^nets/far\.py:5: "):
        of(root)


def test_the_key_is_the_same_in_another_folder_with_other_time_stamps(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = of(root)
    other = tmp_path_factory.mktemp("ä folder with spaces") / "über"
    shutil.copytree(root, other, ignore=shutil.ignore_patterns(".lab"))
    for path in other.rglob("*.*"):
        os.utime(path, (1, 1))
    assert of(other) == before
    os.utime(root / PROBE)
    assert of(root) == before


def test_code_changed_with_its_size_and_time_kept_is_noticed(root: Path) -> None:
    before, stamp = of(root), (root / PROBE).stat().st_mtime_ns
    edit(root, PROBE, "RATE = 0.1", "RATE = 0.2")
    os.utime(root / PROBE, ns=(stamp, stamp))
    assert of(root) != before


def test_a_byte_order_mark_before_the_source_changes_nothing(root: Path) -> None:
    before = of(root)
    for file in (PROBE, "nets/far.py"):
        (root / file).write_bytes(b"\xef\xbb\xbf" + (root / file).read_bytes())
    assert of(root) == before


def test_only_libraries_in_use_count_and_a_build_suffix_does_not(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"numpy": "2.4.0", "scipy": "1.17.0", "pandas": "3.0.0"}
    monkeypatch.setattr(versions, "_version", lambda library: there.get(library, "not installed"))
    before = key.compute("probe", root)
    assert before.parts["versions"] == {"fastmaths": "not installed", "numpy": "2.4.0", "scipy": "1.17.0"}
    there["pandas"] = "3.1.0"
    assert of(root) == before.key
    there["scipy"] = "1.18.0"
    assert key_diff.changes(_stored(before), key.compute("probe", root)) == ["scipy: 1.17.0 → 1.18.0"]
    there |= {"scipy": "1.17.0", "fastmaths": "1.0"}
    assert of(root) != before.key, "a fallback was taken, and would not be now"


def test_a_build_suffix_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    versions._version.cache_clear()
    assert versions.of(["torch"]) == {"torch": "2.13.0"}
    versions._version.cache_clear()


def test_another_setting_keeps_its_key_when_the_book_changes_its_own(root: Path) -> None:
    other, book = key.compute("probe", root, {"steps": "9"}), key.compute("probe", root)
    assert not other.book and book.book and other.key != book.key
    assert key.compute("probe", root, {"steps": "3"}).key == book.key
    edit(root, PROBE, "steps: int = 3", "steps: int = 5")
    assert key.compute("probe", root, {"steps": "9"}).key == other.key
    assert key.compute("probe", root, {"steps": "3"}).key == book.key


def test_a_default_that_code_reads_by_itself_counts_in_every_setting(root: Path) -> None:
    edit(root, PROBE, "[total, math", "[total * Params().steps, math")
    other = key.compute("probe", root, {"steps": "9"}).key
    edit(root, PROBE, "steps: int = 3", "steps: int = 5")
    assert key.compute("probe", root, {"steps": "9"}).key != other


def test_a_damaged_or_unwritable_cache_of_analyses_changes_nothing(root: Path) -> None:
    before = of(root)
    files = sorted((root / ".lab/analysis").glob("*/*"))
    assert files
    for number, file in enumerate(files):
        content = bytearray(file.read_bytes())
        if number % 3 == 0:
            content[len(content) // 2] ^= 4
        file.write_bytes(b"" if number % 3 == 1 else content[: len(content) // 2] if number % 3 == 2 else content)
    assert of(root) == before
    shutil.rmtree(root / ".lab")
    (root / ".lab").write_text("in the way")
    assert of(root) == before


def test_one_function_changed_says_so_by_name_old_against_new(root: Path) -> None:
    before = key.compute("probe", root)
    edit(root, "nets/far.py", "5 / 3", "4 / 3")
    edit(root, "nets/chain.py", "far.once(far.once(value))", "far.once(value)")
    edit(root, PROBE, "steps: int = 3", "steps: int = 4")
    edit(root, "nets/functions.py", '"square": square, "cube": cube', '"square": square')
    assert key_diff.changes(_stored(before), key.compute("probe", root)) == [
        "parameter steps: 3 → 4",
        "nets/chain.py: twice changed",
        "nets/far.py: GAIN changed: 5 / 3 → 4 / 3",
        "nets/functions.py: SCALE is gone",
        "nets/functions.py: cube is gone",
        "nets/functions.py: TABLE changed",
    ]


def test_keys_of_another_making_say_so(root: Path) -> None:
    there = _stored(key.compute("probe", root))
    changed = store.Stored(**(vars(there) | {"key": "0" * 64}))
    assert key_diff.changes(changed, key.compute("probe", root)) == ["the rules by which keys are made"]


def _stored(of: key.Key) -> store.Stored:
    return store.Stored(of.experiment, of.key, of.packed, {}, {}, json.loads(json.dumps(of.parts)), {})


PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ODDITIES = """
def f(x, /, y: int = 1, *z, k=None, **rest) -> str:
    \"\"\"Gone.\"\"\"
    match x:
        case {"a": [1, *_], **others} if others: return f"{x!r:>{y}} {{}}" "and" f'{y:.3f}{x=}'
        case str() | None: return rf"\\d{x:%Y-%m}"
    lambda: (yield)
    try:
        async def g(): return [i async for i in x if await i]
    except* ValueError as error:
        print(-1, 1e400, 2j, b"a", ..., u"old", x[1:2, *z], not x, error)
    with (open(x) as a, open(y) as b): z: int = 3; w: str
    return x if (n := 3) else y
"""


def _interpreters() -> dict[str, str]:
    """Find other Pythons: on PATH, and where pyenv keeps them."""
    found = {version: shutil.which(f"python{version}") for version in PYTHONS}
    for version in PYTHONS:
        for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
            found[version] = str(path)
    return {version: path for version, path in found.items() if path}


def test_syntax_is_written_out_as_on_record() -> None:
    assert short("\n".join(map(dump, parse(ODDITIES, "odd.py").body))) == "f837e0a9ea1fa052"


@pytest.mark.parametrize("version", PYTHONS)
def test_the_key_is_the_same_on_every_python(root: Path, version: str) -> None:
    python = _interpreters().get(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    edit(root, "nets/far.py", "UNUSED = 7", f"UNUSED = 7\n{ODDITIES}")
    edit(root, "nets/far.py", "value * GAIN", "value * GAIN * len(f(1))")
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from lab.keys import key; "
        "print(json.dumps(key.compute('probe', Path(sys.argv[2])).parts['code']))"
    )
    here = Path(key.__file__).parents[2]
    ran = subprocess.run([python, "-I", "-c", code, here, root], capture_output=True, text=True)
    if "not found" in ran.stderr:  # a shim of pyenv's
        pytest.skip(f"Python {version} does not start: {ran.stderr.strip().splitlines()[-1]}")
    assert ran.returncode == 0, ran.stderr
    shutil.rmtree(root / ".lab")  # what the other one has worked out
    assert json.loads(ran.stdout) == key.compute("probe", root).parts["code"]


def test_an_unknown_experiment_and_one_without_run_are_errors(root: Path) -> None:
    with pytest.raises(LabError, match="did you mean probe"):
        key.compute("prob", root)
    edit(root, PROBE, "def run(", "def ran(")
    with pytest.raises(LabError, match="no function run"):
        of(root)
