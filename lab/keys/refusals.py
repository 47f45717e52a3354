"""What code may not use, by name: what can be neither followed in the source nor recorded while it runs."""

from __future__ import annotations

_IMPORT = "import the module by name, so that the lab can see which"
_WRITTEN = "what code does may not depend on how it is written"
_NETWORK = "a key cannot see what comes over the network: keep the data in a file of the project"
_PICKLE = "what is unpickled brings code that a key cannot see: keep numbers and text"
_PROGRAM = "a key cannot see what another program does"
_CHILD = "a key cannot see what a child of its own reads: cut the work up with lab.tasks"
_UNSEEN = "what it reads is not seen: read the file in Python, by open, NumPy or pandas.read_csv"
_CLOCK = "no two runs get the same; measured times come from lab.stopwatch"
_CHANCE = "no two runs get the same: make a seed a parameter"
_MACHINE = "no two machines have the same: make it a parameter"
_BY_NAME = "ask for one variable by its name"
_STAMP = "no two clones have the same time stamps: go by the content"
# What to do instead, and of what: full names, or their beginnings.
_REASONS = {
    _IMPORT: "importlib runpy pkgutil zipimport pydoc.locate sys.modules sys.meta_path",
    _WRITTEN: "sys._getframe linecache inspect traceback dis symtable",
    _NETWORK: "socket urllib http requests httpx aiohttp ftplib torch.hub",
    _PICKLE: "pickle marshal shelve dbm numpy.DataSource",
    _PROGRAM: "subprocess os.system os.popen os.spawnv os.execv os.posix_spawn pty",
    _CHILD: """
        os.fork multiprocessing torch.multiprocessing joblib.Parallel concurrent.futures.ProcessPoolExecutor
        concurrent.futures.process
    """,
    _UNSEEN: """
        torch.jit.load torch.from_file torch.UntypedStorage.from_file torch.ops.load_library
        pandas.read_parquet pandas.read_feather pandas.read_orc pandas.read_hdf pyarrow polars duckdb h5py
        netCDF4 tables lmdb safetensors cv2.imread ctypes.CDLL ctypes.PyDLL ctypes.cdll ctypes.pydll
        ctypes.util cffi torchvision.io torchaudio soundfile lxml os.fwalk posix _io _posixsubprocess
    """,
    _CLOCK: """
        time timeit datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today
        datetime.date.today pandas.Timestamp.now pandas.Timestamp.today torch.utils.benchmark
    """,
    _CHANCE: """
        os.urandom os.getrandom secrets random.SystemRandom uuid.uuid1 uuid.uuid4 torch.seed
        torch.random.seed
    """,
    _MACHINE: """
        platform os.getpid os.getppid os.uname os.cpu_count os.getlogin getpass os.getloadavg os.times
        os.sched_getaffinity psutil resource sys.platform
    """,
    "make the file a Path parameter": "os.getcwd pathlib.Path.cwd pathlib.Path.home os.path.expanduser",
    _BY_NAME: "os.environb os.putenv",
    _STAMP: "os.path.getmtime os.path.getatime os.path.getctime",
    "keep the module in the project, or install it": "sys.path",
    "make it a parameter": "sys.argv",
    "annotations are no part of a key: write what matters as a value": "typing.get_type_hints",
}
REFUSED = {name: why for why, names in _REASONS.items() for name in names.split()}
ALLOWED = {"time.sleep"}
UNSEEDED = {"numpy.random.default_rng", "numpy.random.SeedSequence", "numpy.random.RandomState", "random.Random"}
BUILTINS = {
    **dict.fromkeys(("exec", "eval", "compile"), "write the code out"),
    "__import__": _IMPORT,
    "input": "make it a parameter",
}
NAMES = {
    "__file__": "make the file a Path parameter, or begin with Path(__file__)",
    "__builtins__": "write the name out",
    "__loader__": _IMPORT,
    "__spec__": _IMPORT,
}
ATTRIBUTES = {
    "__subclasses__": "list the classes, so that the lab can see which",
    "__doc__": "docstrings are no part of a key: write what matters as a value",
    "__annotations__": "annotations are no part of a key: write what matters as a value",
    "__globals__": "write the name out",
    "__code__": _WRITTEN,
    "__loader__": _IMPORT,
    "__spec__": _IMPORT,
    "__module__": "a module may be renamed: write what matters as a value",
    "expanduser": "make the file a Path parameter",
    **dict.fromkeys(
        ("st_mtime", "st_mtime_ns", "st_atime", "st_atime_ns", "st_ctime", "st_ctime_ns", "st_ino"), _STAMP
    ),
}


def refusal(dotted: str) -> str | None:
    """Return why a name (in full) is refused, and what to do; None if it is not."""
    if dotted in ALLOWED:
        return None
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        if hint := REFUSED.get(".".join(parts[:end])):
            return f"{dotted} cannot be followed\n{hint}"
    return None
