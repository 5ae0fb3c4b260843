from __future__ import annotations

import base64
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import MP4, SIGNATURE, File, HangUp, Reply, ScriptedNovita

from kling_utils.errors import NotPublished, UnreadableMedia
from kling_utils.media.fetch import Guard
from kling_utils.providers.publish import (
    PublishTarget,
    at_address,
    data_uri,
    expires_at,
    image_source,
    publish_clip,
)
from kling_utils.values import Published

LOCAL = Guard(allow=frozenset({"127.0.0.1"}))
NOW = 1_800_000_000.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes(500)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "my clip.mp4"
    path.write_bytes(MP4)
    return path


def look(url: str, clip: Path, **given: Any) -> Any:
    return at_address(url, clip, given.pop("guard", LOCAL), wall=lambda: NOW)


# -- an address of the user's


@pytest.mark.parametrize("ranges", [True, False])
def test_an_address_is_used_as_it_is(server: ScriptedNovita, clip: Path, ranges: bool) -> None:
    url = server.serve("/clip.mp4", File(ranges=ranges))
    published = look(url, clip)
    assert published.url == url
    assert published.expires_at is None
    assert SIGNATURE not in repr(published)
    (seen,) = server.state.seen
    assert seen.headers["range"] == "bytes=0-4095"
    assert "authorization" not in seen.headers


def test_another_clip_than_the_checked_one_is_refused(server: ScriptedNovita, clip: Path) -> None:
    for ranges in (True, False):
        with pytest.raises(NotPublished, match="by now"):
            look(server.serve("/clip.mp4", File(MP4 + b"more", ranges=ranges)), clip)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (File(b"<!doctype html><p>Log in", content_type="text/html"), "a web page"),
        (File(b"\x89PNG\r\n\x1a\n" + bytes(100)), "PNG"),
        (File(b""), "HTTP 416"),
        (File(b"", ranges=False), "empty"),
        (File(acts=deque([Reply(403, "")])), "HTTP 403"),
        (File(acts=deque([Reply(404, "")])), "HTTP 404"),
        (File(acts=deque([Reply(500, "")])), "HTTP 500"),
        (File(acts=deque([HangUp()] * 3)), "failed or broke"),
        (
            File(acts=deque([Reply(302, "", {"Location": "http://10.0.0.1/x"})])),
            "not on the public internet",
        ),
    ],
)
def test_what_the_provider_could_not_use_is_refused_before_it_is_sent(
    server: ScriptedNovita, clip: Path, file: File, said: str
) -> None:
    with pytest.raises(NotPublished, match=said) as caught:
        look(server.serve("/clip.mp4", file), clip)
    assert caught.value.money == "no"
    assert caught.value.field == "video"
    assert caught.value.hint
    assert SIGNATURE not in str(caught.value)


def test_a_private_address_is_no_use_to_the_provider(server: ScriptedNovita, clip: Path) -> None:
    with pytest.raises(NotPublished):
        look(server.serve("/clip.mp4", File()), clip, guard=Guard())
    assert server.state.seen == []


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ("X-Amz-Date=20270115T080000Z&X-Amz-Expires=3600&X-Amz-Signature=s", NOW + 3600),
        ("X-Goog-Date=20270115T080000Z&X-Goog-Expires=60", NOW + 60),
        ("sv=2024&se=2027-01-15T09:00:00Z&sig=s", NOW + 3600),
        ("q-sign-time=1799990000;1800003600&q-signature=s", NOW + 3600),
        ("Expires=1800000060&Signature=s&Key-Pair-Id=k", NOW + 60),
        ("expires=never&signature=s", None),
        ("X-Amz-Date=soon&X-Amz-Expires=3600", None),
        ("v=1", None),
        ("", None),
    ],
)
def test_how_long_a_signed_address_lives(query: str, at: float | None) -> None:
    assert expires_at(f"https://bucket.example/clip.mp4?{query}") == at


