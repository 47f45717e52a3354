"""What importing does through functions, stars, conditions and order is part of a key; what names code unseen is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import Refused
from lab.keys import key
from tests.lab import edits

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
FAR = "nets/far.py"
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
    "a field of a dataclass made by a call": ("from dataclasses import dataclass\nclass A:\n    v: int = 1\nD = dataclass(A)\ndef f(x): return len(str(D()))", "v: int = 1", "v: int = 2"),
    "what is a field of a dataclass made by a call": ("from dataclasses import dataclass, fields\nclass A:\n    v: int = 1\n    w = 2\nD = dataclass(A)\ndef f(x): return len(fields(D))", "w = 2", "w: int = 2"),
    "a type that a field's annotation names": ("from dataclasses import dataclass, fields\nT = int\n@dataclass\nclass A:\n    v: T = 1\ndef f(x): return fields(A)[0].type(1.5)", "T = int", "T = float"),
    "an annotation that a compiler reads": ("import torch\n@torch.jit.script\ndef f(x: int): return x", "x: int", "x: float"),
}  # fmt: skip
# The same, with other files beside nets/far.py in some: which of several things a name stands for, and what one brings along.
NAMED_STALE = {
    "one of two names unpacked": ({FAR: "A, B = 1, 2\ndef f(x): return A"}, "return A", "return B"),
    "one of two names of another module": ({FAR: "from nets import m\ndef f(x): return m.A", "nets/m.py": "A, B = 1, 2"}, "m.A", "m.B"),
    "one of two names imported": ({FAR: "from nets.m import A as v\ndef f(x): return v", "nets/m.py": "A, *B = 1, 2, 3"}, "import A as", "import B as"),
    "two names imported the other way round": ({FAR: "from nets.m import A as p, B as q\ndef f(x): return p - 2 * q", "nets/m.py": "A, B = 1, 2"}, "A as p, B as q", "B as p, A as q"),
    "one of two names by a star": ({FAR: "from nets.m import *\ndef f(x): return A", "nets/m.py": "A, B = 1, 2"}, "return A", "return B"),
    "one of two names bound on a condition": ({FAR: "USE = True\nif USE:\n    LOW = 1\n    HIGH = 2\ndef f(x): return LOW"}, "return LOW", "return HIGH"),
    "one of two functions in a try": ({FAR: "try:\n    def a(x): return 1\n    def b(x): return 2\nexcept ImportError: pass\ndef f(x): return a(x)"}, "return a(x)", "return b(x)"),
    "one of two globals of a function": ({FAR: "def put():\n    global X, Y\n    X = 1\n    Y = 2\nput()\ndef f(x): return X"}, "return X", "return Y"),
    "one of two members unpacked": ({FAR: "from enum import Enum\nclass E(Enum):\n    A = 1\n    B = 2\nA, B = E\ndef f(x): return A.value"}, "return A", "return B"),
    "one of two names of a loop": ({FAR: "for i in range(3):\n    A = i\n    B = 2 * i\ndef f(x): return A"}, "return A", "return B"),
    "a default that is one of two names": ({FAR: "from dataclasses import dataclass\nLOW, HIGH = 0.1, 0.9\n@dataclass\nclass C:\n    rate: float = LOW\ndef f(x): return C().rate"}, "= LOW", "= HIGH"),
    "a star after an import": ({FAR: "from nets.a import h\nfrom nets.c import *\ndef f(x): return h()", "nets/c.py": "def h(): return 2"}, "return 2", "return 3"),
    "what a star after a function brings": ({FAR: "def h(): return 1\nfrom nets.c import *\ndef f(x): return h()", "nets/c.py": "def h(): return 2"}, "return 2", "return 3"),
    "a star in a try after a function": ({FAR: "def h(): return 1\ndef f(x): return h()\ntry:\n    from nets.c import *\nexcept ImportError:\n    pass", "nets/c.py": "def h(): return 2"}, "return 2", "return 3"),
    "a star of a star of a library": ({FAR: "from nets.c import *\ndef f(x): return str(sqrt(4.0))", "nets/c.py": "from math import *"}, "from math", "from cmath"),
    "a name that a star's module gets": ({FAR: "from nets.a import h\nfrom nets.c import *\ndef f(x): return h()", "nets/c.py": "K = 1"}, "K = 1", "def h(): return 2"),
    "the order of a function and an import": ({FAR: "def h(): return 1\nfrom nets.b import h\ndef f(x): return h()"}, "def h(): return 1\nfrom nets.b import h", "from nets.b import h\ndef h(): return 1"),
    "the order of a constant and an import": ({FAR: "K = 2\nfrom nets.other import K\ndef f(x): return K"}, "K = 2\nfrom nets.other import K", "from nets.other import K\nK = 2"),
    "the order of an import and a star": ({FAR: "from nets.a import h\nfrom nets.b import *\ndef f(x): return h()"}, "from nets.a import h\nfrom nets.b import *", "from nets.b import *\nfrom nets.a import h"),
    "a module by a star of its package": ({FAR: "from nets.pack import *\ndef f(x): return sub.g()", "nets/pack/__init__.py": "__all__ = ['sub']", "nets/pack/sub.py": "def g(): return 1"}, "return 1", "return 2"),
    "a module by its bare name in its package": ({FAR: "from nets import pack\ndef f(x): return pack.f()", "nets/pack/__init__.py": "from nets.pack.sub import g\ndef f(): return sub.h()", "nets/pack/sub.py": "def g(): return 1\ndef h(): return 2"}, "return 2", "return 3"),
    "the order of a default and what it counts": ({FAR: "L = [1]\ndef g(n=len(L)): return n\nL.append(2)\ndef f(x): return g()"}, "def g(n=len(L)): return n\nL.append(2)", "L.append(2)\ndef g(n=len(L)): return n"),
    "the order of a decorator and what it is given": ({FAR: "from functools import lru_cache\nclass C: n = 1\n@lru_cache(maxsize=C.n)\ndef g(): return 1\nC.n = 2\ndef f(x): return g.cache_info().maxsize"}, "@lru_cache(maxsize=C.n)\ndef g(): return 1\nC.n = 2", "C.n = 2\n@lru_cache(maxsize=C.n)\ndef g(): return 1"),
    "a module imported under a global": ({FAR: "def lazy():\n    global m\n    import nets.m as m\ndef f(x):\n    lazy()\n    return m.g()", "nets/m.py": "def g(): return 1"}, "return 1", "return 2"),
    "a module imported under a global by its package": ({FAR: "def lazy():\n    global nets\n    import nets.m\ndef f(x):\n    lazy()\n    return nets.m.g()", "nets/m.py": "def g(): return 1"}, "return 1", "return 2"),
    "a module imported in a class": ({FAR: "class A:\n    import nets.m as m\ndef f(x): return A.m.g()", "nets/m.py": "def g(): return 1"}, "return 1", "return 2"),
    "a property of a record": ({FAR: "LOG = []\nclass R:\n    @property\n    def a(s):\n        LOG.append(1)\n        return 1\nREG = R()\nX = REG.a\ndef f(x): return len(LOG)"}, "X = REG.a", "X = 0"),
    "an enum with a class of the project mixed in": ({FAR: "from enum import Enum\nR = []\nclass Mixin:\n    def __init__(s, v): R.append(v)\nclass E(Mixin, Enum):\n    A = 1\ndef f(x): return R[0]"}, "A = 1", "A = 2"),
    "a class with a value that learns its name": ({FAR: "R = []\nclass Desc:\n    def __set_name__(s, o, n): R.append(o)\nD = Desc()\nclass A:\n    x = D\n    v = 1\ndef f(x): return R[0].v"}, "v = 1", "v = 2"),
    "a decorator by a known name that is defined again": ({FAR: "from functools import cache\nR = []\ndef cache(g):\n    R.append(g)\n    return g\n@cache\ndef a(): return 1\ndef f(x): return R[0]()"}, "return 1", "return 2"),
    "a function by a known name that is imported again": ({FAR: "from math import sqrt\nfrom nets.my import sqrt, R\nX = sqrt(2)\ndef f(x): return R[0]", "nets/my.py": "R = []\ndef sqrt(x):\n    R.append(x)\n    return x"}, "sqrt(2)", "sqrt(3)"),
    "a function by a known name that a star brings": ({FAR: "from nets.my import *\nX = float(2)\ndef f(x): return R[0]", "nets/my.py": "R = []\ndef float(x):\n    R.append(x)\n    return x"}, "float(2)", "float(3)"),
    "a function by a known name in a class": ({FAR: "R = []\nclass A:\n    def len(v): R.append(v)\n    X = len(1)\ndef f(x): return R[0]"}, "len(1)", "len(2)"),
    "globals handed on": ({FAR: "K = 1\ndef f(x, g=globals): return g()['K']"}, "K = 1", "K = 2"),
    "globals by their full name": ({FAR: "import builtins\nK = 1\ndef f(x): return builtins.globals()['K']"}, "K = 1", "K = 2"),
    "another name of the type a single dispatch is for": ({FAR: "from functools import singledispatch\nT = int\n@singledispatch\ndef g(x): return 0\n@g.register\ndef _(x: T): return 1\ndef f(x): return g(3)"}, "T = int", "T = str"),
}  # fmt: skip
NAMED_FRESH = {
    "the place of a statement that binds two names": ({FAR: "K = 3\nA, B = 1, 2\ndef f(x): return A"}, "K = 3\nA, B = 1, 2\n", "A, B = 1, 2\nK = 3\n"),
    "what two names are called where they are used": ({FAR: "from nets.m import A as one, B as two\ndef f(x): return one", "nets/m.py": "A, B = 1, 2"}, "one", "uno"),
}  # fmt: skip
REFUSED = {
    "a path of modules": "import sys\nsys.path.insert(0, 'data')\ndef f(x): return 1",
    "eval by its full name": "import builtins\ndef f(x): return builtins.eval('1')",
    "a program": "import os\ndef f(x): return os.system('true')",
    "a docstring by name": "def g():\n    'x'\ndef f(x): return getattr(g, '__doc__')",
    "a docstring's methods": "def g():\n    'x'\ndef f(x): return g.__doc__.upper()",
    "a line number": "def f(x): return f.__code__.co_firstlineno",
    "a pickle": "import pickle\ndef f(x): return pickle.load(open('data/names.txt', 'rb'))",
    "what a class does to those derived from it, set later": "class B: pass\nB.__init_subclass__ = classmethod(lambda c: None)\ndef f(x): return 1",
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


def of_both(root: Path, files: dict[str, str], old: str, new: str) -> tuple[str, str]:
    """Return the keys before and after an edit in those of some files that have `old`."""
    assert any(old in text for text in files.values())
    keys = []
    for wanted in (old, new):
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text.replace(old, wanted) + "\n")
        keys.append(key.compute("probe", root).key)
    return keys[0], keys[1]


@pytest.mark.parametrize(("files", "old", "new"), NAMED_STALE.values(), ids=NAMED_STALE)
def test_which_of_several_things_a_name_stands_for_makes_a_result_stale(
    root: Path, files: dict[str, str], old: str, new: str
) -> None:
    before, after = of_both(root, files, old, new)
    assert before != after


@pytest.mark.parametrize(("files", "old", "new"), edits.STALE.values(), ids=edits.STALE)
def test_an_edit_that_was_found_to_fool_the_key_makes_a_result_stale(
    root: Path, files: dict[str, str], old: str, new: str
) -> None:
    before, after = of_both(root, files, old, new)
    assert before != after


@pytest.mark.parametrize("files", edits.FINE.values(), ids=edits.FINE)
def test_plain_code_is_not_refused(root: Path, files: dict[str, str]) -> None:
    assert of_both(root, files, "", "")


@pytest.mark.parametrize("files", edits.REFUSED.values(), ids=edits.REFUSED)
def test_what_is_asked_for_by_a_fixed_text_or_another_name_is_refused(root: Path, files: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"^nets/far\.py:\d+: "):
        of_both(root, files, "", "")


def test_long_sums_and_chains_are_read(root: Path) -> None:
    total = " + ".join(["x.count('a')"] * 1500)
    chain = "x" + ".strip()" * 500
    assert of(root, f"def f(x): return {total}\ndef g(x): return {chain}\nY = g('')")


def test_constants_made_of_each_other_take_no_time(root: Path) -> None:
    sums = [f"X{number} = X{number - 1} + X{number - 2}" for number in range(2, 60)]
    assert of(root, "\n".join(["X0 = X1 = 1", *sums, "def f(x): return X59"]))


@pytest.mark.parametrize(("files", "old", "new"), NAMED_FRESH.values(), ids=NAMED_FRESH)
def test_where_and_under_what_name_it_stands_does_not(root: Path, files: dict[str, str], old: str, new: str) -> None:
    before, after = of_both(root, files, old, new)
    assert before == after


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


def test_a_character_of_a_source_in_another_encoding_makes_a_result_stale(root: Path) -> None:
    source = "# -*- coding: latin-1 -*-\nK = 'é'\ndef f(x): return ord(K)\n"
    (root / FAR).write_bytes(source.encode("latin-1"))
    before = key.compute("probe", root).key
    (root / FAR).write_bytes(source.replace("é", "è").encode("latin-1"))
    assert key.compute("probe", root).key != before


def test_an_unknown_encoding_is_refused_with_its_place(root: Path) -> None:
    with pytest.raises(Refused, match=r"^nets/far\.py:1: unknown encoding"):
        of(root, "# -*- coding: latin-99 -*-\ndef f(x): return 1")


def test_a_second_class_of_parameters_is_refused_with_its_place(root: Path) -> None:
    again = "@dataclass(frozen=True)\nclass Params:\n    b: int = 2\n\n\ndef run("
    (root / "experiments/probe.py").write_text(PROBE.replace("def run(", again))
    with pytest.raises(Refused, match=r"^experiments/probe\.py:17: there is a second class Params"):
        of(root, "def f(x): return 1")


def test_a_default_that_a_method_of_the_parameters_reads_counts_in_every_setting(root: Path) -> None:
    (root / FAR).write_text("def f(x): return 1\n")
    method = "\n    n: int = 3\n    @property\n    def share(self): return self.n / Params().n\n"
    keys = set()
    for default in ("n: int = 3", "n: int = 4"):
        text = PROBE.replace('"data/other.txt"\n', '"data/other.txt"' + method.replace("n: int = 3", default))
        (root / "experiments/probe.py").write_text(text.replace("params.data)", "params.share)"))
        keys.add(key.compute("probe", root, {"n": "9"}).key)
    assert len(keys) == 2


def test_the_order_of_parameters_counts(root: Path) -> None:
    (root / FAR).write_text("def f(x): return x\n")
    first, second = '    data: Path = Path("data/names.txt")\n', '    file: str = "data/other.txt"\n'
    keys = set()
    for text in (PROBE, PROBE.replace(first + second, second + first)):
        (root / "experiments/probe.py").write_text(text)
        keys.add(key.compute("probe", root).key)
    assert len(keys) == 2


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
