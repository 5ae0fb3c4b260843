"""The tasks of the loopback server, without HTTP: order, place, estimates, limits, what survives and what is swept."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_utils.local import record, tasks, wire
from kling_utils.local.files import Uploads, own_path, safe_name
from kling_utils.local.record import Task
from kling_utils.local.tasks import Tasks
from kling_utils.local.wire import Refusal, Submission, View


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Tasks on a folder, the way to restart them, and the way to hand them work."""

    def __init__(
        self, folder: Path, engine: Any, clip: Path, picture: bytes, until: Callable[..., Any]
    ) -> None:
        self.folder, self.engine, self.clip, self.picture, self._until = (
            folder,
            engine,
            clip,
            picture,
            until,
        )
        self.clock = Clock()
        self.uploads = Uploads(folder / "uploads", "k" * 40)
        self.all: list[Tasks] = []

    def tasks(self, *, start: bool = True, **options: Any) -> Tasks:
        made = Tasks(
            self.folder / "tasks",
            self.uploads,
            **({"command": self.engine.command, "clock": self.clock} | options),
        )
        self.all.append(made)
        if start:
            made.start()
        return made

    def upload(self, name: str = "clip.mp4") -> str:
        with self.uploads.receive(name) as upload:
            upload.write(self.clip.read_bytes())
            return f"http://127.0.0.1:1/local/files/{upload.keep()}"

    def submission(self, **changed: Any) -> Submission:
        fields: dict[str, Any] = {
            "image": self.picture,
            "video": self.upload(),
            "model_name": "kling-v3-0-std",
        }
        return Submission(
            **(fields | {"character_orientation": "video", "keep_original_sound": True} | changed)
        )

    def ended(self, some: Tasks, task_id: str) -> View:
        self._until(lambda: some.view(task_id).status in ("succeeded", "failed"))
        return some.view(task_id)

    def begun(self, some: Tasks, task_id: str) -> View:
        self._until(lambda: some.view(task_id).progress >= 25)
        return some.view(task_id)


@pytest.fixture
def bench(
    tmp_path: Path,
    engine: Any,
    clip: Path,
    picture: Callable[..., bytes],
    until: Callable[..., Any],
) -> Iterator[Bench]:
    made = Bench(tmp_path / "local", engine, clip, picture(), until)
    yield made
    for one in made.all:
        one.close()


def test_a_task_is_rendered_from_copies_and_only_its_result_stays(bench: Bench) -> None:
    some = bench.tasks()
    task_id = some.submit(bench.submission(keep_original_sound=False, model_name="kling-v3-0-pro"))
    view = bench.ended(some, task_id)
    assert (view.status, view.progress, view.eta, view.reason, view.place) == (
        "succeeded",
        100,
        0,
        "",
        None,
    )
    found = some.result(view.token)
    assert found is not None
    assert found.read_bytes() == bench.clip.read_bytes()
    order = bench.engine.orders[0]
    assert {
        k: order[k] for k in ("character_orientation", "model_name", "keep_original_sound")
    } == {
        "character_orientation": "video",
        "model_name": "kling-v3-0-pro",
        "keep_original_sound": False,
    }
    assert Path(order["image"]).suffix == ".png"
    assert not Path(order["image"]).exists()
    assert {p.name for p in found.parent.iterdir()} == {"task.json", "result.mp4", "engine.log"}


def test_the_engine_gets_no_key_of_the_provider(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVITA_API_KEY", "sk_made_up")
    some = bench.tasks()
    bench.ended(some, some.submit(bench.submission()))
    assert bench.engine.orders[0]["secret"] is None


def test_the_queue_keeps_its_order_and_tells_the_place(bench: Bench) -> None:
    bench.engine.mode("gate")
    some = bench.tasks()
    first = some.submit(bench.submission())
    bench.begun(some, first)
    others = [some.submit(bench.submission()) for _ in range(3)]
    assert [some.view(t).place for t in [first, *others]] == [None, 1, 2, 3]
    etas = [some.view(t).eta for t in [first, *others]]
    assert etas == sorted(etas)
    assert etas[1] < etas[2] < etas[3]
    bench.engine.open()
    for task_id in [first, *others]:
        assert bench.ended(some, task_id).status == "succeeded"
    assert [Path(order["out"]).parent.name for order in bench.engine.orders] == [first, *others]


def test_progress_never_goes_back(bench: Bench) -> None:
    bench.engine.mode("backwards")
    some = bench.tasks()
    task_id = some.submit(bench.submission())
    assert bench._until(lambda: some.view(task_id).progress >= 60)
    bench._until(lambda: some.view(task_id).stage == "drawing")
    assert some.view(task_id).progress == 60
    bench.engine.open()
    bench.ended(some, task_id)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("crash", "the local engine stopped unexpectedly (exit code -9)"),
        ("silent", "the local engine stopped unexpectedly (exit code 0)"),
        ("refuse", "No complete upper body detected in the image"),
    ],
)
def test_a_failure_is_the_task_s_and_the_next_one_runs(
    bench: Bench, mode: str, reason: str
) -> None:
    bench.engine.mode(mode)
    some = bench.tasks()
    view = bench.ended(some, some.submit(bench.submission()))
    assert (view.status, view.reason, view.token) == ("failed", reason, "")
    bench.engine.mode("copy")
    assert bench.ended(some, some.submit(bench.submission())).status == "succeeded"


