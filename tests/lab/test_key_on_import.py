"""What importing does through functions, stars, conditions and order is part of a key; what names code unseen is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import Refused
from lab.keys import key

PROBE = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from nets import far

@dataclass(frozen=True)
class Params:
    data: Path = Path("data/names.txt")
    file: str = "data/other.txt"

@dataclass(frozen=True)
class Result:
    final: float

def run(params: Params) -> Result:
    return Result(far.f(params.data))
"""
FILES = {
    "experiments/__init__.py": "",
    "experiments/probe.py": PROBE,
    "nets/__init__.py": "",
    "nets/other.py": "K = 1\ndef f(): return 1\ndef g(): return 2\n",
    "nets/a.py": "__all__ = ['h', 'abs']\ndef h(): return 1\ndef abs(x): return 7\n",
    "nets/b.py": "def h(): return 2\n",
    "data/names.txt": "a\n",
    "_quarto.yml": "project:\n  type: book\n",
}
SWAP_STARS = ("from nets.a import *\nfrom nets.b import *", "from nets.b import *\nfrom nets.a import *")
SWAP_IMPORTS = ("from nets.a import h\nfrom nets.b import h", "from nets.b import h\nfrom nets.a import h")
SWAP_DRAWS = ("A = R.normal()\nB = R.normal()", "B = R.normal()\nA = R.normal()")
SWAP_REGISTERED = (
    "@reg\ndef a(): return 1\n@reg\ndef b(): return 2",
    "@reg\ndef b(): return 2\n@reg\ndef a(): return 1",
)
# What nets/far.py is (its f is what run computes), and the edit in it that changes the number.
STALE = {
    "a new global set by a function on import": ("def put():\n    global NEW\n    NEW = 3\nput()\ndef f(x): return NEW", "= 3", "= 4"),
    "a constant set again by a function on import": ("G = 1\ndef put():\n    global G\n    G = 3\nput()\ndef f(x): return G", "= 3", "= 4"),
    "a class changed by a function that names it": ("class B:\n    v = 1\ndef patch():\n    B.v = 2\npatch()\ndef f(x): return B.v", "= 2", "= 3"),
    "another module changed by a function": ("from nets import other\ndef go():\n    other.K = 5\ngo()\ndef f(x): return other.K", "= 5", "= 6"),
    "another module changed by setattr in a function": ("from nets import other\ndef go(): setattr(other, 'K', 5)\ngo()\ndef f(x): return other.K", "5", "6"),
    "an import on a condition": ("USE = True\nif USE:\n    from nets.other import f as h\nelse:\n    from nets.other import g as h\ndef f(x): return h()", "= True", "= False"),
    "a library's star": ("from numpy import *\ndef f(x): return sqrt(2.0)", "numpy", "scipy"),
    "the order of stars": ("from nets.a import *\nfrom nets.b import *\ndef f(x): return h()", *SWAP_STARS),
    "the order of imports of one name": ("from nets.a import h\nfrom nets.b import h\ndef f(x): return h()", *SWAP_IMPORTS),
    "a library set up by a function": ("import numpy as np\ndef setup(): np.seterr(all='raise')\nsetup()\ndef f(x): return 1", "'raise'", "'ignore'"),
    "a library set up by a function that returns": ("import torch\ndef setup():\n    torch.set_default_dtype(torch.float64)\nREADY = setup()\ndef f(x): return 1", "float64", "float32"),
    "a library's attribute set by a function": ("import torch\ndef setup():\n    torch.backends.x = 1\nsetup()\ndef f(x): return 1", "= 1", "= 2"),
    "the order of draws": ("import numpy as np\nR = np.random.default_rng(0)\nA = R.normal()\nB = R.normal()\ndef f(x): return A - B", *SWAP_DRAWS),
    "a step of an iterator": ("I = iter([1, 2])\nA = next(I)\nB = next(I)\ndef f(x): return B", "A = next(I)\n", "A = 0\n"),
    "a list given to a function": ("L = [3, 1]\ndef take(x): return x.pop()\nA = take(L)\ndef f(x): return L[-1]", "A = take(L)", "A = 0"),
    "a function mapped over classes": ("class A:\n    v = 1\ndef patch(c): c.v = 2\nlist(map(patch, [A]))\ndef f(x): return A.v", "c.v = 2", "c.v = 3"),
    "attributes set in a comprehension": ("class A:\n    v = 1\n[setattr(c, 'v', 2) for c in (A,)]\ndef f(x): return A.v", "'v', 2", "'v', 3"),
    "another name of a class": ("class A: v = 1\nX = A\nX.v = 2\ndef f(x): return A.v", "X.v = 2", "X.v = 3"),
    "a class in a table": ("class A: v = 1\nT = {'a': A}\nT['a'].v = 2\ndef f(x): return A.v", ".v = 2", ".v = 3"),
    "a metaclass that keeps a list": ("from abc import ABCMeta\nS = []\nclass M(ABCMeta):\n    def __init__(c, *a): S.append(c)\nclass Z(metaclass=M):\n    v = 1\ndef f(x): return S[0].v", "v = 1", "v = 2"),
    "the order of registration": ("R = {}\ndef reg(g):\n    R[g.__name__] = g\n    return g\n@reg\ndef a(): return 1\n@reg\ndef b(): return 2\ndef f(x): return list(R.values())[0]()", *SWAP_REGISTERED),
    "a method registered": ("R = []\ndef reg(g):\n    R.append(g)\n    return g\nclass A:\n    @reg\n    def m(s): return 1\ndef f(x): return R[0](0)", "return 1", "return 2"),
    "a registration by partial": ("from functools import partial\nR = []\ndef reg(n, g): R.append(g)\n@partial(reg, 1)\ndef a(): return 1\ndef f(x): return R[0]()", "return 1", "return 2"),
    "a field that a record fills": ("from dataclasses import dataclass, field\nR = []\ndef go():\n    R.append(1)\n    return 0\n@dataclass\nclass A:\n    v: int = field(default_factory=go)\nONE = A()\nTWO = A()\ndef f(x): return len(R)", "TWO = A()", "TWO = 0"),
    "members of an enum that register": ("from enum import Enum\nR = []\nclass E(Enum):\n    A = 1\n    def __init__(s, v): R.append(v)\ndef f(x): return R", "A = 1", "A = 2"),
    "members of an enum that is derived from another": ("from enum import Enum\nR = []\nclass B(Enum):\n    def name2(s): return 1\nclass E(B):\n    A = 1\n    def __init__(s, v): R.append(v)\ndef f(x): return R", "A = 1", "A = 2"),
    "a class in a class that registers": ("R = []\nclass B:\n    def __init_subclass__(c): R.append(c)\nclass C:\n    class D(B): v = 1\ndef f(x): return R[0].v", "v = 1", "v = 2"),
    "a class that registers through its base": ("R = []\nclass B:\n    def __init_subclass__(c): R.append(c)\nclass C(B): pass\nclass D(C): v = 1\ndef f(x): return R[1].v", "v = 1", "v = 2"),
    "an operator that registers": ("LOG = []\nclass R:\n    def __init__(s): s.n = 0\n    def __add__(s, o): LOG.append(o)\nREG = R()\nX = REG + 1\ndef f(x): return LOG", "REG + 1", "REG + 2"),
    "an attribute that registers": ("LOG = []\nclass R:\n    def __init__(s): s.n = 0\n    @property\n    def a(s): LOG.append(1)\nREG = R()\nX = REG.a\ndef f(x): return LOG", "X = REG.a", "X = 0"),
    "a format that registers": ("LOG = []\nclass R:\n    def __init__(s): s.n = 0\n    def __format__(s, o): return LOG.append(o) or ''\nREG = R()\nX = f'{REG:a}'\ndef f(x): return LOG", ":a}", ":b}"),
    "an iterator that is unpacked": ("I = iter([1, 2, 3, 4])\nA, B = I, 0\nC = [*I]\ndef f(x): return list(I)", "C = [*I]", "C = 0"),
    "a length that registers": ("LOG = []\nclass R:\n    def __init__(s): s.n = 0\n    def __len__(s): return LOG.append(1) or 1\nREG = R()\nX = len(REG)\ndef f(x): return LOG", "X = len(REG)", "X = 0"),
    "a layer that draws from the one generator": ("import torch\nL = torch.nn.Linear(2, 2)\ndef f(x): return torch.rand(1)", "(2, 2)", "(3, 2)"),
    "an argument's default": ("R = []\ndef put(v): R.append(v)\ndef a(x=put(1)): return 0\ndef f(x): return R", "put(1)", "put(2)"),
    "an annotation that a compiler reads": ("import torch\n@torch.jit.script\ndef f(x: int): return x", "x: int", "x: float"),
}  # fmt: skip
REFUSED = {
    "a path of modules": "import sys\nsys.path.insert(0, 'data')\ndef f(x): return 1",
    "eval by its full name": "import builtins\ndef f(x): return builtins.eval('1')",
    "a program": "import os\ndef f(x): return os.system('true')",
    "a docstring by name": "def g():\n    'x'\ndef f(x): return getattr(g, '__doc__')",
    "a docstring's methods": "def g():\n    'x'\ndef f(x): return g.__doc__.upper()",
    "a dataclass made by a call": "from dataclasses import dataclass\nclass A:\n    v: int = 1\nD = dataclass(A)\ndef f(x): return D(5).v",
    "a line number": "def f(x): return f.__code__.co_firstlineno",
    "a pickle": "import pickle\ndef f(x): return pickle.load(open('data/names.txt', 'rb'))",
    "the working directory": "import os\ndef f(x): return len(os.getcwd())",
}
FRESH = {
    "texts that name no file": ("def f(x, k=1):\n    n = f'{k}/{k} steps'\n    return x.read_text(), n, f'{k:.1f}.', f'loss {k}'  # one", "# one", "# two"),
}  # fmt: skip
# Done on import, and so it counts.
WASTED = {
    "a claim that is given a table in passing": ("T = [1]\ndef make(g): return g\nCLAIM = make(lambda: T[0] > 5)\ndef f(x): return T[0]", "> 5", "> 6"),
    "a constant beside": ("A = [1]\nB = sorted(A, key=abs)\ndef f(x): return A[0]", "key=abs", "key=None"),
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def of(root: Path, far: str) -> str:
    (root / "nets/far.py").write_text(far + "\n")
    return key.compute("probe", root).key


@pytest.mark.parametrize(("far", "old", "new"), STALE.values(), ids=STALE)
def test_what_importing_does_makes_a_result_stale(root: Path, far: str, old: str, new: str) -> None:
    assert old in far
    assert of(root, far) != of(root, far.replace(old, new))


@pytest.mark.parametrize(("far", "old", "new"), FRESH.values(), ids=FRESH)
def test_what_importing_does_to_nothing_in_use_does_not(root: Path, far: str, old: str, new: str) -> None:
    assert old in far
    assert of(root, far) == of(root, far.replace(old, new))


@pytest.mark.parametrize(("far", "old", "new"), WASTED.values(), ids=WASTED)
def test_what_importing_does_counts_even_where_it_turns_out_not_to_matter(
    root: Path, far: str, old: str, new: str
) -> None:
    assert old in far
    assert of(root, far) != of(root, far.replace(old, new))


def test_what_a_star_takes_makes_a_result_stale(root: Path) -> None:
    far = "from nets.a import *\ndef f(x): return abs(-1)"
    before = of(root, far)
    (root / "nets/a.py").write_text("__all__ = []\ndef abs(x): return 7\n")
    assert of(root, far) != before


@pytest.mark.parametrize("far", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_followed_is_refused_with_its_place(root: Path, far: str) -> None:
    with pytest.raises(Refused, match=r"^nets/far\.py:\d+: "):
        of(root, far)


def test_what_another_module_does_on_import_counts_too(root: Path) -> None:
    (root / "nets/patch.py").write_text("from nets import other\ndef go():\n    other.f = lambda: 5\ngo()\n")
    far = "from nets import other, patch\ndef f(x): return other.f()"
    before = of(root, far)
    (root / "nets/patch.py").write_text("from nets import other\ndef go():\n    other.f = lambda: 6\ngo()\n")
    assert of(root, far) != before
