"""The result ends up whole under its name, or not at all."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.clocks import Clock
from helpers.scripted import (
    MP4,
    Act,
    CutAfter,
    File,
    HangUp,
    Reply,
    Reset,
    ScriptedNovita,
    Seen,
    Stall,
)

from kling_utils.errors import DownloadFailed, Interrupted, LinkExpired, NoContact
from kling_utils.media.fetch import Guard
from kling_utils.providers.download import download

LOCAL = frozenset({"127.0.0.1"})
PATH = "/results/r.mp4"


def acts(*given: Act) -> deque[Act]:
    return deque(given)


class Fetch:
    """One download with everything at hand."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.dest, self.clock = folder / "result.mp4", clock
        self.asked = 0
        self.fresh: str | None = None
        self.progress: list[tuple[int, int | None]] = []

    def __call__(self, url: str, **given: Any) -> Path:
        def fresh_link() -> str | None:
            self.asked += 1
            return self.fresh

        options: dict[str, Any] = {
            "fresh_link": fresh_link,
            "on_progress": lambda done, total: self.progress.append((done, total)),
            "max_bytes": 10**7,
            "wait": self.clock.wait,
            "clock": self.clock,
            "wall": self.clock.wall,
        }
        return download(Guard(allow=LOCAL), url, self.dest, **options | given)

    @property
    def left(self) -> list[str]:
        return sorted(p.name for p in self.dest.parent.iterdir())


@pytest.fixture
def fetch(tmp_path: Path, clock: Clock) -> Fetch:
    folder = tmp_path / "job"
    folder.mkdir()
    return Fetch(folder, clock)


def requests_for(server: ScriptedNovita) -> list[Seen]:
    return server.sent("GET", PATH)


def test_a_file_arrives_whole(server: ScriptedNovita, fetch: Fetch) -> None:
    assert fetch(server.serve(PATH, File())) == fetch.dest
    assert fetch.dest.read_bytes() == MP4
    assert fetch.left == ["result.mp4"]
    assert fetch.progress[-1] == (len(MP4), len(MP4))


def test_what_is_asked_for(server: ScriptedNovita, fetch: Fetch) -> None:
    fetch(server.serve(PATH, File()))
    (seen,) = requests_for(server)
    assert seen.headers["accept-encoding"] == "identity"
    assert "authorization" not in seen.headers
    assert "range" not in seen.headers


