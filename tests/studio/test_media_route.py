"""The page as publisher: what a stranger with the address gets, over a real server, and what one without it gets."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from kling_utils.errors import NotPublished
from kling_utils.media.fetch import Guard
from kling_utils.providers.media_route import MediaRoute
from kling_utils.providers.publish import at_address

GUARD = Guard(allow=frozenset({"127.0.0.1"}))


class Page:
    """A real server on 127.0.0.1 with the route, at a base that is known only once it listens."""

    def __init__(self, ledger: Path) -> None:
        self.now = 1000.0
        self.media = MediaRoute("http://unset", GUARD, ledger, wall=lambda: self.now, life=3600.0)
        config = uvicorn.Config(
            Starlette(routes=[self.media.route()]), port=0, log_level="error", lifespan="off"
        )
        self.server, self.up = uvicorn.Server(config), threading.Event()
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            self.up.wait(0.01)
        self.base = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"
        self.media.base_url = self.base

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path / "shared.json")
    yield made
    made.close()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41" + bytes(range(256)) * 20)
    return path


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def test_the_provider_gets_the_bytes_whole_and_in_part(page: Page, clip: Path) -> None:
    published = page.media.publish(clip)
    with urllib.request.urlopen(published.url) as answer:
        assert answer.read() == clip.read_bytes()
        assert answer.headers["Content-Type"] == "video/mp4"
    part = urllib.request.Request(published.url, headers={"Range": "bytes=4-7"})
    with urllib.request.urlopen(part) as answer:
        assert (answer.status, answer.read()) == (206, b"ftyp")
    with urllib.request.urlopen(urllib.request.Request(published.url, method="HEAD")) as answer:
        assert int(answer.headers["Content-Length"]) == clip.stat().st_size
    at_address(published.url, clip, GUARD, wall=lambda: page.now)


def test_an_address_ends_with_its_job_or_with_its_time(page: Page, clip: Path) -> None:
    first = page.media.publish(clip)
    assert first.expires_at == page.now + 3600
    page.media.withdraw(clip)
    assert status(first.url) == 404
    second = page.media.publish(clip)
    page.now += 3601
    assert status(second.url) == 404


def test_nobody_guesses_and_nothing_else_is_served(page: Page, clip: Path) -> None:
    url = page.media.publish(clip).url
    token = url.split("/")[-2]
    assert len(token) >= 32
    for wrong in ("x" * len(token), token[:-1], token + "%00", "%C3%A4", "..%2F..%2Fetc%2Fpasswd"):
        assert status(url.replace(token, wrong)) == 404


def test_addresses_outlive_a_restart(page: Page, clip: Path, tmp_path: Path) -> None:
    url = page.media.publish(clip).url
    again = MediaRoute(page.base, GUARD, tmp_path / "shared.json", wall=lambda: page.now)
    page.media._shared = again._shared
    assert status(url) == 200
    assert (tmp_path / "shared.json").stat().st_mode & 0o077 == 0


def test_the_page_asks_itself_and_refuses_when_it_is_private(page: Page, clip: Path) -> None:
    assert page.media.ask_self() == ""
    page.media.base_url = page.base + "/private"
    assert "seems private" in page.media.ask_self()
    with pytest.raises(NotPublished, match="seems private") as caught:
        page.media.publish(clip)
    assert "KLING_PUBLISH_TO" in caught.value.hint
    page.media.base_url = "http://10.0.0.1"
    assert "could not be reached" in page.media.ask_self()
