"""Who can go on with a job, while someone else changes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kling_utils import events as ev
from kling_utils.jobs.credentials import Credentials
from kling_utils.jobs.home import Home, new_job_id
from kling_utils.jobs.store import JobSecrets, Store
from kling_utils.providers.http import Transport
from kling_utils.providers.local import LocalProvider
from kling_utils.settings import load
from kling_utils.values import Job, MotionRequest, Report


class Interleaved(Store):
    """A store in which something happens right after a job's lease was read."""

    looks = 0
    meanwhile: Callable[[], object]

    def private(self, job_id: str) -> JobSecrets:
        private = super().private(job_id)
        self.looks += 1
        if (
            self.looks == 2
        ):  # the first is for the key, the second to see whether someone works on it
            self.meanwhile()
        return private


def test_a_look_that_began_before_a_resume_does_not_make_the_job_wait_again(tmp_path: Path) -> None:
    store = Interleaved(Home(tmp_path / "home"))
    try:
        folder = store.home.folder(job_id := new_job_id())
        folder.mkdir()
        request = MotionRequest(folder / "image.png", folder / "video.mp4")
        job = Job(
            job_id,
            "alice",
            "novita",
            1,
            "processing",
            request,
            "f" * 64,
            1.0,
            1.0,
            folder,
            "hero.png",
            "dance.mp4",
            5.0,
        )
        store.add(
            job,
            JobSecrets("visitor", None, None, True),
            ev.Checked(report=Report(()), quote=None),
        )
        store.release(job_id)
        home = tmp_path / "home"
        access = Credentials(
            load(novita_api_key=None, home=home),
            store,
            transport=Transport(),
            local=LocalProvider(home),
            clock=lambda: 20.0,
        )
        store.meanwhile = lambda: store.claim(job_id)
        assert not access.servable(job_id)
        assert store.looks == 2
        assert store.get(job_id).waits_for == ""
    finally:
        store.close()
