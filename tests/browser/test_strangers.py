"""A website that is open in the same browser attacks a page with its owner's key; the owner goes on as before."""

from __future__ import annotations

import base64
import http.server
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client as GradioClient
from helpers.scripted import ScriptedNovita
from helpers.served import CHROMIUM, Served, serving

pytestmark = pytest.mark.browser
OWNED = """
import os, runpy, sys
os.environ.update(NOVITA_API_KEY="sk-of-the-owner-0123456789", NOVITA_BASE_URL=sys.argv[1])
runpy.run_path("app.py", run_name="__main__")
"""
HOSTED = """
import os, runpy
os.environ.update(PUBLIC_BASE_URL="{public}")
runpy.run_path("app.py", run_name="__main__")
"""
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ATTACK = """async (target) => {
  const said = {}, tried = async (name, path, options) => {
    try {
      const answer = await fetch(target + path, options);
      said[name] = answer.type === 'opaque' ? 'opaque' : `${answer.status} ${(await answer.text()).slice(0, 60)}`;
    } catch (error) { said[name] = 'blocked'; }
  };
  const form = new FormData(); form.append('files', new Blob(['x'.repeat(1000)]), 'evil.png');
  const event = JSON.stringify({ data: [], fn_index: 0, session_hash: 'evil' });
  const json = { 'content-type': 'application/json' };
  await tried('config', '/config', {});
  await tried('upload', '/gradio_api/upload', { method: 'POST', body: form });
  await tried('silent upload', '/gradio_api/upload', { method: 'POST', body: form, mode: 'no-cors' });
  await tried('event', '/gradio_api/queue/join', { method: 'POST', body: event, headers: json });
  await tried('silent event', '/gradio_api/queue/join', { method: 'POST', body: event, mode: 'no-cors' });
  await tried('file', '/gradio_api/file=/etc/hostname', {});
  await tried('proxied', '/config', { headers: { 'x-forwarded-for': '1.2.3.4' } });
  const frame = document.createElement('iframe'); frame.src = target;
  const loaded = new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
  document.body.append(frame); await loaded;
  try { said.frame = frame.contentDocument ? `read ${frame.contentDocument.title}` : 'closed'; } catch { said.frame = 'closed'; }
  return said;
}"""


