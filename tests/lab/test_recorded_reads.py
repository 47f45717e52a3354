"""What a run reads is recorded as it happens, whichever way it is read: a change of it makes the result stale, and no other change does."""

from __future__ import annotations

import ast
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from types import ModuleType

import pytest

from lab.errors import LabError, Refused
from lab.keys import key, sources
from lab.results import store
from lab.run import status
from lab.run.status import State
from lab.workers import worker
from lab.workers.messages import Job, Tell
from press import reads, recorder

PROBE = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from nets import far

@dataclass(frozen=True)
class Params:
    data: Path = Path("data")
    name: str = "names"

@dataclass(frozen=True)
class Result:
    final: str

CLAIMS = ()
SMOKE = Params()

def run(params: Params) -> Result:
    return Result(repr(far.f(params)))
"""
FILES = {
    "_quarto.yml": "project:\n  type: book\n",
    "experiments/__init__.py": "",
    "experiments/probe.py": PROBE,
    "nets/__init__.py": "",
    "data/names": "ada\n",
    "data/two words": "bob\n",
    "data/table.csv": "x,y\n1,2\n",
    "data/deep/inner.txt": "eve\n",
    "data/base": "",
    "results/README.md": "",
    "settings.ini": "[a]\nb = 1\n",
    "nets/deep/__init__.py": "",
    "nets/deep/m.py": "V = 1\n",
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the code that is tried is as careless as code can be
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Act = Callable[[Path], object]


def write(file: str, text: str) -> Act:
    def act(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)

    return act


def delete(file: str) -> Act:
    return lambda root: (root / file).unlink()


def link(name: str, to: str) -> Act:
    def act(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(to)

    return act


def fill(root: Path) -> None:
    with sqlite3.connect(root / "data/base") as base:
        base.execute("create table names (name)")


NEW, OTHER = write("data/new", "x\n"), write("data/names", "eve\n")
# What nets/far.py is (its f is what run computes), a change, and how `lab why` names it.
STALE: dict[str, tuple[str, Act, str]] = {
    # folders
    "a helper that globs": ("def load(d): return sorted(p.name for p in d.glob('*'))\ndef f(p): return load(p.data)", NEW, "folder data"),
    "a helper that iterates": ("def load(d): return sorted(p.name for p in d.iterdir())\ndef f(p): return load(p.data)", NEW, "folder data"),
    "a name given to a helper": ("import os\ndef load(d): return sorted(os.listdir(d))\ndef f(p): return load('data')", NEW, "folder data"),
    "a walk": ("import os\ndef f(p): return sorted(n for _, _, names in os.walk('data') for n in names)", write("data/deep/new", ""), "folder data/deep"),
    "glob": ("from glob import glob\ndef f(p): return sorted(glob('data/**', recursive=True))", write("data/deep/new", ""), "folder data/deep"),
    "rglob": ("def f(p): return sorted(map(str, p.data.rglob('*.txt')))", write("data/deep/new.txt", ""), "folder data/deep"),
    "sizes in a listing": ("import os\ndef f(p): return sum(e.stat().st_size for e in os.scandir('data') if e.is_file())", write("data/names", "longer\n"), "folder data"),
    "the project's own folder": ("import os\ndef f(p): return sorted(os.listdir())", write("new.txt", ""), "folder ."),
    # names put together
    "Path of two": ("from pathlib import Path\ndef f(p): return Path('data', p.name).read_text()", OTHER, "file data/names"),
    "a slash": ("def f(p): return (p.data / p.name).read_text()", OTHER, "file data/names"),
    "joinpath": ("def f(p): return p.data.joinpath(p.name).read_text()", OTHER, "file data/names"),
    "os.path.join": ("import os\ndef f(p): return open(os.path.join('data', p.name)).read()", OTHER, "file data/names"),
    "an f-string": ("def f(p): return open(f'data/{p.name}').read()", OTHER, "file data/names"),
    "a name without dot or slash": ("import os\ndef f(p):\n    os.chdir('data')\n    try: return open(p.name).read()\n    finally: os.chdir('..')", OTHER, "file data/names"),
    "a name with a space": ("def f(p): return (p.data / 'two words').read_text()", write("data/two words", "eve\n"), "file data/two words"),
    "beside the data": ("def f(p): return (p.data.parent / 'settings.ini').read_text()", write("settings.ini", ""), "file settings.ini"),
    "a name from a file": ("def f(p): return open('data/' + open('data/names').read().strip().replace('ada', 'table.csv')).read()", write("data/table.csv", ""), "file data/table.csv"),
    "the project's place": ("from pathlib import Path\nROOT = Path(__file__).parent.parent\ndef f(p): return (ROOT / 'data' / 'names').read_text()", OTHER, "file data/names"),
    "its own text": ("from pathlib import Path\ndef f(p): return len(Path(__file__).read_text())", lambda root: (root / "nets/far.py").write_text((root / "nets/far.py").read_text() + "# longer\n"), "file nets/far.py"),
    # ways of opening
    "open by keyword": ("NAME = 'data/names'\ndef f(p): return open(file=NAME).read()", OTHER, "file data/names"),
    "fileinput": ("import fileinput\ndef f(p): return list(fileinput.input('data/names'))", OTHER, "file data/names"),
    "a descriptor": ("import os\ndef f(p):\n    d = os.open('data/names', os.O_RDONLY)\n    return os.read(d, 99)", OTHER, "file data/names"),
    "another name of open": ("import io\nreading = io.FileIO\ndef f(p): return reading('data/names').read()", OTHER, "file data/names"),
    "a memory map": ("import mmap\ndef f(p):\n    with open('data/names') as file: return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)[:]", OTHER, "file data/names"),
    "numpy.memmap": ("import numpy as np\ndef f(p): return np.memmap('data/names', 'uint8', 'r').tolist()", OTHER, "file data/names"),
    "numpy.fromfile": ("import numpy as np\ndef f(p): return np.fromfile('data/names', 'uint8').tolist()", OTHER, "file data/names"),
    "numpy.loadtxt": ("import numpy as np\ndef f(p): return np.loadtxt('data/table.csv', delimiter=',', skiprows=1).tolist()", write("data/table.csv", "x,y\n3,4\n"), "file data/table.csv"),
    "pandas.read_csv": ("import pandas as pd\ndef f(p): return pd.read_csv('data/table.csv').values.tolist()", write("data/table.csv", "x,y\n3,4\n"), "file data/table.csv"),
    "a configuration": ("from configparser import ConfigParser\ndef f(p):\n    c = ConfigParser()\n    c.read(['settings.ini', 'local.ini'])\n    return dict(c['a'])", write("local.ini", "[a]\nb = 2\n"), "file local.ini"),
    "a database": ("import sqlite3\ndef f(p): return sqlite3.connect('data/base').execute('select name from sqlite_master').fetchall()", fill, "file data/base"),
    "a copy of it": ("import shutil\ndef f(p):\n    shutil.copyfile('data/names', '.lab/copy')\n    return open('.lab/copy').read()", OTHER, "file data/names"),
    "through a link": ("def f(p): return (p.data / 'link').read_text()", link("data/link", "two words"), "file data/link"),
    "a copy that the run makes": ("import shutil\nfrom pathlib import Path\ndef f(p):\n    if not Path('cache').exists(): shutil.copyfile('data/names', 'cache')\n    return open('cache').read()", OTHER, "file data/names"),
    # when
    "on import": ("TEXT = open('data/names').read()\ndef f(p): return TEXT", OTHER, "file data/names"),
    "once, and kept": ("from functools import cache\n@cache\ndef load(): return open('data/names').read()\ndef f(p): return load() + load()", OTHER, "file data/names"),
    "in a thread": ("from concurrent.futures import ThreadPoolExecutor\nfrom pathlib import Path\ndef f(p):\n    with ThreadPoolExecutor() as pool: return list(pool.map(Path.read_text, [Path('data/names')]))", OTHER, "file data/names"),
    "in a decorator": ("def reading(g):\n    text = open('data/names').read()\n    return lambda p: text\n@reading\ndef f(p): return 1", OTHER, "file data/names"),
    "where an error is caught": ("def f(p):\n    try: return open('data/new').read()\n    except OSError: return ''", NEW, "file data/new"),
    # whether it is there
    # beside an open folder, and through names that the run itself made
    "in an open folder": ("import os\ndef f(p):\n    d = os.open('data', os.O_RDONLY)\n    return os.read(os.open('names', os.O_RDONLY, dir_fd=d), 99)", OTHER, "file data/names"),
    "by an opener": ("import os\ndef f(p):\n    d = os.open('data', os.O_RDONLY)\n    return open('names', opener=lambda name, flags: os.open(name, flags, dir_fd=d)).read()", OTHER, "file data/names"),
    "looked for in an open folder": ("import os\ndef f(p):\n    d = os.open('data', os.O_RDONLY)\n    try: return os.stat('new', dir_fd=d).st_size\n    except OSError: return 0", NEW, "file data/new"),
    "a walk by numbers": ("import os\ndef f(p):\n    d = os.open('data', os.O_RDONLY)\n    return sorted(e.name for e in os.scandir(d))", write("data/newer", ""), "folder data"),
    "under a second name": ("import os\ndef f(p):\n    if not os.path.lexists('cache'): os.link('data/names', 'cache')\n    return open('cache').read()", OTHER, "file data/names"),
    "through a link that the run makes": ("import os\ndef f(p):\n    if not os.path.lexists('cache'): os.symlink('data/names', 'cache')\n    return open('cache').read()", OTHER, "file data/names"),
    "moved away and back": ("import os\ndef f(p):\n    os.rename('data/names', 'data/away')\n    try: return open('data/away').read()\n    finally: os.rename('data/away', 'data/names')", OTHER, "file data/names"),
    "where appending begins": ("def f(p):\n    with open('data/names', 'a') as file: return file.tell()", write("data/names", "longer\n"), "file data/names"),
    "that removing fails": ("import os\ndef f(p):\n    try: os.remove('data/new')\n    except OSError: return 0", NEW, "file data/new"),
    "that making fails": ("import os\ndef f(p):\n    try: os.mkdir('data/names')\n    except OSError: return 0", delete("data/names"), "file data/names"),
    "where a link leads": ("import os\ndef f(p): return os.readlink('data/link')", link("data/link", "two words"), "file data/link"),
    "a link, resolved": ("def f(p): return (p.data / 'link').resolve().name", link("data/link", "two words"), "file data/link"),
    "a link among files": ("import os\ndef f(p): return [e.name for e in os.scandir('data') if e.is_symlink()]", link("data/two words", "names"), "folder data"),
    "whether a file is a program": ("import os\ndef f(p): return os.access('data/names', os.X_OK)", lambda root: os.chmod(root / "data/names", 0o755), "file data/names"),
    "a database by its address": ("import sqlite3\ndef f(p): return sqlite3.connect('file:data/base?mode=ro', uri=True).execute('select name from sqlite_master').fetchall()", fill, "file data/base"),
    "a database that is attached": ("import sqlite3\ndef f(p):\n    base = sqlite3.connect(':memory:')\n    base.execute(\"attach 'data/base' as b\")\n    return base.execute('select name from b.sqlite_master').fetchall()", fill, "file data/base"),
    "a storage of PyTorch's": ("import torch, warnings\nwarnings.simplefilter('ignore')\ndef f(p): return list(torch.ByteStorage.from_file('data/names', False, 3))", OTHER, "file data/names"),
    "a module by a name put together": ("import builtins\ndef f(p): return getattr(builtins, '__imp' + 'ort__')('nets.deep.m').deep.m.V", write("nets/deep/m.py", "V = 2\n"), "file nets/deep/m.py"),
    "exists": ("def f(p): return (p.data / 'new').exists()", NEW, "file data/new"),
    "is gone": ("import os\ndef f(p): return os.path.exists('data/names')", delete("data/names"), "file data/names"),
    "isfile": ("import os\nthere = os.path.isfile\ndef f(p): return there('data/new')", NEW, "file data/new"),
    "access": ("import os\ndef f(p): return os.access('data/new', os.R_OK)", NEW, "file data/new"),
    "size": ("import os\ndef f(p): return os.path.getsize('data/names')", write("data/names", "longer\n"), "file data/names"),
    "the first of several": ("from pathlib import Path\ndef f(p): return next(x for x in map(Path, ('a', 'b', 'data')) if x.is_dir()).name", write("b/x", ""), "file b"),
}  # fmt: skip
# Changes that the same code does not see.
FRESH: dict[str, tuple[str, Act]] = {
    "a file that is not read": ("def f(p): return (p.data / 'names').read_text()", write("data/two words", "eve\n")),
    "a file beside those asked for": ("def f(p): return (p.data / 'new').exists()", write("data/newer", "")),
    "the same content": ("def f(p): return (p.data / 'names').read_text()", write("data/names", "ada\n")),
    "what the run itself wrote": ("from pathlib import Path\ndef f(p):\n    Path('out').write_text('x')\n    return Path('out').read_text()", write("out", "y")),
    "a temporary file": ("import tempfile\ndef f(p):\n    with tempfile.TemporaryFile() as t:\n        t.write(b'x')\n        return t.tell()", NEW),
    "a temporary folder": ("import tempfile\nfrom pathlib import Path\ndef f(p):\n    with tempfile.TemporaryDirectory() as t:\n        (Path(t) / 'x').write_text('a')\n        return (Path(t) / 'x').read_text()", NEW),
    "a temporary file with a name": ("import os, tempfile\ndef f(p):\n    with tempfile.NamedTemporaryFile('w') as t:\n        t.write('x')\n        t.flush()\n        os.replace(t.name, t.name + '.new')\n        open(t.name, 'a').close()\n        return open(t.name + '.new').read()", NEW),
    "what tools keep": ("import os\ndef f(p): return sorted(os.listdir())", write(".git/index", "")),
    "an import's own listing": ("def f(p):\n    import json.tool\n    return 1", NEW),
    "a traceback": ("def f(p):\n    try: 1 / 0\n    except ZeroDivisionError: return 1", lambda root: None),
}  # fmt: skip
# What is refused while it runs, however the code came by it, and what the message says.
REFUSED = {
    "a folder that is moved": ("import os\ndef f(p): os.rename('data', 'other')", "a folder that is moved"),
    "a time stamp by its place": ("import os\ndef f(p): return os.stat('data/names')[8]", "st_mtime"),
    "a time stamp, under a name put together": ("def f(p): return getattr((p.data / 'names').stat(), 'st_' + 'mtime')", "st_mtime"),
    "whose file it is": ("def f(p): return (p.data / 'names').owner()", "st_uid"),
    "whether one may write": ("import os\ndef f(p): return os.access('data', os.W_OK)", "whether one may write"),
    "this machine's name": ("import asyncio.events as e\ndef f(p): return e.socket.gethostname()", "socket.gethostname"),
    "the variables behind": ("import os\ndef f(p): return os.environ._data.get(b'PROBE_SET')", "the whole environment"),
    "chance from Python's generator": ("import random\nmake = random.Random\ndef f(p): return make().random()", "os.urandom"),
    "chance from the system": ("import os\nget = getattr(os, 'getran' + 'dom')\ndef f(p): return get(4)", "os.urandom"),
    "PyTorch's own reader": ("import torch\ndef f(p): return getattr(torch._C, 'PyTorch' + 'FileReader')('data/names')", "torch._C.PyTorchFileReader"),
    "an operator of PyTorch's": ("import torch\ndef f(p): return getattr(torch._C, '_Variable' + 'Functions').from_file('data/names', size=3).tolist()", "torch.from_file"),
    "the clock that another module has": ("import asyncio.base_events as e\ndef f(p): return e.time.time()", "time.time"),
    "the clock by a name put together": ("import asyncio.base_events as e\ndef f(p): return getattr(vars(e)['ti' + 'me'], 'mono' + 'tonic')()", "time.monotonic"),
    "the number of this process": ("import os\ndef f(p): return getattr(os, 'get' + 'pid')()", "os.getpid"),
    "a program": ("import os\ngo = getattr(os, 'sys' + 'tem')\ndef f(p): return go('true')", "os.system"),
    "a program of a library's": ("import asyncio\ndef f(p): return asyncio.run(asyncio.create_subprocess_exec('true'))", "Popen"),
    "a child": ("import os\ndef f(p): return getattr(os, 'fo' + 'rk')()", "os.fork"),
    "machine code": ("import ctypes\ndef f(p): return getattr(ctypes, 'CD' + 'LL')('libm.so.6')", "ctypes.dlopen"),
    "the network": ("import asyncio\nasync def g(): return await asyncio.open_connection('127.0.0.1', 9)\ndef f(p): return asyncio.run(g())", "socket.connect"),
    "chance": ("import numpy as np\nmake = np.random.default_rng\ndef f(p): return make().random()", "os.urandom"),
    "chance by None": ("import numpy as np\ndef f(p): return np.random.default_rng(None).random()", "os.urandom"),
    "a file outside": ("import os\nOUT = 'OUTSIDE'\ndef f(p): return open(OUT).read()", "outside the project"),
    "a file outside that pandas reads": ("import pandas as pd\ndef f(p): return pd.read_csv('OUTSIDE').values.tolist()", "outside the project"),
    "whether a file is there outside": ("import os\ndef f(p): return os.path.exists('OUTSIDE')", "outside the project"),
    "the system": ("def f(p): return open('/etc/hostname').read()", "outside the project"),
    "a way out": ("def f(p): return (p.data / '..' / '..' / 'x.txt').exists()", "outside the project"),
    "a variable that is set": ("import os\ndef f(p): return os.environ.get('PROBE_SET')", "environment variable PROBE_SET"),
    "by another name": ("from os import environ as e\ndef f(p): return 'PROBE_SET' in e", "environment variable PROBE_SET"),
    "by getenv": ("import os\nget = os.getenv\ndef f(p): return get('PROBE_' + 'SET')", "environment variable PROBE_SET"),
    "in bytes": ("import os\ndef f(p): return getattr(os, 'environ' + 'b').get(b'PROBE_SET')", "environment variable PROBE_SET"),
    "expandvars": ("import os\ndef f(p): return os.path.expandvars('$PROBE_SET')", "environment variable PROBE_SET"),
    "all variables": ("import os\ndef f(p): return dict(os.environ)", "the whole environment"),
    "the number of variables": ("import os\ndef f(p): return len(os.environ)", "the whole environment"),
    "an error that the code catches": ("import os\ndef f(p):\n    try: return os.environ['PROBE_SET']\n    except Exception: return 1", "environment variable PROBE_SET"),
    "parquet": ("import pandas as pd\nread = getattr(pd, 'read_' + 'parquet')\ndef f(p): return read('data/x')", "pandas.read_parquet"),
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        write(name, text)(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _as_a_worker(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compute in this process, from modules imported anew; in the project's folder, as a worker does."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("PROBE_SET", "secret")
    before = {name: sys.modules[name] for name in sys.modules if name.partition(".")[0] in ("experiments", "nets")}
    for name in before:
        del sys.modules[name]
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("experiments", "nets", "mine")]:
        del sys.modules[name]
    sys.modules.update(before)


def compute(root: Path, far: str = "", **how: object) -> store.Stored:
    """Compute the result with this nets/far.py, and return it."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("experiments", "nets", "mine")]:
        del sys.modules[name]
    if far:
        (root / "nets/far.py").write_text(far + "\n")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    publish(Job("probe", **how), root)  # type: ignore[arg-type]
    return store.read_result(root / "results/probe", root)


