"""How long a finished task waits to be saved: the watcher beside a thread for each job, against the same scripted provider.

Run by hand on a quiet machine: ``PYTHONPATH=.:tests python tests/bench/jobs.py [JOBS ...]``. Seconds from the submit of a task that is
ready at once to its video on the disk: the first poll comes 2 s after the submit. First 40 jobs at ten submits a minute, which takes
three minutes: tasks that are ready are saved whatever waits to be sent. Goal: one interval with its jitter and 1 s, for each job. Exit code
1: it was missed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import requests
from helpers.scripted import File, ScriptedNovita
from PIL import Image

from kling_utils.jobs.client import Client
from kling_utils.media import ffmpeg
from kling_utils.providers.http import Transport
from kling_utils.providers.novita import NovitaAPI
from kling_utils.settings import load
from kling_utils.values import MotionRequest

PACED, GOAL = (40, 10), 2.0 * 1.2 + 1.0
BODY = {
    "image": "https://example.org/hero.png",
    "video": "https://example.org/dance.mp4",
    "model_name": "kling-v3-0-std",
    "character_orientation": "video",
}


def clip(path: Path) -> Path:
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x480:rate=25", "-t", "3.2"]
    ffmpeg.run([*source, *ffmpeg.H264, "-preset", "ultrafast", str(path)], timeout=60)
    return path


def ours(server: ScriptedNovita, folder: Path, jobs: int, per_minute: int = 100_000) -> list[float]:
    """Seconds from queued to succeeded, for each job."""
    Image.effect_noise((360, 640), 60).convert("RGB").save(folder / "hero.png")
    url = server.serve("/in/dance.mp4", File((folder / "clip.mp4").read_bytes()))
    settings = load(
        home=folder / f"home-{jobs}-{per_minute}",
        novita_api_key=server.key,
        novita_base_url=server.base_url,
        private_hosts="127.0.0.1",
        submits_per_minute=per_minute,
    )
    request = MotionRequest(folder / "hero.png", url)
    with Client(settings) as runner:
        made = [runner.submit(replace(request, prompt=str(n))) for n in range(jobs)]
        while not all(runner.record(job.job_id).done for job in made):
            time.sleep(0.5)
        ended = [runner.record(job.job_id) for job in made]
        assert all(job.state == "succeeded" for job in ended)
        return [(job.finished_at or 0) - (job.queued_at or 0) for job in ended]


def threads(server: ScriptedNovita, jobs: int) -> list[float]:
    """The same by a thread for each job that sleeps two seconds between two polls."""
    took: list[float] = []

    def one(n: int) -> None:
        client = NovitaAPI(server.base_url, runner_key, transport=transport)
        task_id = client.submit(BODY | {"prompt": str(n)})
        began = time.monotonic()
        time.sleep(2)
        status = client.poll(task_id)
        requests.get(status.video_url or "", timeout=30).raise_for_status()
        took.append(time.monotonic() - began)

    runner_key = load(novita_api_key=server.key).novita_api_key
    assert runner_key is not None
    transport = Transport(per_minute=None)
    running = [threading.Thread(target=one, args=(n,)) for n in range(jobs)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return took


def shown(name: str, took: list[float]) -> float:
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"{name:>24}: p50 {statistics.median(took):6.2f} s, p95 {p95:6.2f} s")
    return p95


def main() -> int:
    with tempfile.TemporaryDirectory() as place, ScriptedNovita() as server:
        folder = Path(place)
        server.state.video = clip(folder / "clip.mp4").read_bytes()
        server.state.statuses = ["TASK_STATUS_SUCCEED"]
        took = ours(server, folder, *PACED)
        shown(f"{PACED[0]} jobs at {PACED[1]} a minute", took)
        print(f"{'the slowest':>24}: {max(took):6.2f} s (goal {GOAL} s)")
    for jobs in [int(word) for word in sys.argv[1:]] or [40, 300]:
        with tempfile.TemporaryDirectory() as place, ScriptedNovita() as server:
            folder = Path(place)
            server.state.video = clip(folder / "clip.mp4").read_bytes()
            server.state.statuses = ["TASK_STATUS_SUCCEED"]
            watcher = shown(f"{jobs} jobs, the watcher", ours(server, folder, jobs))
            apart = shown(f"{jobs} jobs, a thread each", threads(server, jobs))
            print(f"{'ratio of the p95':>24}: {watcher / apart:.2f}")
    return int(max(took) > GOAL)


if __name__ == "__main__":
    sys.exit(main())
