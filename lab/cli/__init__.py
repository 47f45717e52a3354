"""The command line: "lab", or `python -m lab`.

Start with `commands`, which has every command with its help and its options; each hands over to a module of its own: `status`, `run`,
`why`, `runs`, `verify`, `claims`, `render`, `questions`.  `watch` shows runs as they go, `show` prints tables, `result` one result.

It imports nothing that `lab status` does not need until a command needs it: that answers in a tenth of a second.  Nothing else
imports the command line.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from lab.errors import LabError
from lab.results import write_errors
from press import SourceError


def main() -> None:
    """Run one command; an error that was meant for the person at the keyboard is printed without a traceback."""
    from lab.cli import show

    show.plainly()
    _end_as_after_ctrl_c()
    typed = sys.argv[1:]
    try:
        if typed == ["status"]:
            from lab.cli.status import print_status

            print_status()
        else:
            _do(typed)
        sys.stdout.flush()
    except (LabError, SourceError) as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # whoever reads along has read enough: head, say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in write_errors.HINTS:
            raise
        sys.exit(f"error: {write_errors.unwritten(error, Path(error.filename or 'to this disk'))}")
    except KeyboardInterrupt:
        sys.exit(130)


def _do(typed: list[str]) -> None:
    import typer

    from lab.cli import commands

    try:
        if len(typed) == 1 and typed[0] in commands.ALONE:  # with no options to read, typer's 0.1 s can be saved
            commands.ALONE[typed[0]]()
        else:
            commands.build(typed[0] if typed else "")(prog_name="lab")
    except typer.Exit as end:
        sys.exit(end.exit_code)


def _end_as_after_ctrl_c() -> None:
    """Have a request to end, or a terminal that is closed, end what runs as ctrl-C does: nothing is left behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(signal.SIGINT, frame)
        else:
            raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
            signal.signal(number, stop)