def test_an_address_must_outlive_the_wait(server: ScriptedNovita, clip: Path) -> None:
    server.serve("/clip.mp4", File())
    short, long = (
        f"{server.base_url}/clip.mp4?Expires={int(NOW) + s}&Signature=abc" for s in (1799, 1801)
    )
    with pytest.raises(NotPublished, match="too soon"):
        look(short, clip)
    assert server.state.seen == []
    assert look(long, clip).expires_at == NOW + 1801


# -- the choice


def test_the_choice(server: ScriptedNovita, clip: Path) -> None:
    url = server.serve("/clip.mp4", File())
    ways = [PublishTarget(Shelf(server), "the shelf", True)]
    assert publish_clip(clip, url=url, guard=LOCAL, ways=ways).url == url
    plain = clip.rename(clip.with_name("clip.mp4"))
    assert "/shelf/clip.mp4" in publish_clip(plain, url=None, guard=LOCAL, ways=ways).url
    with pytest.raises(NotPublished, match=r"clip\.mp4 is a file") as caught:
        publish_clip(plain, url=None, guard=LOCAL)
    assert caught.value.money == "no"
    assert "https address" in caught.value.hint
    assert "local draft" in caught.value.hint


# -- images


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(9), "image/jpeg"),
    ],
)
def test_a_picture_travels_as_its_own_bytes(tmp_path: Path, data: bytes, mime: str) -> None:
    path = tmp_path / "misnamed.gif"
    path.write_bytes(data)
    head, _, body = data_uri(path).partition(",")
    assert head == f"data:{mime};base64"
    assert base64.b64decode(body) == data


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "hero.png"
    path.write_bytes(PNG)
    return path


class Shelf:
    """A host of files: the scripted server's own."""

    def __init__(self, server: ScriptedNovita, *, cut: int = 0) -> None:
        self.server, self.cut = server, cut

    def publish(self, path: Path) -> Published:
        data = path.read_bytes()
        return Published(
            self.server.serve(f"/shelf/{path.name}", File(data[: len(data) - self.cut])),
            None,
            "a shelf",
        )

    def withdraw(self, path: Path) -> None: ...


def test_a_picture_goes_by_its_own_address_while_that_serves_it(
    server: ScriptedNovita, picture: Path
) -> None:
    url = server.serve("/in/hero.png", File(PNG))
    assert image_source(picture, url=url, guard=LOCAL) == url
    for other in (
        File(PNG + b"more"),
        File(b"<!doctype html><p>Log in"),
        File(MP4),
        File(acts=deque([Reply(404, "")])),
    ):
        assert image_source(
            picture, url=server.serve("/in/hero.png", other), guard=LOCAL
        ) == data_uri(picture)
    assert image_source(picture, url=url, guard=Guard()) == data_uri(picture)


def test_a_local_picture_goes_by_the_address_of_a_host_where_one_is_set(
    server: ScriptedNovita, picture: Path
) -> None:
    ways = [PublishTarget(Shelf(server), "the shelf", True)]
    assert (
        image_source(picture, url=None, guard=LOCAL, ways=ways).partition("?")[0]
        == f"{server.base_url}/shelf/hero.png"
    )
    gone = f"{server.base_url}/nowhere.png"
    assert (
        image_source(picture, url=gone, guard=LOCAL, ways=ways).partition("?")[0]
        == f"{server.base_url}/shelf/hero.png"
    )
    broken = [PublishTarget(Shelf(server, cut=3), "the shelf", True)]
    assert image_source(picture, url=None, guard=LOCAL, ways=broken) == data_uri(picture)


@pytest.mark.parametrize("data", [b"GIF89a", b"<html>", b""])
def test_other_pictures_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UnreadableMedia) as caught:
        data_uri(tmp_path / "a.png")
    assert caught.value.field == "image"
    with pytest.raises(UnreadableMedia):
        data_uri(tmp_path / "none.png")