def publish(job: Job, root: Path, tell: Tell = lambda message: None) -> None:
    """Do what a worker's process does."""
    recorder.start(root)
    try:
        worker.publish(job, root, tell, Queue())
    finally:
        recorder.stop()


@pytest.mark.parametrize(("far", "act", "said"), STALE.values(), ids=STALE)
def test_what_is_read_makes_a_result_stale_when_it_changes(root: Path, far: str, act: Act, said: str) -> None:
    (root / "data/link").symlink_to("names")
    (root / ".lab").mkdir()
    first = compute(root, far)
    assert status.status_of("probe", root).state is State.FRESH
    act(root)
    there = status.status_of("probe", root)
    assert there.state is State.STALE
    assert any(line.startswith((f"{said} ", f"{said}:")) for line in there.why), there.why
    if "cache" not in far:  # the code takes that over as long as it lies there
        assert compute(root).numbers != first.numbers or "exists" in far or "access" in far, "and the number is another"
    else:
        compute(root)
    assert status.status_of("probe", root).state is State.FRESH


@pytest.mark.parametrize(("far", "act"), FRESH.values(), ids=FRESH)
def test_what_is_not_read_leaves_a_result_fresh(root: Path, far: str, act: Act) -> None:
    compute(root, far)
    act(root)
    assert status.status_of("probe", root).state is State.FRESH, status.status_of("probe", root).why


