"""The command line: "lab", or `python -m lab`.

Start with `commands`, which says where each command is and has the options that several share.  A command is a function with its
help: in `states`, `run`, `runs`, `verify`, `claims`, `questions`, `render` or `preview`.  `watch` shows runs as they go, `show` prints
tables, `result` results, and `status` is what `lab status` does, without typer: it is asked most often.

None of these imports at once what is slow to import, since `lab --help` needs them all.  Nothing else imports the command line.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from lab.errors import LabError
from lab.results.writing import HINTS, unwritten
from press import SourceError


def main() -> None:
    """Run one command; an error that was meant for the person at the keyboard is printed without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where an output has no code for a sign
    _end_as_after_ctrl_c()
    typed = sys.argv[1:]
    try:
        if typed == ["status"]:
            from lab.cli.status import print_status

            print_status()
        else:
            from lab.cli import commands

            commands.build(typed[0] if typed else "")(prog_name="lab")
        sys.stdout.flush()
    except (LabError, SourceError) as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # whoever reads along has read enough: head, say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in HINTS:
            raise
        sys.exit(f"error: {unwritten(error, Path(error.filename or 'to this disk'))}")
    except KeyboardInterrupt:
        sys.exit(130)


def _end_as_after_ctrl_c() -> None:
    """Have a request to end, or a terminal that is closed, end what runs as ctrl-C does: nothing is left behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
            signal.signal(number, stop)