@pytest.fixture(scope="module")
def novita() -> Iterator[ScriptedNovita]:
    with ScriptedNovita() as server:
        yield server


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory, novita: ScriptedNovita) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("owned"), "-c", OWNED, novita.base_url) as page:
        yield page


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """Port of another website on this machine."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>another site</title>")

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def mapped() -> Iterator[Any]:
    """A browser for which ``evil.test`` is this machine, as DNS rebinding makes it."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    rules = "MAP *.test 127.0.0.1, MAP x.localhost 127.0.0.1"
    args = ["--no-sandbox", "--disable-gpu", f"--host-resolver-rules={rules}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=args)
        yield browser
        browser.close()


def left(owned: Served) -> list[str]:
    """Files that uploads or jobs left."""
    folder = owned.home.parent
    return [
        str(path.relative_to(folder))
        for place in ("home/page", "home/jobs")
        for path in Path(folder, place).rglob("*")
        if path.is_file() and path.name != "lock"
    ]


@pytest.mark.parametrize(
    ("origin", "target"),
    [
        ("http://evil.test:{other}", "http://127.0.0.1:{port}"),
        ("http://evil.test:{other}", "http://localhost:{port}"),
        ("http://localhost:{other}", "http://localhost:{port}"),
        ("http://127.0.0.1:{other}", "http://127.0.0.1:{port}"),
        ("http://evil.test:{other}", "http://localhost.:{port}"),
        ("http://evil.test:{other}", "http://x.localhost:{port}"),
        ("http://evil.test:{other}", "http://[::ffff:127.0.0.1]:{port}"),
    ],
)
def test_another_origin_reads_writes_and_submits_nothing(
    mapped: Any, owned: Served, novita: ScriptedNovita, elsewhere: int, origin: str, target: str
) -> None:
    port = owned.url.rsplit(":", 1)[1]
    before, page = left(owned), mapped.new_page()
    page.goto(origin.format(other=elsewhere))
    said = page.evaluate(ATTACK, target.format(port=port))
    page.close()
    assert not [name for name, answer in said.items() if answer.startswith("200")], said
    assert said["frame"] == "closed"
    assert left(owned) == before
    assert novita.state.seen == []


@pytest.mark.parametrize("name", ["evil.test", "x.localhost", "localhost.", "[::ffff:127.0.0.1]"])
def test_another_name_of_this_machine_is_not_answered(
    mapped: Any, owned: Served, novita: ScriptedNovita, name: str
) -> None:
    """After rebinding, the attacker's page has the very origin that it asks."""
    target = f"http://{name}:{owned.url.rsplit(':', 1)[1]}"
    before, page = left(owned), mapped.new_page()
    try:
        page.goto(f"{target}/robots.txt")
        said = page.evaluate(ATTACK, target)
    except Exception as error:  # noqa: BLE001 - the browser itself may refuse such a name
        said = {"page": f"blocked {error}"}
    page.close()
    assert not [answer for answer in said.values() if answer.startswith(("200", "read Motion"))], (
        said
    )
    assert left(owned) == before
    assert novita.state.seen == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_owner_goes_on_as_before(mapped: Any, owned: Served, name: str) -> None:
    page = mapped.new_page()
    refused: list[str] = []
    page.on("response", lambda r: refused.append(r.url) if r.status == 403 else None)
    page.goto(f"http://{name}:{owned.url.rsplit(':', 1)[1]}")
    page.get_by_text("This machine's key is used.").wait_for()
    page.set_input_files(
        "#image input[type=file]", {"name": "a.png", "mimeType": "image/png", "buffer": PNG}
    )
    page.locator("#image-report .kc").wait_for()
    page.close()
    assert refused == []
    assert GradioClient(owned.url, verbose=False).view_api(return_format="dict") is not None


def test_through_a_proxy_nobody_is_the_owner(mapped: Any, owned: Served) -> None:
    page = mapped.new_page(extra_http_headers={"X-Forwarded-For": "203.0.113.7"})
    page.goto(owned.url)
    page.get_by_text("No key is set, so results are local drafts.").wait_for()
    assert page.get_by_text("This machine's key").count() == 0
    page.close()


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory, elsewhere: int) -> Iterator[Served]:
    """A page of strangers, which the site at its public address may frame."""
    public = f"http://site.test:{elsewhere}"
    program = HOSTED.format(public=public)
    with serving(tmp_path_factory.mktemp("hosted"), "-c", program) as page:
        yield page


def test_a_hosted_page_in_a_frame_that_blocks_cookies_takes_uploads(
    mapped: Any, hosted: Served, elsewhere: int
) -> None:
    page = mapped.new_page()
    page.goto(f"http://site.test:{elsewhere}")
    page.evaluate(
        "(url) => { const f = document.createElement('iframe'); f.src = url; f.width = 1200; f.height = 900;"
        " document.body.append(f); }",
        hosted.url,
    )
    frame = page.frame_locator("iframe")
    frame.get_by_text("No key is set, so results are local drafts.").wait_for()
    assert page.context.cookies() == [], "this browser keeps none in a frame of another site"
    frame.locator("#image input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": PNG}
    )
    frame.locator("#image-report").get_by_text("Cannot be sent like this").wait_for()
    assert frame.get_by_text("was not uploaded to this page").count() == 0
    frame.get_by_text("This browser keeps nothing for a page in a frame").wait_for()
    page.close()


def test_behind_a_proxy_that_takes_away_a_part_of_the_path_the_page_says_so(
    mapped: Any, owned: Served
) -> None:
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found, body = 404, b""
            if self.path == "/studio/":
                with urllib.request.urlopen(owned.url) as answer:
                    found, body = answer.status, answer.read()
            self.send_response(found)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        page = mapped.new_page()
        page.goto(f"http://127.0.0.1:{proxy.server_port}/studio/")
        page.get_by_text("sets GRADIO_ROOT_PATH to that part").wait_for()
        page.close()
        proxy.shutdown()