def test_a_module_that_only_says_that_it_has_a_file_is_not_recorded(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recorder.start(root)
    try:
        recording.follows([])
        for name, file in {"made": "made.py", "found": str(root / "nets/deep/m.py")}.items():
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
            sys.modules[name].__file__ = file
        assert not recording.settle()
    finally:
        recorder.stop()
    assert list(recording.record[reads.READ]) == ["nets/deep/m.py"]


NOWHERE = {
    "a path in full": "import os\ndef f(p): return os.path.abspath('data')",
    "a temporary folder's": "import tempfile\ndef f(p): return tempfile.mkdtemp()",
    "a place in memory": "def f(p): return object()",
}


@pytest.mark.parametrize("far", NOWHERE.values(), ids=NOWHERE)
def test_a_result_that_names_a_place_on_this_machine_is_refused(root: Path, far: str) -> None:
    with pytest.raises(Refused, match=r"names a place on this machine|says at 0x"):
        compute(root, far)


def test_a_folder_is_listed_in_the_same_order_everywhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "listing", lambda path: "the same")
    said = "import glob, os\ndef f(p): return os.listdir('data'), [e.name for e in os.scandir('data')], glob.glob('data/*')"
    listed, scanned, found = ast.literal_eval(compute(root, said).numbers["final"])
    assert listed == scanned == [name.removeprefix("data/") for name in found] == sorted(listed)


