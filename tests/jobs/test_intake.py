"""Inputs from addresses: what is fetched, what the provider is told, and what a share link that is closed says."""

from __future__ import annotations

import contextvars
import os
import socket
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import File, ScriptedNovita

from kling_utils.errors import AddressRefused, Busy, NoContact
from kling_utils.jobs.home import Home
from kling_utils.jobs.inputs import Inputs, display_name
from kling_utils.media import bounds
from kling_utils.media.bounds import visitor
from kling_utils.media.fetch import Guard


@pytest.fixture
def intake(tmp_path: Path) -> Inputs:
    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        assert host == "www.dropbox.com"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    return Inputs(
        Home(tmp_path / "home"), Guard(allow=frozenset({"www.dropbox.com"}), resolve=resolve)
    )


def test_a_share_link_is_measured_and_sent_as_the_address_of_its_file(
    intake: Inputs, novita: ScriptedNovita, clip: Path
) -> None:
    novita.serve("/s/x/dance.mp4", File(clip.read_bytes()))
    link = f"http://www.dropbox.com:{novita.port}/s/x/dance.mp4?dl=0"
    looked = intake.video(link)
    assert not isinstance(looked.info, Exception), looked.info
    assert looked.info.duration == pytest.approx(3.2, abs=0.05)
    assert looked.name == "dance.mp4"
    assert looked.url == link.replace("dl=0", "dl=1")
    assert [(seen.path, seen.query) for seen in novita.state.seen] == [("/s/x/dance.mp4", "dl=1")]


def test_a_share_link_that_shows_a_page_to_strangers_says_what_to_do(
    intake: Inputs, novita: ScriptedNovita
) -> None:
    novita.serve("/s/x/dance.mp4", File(b"<!doctype html><p>Sign in", content_type="text/html"))
    looked = intake.video(f"http://www.dropbox.com:{novita.port}/s/x/dance.mp4")
    assert isinstance(looked.info, AddressRefused)
    assert "Dropbox" in looked.info.message
    assert "a web page" in looked.info.message
    assert "everyone who has the link" in looked.info.hint


def test_a_link_without_a_name_is_called_after_its_host() -> None:
    assert (
        display_name("https://drive.google.com/file/d/1aB/view?usp=sharing")
        == "file at Google Drive"
    )
    assert display_name("https://example.com/in/my%20dance.mp4?sig=x") == "my dance.mp4"


class Dead:
    """Names that are looked up until ``over`` is set, and then have no address."""

    def __init__(self) -> None:
        self.over, self.asked = threading.Event(), list[str]()
        self._lock = threading.Condition()

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        with self._lock:
            self.asked.append(host)
            self._lock.notify_all()
        self.over.wait(60)
        raise OSError

    def wait_for(self, count: int) -> None:
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.asked) >= count, 20)


def test_a_dead_address_is_asked_once_for_all_and_its_failure_is_remembered(tmp_path: Path) -> None:
    dead, now = Dead(), [100.0]
    intake = Inputs(Home(tmp_path / "home"), Guard(resolve=dead), lambda: now[0])
    futures = [intake.begin("video", "https://dead.example/x.mp4") for _ in range(45)]
    assert len(set(futures)) == 1
    dead.over.set()
    assert futures[0] is not None
    assert isinstance(futures[0].exception(20), NoContact)
    for _ in range(3):
        looked = intake.video("https://dead.example/x.mp4")
        assert isinstance(looked.info, NoContact)
    assert intake.begin("video", "https://dead.example/x.mp4") is None
    assert dead.asked == ["dead.example"]
    now[0] += bounds.UNREACHABLE_FOR
    assert isinstance(intake.video("https://dead.example/x.mp4").info, NoContact)
    assert dead.asked == ["dead.example"] * 2


def test_downloads_of_one_visitor_leave_room_for_another(tmp_path: Path) -> None:
    dead = Dead()
    intake = Inputs(Home(tmp_path / "home"), Guard(resolve=dead))

    def begin(who: str, number: int) -> Future[Path] | None:
        return contextvars.copy_context().run(
            lambda: (
                visitor.set(who),
                intake.begin("video", f"https://{who}{number}.example/x.mp4"),
            )[1]
        )

    count = bounds.FETCHES_EACH + bounds.QUEUE_EACH
    futures = [begin("a", n) for n in range(count)]
    with pytest.raises(Busy, match="busy with other downloads"):
        begin("a", count)
    futures.append(begin("b", 0))
    dead.wait_for(bounds.FETCHES_EACH + 1)
    assert sorted(dead.asked) == ["a0.example", "a1.example", "b0.example"]
    dead.over.set()
    for future in futures:
        assert future is not None
        assert isinstance(future.exception(20), NoContact)


def test_what_was_fetched_and_not_used_for_longest_goes_first(
    tmp_path: Path, novita: ScriptedNovita, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = clip.stat().st_size
    monkeypatch.setattr(bounds, "FETCHED_EACH", 2 * size)
    monkeypatch.setattr(bounds, "FETCHED", 3 * size)
    home = Home(tmp_path / "home")
    intake = Inputs(home, Guard(allow=frozenset({"127.0.0.1"})))
    novita.serve("/x.mp4", File(clip.read_bytes()))

    def look(who: str, number: int, age: float) -> Path:
        token = visitor.set(who)
        looked = intake.video(f"http://127.0.0.1:{novita.port}/x.mp4?n={number}")
        visitor.reset(token)
        assert looked.path is not None
        os.utime(looked.path, (1e9 - age, 1e9 - age))
        return looked.path

    first, second = look("a", 1, 300), look("a", 2, 200)
    assert look("a", 1, 100) == first  # used again: the second one is the older now
    third = look("a", 3, 50)
    assert [path.exists() for path in (first, second, third)] == [True, False, True]
    look("b", 4, 40)
    look("c", 5, 30)
    assert not first.exists()  # of all visitors together
    assert len(list(home.fetched.iterdir())) == 3
    theirs = home.fetched / "my-thesis"
    theirs.mkdir()
    (theirs / "chapter1.txt").write_bytes(b"x" * 4 * size)
    look("d", 6, 20)
    assert theirs.exists(), "nothing that this program did not fetch makes room"
    assert len(home.all_fetched()) == 3