def test_an_engine_that_hangs_is_stopped(bench: Bench) -> None:
    bench.engine.mode("gate")
    some = bench.tasks(run_limit=0.5)
    view = bench.ended(some, some.submit(bench.submission()))
    assert view.status == "failed"
    assert "took longer than" in view.reason


def test_an_engine_that_cannot_be_started_fails_the_task(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    some = bench.tasks(command=("/nonexistent/engine",))
    view = bench.ended(some, some.submit(bench.submission()))
    assert (view.status, view.reason) == ("failed", "the local server could not render this task")
    assert "/nonexistent/engine" in caplog.text


def test_what_was_queued_or_rendered_goes_on_with_the_next_server(bench: Bench) -> None:
    bench.engine.mode("gate")
    before = bench.tasks()
    running, waiting = (before.submit(bench.submission()) for _ in range(2))
    progress = bench.begun(before, running).progress
    before.close()
    after = bench.tasks(start=False)
    assert [after.view(t).place for t in (running, waiting)] == [1, 2]
    assert after.view(running).progress == progress
    bench.engine.open()
    after.start()
    assert [bench.ended(after, t).status for t in (running, waiting)] == ["succeeded", "succeeded"]


def test_a_task_that_takes_the_server_down_is_given_up(bench: Bench) -> None:
    some = bench.tasks(start=False)
    task_id = some.submit(bench.submission())
    path = bench.folder / "tasks" / task_id / "task.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"status": "processing", "attempts": tasks.ATTEMPTS}))
    again = bench.tasks()
    view = bench.ended(again, task_id)
    assert view.status == "failed"
    assert "ended 3 times" in view.reason
    assert bench.engine.orders == []


def test_a_stop_on_purpose_is_no_attempt(bench: Bench) -> None:
    bench.engine.mode("gate")
    for _ in range(tasks.ATTEMPTS + 1):
        some = bench.tasks()
        task_id = next(
            iter(p.name for p in (bench.folder / "tasks").iterdir()), None
        ) or some.submit(bench.submission())
        bench._until(lambda some=some, task_id=task_id: some.view(task_id).status == "processing")
        some.close()
    bench.engine.open()
    assert bench.ended(bench.tasks(), task_id).status == "succeeded"


def test_a_broken_record_and_a_cut_submit_are_left_out(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    folder = bench.folder / "tasks"
    (folder / ".half").mkdir(parents=True)
    (folder / "broken").mkdir()
    (folder / "broken" / "task.json").write_text("{")
    some = bench.tasks()
    assert not (folder / ".half").exists()
    assert "broken" in caplog.text
    assert bench.ended(some, some.submit(bench.submission())).status == "succeeded"


def test_a_refused_submit_leaves_nothing(bench: Bench) -> None:
    some = bench.tasks(start=False)
    with pytest.raises(Refusal):
        some.submit(bench.submission(image=b"no picture"))
    assert list((bench.folder / "tasks").iterdir()) == []


def test_results_are_swept_a_day_after_the_end(bench: Bench) -> None:
    some = bench.tasks()
    task_id = some.submit(bench.submission())
    view = bench.ended(some, task_id)
    assert view.ttl == 24 * 3600
    bench.clock.now += 24 * 3600
    some.sweep()
    assert some.view(task_id).ttl == 0
    bench.clock.now += 1
    some.sweep()
    with pytest.raises(Refusal) as refused:
        some.view(task_id)
    assert (refused.value.status, refused.value.reason) == (404, "TASK_NOT_FOUND")
    assert some.result(view.token) is None
    assert list((bench.folder / "tasks").iterdir()) == []


def test_uploads_are_swept_an_hour_after_their_last_use(bench: Bench) -> None:
    some = bench.tasks(start=False)
    url = bench.upload()
    path = bench.uploads.find(url.rpartition("/")[2])
    assert path is not None
    os.utime(path, (bench.clock.now, bench.clock.now))
    bench.clock.now += 3000
    some.submit(bench.submission(video=url))
    bench.clock.now += 3000
    some.sweep()
    assert path.exists()
    bench.clock.now += 3000
    some.sweep()
    assert not path.exists()


def test_a_file_that_is_gone_is_refused_by_name(bench: Bench) -> None:
    some = bench.tasks(start=False)
    for field in ("image", "video"):
        with pytest.raises(Refusal, match=f"{field}: there is no such file"):
            some.submit(
                bench.submission(**{field: f"http://localhost:9/local/files/{'0' * 32}-x.mp4"})
            )


def test_a_result_can_be_the_next_video(bench: Bench) -> None:
    some = bench.tasks()
    view = bench.ended(some, some.submit(bench.submission()))
    again = some.submit(
        bench.submission(video=f"http://127.0.0.1:5/local/results/{view.token}.mp4")
    )
    assert bench.ended(some, again).status == "succeeded"


def test_records_are_for_their_owner_only(bench: Bench) -> None:
    some = bench.tasks(start=False)
    task_id = some.submit(bench.submission())
    folder = bench.folder / "tasks" / task_id
    assert stat.S_IMODE((folder / "task.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def make(order: int, status: Any = "queued", **more: Any) -> Task:
    fields: dict[str, Any] = {
        "task_id": str(order),
        "order": order,
        "image": "",
        "video": "",
        "seconds": 10.0,
    }
    fields |= {
        "model_name": "kling-v3-0-std",
        "character_orientation": "video",
        "keep_original_sound": True,
        "created": 0.0,
    }
    return Task(**(fields | {"status": status} | more))


def test_the_estimate_follows_the_measured_speed() -> None:
    done = make(1, "succeeded", started=0.0, ended=20.0)  # two seconds of work for one of video
    running = make(2, "processing", started=100.0, progress=0.5)
    first, second = make(3), make(4, seconds=5.0)
    every = [done, running, first, second]
    assert record.eta(done, every, 110.0) == 0
    assert record.eta(running, every, 110.0) == 10  # as long again as it took for the first half
    assert record.eta(first, every, 110.0) == 10 + 20
    assert record.eta(second, every, 110.0) == 10 + 20 + 10
    assert (
        record.eta(make(2, "processing", started=100.0), [done], 105.0) == 15
    )  # no progress yet: the usual speed, less what is gone
    assert record.eta(make(1), [], 0.0) == round(10 * record.USUAL_SPEED)


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("dance.mp4", "dance.mp4"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot_ini"),
        ("my holiday (1).MOV", "my_holiday_1.mov"),
        ("页.png", "file.png"),
        ("a" * 200 + ".jpeg", "a" * 59 + ".jpeg"),
        ("", "file"),
        (".mp4", "file.mp4"),
        ("page.html", "page_html"),
    ],
)
def test_names_are_made_harmless(given: str, safe: str) -> None:
    assert safe_name(given) == safe


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/local/files/x",
        "http://example.com/local/files/x",
        "http://127.0.0.1@example.com/local/files/x",
        "http://127.0.0.1:8/elsewhere/x",
        "http://[::1/local/files/x",
    ],
)
def test_an_address_elsewhere_is_not_ours(url: str) -> None:
    assert own_path(url) is None


def test_uploads_find_nothing_outside_their_folder(bench: Bench, tmp_path: Path) -> None:
    (bench.folder / "secret").write_text("x")
    for name in ("../secret", "secret", "%2e%2e/secret", f"{'0' * 32}-../../secret", ".part"):
        assert bench.uploads.find(name) is None


def test_an_upload_that_breaks_off_leaves_nothing(bench: Bench) -> None:
    def break_off() -> None:
        with bench.uploads.receive("clip.mp4") as upload:
            upload.write(b"half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()
    assert list((bench.folder / "uploads").iterdir()) == []


def test_the_same_file_gets_the_same_name_and_another_home_another(
    bench: Bench, tmp_path: Path
) -> None:
    assert bench.upload() == bench.upload()
    other = Uploads(tmp_path / "other", "o" * 40)
    with other.receive("clip.mp4") as upload:
        upload.write(bench.clip.read_bytes())
        assert upload.keep() not in bench.upload()


def test_a_picture_at_its_limits_passes(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    for width, height, kind in ((300, 300, "PNG"), (750, 300, "JPEG"), (300, 750, "JPEG")):
        path = tmp_path / f"{width}x{height}"
        path.write_bytes(picture(width, height, kind))
        assert wire.check_image(path) == (".png" if kind == "PNG" else ".jpg")