def test_times_may_be_copied_with_a_file(root: Path) -> None:
    """What Python's own library does with them tells the code nothing."""
    far = "import shutil, os\ndef f(p):\n    shutil.copy2('data/names', 'copy')\n    return os.path.samefile('copy', 'data/names')"
    assert compute(root, far).numbers["final"] == "False"


@pytest.mark.parametrize(("far", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_recorded_is_refused_while_it_happens(root: Path, far: str, said: str) -> None:
    outside = root.with_name(f"{root.name} outside.csv")
    outside.write_text("a\n1\n")
    with pytest.raises(Exception, match="cannot be recorded") as caught:
        compute(root, far.replace("OUTSIDE", str(outside)))
    assert said in str(caught.value) and str(caught.value).startswith("nets/far.py:"), caught.value
    assert status.status_of("probe", root).state is State.MISSING


# What importing does to a library, under another name for it; and what lies in the package's own file.
ON_IMPORT = {
    "a second name of PyTorch": ("nets/far.py", "import torch\ntt = torch\ntt.set_default_dtype(torch.float64)\ndef f(p): return 1", "float64", "float32"),
    "a second name of NumPy's draws": ("nets/far.py", "import numpy as np\nrng = np.random\nrng.seed(1)\ndef f(p): return 1", "seed(1)", "seed(2)"),
    "options": ("nets/far.py", "import pandas as pd\nopts = pd.options\nopts.display.precision = 3\ndef f(p): return 1", "= 3", "= 4"),
    "in a tuple": ("nets/far.py", "import numpy as np\nkeep = (np.random,)\nkeep[0].seed(1)\ndef f(p): return 1", "seed(1)", "seed(2)"),
    "in a method of a class": ("nets/far.py", "import numpy as np\nclass A:\n    def go(self): np.random.seed(1)\nA().go()\ndef f(p): return 1", "seed(1)", "seed(2)"),
    "in a comprehension": ("nets/far.py", "import numpy as np\nkept = [g(1) for g in (np.random.seed,)]\ndef f(p): return 1", "g(1)", "g(2)"),
    "with a default argument": ("nets/far.py", "import numpy as np\ndef go(x=np.random.seed(1)): pass\ndef f(p): return 1", "seed(1)", "seed(2)"),
    "in a class body": ("nets/far.py", "import numpy as np\nclass A:\n    x = np.random.seed(1)\ndef f(p): return 1", "seed(1)", "seed(2)"),
    "by an operator": ("nets/far.py", "class R(list):\n    def __lshift__(self, x): self.append(x)\nR1 = R()\n_ = R1 << 1\ndef f(p): return R1[0]", "<< 1", "<< 2"),
    "in the experiments' package": ("experiments/__init__.py", "import numpy as np\nnp.random.seed(1)", "seed(1)", "seed(2)"),
    "in a package on the way": ("nets/__init__.py", "import torch\nsetting = torch.set_default_dtype\nsetting(torch.float64)", "float64", "float32"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "text", "old", "new"), ON_IMPORT.values(), ids=ON_IMPORT)
def test_what_importing_does_to_a_library_counts_under_any_name(
    root: Path, file: str, text: str, old: str, new: str
) -> None:
    write("nets/far.py", "def f(p): return 1\n")(root)
    write(file, text)(root)
    before = key.compute("probe", root).key
    write(file, text.replace(old, new))(root)
    assert key.compute("probe", root).key != before


def test_importing_before_or_after_another_module_is_another_order(root: Path) -> None:
    write("nets/seeds.py", "import numpy as np\nnp.random.seed(1)\n")(root)
    first = "import numpy as np\nnp.random.seed(2)\nfrom nets import seeds\ndef f(p): return np.random.rand()\n"
    write("nets/far.py", first)(root)
    before = key.compute("probe", root).key
    head, seed, imported, rest = first.splitlines(keepends=True)
    write("nets/far.py", "".join([head, imported, seed, rest]))(root)
    assert key.compute("probe", root).key != before


def test_a_variable_that_the_code_sets_itself_is_no_input(root: Path) -> None:
    far = "import os\nos.environ['PROBE_OWN'] = '1'\ndef f(p): return os.environ['PROBE_OWN'], os.environ.pop('PROBE_OWN', 0)"
    assert compute(root, far).parts["reads"]["variables"] == {}
    assert status.status_of("probe", root).state is State.FRESH


def test_a_variable_that_is_not_set_counts_and_its_value_is_never_written_down(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute(root, "import os\ndef f(p): return len(os.environ.get('PROBE_UNSET', ''))")
    monkeypatch.setenv("PROBE_UNSET", "a secret word")
    there = status.status_of("probe", root)
    assert there.state is State.STALE and there.why == ("environment variable PROBE_UNSET is set now",)
    with pytest.raises(Exception, match="make it a parameter"):
        compute(root)
    publish(Job("probe", {"name": "other"}), root)
    (place,) = root.glob(".lab/cache/probe/*/result.json")
    assert "PROBE_UNSET" in place.read_text() and "secret" not in place.read_text()
    wanted, present = key.compute("probe", root, {"name": "other"}), reads.Present(root)
    assert store.find_fresh(place.parent, root, wanted, present)
    monkeypatch.setenv("PROBE_UNSET", "another")
    assert not store.find_fresh(place.parent, root, wanted, reads.Present(root))


def test_a_library_finds_nothing_of_the_readers_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANDAS_SWITCH", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    probe = "import os, sys; print(*sorted(set(os.environ) - {'LC_CTYPE'}), os.environ['OMP_NUM_THREADS'], os.environ['LC_ALL'])"
    from lab.workers.worker_process import environment

    said = subprocess.run(
        [sys.executable, "-c", probe], env=environment(root), capture_output=True, text=True, check=True
    )
    assert "PANDAS_SWITCH" not in said.stdout and said.stdout.split()[-2:] == ["1", "C.UTF-8"]


def test_a_path_of_the_same_content_is_another_parameter(root: Path) -> None:
    write("copy/names", "ada\n")(root)
    compute(root, "def f(p): return p.data.name")
    edited = PROBE.replace('Path("data")', 'Path("copy")')
    write("experiments/probe.py", edited)(root)
    there = status.status_of("probe", root)
    assert there.state is State.STALE and "data" in there.why[0]


def test_switching_data_back_and_forth_computes_nothing_again(root: Path) -> None:
    far = "def f(p): return (p.data / 'names').read_text()"
    first = compute(root, far)
    OTHER(root)
    second = compute(root)
    for act, wanted in ((write("data/names", "ada\n"), first), (OTHER, second), (write("data/names", "ada\n"), first)):
        act(root)
        assert compute(root) == wanted, "its date too: it is the very same"


def test_other_settings_keep_one_result_for_each_content(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, and in a team's cache."""
    write("nets/far.py", "def f(p): return (p.data / 'names').read_text()\n")(root)
    for cache in ("", "../team"):
        monkeypatch.setenv("LAB_CACHE", cache)
        said: list[object] = []
        for text in ("one", "two", "one", "two"):
            write("data/names", text)(root)
            compute(root)  # the book's, for its modules imported anew
            publish(Job("probe", {"name": "x"}), root, said.append)
            wanted = key.compute("probe", root, {"name": "x"})
            _, there = store.find(root, wanted, reads.Present(root))
            assert text in there.numbers["final"]
        assert [message.computed for message in said if hasattr(message, "computed")] == [True, True, False, False]  # type: ignore[attr-defined]


def test_a_file_that_changes_while_the_run_goes_on_keeps_the_result_out(root: Path) -> None:
    write("nets/far.py", "def f(p): return open('data/names').read()\n")(root)
    real = worker.task_runner.whole

    def meanwhile(setting: tuple[str, dict[str, object]]) -> object:
        found = real(setting)
        with recorder._quietly():  # as if somebody else did
            (root / "data/names").write_text("changed")
        return found

    worker.task_runner.whole = meanwhile  # type: ignore[assignment]
    try:
        with pytest.raises(LabError, match=r"changed while it ran \(file data/names\)"):
            compute(root)
    finally:
        worker.task_runner.whole = real


def test_two_processes_that_read_different_things_fail_the_run() -> None:
    mine, theirs = reads.empty(), reads.empty()
    mine["read"]["data/x"], theirs["read"]["data/x"], theirs["read"]["data/y"] = "1" * 64, "2" * 64, "3" * 64
    assert reads.merge(mine, theirs) == ["file data/x"]
    assert mine["read"] == {"data/x": "1" * 64, "data/y": "3" * 64}


@pytest.mark.parametrize("how", ["editable", "PYTHONPATH", "a namespace"])
def test_code_of_ones_own_outside_the_project_is_code(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    home = tmp_path_factory.mktemp("elsewhere") / "src"
    write("mine/core.py", "def g(): return 1\ndef unused(): return 2\n")(home)
    if how != "a namespace":
        write("mine/__init__.py", "")(home)
    if how == "editable":  # as pip leaves it: a file that puts a folder on the path
        site = home.with_name("site-packages")
        write("mine.pth", f"{home}\n")(site)
        write("mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")(site)
        import site as sites

        sites.addsitedir(str(site))
    else:
        monkeypatch.syspath_prepend(str(home))
    sources._editable.cache_clear()
    compute(root, "from mine import core\ndef f(p): return core.g()")
    assert status.status_of("probe", root).state is State.FRESH
    write("mine/core.py", "def g(): return 1\ndef unused(): return 3\n")(home)
    assert status.status_of("probe", root).state is State.FRESH
    write("mine/core.py", "def g(): return 5\ndef unused(): return 3\n")(home)
    there = status.status_of("probe", root)
    assert there.state is State.STALE and there.why == ("mine/core.py: g changed",)


def test_a_folder_without_init_shadows_no_library_and_a_module_does(root: Path) -> None:
    write("nets/far.py", "import scipy.special\ndef f(p): return scipy.special.erf(0)\n")(root)
    write("scipy/notes.txt", "")(root)
    write("scipy/special.py", "def erf(x): return 1\n")(root)
    found = key.compute("probe", root)
    assert "scipy" in found.parts["versions"] and "scipy/special.py: erf" not in found.parts["code"]
    write("scipy/__init__.py", "")(root)
    found = key.compute("probe", root)
    assert "scipy" not in found.parts["versions"] and "scipy/special.py: erf" in found.parts["code"]


MOVES = {
    "a module renamed": ("from nets.one import g\ndef f(p): return g()", [("nets/one.py", "nets/two.py")], "from nets.two import g\ndef f(p): return g()"),
    "a module renamed, by its name": ("from nets import one\ndef f(p): return one.g()", [("nets/one.py", "nets/two.py")], "from nets import two\ndef f(p): return two.g()"),
    "a package of it": ("from nets import one\ndef f(p): return one.g()", [("nets/one.py", "nets/deep/one.py")], "from nets.deep import one\ndef f(p): return one.g()"),
    "imported inside": ("def f(p):\n    from nets.one import g\n    return g()", [("nets/one.py", "nets/two.py")], "def f(p):\n    from nets.two import g\n    return g()"),
    "another alias": ("import nets.one as a\ndef f(p): return a.g()", [], "import nets.one as b\ndef f(p): return b.g()"),
    "a library's alias": ("import math as m\ndef f(p): return m.sqrt(2)", [], "from math import sqrt\ndef f(p): return sqrt(2)"),
}  # fmt: skip


@pytest.mark.parametrize(("far", "renames", "after"), MOVES.values(), ids=MOVES)
def test_code_that_moved_is_the_same_code(root: Path, far: str, renames: list[tuple[str, str]], after: str) -> None:
    one = "from nets import base\nFACTOR = 2\ndef g(): return FACTOR * base.h()\n"
    write("nets/one.py", one)(root)
    write("nets/base.py", "def h(): return 1\n")(root)
    compute(root, far)
    for old, new in renames:
        (root / new).parent.mkdir(exist_ok=True)
        (root / old).rename(root / new)
    write("nets/far.py", after + "\n")(root)
    there = status.status_of("probe", root)
    assert there.state is State.FRESH, there.why
    if renames:
        assert f"nets/one.py: g moved to {renames[0][1]}" in there.why
        write(renames[0][1], one.replace("= 2", "= 3"))(root)
        there = status.status_of("probe", root)
        assert there.state is State.STALE
        assert (
            f"{renames[0][1]}: FACTOR is new" in there.why and f"nets/one.py: g moved to {renames[0][1]}" in there.why
        )


def test_two_functions_alike_that_change_places_are_not_the_same(root: Path) -> None:
    """The names of modules do not count, but which is which does."""
    for name, value in (("a", 1), ("b", 2)):
        write(f"nets/{name}.py", f"K = {value}\ndef g(): return K\n")(root)
    write("nets/far.py", "from nets import a, b\ndef f(p): return a.g() - b.g()\n")(root)
    before = key.compute("probe", root).key
    write("nets/far.py", "from nets import a, b\ndef f(p): return b.g() - a.g()\n")(root)
    assert key.compute("probe", root).key != before


def test_readers_are_refused_without_touching_the_operators_that_pytorchs_compiler_goes_through() -> None:
    code = (
        "import torch\nfrom lab.keys import refusals\nfrom press.execute import recorder\n"
        "recorder.refuse_by_name(refusals.READERS, reads_files=True)\n"
        "assert hasattr(torch.jit.load, 'ear')\n"
        "print(torch.ops.aten.from_file.overloads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "default" in done.stdout
