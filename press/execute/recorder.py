"""Records what this process reads of a project, as it happens: files, folders, files looked for in vain, environment variables.

Python tells of every file that is opened and folder that is listed (sys.addaudithook); os.stat, os.lstat and os.access are
wrapped, since it does not tell of those.  Who asks decides whether it counts: the first on the stack that is not Python's own
library.  What is imported is code, and followed elsewhere; what the lab and press do is no part of it.

What cannot be recorded is refused while it happens: children, libraries loaded by hand, the network; and with `strict` also files
outside the project and variables that are set.
"""

from __future__ import annotations

import json
import os
import random
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import cache, wraps
from pathlib import Path
from stat import S_IFMT, S_IXUSR
from types import FrameType
from typing import Any
from urllib.parse import unquote

from press.execute import reads
from press.execute.reads import FOUND, LISTED, READ, VARIABLES

Sink = Callable[[str, str, "str | None"], None]
Ear = Callable[..., Any]
# Whose code it is; the last: that of whoever called it.
PROJECT, LIBRARY, MACHINERY, IMPORTER, PASS = "project", "library", "machinery", "importer", ""
_HERE = Path(__file__).resolve().parents[2]  # where lab and press are
_OURS = [str(_HERE / "lab"), str(_HERE / "press")]
_STDLIB = [os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
_LIBRARIES = [*{os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, sys.exec_prefix)}, "/usr"]
_SYSTEM = ["/etc", "/proc", "/sys", "/dev", "/lib", "/lib64", "/run", "/var/lib", "/opt/cuda"]  # what libraries look at
_MADE = ("torchinductor", "matplotlib", "ipykernel")  # that libraries keep among temporary files
_CACHES = ("~/.cache", "~/.config", "~/.local", "~/.triton", "~/.matplotlib", "~/.ipython", "~/.jupyter", "~/Library")
# Parts of Python that read code and what is installed on their own account; of other files they read for whoever called them.
_IMPORTERS = (
    "importlib/_bootstrap",
    "importlib/metadata",
    "importlib/util",
    "importlib/_abc",
    "zipimport",
    "linecache",
    "tokenize",
    "inspect",
)
_CODE = (
    ".py",
    ".pyc",
    ".pyi",
    ".so",
    ".pyd",
    ".dylib",
    "METADATA",
    "PKG-INFO",
    "RECORD",
    "top_level.txt",
    "INSTALLER",
    "entry_points.txt",
    "direct_url.json",
    ".dist-info",
    ".egg-info",
    ".pth",
    ".egg-link",
)
# Libraries that may start programs or load machine code: they compile, or look for fonts.
_MAKERS = (
    "torch._inductor",
    "torch._dynamo",
    "torch.utils._triton",
    "triton",
    "matplotlib.font_manager",
    "lab.",
    "press.",
)
_PROGRAM = "what another program reads is not seen"
_CHILD = "what a child of its own reads is not seen: cut the work up with lab.tasks instead"
_NETWORK = "what comes over the network is not seen: keep the data in a file of the project"
_REFUSED = {
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"), _PROGRAM),
    **dict.fromkeys(("os.fork", "os.forkpty"), _CHILD),
    **dict.fromkeys(("socket.connect", "socket.getaddrinfo"), _NETWORK),
    "ctypes.dlopen": "what machine code reads is not seen: lab.compiled makes it from a source that counts",
    "os.urandom": "no two runs get the same: make a seed a parameter",
    "socket.gethostname": "no two machines have the same: make it a parameter",
    "sqlite3.load_extension": "what machine code reads is not seen",
}
# Of what os.stat tells: what git does not keep, and what no two machines or clones have the same.
_STAMPS = ("st_atime", "st_mtime", "st_ctime", "st_birthtime", "st_uid", "st_gid", "st_nlink", "st_blocks", "st_flags")
# What os.stat tells by number.
_PLACES = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size", "st_atime", "st_mtime", "st_ctime")
# In Python's own library, for whoever calls them.
_ASKING = ("getmtime", "getatime", "getctime", "_sig", "owner", "group")
_SQLITE_ATTACH = 24


class Unrecordable(Exception):
    """Something was read, or about to be, that cannot be part of a record."""


