"""A plain page with a stage on it, served from this machine, and what a test asks of it.

Owns the server (ranges, counted requests, a pace) and the shims a host page gives the stage.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from helpers import burnt

from kling_utils.show import stage

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE = 4096
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>stage</title><style>body {{ margin: 8px }} {css}</style>
<button id="before">before</button><main>{template}</main><button id="after">after</button>
<script>
const watchers = [], props = {{ value: null }};
window.give = (value) => {{ props.value = value; watchers.forEach((w) => w()); }};
window.shown = [() => document.querySelector('.stage-a video'), () => document.querySelector('.stage-b video.is-on')];
window.read = {read};
window.numbers = () => read(shown.map((v) => v()));
window.still = () => {{                                       // both stand, and the frames asked for are drawn
  const there = [...document.querySelectorAll('.stage video[src]')].every((v) => v.readyState >= 2 && !v.seeking);
  return there && shown.every((v) => v());
}};
window.frames = (n) => new Promise((done) => {{ const on = () => (n-- ? requestAnimationFrame(on) : done()); on(); }});
window.sample = (ms) => new Promise((done) => {{
  const seen = [], start = performance.now(), root = document.querySelector('.stage');
  const look = () => {{
    seen.push([...numbers(), root.classList.contains('is-buffering')]);
    if (performance.now() - start < ms) requestAnimationFrame(look); else done(seen);
  }};
  requestAnimationFrame(look);
}});
new Function('element', 'props', 'watch', 'trigger', document.getElementById('stage-script').textContent)(
  document.querySelector('main'), props, (name, call) => watchers.push(call), () => {{}});
</script></html>"""


@dataclass
class Site:
    """The served page. ``asked`` are the paths of all requests; ``pace`` is bytes a second by file name."""

    url: str
    folder: Path
    asked: list[str] = field(default_factory=list)
    pace: dict[str, float] = field(default_factory=dict)

    def times(self, name: str) -> int:
        return sum(path.partition("?")[0] == f"/{name}" for path in self.asked)


def file(name: str) -> dict[str, str]:
    """A file as the stage is given it."""
    return {"url": f"/{name}"}


def value(a: str | None, b: str | None, **more: Any) -> dict[str, Any]:
    """A value for the stage."""
    given = {
        "a": file(a) if a else None,
        "b": file(b) if b else None,
        "label_a": "Reference",
        "label_b": "Result",
    }
    return {**stage.nothing(), **given, **more}


def page() -> bytes:
    script = f'<script type="text/plain" id="stage-script">{stage.script()}</script>'
    html = PAGE.format(css=stage.css(), template=stage.template(), read=burnt.READ)
    return html.replace("<script>", f"{script}<script>", 1).encode()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """Serve ``folder`` and, at ``/``, the page."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append(self.path)
            name = self.path.partition("?")[0].lstrip("/")
            if not name:
                self._send(200, page(), {"Content-Type": "text/html; charset=utf-8"}, None)
            elif not (folder / name).is_file():
                self._send(404, b"", {}, None)
            else:
                self._file(name, (folder / name).read_bytes())

        def _file(self, name: str, data: bytes) -> None:
            kind = {
                ".mp4": "video/mp4",
                ".mov": "video/quicktime",
                ".png": "image/png",
                ".json": "application/json",
            }[Path(name).suffix]
            head = {"Content-Type": kind, "Accept-Ranges": "bytes", "Cache-Control": "no-store"}
            if found := _RANGE.match(self.headers.get("Range", "")):
                first, last = int(found[1]), int(found[2] or len(data) - 1)
                head["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
                self._send(206, data[first : last + 1], head, site.pace.get(name))
            else:
                self._send(200, data, head, site.pace.get(name))

        def _send(
            self, code: int, data: bytes, head: Mapping[str, str], pace: float | None
        ) -> None:
            self.send_response(code)
            for key, text in {**head, "Content-Length": str(len(data))}.items():
                self.send_header(key, text)
            self.end_headers()
            with contextlib.suppress(OSError):  # a browser closes a connection whenever it likes
                for at in range(0, len(data), _PIECE):
                    if pace and over.wait(_PIECE / pace):
                        return
                    self.wfile.write(data[at : at + _PIECE])

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                super().handle()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        site = Site(f"http://127.0.0.1:{server.server_port}/", folder)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            over.set()
            server.shutdown()
            thread.join(10)
