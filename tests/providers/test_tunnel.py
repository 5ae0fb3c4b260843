"""The temporary link: Gradio's own code, a stand-in for its program, and a second port of 127.0.0.1 in the internet's place."""

from __future__ import annotations

import importlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.frpc import StandIn, alive
from helpers.scripted import MP4

from kling_utils.errors import NotPublished
from kling_utils.media.fetch import Guard
from kling_utils.providers import tunnel
from kling_utils.providers.publish import at_host
from kling_utils.providers.tunnel import HOW, TemporaryLink

LOCAL = Guard(allow=frozenset({"127.0.0.1"}))
NOW = 1_800_000_000.0


@pytest.fixture
def frpc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn(tmp_path / "frpc")
    for module, name, value in made.settings():
        monkeypatch.setattr(importlib.import_module(module), name, value)
    return made


@pytest.fixture
def link(frpc: StandIn) -> Iterator[TemporaryLink]:
    made = TemporaryLink(LOCAL, wall=lambda: NOW, wait=lambda _: None)
    yield made
    made.close()


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "one.mp4", tmp_path / "other.mp4"
    one.write_bytes(MP4)
    other.write_bytes(MP4 + b"other")
    return one, other


def got(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def test_a_stranger_gets_the_clip_as_often_as_asked_and_nothing_else(
    link: TemporaryLink, clips: tuple[Path, Path]
) -> None:
    published = at_host(link, clips[0], LOCAL)
    assert published.url not in repr(published)
    again = link.publish(clips[0])
    assert (again.how, again.expires_at) == (HOW, NOW + 24 * 3600)
    for url in (again.url, again.url):
        assert got(url) == (200, MP4)
    assert got(again.url, Range="bytes=4-7") == (206, MP4[4:8])
    base = again.url.partition("/gradio_api")[0]
    for path in ("/", "/config", "/gradio_api/info", f"/gradio_api/file={clips[1]}", "/docs"):
        assert got(base + path)[0] == 404, path
    assert got(again.url.replace("/media/", "/media/x"))[0] == 404


def test_the_link_is_one_for_all_and_closed_after_the_last(
    link: TemporaryLink, frpc: StandIn, clips: tuple[Path, Path]
) -> None:
    assert "downloaded" not in link.notice()
    first, second = (link.publish(clip).url for clip in clips)
    assert link.notice() == "", "it is open already"
    (pid,) = frpc.pids
    link.withdraw(clips[0])
    assert got(first)[0] == 404
    assert got(second)[0] == 200
    assert alive(pid)
    assert [link.serves(clip) for clip in clips] == [False, True]
    link.withdraw(clips[1])
    assert not alive(pid), "it is gone, and leaves no zombie"
    with pytest.raises(OSError, match="refused"):
        got(second)
    link.withdraw(clips[1])  # gone already is fine
    assert got(link.publish(clips[1]).url)[0] == 200, "a later job gets a new one"
    assert len(frpc.pids) == 2


def test_nothing_is_printed(
    link: TemporaryLink, clips: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    link.publish(clips[0])
    link.close()
    assert capfd.readouterr().out == "", "stdout is for JSON"


def test_a_link_whose_program_ended_serves_nothing_and_is_opened_anew(
    link: TemporaryLink, frpc: StandIn, clips: tuple[Path, Path]
) -> None:
    link.publish(clips[0])
    assert link._open is not None
    process = link._open.tunnel._process  # type: ignore[attr-defined]
    process.kill()
    process.wait()
    assert not link.serves(clips[0])
    assert got(link.publish(clips[0]).url)[0] == 200


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("dies", "The tunnel program ended"),
        ("hangs", "The tunnel program ended"),
        ("refused", "did not let the tunnel program in"),
        ("elsewhere", "could not be reached at its public address"),
    ],
)
def test_where_it_fails_the_reason_and_the_next_way_are_said(
    link: TemporaryLink,
    frpc: StandIn,
    clips: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    why: str,
) -> None:
    monkeypatch.setattr(tunnel, "STARTS_IN", 1.0)
    frpc.told(how)
    threads, began = threading.active_count(), time.monotonic()
    with pytest.raises(NotPublished, match=why) as caught:
        link.publish(clips[0])
    assert time.monotonic() - began < 8.0, "a dead program is not waited for"
    assert caught.value.money == "no"
    assert "public https address" in caught.value.hint
    assert all(not alive(pid) for pid in frpc.pids)
    assert threading.active_count() <= threads, "nothing is left running"


def test_a_program_that_is_not_the_published_one_is_not_run(
    link: TemporaryLink, frpc: StandIn, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    frpc.path.write_text(frpc.path.read_text("utf-8") + "# half of another\n", "utf-8")
    monkeypatch.setattr("gradio.tunneling.BINARY_URL", "http://127.0.0.1:9/frpc")
    monkeypatch.setattr("gradio.tunneling.CHECKSUMS", {"http://127.0.0.1:9/frpc": "0" * 64})
    with pytest.raises(NotPublished, match="could not be downloaded"):
        link.publish(clips[0])
    assert frpc.pids == []
    assert "is downloaded first" in link.notice()


def test_a_link_that_nobody_needs_any_more_is_closed_by_itself(
    frpc: StandIn, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process of the home may have deleted the job."""
    monkeypatch.setattr(tunnel, "PRUNE_EVERY", 0.05)
    link = TemporaryLink(LOCAL, wall=lambda: NOW)
    link.publish(clips[0])
    (pid,) = frpc.pids
    clips[0].unlink()
    until = time.monotonic() + 10
    while alive(pid) and time.monotonic() < until:
        threading.Event().wait(0.02)
    assert not alive(pid)