class Recorder:
    """One record in the making."""

    def __init__(self, root: Path | str, around: Mapping[str, str] | None = None, sink: Sink | None = None) -> None:
        """`around` are the variables that code may ask for, where this process was started with a few of them only."""
        self.root = Path(root).resolve()
        self._roots = {os.path.abspath(root), str(self.root)}
        self.around = around
        self.strict = False
        self.lenient = False  # what cannot be recorded is only remembered, as in a chapter's cells
        self.running = False  # whether the project's code is at work, perhaps in threads of libraries
        self.refused = ""  # the first thing; code may have caught the error
        self.record = reads.empty()
        self._sink = sink
        self._followed: set[str] | None = None  # files of code that counts by what it says; None: all that is imported
        self._loaded: set[str] = set()  # modules that were there before
        self._own: set[str] = set()  # what the process itself wrote: files and folders, by full path
        self.own_variables: set[str] = set()  # that it set

    def variables(self) -> Mapping[str, str]:
        """Return the variables as code sees them."""
        return os.environ if self.around is None else self.around

    def follows(self, files: Iterable[Path]) -> None:
        """Say which code of the project is followed; any other that is imported from now on counts by its bytes."""
        self._followed, self._loaded = {os.path.realpath(file) for file in files}, set(sys.modules)

    def _add_modules(self) -> None:
        if self._followed is None:
            return
        for name in sys.modules.keys() - self._loaded:
            file = os.path.realpath(getattr(sys.modules[name], "__file__", None) or os.devnull)
            inside = (
                self._inside(file) if os.path.isfile(file) else None
            )  # some of PyTorch's only say that they have one
            if inside and file not in self._followed and not reads.is_ignored(inside) and _kind(file) == PROJECT:
                self.add(READ, "/".join(inside), reads.content(file))

    def settle(self) -> list[str]:
        """Return what is no longer as it was read; what the process itself has changed since then counts as it is now, too."""
        with _quietly():
            self._add_modules()
            now = reads.Present(self.root, self.variables())
            changed = []
            for kind, entries in self.record.items():
                for name, then in entries.items():
                    state = now.state(kind, name) if kind != VARIABLES else then
                    if state == then:
                        continue
                    path = os.path.normpath(self.root / name)
                    if self._is_own(path) or (
                        kind == LISTED and any(os.path.dirname(own) == path for own in self._own)
                    ):
                        entries[name] = f"{then}{reads.EITHER}{state}"
                    else:
                        changed.append(f"{reads.NOUNS[kind]} {name}")
            return changed

    def add(self, kind: str, name: str, state: str | None) -> None:
        """Note something that was read, as it was the first time."""
        if name not in self.record[kind]:
            self.record[kind][name] = state
            if self._sink:
                self._sink(kind, name, state)

    def refuse(self, what: str, why: str, frame: FrameType | None) -> None:
        """Stop the code, and remember that it was."""
        where = _place(frame, self.root)
        self.refused = self.refused or f"{where}{what} cannot be recorded\n{why}"
        if self._sink:
            self._sink(READ, ".", self.refused)  # which never holds
        if not self.lenient:
            raise Unrecordable(f"{where}{what} cannot be recorded\n{why}")

    def touch(self, kind: str, path: Any, frame: FrameType | None) -> None:
        """Take in that something at a path is read, listed or looked for."""
        if isinstance(path, int) and kind != LISTED:
            return  # a file that was opened by name before, or a pipe
        if (named := self.named("." if path is None else path, frame)) is None:
            return
        full = os.path.abspath(named)
        if self._is_own(full) and not self._is_own(os.path.realpath(full)):
            full = os.path.realpath(full)  # what the process made is a link to something else
        inside = self._inside(full)
        who = _asker(frame, kind != READ or full.endswith(_CODE))
        if (
            who == MACHINERY
            or self._is_own(full)
            or (inside and (reads.is_ignored(inside) or self._is_environment(full)))
        ):
            return
        if kind == READ and not reads.is_file(full):
            if os.path.exists(full):
                return  # a folder, which raises, or a device
            kind = FOUND
        if inside is None and self._is_outside_matter(full, who):
            return
        if inside is None and self.strict:
            self.refuse(f"{full}, outside the project,", "keep the data in the project, or make it a parameter", frame)
        name = full if inside is None else "/".join(inside) or "."
        if name not in self.record[kind]:  # which takes a file's content
            self.add(kind, name, reads.look(kind, full))

    def named(self, path: Any, frame: FrameType | None, folder: int | None = None) -> str | None:
        """Return a path by name: of something open, or what is meant relative to an open folder; None if that is not known."""
        if isinstance(path, int):
            path, folder = "", path
        if folder is None or folder < 0:
            return os.fsdecode(path)
        try:
            return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))
        except OSError:  # there is no /proc
            if _asker(frame, False) == PROJECT:
                self.refuse("something by its number", "ask for it by its name", frame)
            return None

    def wrote(self, path: Any) -> None:
        """Take in that the process makes or changes a file or a folder."""
        if not isinstance(path, int):
            self._own.add(os.path.abspath(os.fsdecode(path)))

    def moves(self, path: str, frame: FrameType) -> None:
        """Take in that something gets another name, under which it is the process's own from then on."""
        full = os.path.abspath(path)
        if os.path.isdir(full) and self._inside(full) and not self._is_own(full) and _asker(frame, False) == PROJECT:
            self.refuse("a folder that is moved", "leave it where it is", frame)
        self.touch(READ, full, frame)
        self.wrote(full)

    def variable(self, name: str, real: Callable[[], str], frame: FrameType | None) -> str:
        """Return a variable's value to whoever asks, KeyError where it is not set."""
        if name in self.own_variables or _asker(frame, False, tempfile.__file__) != PROJECT:
            return real()
        value = self.variables().get(name)
        if self.around is not None and name in os.environ and name not in self.around:
            return real()  # the same in every run
        if value is not None and self.strict:
            self.refuse(f"environment variable {name}, which is set,", "make it a parameter", frame)
        self.add(VARIABLES, name, reads.hash_of_value(value))
        if value is None:
            raise KeyError(name)
        return value

    def _inside(self, full: str) -> tuple[str, ...] | None:
        for root in self._roots:
            if full == root:
                return ()
            if full.startswith(root + os.sep):
                return tuple(full[len(root) + 1 :].split(os.sep))
        return None

    def _is_environment(self, full: str) -> bool:
        """Say whether a path in the project is in a virtual environment that lies there, whatever that is called."""
        return _is_in(full, [place for place in _LIBRARIES if not _within(str(self.root), place)])

    def _is_own(self, full: str) -> bool:
        return bool(self._own) and (full in self._own or any(full.startswith(own + os.sep) for own in self._own))

    def _is_outside_matter(self, full: str, who: str) -> bool:
        """Say whether a path outside the project is a library's or the system's."""
        if any(_within(os.path.dirname(root), full) for root in (*self._roots, *_LIBRARIES, str(_HERE))):
            return True  # on the way to one of them
        if "site-packages" in full or _is_in(full, (os.devnull, *_LIBRARIES, *_STDLIB, *_OURS)):
            return True
        if who == PROJECT:
            return False
        temporary = tempfile.gettempdir()
        made = tuple(os.path.join(temporary, name) for name in _MADE)
        return full == temporary or full.startswith(made) or _is_in(full, (*_SYSTEM, *map(os.path.expanduser, _CACHES)))