def test_an_existing_file_is_replaced_only_by_a_whole_one(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    fetch.dest.write_bytes(b"before")
    with pytest.raises(DownloadFailed):
        fetch(server.serve(PATH, File(acts=acts(*[CutAfter(1000)] * 5), ranges=False)))
    assert fetch.dest.read_bytes() == b"before"
    fetch(server.serve("/2.mp4", File()))
    assert fetch.dest.read_bytes() == MP4


# -- resuming


def test_a_cut_download_goes_on_where_it_ended(server: ScriptedNovita, fetch: Fetch) -> None:
    fetch(server.serve(PATH, File(acts=acts(CutAfter(50_000), CutAfter(70_000)))))
    assert fetch.dest.read_bytes() == MP4
    _, second, third = requests_for(server)
    assert (second.headers["range"], second.headers["if-range"]) == ("bytes=50000-", '"v1"')
    assert third.headers["range"] == "bytes=120000-"
    assert fetch.left == ["result.mp4"]


@pytest.mark.parametrize(
    "act", [Reset(), HangUp(), Reply(500, ""), Reply(503, ""), Reply(408, ""), Reply(429, "")]
)
def test_trouble_between_two_parts(server: ScriptedNovita, fetch: Fetch, act: Any) -> None:
    fetch(server.serve(PATH, File(acts=acts(act, CutAfter(9_000), act))))
    assert fetch.dest.read_bytes() == MP4
    assert requests_for(server)[-1].headers["range"] == "bytes=9000-"


def test_without_an_etag_it_still_goes_on_when_the_length_is_known(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    fetch(server.serve(PATH, File(etag="", acts=acts(CutAfter(50_000)))))
    assert fetch.dest.read_bytes() == MP4
    assert requests_for(server)[1].headers["range"] == "bytes=50000-"
    assert "if-range" not in requests_for(server)[1].headers


def test_a_server_that_ignores_ranges_sends_it_anew(server: ScriptedNovita, fetch: Fetch) -> None:
    fetch(server.serve(PATH, File(ranges=False, acts=acts(CutAfter(50_000)))))
    assert requests_for(server)[1].headers["range"] == "bytes=50000-"
    assert fetch.dest.read_bytes() == MP4


def test_another_file_under_the_same_link_is_not_mixed_in(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    other = MP4[:100] + b"\xff" * 90_000
    file = File(acts=acts(CutAfter(50_000)))
    url = server.serve(PATH, file)

    def swap(done: int, total: int | None) -> None:
        file.data, file.etag = other, '"v2"'

    fetch(url, on_progress=swap)
    assert fetch.dest.read_bytes() == other


@pytest.mark.parametrize(
    "answer",
    [
        Reply(
            206,
            MP4[40_000:],
            {"Content-Range": f"bytes 40000-{len(MP4) - 1}/{len(MP4)}", "ETag": '"v1"'},
        ),
        Reply(206, MP4[50_000:], {"ETag": '"v1"'}),
        Reply(206, b"x" * 10, {"Content-Range": "bytes 50000-50009/50010", "ETag": '"v1"'}),
        Reply(
            206,
            MP4[50_000:],
            {"Content-Range": f"bytes 50000-{len(MP4) - 1}/{len(MP4)}", "ETag": '"v2"'},
        ),
        Reply(416, b"", {"Content-Range": "bytes */7"}),
        Reply(416, b""),
    ],
    ids=["other start", "no start", "other length", "other etag", "416", "416 without a length"],
)
def test_a_part_that_does_not_fit_makes_it_start_again(
    server: ScriptedNovita, fetch: Fetch, answer: Reply
) -> None:
    fetch(server.serve(PATH, File(acts=acts(CutAfter(50_000), answer))))
    assert fetch.dest.read_bytes() == MP4
    assert "range" not in requests_for(server)[-1].headers


def test_416_at_the_very_end_means_that_it_is_whole(server: ScriptedNovita, fetch: Fetch) -> None:
    url = server.serve(PATH, File(acts=acts(CutAfter(len(MP4)))))
    server.state.files[PATH].told_length = (
        len(MP4) + 5
    )  # the first answer promised more than there is
    fetch(url)
    assert fetch.dest.read_bytes() == MP4


def test_the_count_of_failures_starts_anew_when_bytes_arrive(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    script = [one for _ in range(6) for one in (CutAfter(20_000), Reset(), Reset(), Reset())]
    fetch(server.serve(PATH, File(acts=acts(*script))))
    assert fetch.dest.read_bytes() == MP4


def test_arriving_at_the_same_place_again_and_again_is_no_progress(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    file = File(ranges=False, acts=acts(*[CutAfter(50_000)] * 50))
    with pytest.raises(DownloadFailed, match="could not be fetched"):
        fetch(server.serve(PATH, file))
    assert len(requests_for(server)) < 10
    assert fetch.left == []


def test_no_end_of_trouble(server: ScriptedNovita, fetch: Fetch) -> None:
    with pytest.raises(DownloadFailed) as caught:
        fetch(server.serve(PATH, File(acts=acts(*[Reply(500, "")] * 9))))
    assert caught.value.money == "yes"
    assert len(requests_for(server)) == 5
    assert not isinstance(caught.value, LinkExpired)
    assert fetch.left == []


@pytest.mark.parametrize(("told", "waited"), [("9", 9), ("500", 120)])
def test_retry_after_is_obeyed_up_to_two_minutes(
    server: ScriptedNovita, fetch: Fetch, told: str, waited: float
) -> None:
    fetch(server.serve(PATH, File(acts=acts(Reply(429, "", {"Retry-After": told})))))
    assert fetch.clock.waits == [waited]


# -- wrong bytes


def test_a_length_that_is_never_reached_is_never_renamed(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    with pytest.raises(DownloadFailed):
        fetch(server.serve(PATH, File(told_length=len(MP4) + 1, ranges=False)))
    assert fetch.left == []


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><title>Expired</title>" + b" " * 9000,
        b"<Error>gone</Error>" * 9,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
        b"",
        b"\0\0",
    ],
)
def test_what_is_not_a_video_is_refused_after_a_fresh_link(
    server: ScriptedNovita, fetch: Fetch, data: bytes
) -> None:
    url = server.serve(PATH, File(data, content_type="text/html"))
    fetch.fresh = url
    with pytest.raises(DownloadFailed, match="not a video") as caught:
        fetch(url)
    assert not isinstance(caught.value, LinkExpired)
    assert fetch.asked == 1
    assert fetch.left == []


def test_an_expiry_page_with_status_200_is_got_over(server: ScriptedNovita, fetch: Fetch) -> None:
    fetch.fresh = server.serve("/fresh.mp4", File())
    fetch(server.serve(PATH, File(b"<html>link expired</html>" * 99, content_type="text/html")))
    assert fetch.dest.read_bytes() == MP4


@pytest.mark.parametrize(
    "file", [File(), File(told_length=10**9), File(etag="")], ids=["told", "far too long", "plain"]
)
def test_too_large(server: ScriptedNovita, fetch: Fetch, file: File) -> None:
    with pytest.raises(DownloadFailed, match="larger than"):
        fetch(server.serve(PATH, file), max_bytes=100_000)
    assert fetch.left == []


def test_too_large_without_a_length(server: ScriptedNovita, fetch: Fetch) -> None:
    body = MP4
    reply = Reply(200, body, {"Content-Length": "", "Connection": "close"})
    with pytest.raises(DownloadFailed, match="larger than"):
        fetch(server.serve(PATH, File(acts=acts(reply))), max_bytes=100_000)


def test_no_room_on_the_disk(server: ScriptedNovita, fetch: Fetch) -> None:
    with pytest.raises(DownloadFailed, match="no room") as caught:
        fetch(server.serve(PATH, File()), free=lambda folder: 1000)
    assert "Free some space" in caught.value.hint
    assert fetch.left == []


def test_a_folder_that_is_not_there(server: ScriptedNovita, tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(DownloadFailed, match="could not be written"):
        Fetch(tmp_path / "none", clock)(server.serve(PATH, File()))


# -- links


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_one_fresh_link(server: ScriptedNovita, fetch: Fetch, status: int) -> None:
    fetch.fresh = server.serve("/fresh.mp4", File())
    fetch(server.serve(PATH, File(acts=acts(*[Reply(status, "<html>no</html>")] * 9))))
    assert fetch.dest.read_bytes() == MP4
    assert fetch.asked == 1


@pytest.mark.parametrize("status", [401, 403, 404, 410])
@pytest.mark.parametrize("fresh", [True, False])
def test_no_second_fresh_link(
    server: ScriptedNovita, fetch: Fetch, status: int, fresh: bool
) -> None:
    url = server.serve(PATH, File(acts=acts(*[Reply(status, "")] * 9)))
    fetch.fresh = url if fresh else None
    with pytest.raises(LinkExpired) as caught:
        fetch(url)
    assert caught.value.money == "yes"
    assert fetch.asked == 1
    assert len(requests_for(server)) == 1 + fresh
    assert fetch.left == []


def test_a_link_that_dies_half_way_is_replaced_and_the_half_kept(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    fetch.fresh = server.serve("/fresh.mp4", File())
    fetch(server.serve(PATH, File(acts=acts(CutAfter(50_000), Reply(403, "")))))
    assert fetch.dest.read_bytes() == MP4
    assert server.sent("GET", "/fresh.mp4")[0].headers["range"] == "bytes=50000-"


def test_trouble_with_asking_for_a_fresh_link_is_passed_on(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    def lost() -> str | None:
        raise NoContact("the provider is away")

    with pytest.raises(NoContact, match="away"):
        fetch(server.serve(PATH, File(acts=acts(Reply(403, "")))), fresh_link=lost)
    assert fetch.left == []


def test_a_private_host_is_met_like_any_stranger(
    server: ScriptedNovita, tmp_path: Path, clock: Clock
) -> None:
    url = server.serve(PATH, File())
    with pytest.raises(DownloadFailed, match="only 80 and 443") as caught:
        download(
            Guard(),
            url,
            tmp_path / "r.mp4",
            fresh_link=lambda: None,
            max_bytes=10**9,
            wait=clock.wait,
        )
    assert "KLING_ALLOW_PRIVATE_HOSTS" in caught.value.hint
    assert server.state.seen == []


def test_a_redirect_to_a_private_host_is_refused(server: ScriptedNovita, fetch: Fetch) -> None:
    act = Reply(302, "", {"Location": "http://169.254.169.254/latest/meta-data"})
    with pytest.raises(DownloadFailed, match="not on the public internet"):
        fetch(server.serve(PATH, File(acts=acts(act))))


# -- stopping and telling


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stop_is_obeyed_between_two_reads(
    server: ScriptedNovita, fetch: Fetch, after: int
) -> None:
    calls = iter(range(100))
    stop: Callable[[], bool] = lambda: next(calls) >= after  # noqa: E731
    with pytest.raises(Interrupted) as caught:
        fetch(server.serve(PATH, File()), stop=stop)
    assert caught.value.money == "yes"
    assert fetch.left == []


def test_a_stop_while_it_waits(server: ScriptedNovita, fetch: Fetch) -> None:
    fetch.clock.stop_after = 1
    with pytest.raises(Interrupted):
        fetch(server.serve(PATH, File(acts=acts(Reply(500, "")))))


def test_progress_is_told_not_more_often_than_it_can_be_read(
    server: ScriptedNovita, fetch: Fetch
) -> None:
    fetch(server.serve(PATH, File()))
    assert len(fetch.progress) == 2  # the clock stands still: the first, and the last


def test_no_error_shows_the_signature(server: ScriptedNovita, fetch: Fetch) -> None:
    secret = "0badc0ffee0ddf00d"
    for act in (Reply(500, ""), Reply(403, ""), Reply(418, ""), Reset(), Reply(200, "<html>")):
        url = server.serve(PATH, File(acts=acts(*[act] * 9)))
        assert secret in url
        with pytest.raises(DownloadFailed) as caught:
            fetch(url)
        shown = "".join(traceback.format_exception(caught.value))
        assert secret not in shown


def test_a_silent_host_runs_into_the_read_timeout(
    server: ScriptedNovita, tmp_path: Path, clock: Clock
) -> None:
    class Impatient(Guard):
        def open(self, url: str, **given: Any) -> Any:
            return super().open(url, **given | {"timeout": (1.0, 0.1)})

    url = server.serve(PATH, File(acts=acts(Stall())))
    done = download(
        Impatient(allow=LOCAL),
        url,
        tmp_path / "r.mp4",
        fresh_link=lambda: None,
        max_bytes=10**9,
        wait=clock.wait,
    )
    assert done.read_bytes() == MP4
    assert len(clock.waits) == 1


@pytest.mark.parametrize(
    "head",
    [b"\x1aE\xdf\xa3....webm", b"GIF89a", b"\0\0\0\x08wide\0\0\0\x08mdat", b"RIFF....AVI LIST"],
)
def test_a_film_in_any_container_is_kept(server: ScriptedNovita, fetch: Fetch, head: bytes) -> None:
    data = head + bytes(range(200)) * 9
    assert fetch(server.serve(PATH, File(data))).read_bytes() == data
