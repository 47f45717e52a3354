"""Shows the site on localhost: as it was rendered, or as it is rendered again and again."""

from __future__ import annotations

import errno
import io
import json
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from lab.errors import LabError

SCRIPT = Path(__file__).with_name("preview.js")


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


class Changing:
    """A site that is rendered again and again: what the last attempt came to, and how to wait for the next."""

    def __init__(self, site: Path) -> None:
        self.site, self.version, self.error = site, 0, ""
        self._news = threading.Condition()

    def tell(self, error: str = "") -> None:
        """Say that the site has been rendered, or why it could not be."""
        with self._news:
            self.version, self.error = self.version + 1, error
            self._news.notify_all()

    def wait(self, known: int) -> dict[str, Any]:
        """Return what there is to know as soon as it is news to somebody who knows an older version; after a while anyway."""
        with self._news:
            self._news.wait_for(lambda: self.version != known, timeout=20)
            return {"version": self.version, "error": self.error}


class _Preview(_Quiet):
    """Serves a changing site: every page gets a script that shows it anew, at the same place, or the error."""

    def __init__(self, *request: Any, state: Changing, **options: Any) -> None:
        self._state = state
        super().__init__(*request, directory=str(state.site), **options)

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        path, _, known = self.path.partition("?")
        if path == "/preview-state":
            return self._send(json.dumps(self._state.wait(int(known) if known.isdigit() else -1)), "application/json")
        if path == "/preview-script.js":
            return self._send(SCRIPT.read_text(encoding="utf-8"), "text/javascript")
        file = Path(self.translate_path(self.path))
        file = file / "index.html" if file.is_dir() else file
        if file.suffix != ".html" or not file.resolve().is_relative_to(self._state.site.resolve()):
            return super().send_head()
        page = (
            file.read_text(encoding="utf-8")
            if file.is_file()
            else "<!DOCTYPE html><title>Not rendered</title><body></body>"
        )
        return self._send(page.replace("</body>", '<script src="/preview-script.js"></script></body>'), "text/html")

    def _send(self, text: str, kind: str) -> io.BytesIO:
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)


def preview_server(state: Changing, port: int) -> ThreadingHTTPServer:
    """Return a server of a changing site; as `server`, but what it shows may not be there yet."""
    return _bound(partial(_Preview, state=state), port, "lab preview")


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the folder `site`, to be reached from this machine only.  Port 0 takes any that is free."""
    if not (site / "index.html").is_file():
        raise LabError(f"there is no site in {site}\ntype: lab render")
    return _bound(partial(_Quiet, directory=str(site)), port, "lab serve")


def _bound(handler: Any, port: int, command: str) -> ThreadingHTTPServer:
    try:
        return _Server(("127.0.0.1", port), handler)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise LabError(
            f"port {port} is not to be had ({error.strerror})\ntype: {command} --port 0, which takes any that is free"
        ) from None
    except OverflowError:
        raise LabError(f"{port} is no port: 0 to 65535") from None