_recorder: Recorder | None = None
_thread = threading.local()
_installed = False


class _quietly:
    """What happens inside is the recorder's own, or not."""

    def __init__(self, quiet: bool = True) -> None:
        self.quiet = quiet

    def __enter__(self) -> None:
        self.before = getattr(_thread, "quiet", False)
        _thread.quiet = self.quiet

    def __exit__(self, *_: object) -> None:
        _thread.quiet = self.before


def _listening() -> Recorder | None:
    """Return the record in the making, unless what happens is the recorder's own."""
    return None if getattr(_thread, "quiet", False) else _recorder


def start(root: Path | str, around: Mapping[str, str] | None = None, sink: Sink | None = None) -> Recorder:
    """Record from now on, until `stop` or another start."""
    global _recorder, _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hear)
        for (owner, names), ear in _EARS.items():
            for name in names:
                if hasattr(owner, name):
                    _replace(owner, name, ear)
        os._Environ._data = property(_variables)  # type: ignore[attr-defined]
        random._urandom = os.urandom  # type: ignore[attr-defined]
        random.seed = random._inst.seed
        with suppress(ImportError):
            import sqlite3

            _replace(sqlite3.dbapi2, "connect", _attached)
            sqlite3.connect = sqlite3.dbapi2.connect
    _recorder = Recorder(root, around, sink)
    return _recorder


def of_kernel() -> str:
    """Return the record of a kernel as JSON; one that never holds where something was read that cannot be recorded."""
    recorder = current()
    with _quietly():
        recorder.settle()
        if recorder.refused:
            recorder.record[READ]["."] = recorder.refused
        return json.dumps(recorder.record)


