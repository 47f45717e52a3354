"""Shows the site on localhost: as it was rendered, or as it is rendered again and again."""

from __future__ import annotations

import errno
import io
import json
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from lab.errors import LabError

SCRIPT = Path(__file__).with_name("preview.js")
NOT_YET = "<!DOCTYPE html><title>Not rendered</title><body></body>"


class _Handler(SimpleHTTPRequestHandler):
    """Sends a site; where it is previewed, every page gets a script that shows it anew, at the same place, or the error."""

    def __init__(self, *request: Any, news: dict[str, Any] | None, **options: Any) -> None:
        self._news = news
        super().__init__(*request, **options)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # the next render is seen at once
        super().end_headers()

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send what is asked for if it is a file or folder of the site: no link out of it, no pipe."""
        if self._news is not None and self.path == "/preview-news":
            return self._send(json.dumps(self._news), "application/json")
        if self._news is not None and self.path == "/preview-script.js":  # pages allow no script within them
            return self._send(SCRIPT.read_text(encoding="utf-8"), "text/javascript")
        try:
            asked, site = Path(self.translate_path(self.path)).resolve(), Path(self.directory).resolve()
            page = (asked / "index.html").resolve() if asked.is_dir() else asked
            inside = asked.is_relative_to(site) and page.is_relative_to(site)
            found = inside and (page.is_file() or asked.is_dir())
        except (OSError, ValueError, RuntimeError):  # a name that is too long, a zero byte, a link to itself
            inside = found = False
        if inside and self._news is not None and page.suffix == ".html":
            text = page.read_text(encoding="utf-8") if page.is_file() else NOT_YET
            script = '<script src="/preview-script.js"></script>'
            return self._send(text.replace("</body>", f"{script}</body>"), "text/html")
        if not found:
            self.send_error(404)
            return None
        return super().send_head()

    def _send(self, text: str, kind: str) -> io.BytesIO:
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of what was asked for."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that has gone away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def server(site: Path, port: int, news: dict[str, Any] | None = None) -> ThreadingHTTPServer:
    """Return a server of the folder `site`, to be reached from this machine only.  Port 0 takes any that is free.

    With `news` it is a preview: pages show themselves anew when "version" is another, and what is under "error".
    """
    if news is None and not (site / "index.html").is_file():
        raise LabError(f"there is no site in {site}\ntype: lab render")
    try:
        return _Server(("127.0.0.1", port), partial(_Handler, directory=str(site), news=news))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        command = "lab serve" if news is None else "lab preview"
        raise LabError(
            f"port {port} is not to be had ({error.strerror})\ntype: {command} --port 0, which takes any that is free"
        ) from None
    except OverflowError:
        raise LabError(f"{port} is no port: 0 to 65535") from None
