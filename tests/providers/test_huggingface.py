"""Hugging Face as a host: huggingface_hub itself against a scripted server on 127.0.0.1."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hub import TOKEN, USER, ScriptedHub
from helpers.scripted import MP4
from pydantic import SecretStr

from kling_utils.errors import NotPublished
from kling_utils.media.fetch import Guard
from kling_utils.providers.huggingface import RECORD, HuggingFace
from kling_utils.providers.publish import at_host

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library's
LOCAL = Guard(allow=frozenset({"127.0.0.1"}))


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    with ScriptedHub() as server:
        yield server


@pytest.fixture
def host(hub: ScriptedHub) -> HuggingFace:
    return HuggingFace(SecretStr(TOKEN), hub.base_url)


def job(tmp_path: Path, name: str) -> tuple[Path, Path]:
    """The files of a job in its folder."""
    folder = tmp_path / name
    folder.mkdir()
    picture, clip = folder / "image.png", folder / "video.mp4"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    clip.write_bytes(MP4)
    return picture, clip


def test_a_job_has_a_public_repository_of_its_own_which_is_deleted_whole(
    hub: ScriptedHub, host: HuggingFace, tmp_path: Path
) -> None:
    one, other = job(tmp_path, "one"), job(tmp_path, "other")
    urls = [at_host(host, clip, LOCAL).url for _, clip in (one, other)]
    at_host(host, one[0], LOCAL, field="image")
    for url in (*urls, urls[0]):
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == MP4
    first, second = hub.state.made
    assert [sorted(hub.state.repos[repo]) for repo in (first, second)] == [
        ["image.png", "video.mp4"],
        ["video.mp4"],
    ]
    assert set(hub.state.visible.values()) == {"public"}
    assert first != second
    assert all(len(repo.removeprefix(f"{USER}/motion-")) == 32 for repo in hub.state.made)
    assert TOKEN not in repr(host)
    host.withdraw(one[0])
    host.withdraw(one[1])  # gone already is fine
    assert hub.state.deleted == [first]
    assert not (tmp_path / "one" / RECORD).exists()
    assert list(hub.state.repos) == [second]


def test_the_name_is_kept_before_the_repository_is_made_and_a_cut_off_one_is_cleared(
    hub: ScriptedHub, host: HuggingFace, tmp_path: Path
) -> None:
    _, clip = job(tmp_path, "one")
    hub.state.repos[f"{USER}/motion-0123"] = {}
    (clip.parent / RECORD).write_text(json.dumps({"repository": "motion-0123"}))
    host.publish(clip)
    assert hub.state.deleted == [f"{USER}/motion-0123"]
    hub.state.forbids = "create"
    _, other = job(tmp_path, "other")
    with pytest.raises(NotPublished):
        host.publish(other)
    kept = json.loads((other.parent / RECORD).read_text())["repository"]
    assert kept.startswith("motion-")


@pytest.mark.parametrize(
    ("token", "forbids", "says"),
    [
        ("hf_wrong", "", "does not know the token"),
        (TOKEN, "create", "does not allow to take the clip"),
        (None, "", "the token is not here any more"),
    ],
)
def test_what_is_refused_is_said_with_the_right_that_is_needed(
    hub: ScriptedHub, tmp_path: Path, token: str | None, forbids: str, says: str
) -> None:
    hub.state.forbids = forbids
    _, clip = job(tmp_path, "one")
    host = HuggingFace(SecretStr(token) if token else None, hub.base_url)
    with pytest.raises(NotPublished, match=says) as caught:
        host.publish(clip)
    assert caught.value.money == "no"
    assert token is None or "personal namespace" in caught.value.hint
    assert "hf_" not in str(caught.value)
    assert hub.state.repos == {}


def test_what_cannot_be_deleted_is_named(
    hub: ScriptedHub, host: HuggingFace, tmp_path: Path
) -> None:
    _, clip = job(tmp_path, "one")
    host.publish(clip)
    where = f"{hub.base_url}/datasets/{hub.state.made[0]} is still public"
    with pytest.raises(NotPublished, match=where):
        HuggingFace(None, hub.base_url).withdraw(clip)
    hub.state.forbids = "delete"
    with pytest.raises(NotPublished, match=where):
        host.withdraw(clip)
    hub.state.forbids = ""
    host.withdraw(clip)
    assert hub.state.repos == {}


def test_a_host_that_is_not_there_is_said(tmp_path: Path) -> None:
    _, clip = job(tmp_path, "one")
    with pytest.raises(NotPublished, match="did not take the clip"):
        HuggingFace(SecretStr(TOKEN), "http://127.0.0.1:9").publish(clip)