def note(path: Path) -> None:
    """Take in that a file counts, though a program reads it."""
    if _recorder is not None:
        with _quietly():
            _recorder.touch(READ, path, None)


def stop() -> None:
    """Record no more."""
    global _recorder
    _recorder = None


def active() -> Recorder | None:
    """Return the record in the making, if there is one."""
    return _recorder


def current() -> Recorder:
    """Return the record in the making, where there has to be one."""
    assert _recorder is not None
    return _recorder


def refuse_by_name(reasons: Mapping[str, str], *, reads_files: bool = False) -> None:
    """Let functions raise that the project's code calls, in the libraries that are loaded; a reason for each, by its full name.

    `reads_files`: readers of which Python does not tell; what a library lets them read, by name, is recorded.
    """
    for full, why in reasons.items():
        library, _, path = full.partition(".")
        *inner, last = path.split(".")
        owner: Any = sys.modules.get(library)
        for part in inner:
            owner = getattr(owner, part, None)
        real = getattr(owner, last, None)
        if callable(real) and (reads_files or not isinstance(real, type)) and not hasattr(real, "ear"):
            with suppress(TypeError, AttributeError):  # a type of C's keeps what it has
                _replace(owner, last, _refusing(full, why, reads_files))


def _refusing(name: str, why: str, reads_files: bool) -> Ear:
    def ear(recorder: Recorder, frame: FrameType, real: Any, *given: Any, **named: Any) -> Any:
        asker = _asker(frame, False) if reads_files else _kind(frame.f_code.co_filename)
        if asker == PROJECT:
            recorder.refuse(name, why, frame)
        elif reads_files and given and isinstance(given[0], str | os.PathLike):  # a library's, on somebody's behalf
            recorder.touch(READ, given[0], frame)
        with _quietly(False):
            return real(*given, **named)

    return ear


def _hear(event: str, given: tuple[Any, ...]) -> None:
    """Take in what Python tells of."""
    if event in _HEEDED and (recorder := _listening()):
        with _quietly():
            _HEEDED[event](recorder, event, given, sys._getframe(1))


def _opened(recorder: Recorder, event: str, given: tuple[Any, ...], frame: FrameType) -> None:
    path, _, flags = given
    if isinstance(path, int):
        return
    writing = flags & (os.O_WRONLY | os.O_RDWR) if isinstance(flags, int) else False
    fresh = writing and flags & (os.O_TRUNC | os.O_EXCL)
    if not fresh and (not flags & os.O_WRONLY or recorder._inside(os.path.abspath(os.fsdecode(path)))):
        recorder.touch(READ, path, frame)  # also where something is appended to, which has a length
    if writing:
        recorder.wrote(path)


def _listed(recorder: Recorder, event: str, given: tuple[Any, ...], frame: FrameType) -> None:
    recorder.touch(LISTED, given[0], frame)


def _made(recorder: Recorder, event: str, given: tuple[Any, ...], frame: FrameType) -> None:
    """Take in what is made, moved, cut off or removed; that it works or fails says whether something was there."""
    paths, folders = given[:1], given[-1:]
    if event in ("os.rename", "os.link"):
        paths, folders = given[:2], given[2:]
    elif event == "os.symlink":
        paths = given[1:2]
    names = [recorder.named(path, frame, folder) for path, folder in zip(paths, folders, strict=True)]
    if len(names) == 2 and (old := names.pop(0)) is not None:
        recorder.moves(old, frame)
    for name in filter(None, names):
        if recorder._inside(os.path.abspath(name)) and event != "os.rename":
            recorder.touch(READ if event == "os.truncate" else FOUND, name, frame)
        recorder.wrote(name)


def _connected(recorder: Recorder, event: str, given: tuple[Any, ...], frame: FrameType) -> None:
    path = os.fsdecode(given[0])
    if path.startswith("file:"):
        path = unquote(path.removeprefix("file:").partition("?")[0])
    if path and not path.startswith(":memory:"):
        recorder.touch(READ, path, frame)


def _attached(recorder: Recorder, frame: FrameType, real: Any, *given: Any, **named: Any) -> Any:
    """Take in databases that are attached to one, of which Python does not tell."""

    def attaching(action: int, path: str | None, *_: Any) -> int:
        if action == _SQLITE_ATTACH and path and (recorder := _listening()):
            with _quietly():
                _connected(recorder, "sqlite3.connect", (path,), sys._getframe(1))
        return 0

    with _quietly(False):
        connection = real(*given, **named)
    connection.set_authorizer(attaching)
    return connection


