"""Shows the rendered site on localhost."""

from __future__ import annotations

import errno
import io
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from lab.errors import LabError


class _Quiet(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # the next render is seen at once
        super().end_headers()

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send what is asked for if it is a file or folder of the site: no link out of it, no pipe."""
        try:
            asked, site = Path(self.translate_path(self.path)).resolve(), Path(self.directory).resolve()
            found = asked.is_relative_to(site) and (asked.is_file() or asked.is_dir())
        except (OSError, ValueError, RuntimeError):  # a name that is too long, a zero byte, a link to itself
            found = False
        if not found:
            self.send_error(404)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of what was asked for."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that has gone away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the folder `site`, to be reached from this machine only.  Port 0 takes any that is free."""
    if not (site / "index.html").is_file():
        raise LabError(f"there is no site in {site}\ntype: lab render")
    try:
        return _Server(("127.0.0.1", port), partial(_Quiet, directory=str(site)))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise LabError(
            f"port {port} is not to be had ({error.strerror})\ntype: lab serve --port 0, which takes any that is free"
        ) from None
    except OverflowError:
        raise LabError(f"{port} is no port: 0 to 65535") from None
