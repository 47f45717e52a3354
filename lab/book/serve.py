"""Shows the rendered site on localhost."""

from __future__ import annotations

import errno
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lab.errors import LabError


class _Quiet(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # the next render is seen at once
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of what was asked for."""


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the folder `site`, to be reached from this machine only.  Port 0 takes any that is free."""
    if not (site / "index.html").is_file():
        raise LabError(f"there is no site in {site}\ntype: lab render")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(site)))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise LabError(
            f"port {port} is not to be had ({error.strerror})\ntype: lab serve --port 0, which takes any that is free"
        ) from None
    except OverflowError:
        raise LabError(f"{port} is no port: 0 to 65535") from None