def _set(recorder: Recorder, event: str, given: tuple[Any, ...], frame: FrameType) -> None:
    recorder.own_variables.add(os.fsdecode(given[0]))


def _cannot(recorder: Recorder, event: str, given: tuple[Any, ...], frame: FrameType | None) -> None:
    """Refuse what is not seen, unless a library does it on its own account: while it is imported, or to compile."""
    library_file = os.fsdecode(given[0] or "") if event == "ctypes.dlopen" else ""
    if os.sep in library_file and recorder._inside(os.path.abspath(library_file)):
        recorder.touch(READ, given[0], frame)  # machine code in the project, by its content
        return
    library = False
    for asker, kind in _callers(frame):
        name = asker.f_globals.get("__name__") or ""
        if kind == MACHINERY or name.startswith((*_MAKERS, "importlib._bootstrap")):
            return
        if kind == PROJECT:
            if library and event in ("ctypes.dlopen", "os.urandom"):
                return
            break
        library = library or kind == LIBRARY
    else:
        if library and not recorder.running:
            return
    recorder.refuse(event, _REFUSED[event], frame)


_HEEDED: dict[str, Callable[[Recorder, str, tuple[Any, ...], FrameType], None]] = {
    "open": _opened,
    "os.listdir": _listed,
    "os.scandir": _listed,
    "sqlite3.connect": _connected,
    **dict.fromkeys(("os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "os.remove", "os.rmdir"), _made),
    **dict.fromkeys(("os.putenv", "os.unsetenv"), _set),
    **dict.fromkeys(_REFUSED, _cannot),
}


def _replace(owner: Any, name: str, ear: Ear) -> None:
    """While something is recorded, let an ear take a call of a function: it gets the record, who calls, and the function itself."""
    real = getattr(owner, name)

    @wraps(real)
    def heard(*given: Any, **named: Any) -> Any:
        if (recorder := _listening()) is None:
            return real(*given, **named)
        with _quietly():
            return ear(recorder, sys._getframe(1), real, *given, **named)

    heard.ear = ear  # type: ignore[attr-defined]
    setattr(owner, name, heard)
    for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
        if real in able:
            able.add(heard)


def _watched(
    recorder: Recorder,
    frame: FrameType,
    real: Any,
    path: Any = None,
    *given: Any,
    dir_fd: int | None = None,
    **named: Any,
) -> Any:
    path = named.pop("fd", path)
    if not isinstance(path, int) and (name := recorder.named(path, frame, dir_fd)) is not None:
        recorder.touch(FOUND, name, frame)
    of_project = _asker(frame, False) == PROJECT
    if of_project and real.__name__ == "access" and (*given, named.get("mode"))[0] & os.W_OK:
        recorder.refuse("whether one may write", "write, and see", frame)
    said = real(path, *given, **named) if dir_fd is None else real(path, *given, dir_fd=dir_fd, **named)
    return _Stat(said) if of_project and isinstance(said, os.stat_result) else said


def _ordered(recorder: Recorder, frame: FrameType, real: Any, path: Any = None) -> Any:
    """List a folder by name: the order in one is the disk's, and no two machines have the same."""
    recorder.touch(LISTED, path, frame)
    found = real(path)
    return sorted(found) if isinstance(found, list) else _Sorted(found)


class _Sorted(ExitStack):
    """What os.scandir gives, by name."""

    def __init__(self, real: Any) -> None:
        super().__init__()
        with real:
            self._entries = iter(sorted(real, key=lambda entry: entry.name))

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)


def _opening(
    recorder: Recorder,
    frame: FrameType,
    real: Any,
    path: Any,
    flags: int,
    mode: int = 0o777,
    *,
    dir_fd: int | None = None,
) -> Any:
    """Open a file; Python tells half of the name of one that is named relative to an open folder."""
    if (name := recorder.named(path, frame, dir_fd)) is not None:
        _opened(recorder, "open", (name, None, flags), frame)
    return real(path, flags, mode, dir_fd=dir_fd)


class _Stat:
    """What os.stat tells the project's code, without what git does not keep."""

    def __init__(self, real: os.stat_result) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return self._told(name, getattr(self._real, name), name.startswith(_STAMPS), sys._getframe(1))

    def __getitem__(self, place: int) -> Any:
        name = _PLACES[place]
        return self._told(name, self._real[place], name != "st_size", sys._getframe(1))

    def _told(self, name: str, value: Any, hidden: bool, frame: FrameType) -> Any:
        with _quietly():
            asks = frame.f_code.co_name in _ASKING and _asker(frame, False) == PROJECT
            if not asks and _kind(frame.f_code.co_filename) != PROJECT:
                return value
        if hidden and _recorder:
            _recorder.refuse(name, "git does not keep it: go by the content", frame)
        if name == "st_mode":
            return S_IFMT(value) | (0o755 if value & S_IXUSR else 0o644)  # as git has it
        return value


def _chance(recorder: Recorder, frame: FrameType, real: Any, *given: Any, **named: Any) -> Any:
    """Refuse that the project's code asks for random bytes of the machine's."""
    if _asker(frame, False, tempfile.__file__) == PROJECT:
        _cannot(recorder, "os.urandom", (), frame)
    return real(*given, **named)


def _seeded(recorder: Recorder, frame: FrameType, real: Any, generator: Any, a: Any = None, version: int = 2) -> Any:
    return _chance(recorder, frame, real, generator) if a is None else real(generator, a, version)


def _asked(recorder: Recorder, frame: FrameType, real: Any, variables: Any, name: Any) -> Any:
    """Return an environment variable."""
    found = recorder.variable(os.fsdecode(name), lambda: os.fsdecode(real(variables, name)), frame)
    return found if isinstance(name, str) else os.fsencode(found)


def _variables(variables: Any) -> Any:
    """Return what is behind os.environ; whoever does not ask for a single variable asks for all of them."""
    frame = sys._getframe(1)
    if frame.f_code.co_name not in ("__getitem__", "__setitem__", "__delitem__") and (recorder := _listening()):
        with _quietly():
            if _asker(frame, False) == PROJECT:
                recorder.refuse(
                    "the whole environment", "ask for the variables by name, or make them parameters", frame
                )
    return vars(variables)["_data"]


_EARS: dict[tuple[Any, tuple[str, ...]], Ear] = {
    (os, ("stat", "lstat", "fstat", "access", "readlink")): _watched,
    (os, ("listdir", "scandir")): _ordered,
    (os, ("open",)): _opening,
    (os, ("urandom", "getrandom")): _chance,
    (random.Random, ("seed",)): _seeded,
    (os._Environ, ("__getitem__",)): _asked,
}


def _asker(frame: FrameType | None, code: bool, *exempt: str | None) -> str:
    """Return who asks for something: the project's code, a library on its behalf, or whoever does not count.

    `code`: what Python's own importers ask for, which they do on their own account.
    """
    library = ""
    for caller, kind in _callers(frame):
        if kind == IMPORTER:
            if code and not library:
                return MACHINERY
        elif kind == LIBRARY:
            library = LIBRARY
        elif kind:
            return library or PROJECT if kind == PROJECT else kind
        elif caller.f_code.co_filename in exempt and not library:
            return MACHINERY
    return library or PROJECT


def _callers(frame: FrameType | None) -> Iterator[tuple[FrameType, str]]:
    """Yield who is at work, from the innermost out, and whose code each is."""
    while frame is not None:
        yield frame, _kind(frame.f_code.co_filename)
        frame = frame.f_back


@cache
def _kind(file: str) -> str:
    """Return whose code a file is."""
    if file.startswith("<"):
        return IMPORTER if file.startswith(("<frozen importlib", "<frozen zipimport")) else PASS
    full = os.path.realpath(file)
    if full == os.path.realpath(__file__):
        return PASS
    if _is_in(full, _OURS):
        return MACHINERY
    if os.path.basename(full).startswith("__editable__"):
        return IMPORTER
    if "site-packages" in full or "dist-packages" in full:
        return LIBRARY
    for folder in _STDLIB:
        if _within(full, folder):
            return IMPORTER if full[len(folder) + 1 :].startswith(_IMPORTERS) else PASS
    return PROJECT


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_in(path: str, folders: Iterable[str]) -> bool:
    return any(_within(path, folder) for folder in folders)


def _place(frame: FrameType | None, root: Path) -> str:
    """Return "file:line: " of the project's code that asks."""
    for caller, kind in _callers(frame):
        if kind == PROJECT:
            file = os.path.relpath(caller.f_code.co_filename, root)
            return f"{file if not file.startswith('..') else caller.f_code.co_filename}:{caller.f_lineno}: "
    return ""
