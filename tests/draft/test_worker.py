"""The process that renders: what it says, and that it never outlives its parent."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kling_utils.draft import worker
from kling_utils.media import ffmpeg

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "kling_utils.draft.worker"]


@pytest.fixture
def job(shared_media: Path, tmp_path: Path) -> dict[str, Any]:
    clip = tmp_path / "clip.mp4"
    cut = [
        "-ss",
        "1",
        "-t",
        "1",
        "-i",
        str(shared_media / "video" / "face_expressions_7s.mp4"),
        "-vf",
        "scale=320:-2",
        str(clip),
    ]
    ffmpeg.run(cut, timeout=60)
    return {
        "image": str(shared_media / "image" / "portrait_woman.png"),
        "video": str(clip),
        "out": str(tmp_path / "out.mp4"),
        "character_orientation": "image",
        "model_name": "kling-v3-0-std",
        "keep_original_sound": True,
    }


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_progress_is_throttled_but_a_new_stage_passes() -> None:
    said: list[dict[str, Any]] = []
    now = [0.0]
    report = worker.Throttle(said.append, interval=0.2, clock=lambda: now[0])
    for i in range(100):
        now[0] = i * 0.01
        report(i / 100, "drawing")
    assert len(said) == 5
    report(0.995, "finishing")
    assert said[-1] == {"progress": 0.995, "stage": "finishing"}


@pytest.mark.parametrize("line", ["", "not json", "[]", "{}", '{"image": "a", "video": "b"}'])
def test_a_job_that_cannot_be_understood_is_a_failure_with_words(line: str) -> None:
    said: list[dict[str, Any]] = []
    assert worker.work(line, said.append) == 2
    assert "understood" in said[-1]["failed"]


def test_a_missing_file_is_a_reason(job: dict[str, Any], tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    assert worker.work(json.dumps(job | {"video": str(tmp_path / "none.mp4")}), said.append) == 1
    assert "video cannot be read" in said[-1]["failed"]
    assert worker.work(json.dumps(job | {"image": job["video"]}), said.append) == 1
    assert "image cannot be read" in said[-1]["failed"]


def test_it_leaves_when_stdin_ends_and_not_before() -> None:
    left: list[bool] = []
    stdin = io.StringIO("more\n")
    worker.follow_parent(stdin, lambda: left.append(stdin.tell() == 5))
    assert left == [True]


def test_a_job_from_line_to_file(job: dict[str, Any]) -> None:
    with start() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        lines = [json.loads(line) for line in process.stdout]
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    progress = [line["progress"] for line in lines[:-1]]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, 1)
    done = lines[-1]["done"]
    assert (done["kind"], done["width"], done["height"], done["frame_rate"]) == (
        "portrait",
        720,
        720,
        "30/1",
    )
    assert done["seconds"] == pytest.approx(1, abs=0.1)
    assert sorted(p.name for p in Path(job["out"]).parent.glob("*.mp4")) == ["clip.mp4", "out.mp4"]


def test_it_ends_with_its_parent_and_leaves_nothing_behind(job: dict[str, Any]) -> None:
    with start() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        assert any('"drawing"' in line for line in process.stdout)
        process.stdin.close()
        assert process.wait(10) != 0
        assert '"done"' not in process.stdout.read()
    assert [p.name for p in Path(job["out"]).parent.glob("*.mp4")] == ["clip.mp4"]
    assert not list(Path(job["out"]).parent.glob(".*part*"))


def test_it_starts_light() -> None:
    loaded = "import sys, kling_utils.draft.worker, kling_utils.draft; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "kling_utils.draft" in done.stdout.split()
    assert not {"gradio", "fastapi", "sqlalchemy"} & set(done.stdout.split())
