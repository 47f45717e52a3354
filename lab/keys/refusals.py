"""What code may not use, by name: what can be neither followed in the source nor recorded while it runs."""

from __future__ import annotations

import platform
import time

_IMPORT = "import the module by name, so that the lab can see which"
_WRITTEN = "what code does may not depend on how it is written"
_NETWORK = "a key cannot see what comes over the network: keep the data in a file of the project"
_PICKLE = "what is unpickled brings code that a key cannot see: keep numbers and text"
_PROGRAM = "a key cannot see what another program does"
_CHILD = "a key cannot see what a child of its own reads: cut the work up with lab.tasks"
_UNSEEN = "what it reads is not seen: read the file in Python, by open, NumPy or pandas.read_csv"
_CLOCK = "no two runs get the same; measured times come from lab.stopwatch"
_DATE = "who has it can ask for today's: keep dates as numbers or text; measured times come from lab.stopwatch"
_CHANCE = "no two runs get the same: make a seed a parameter"
_MACHINE = "no two machines have the same: make it a parameter"
_BY_NAME = "ask for one variable by its name"
_STAMP = "no two clones have the same time stamps: go by the content"
_PYTHON = "a result must be the same on every Python"
# What to do instead, and of what: full names, or their beginnings.
_REASONS = {
    _IMPORT: "builtins.__import__ builtins.__loader__ builtins.__spec__ importlib runpy pkgutil zipimport pydoc.locate sys.modules sys.meta_path",
    _WRITTEN: "sys._getframe linecache tokenize inspect traceback dis symtable",
    _NETWORK: "socket urllib http requests httpx aiohttp ftplib torch.hub",
    _PICKLE: "pickle marshal shelve dbm numpy.DataSource",
    _PROGRAM: "subprocess os.system os.popen os.spawnv os.execv os.posix_spawn pty",
    _CHILD: """
        os.fork multiprocessing torch.multiprocessing joblib.Parallel concurrent.futures.ProcessPoolExecutor
        concurrent.futures.process
    """,
    _UNSEEN: """
        torch.jit.load torch.from_file torch.UntypedStorage.from_file torch.ops.load_library
        torch.classes.load_library torch.ops.aten.from_file torch._C.PyTorchFileReader torch._C.import_ir_module
        torch._C._VariableFunctions.from_file
        pandas.read_parquet pandas.read_feather pandas.read_orc pandas.read_hdf pyarrow polars duckdb h5py
        netCDF4 tables lmdb safetensors cv2.imread ctypes.CDLL ctypes.PyDLL ctypes.cdll ctypes.pydll
        ctypes.util ctypes.pythonapi cffi numpy.ctypeslib torchvision.io torchaudio soundfile lxml os.fwalk
        posix _io _posixsubprocess
    """,
    _CLOCK: """
        time timeit torch.utils.benchmark sched signal
    """,
    _DATE: "datetime numpy.datetime64 pandas.Timestamp pandas.to_datetime",
    _CHANCE: """
        os.urandom os.getrandom secrets random.SystemRandom uuid.uuid1 uuid.uuid4 torch.seed
        torch.random.seed threading.get_ident threading.get_native_id threading.active_count threading.enumerate
    """,
    _MACHINE: """
        platform os.getpid os.getppid os.uname os.cpu_count os.getlogin getpass os.getloadavg os.times
        os.sched_getaffinity psutil resource sys.platform os.getuid os.geteuid os.getgid os.getegid os.getgroups
        pwd grp uuid.getnode os.statvfs os.fstatvfs os.getxattr os.listxattr shutil.disk_usage
        sys.executable sys.prefix sys.base_prefix sys.exec_prefix sys.base_exec_prefix
    """,
    _PYTHON: """
        sys.version sys.version_info sys.hexversion sys.implementation sys.getrefcount sys.getallocatedblocks
        gc.get_objects gc.get_count
    """,
    "make the file a Path parameter": "os.getcwd pathlib.Path.cwd pathlib.Path.home os.path.expanduser",
    _BY_NAME: "os.environb os.putenv",
    _STAMP: "os.path.getmtime os.path.getatime os.path.getctime",
    "keep the module in the project, or install it": "sys.path",
    "make it a parameter": "builtins.input sys.argv sys.orig_argv sys.stdin",
    "annotations are no part of a key: write what matters as a value": "typing.get_type_hints",
    "write the code out": "builtins.exec builtins.eval builtins.compile",
    "make the file a Path parameter, or begin with Path(__file__)": "builtins.__file__",
    "write the name out": "builtins.__builtins__",
    "no two runs give a thing the same: number them": "builtins.id",
}
REFUSED = {name: why for why, names in _REASONS.items() for name in names.split()}
# Refused while they run as well, however code came by them: readers that nobody hears, and what is another each time.
_HEARD = ("ctypes", "posix", "_", "torch.ops.aten.")  # Python tells of these; PyTorch, of its operators (lab.workers)
READERS = {name: why for name, why in REFUSED.items() if why == _UNSEEN and not name.startswith(_HEARD)}
ALLOWED = {"time.sleep"}
CHANGING = {name: why for name, why in REFUSED.items() if why in (_CLOCK, _CHANCE, _MACHINE)}
CHANGING |= {f"{of.__name__}.{name}": REFUSED[of.__name__] for of in (time, platform) for name in dir(of)}
CHANGING = {name: why for name, why in CHANGING.items() if name not in ALLOWED}
UNSEEDED = {"numpy.random.default_rng", "numpy.random.SeedSequence", "numpy.random.RandomState", "random.Random"}
UNSEEN_SEED = _CHANCE  # of these without arguments
ATTRIBUTES = {
    "__subclasses__": "list the classes, so that the lab can see which",
    "__doc__": "docstrings are no part of a key: write what matters as a value",
    "__annotations__": "annotations are no part of a key: write what matters as a value",
    "__globals__": "write the name out",
    "__code__": _WRITTEN,
    "__self__": "write the module's or the object's name out",
    "__loader__": _IMPORT,
    "__spec__": _IMPORT,
    "__module__": "a module may be renamed: write what matters as a value",
    "expanduser": "make the file a Path parameter",
    **dict.fromkeys(
        ("st_mtime", "st_mtime_ns", "st_atime", "st_atime_ns", "st_ctime", "st_ctime_ns", "st_ino"), _STAMP
    ),
    **dict.fromkeys(("st_dev", "st_nlink", "st_uid", "st_gid", "st_blocks"), _MACHINE),
}


def refusal(dotted: str) -> str | None:
    """Return what to do instead of a name (in full) that is refused; None if it is not."""
    parts = dotted.split(".") if dotted not in ALLOWED else []
    whole = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((REFUSED[name] for name in whole if name in REFUSED), None)
