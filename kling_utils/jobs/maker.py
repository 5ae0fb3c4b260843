"""A new job: its own copies of both files, its price and length, its row. All of it, or nothing.

Owns what a job is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from pydantic import SecretStr

from kling_utils import events as ev
from kling_utils.jobs import manifest
from kling_utils.jobs.credentials import Credentials
from kling_utils.jobs.home import Home, new_job_id
from kling_utils.jobs.inputs import Measured
from kling_utils.jobs.store import JobSecrets, KeyFrom, Store
from kling_utils.preflight.quote import RateCard, expected_seconds, quote
from kling_utils.values import ImageInfo, Job, MotionRequest, Provider, Report, State, VideoInfo


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is made of. ``clip`` is what was measured of the video."""

    request: MotionRequest
    owner: str
    provider: Provider
    take: int
    mark: str
    key: SecretStr | None
    image: Measured[ImageInfo]
    video: Measured[VideoInfo]
    found: Report
    clip: VideoInfo


class Maker:
    """Writes jobs, leased to this process."""

    def __init__(
        self,
        home: Home,
        store: Store,
        access: Credentials,
        rates: RateCard,
        clock: Callable[[], float],
    ) -> None:
        self._home, self._store, self._access, self._rates = home, store, access, rates
        self._clock = clock

    def make(
        self,
        asked: NewJob,
        state: State,
        *,
        most: tuple[int, int] | None = None,
        known: Collection[str] | None = None,
    ) -> Job:
        """The job in its first state; ``most`` and ``known`` as in ``Store.add``.

        Raises ``DuplicateRequest``, ``DraftLimitReached``, and the reason why a file cannot be kept.
        """
        now, job_id, request = self._clock(), new_job_id(), asked.request
        orientation, provider = request.character_orientation, asked.provider
        folder = self._home.folder(job_id)
        folder.mkdir(mode=0o700)
        try:
            manifest.begin(folder)
            cost = quote(
                provider=provider,
                model_name=request.model_name,
                character_orientation=orientation,
                duration=asked.clip.duration,
                rates=self._rates,
            )
            job = Job(
                job_id=job_id,
                owner=asked.owner,
                provider=provider,
                take=asked.take,
                state=state,
                request=replace(
                    request,
                    image=asked.image.kept_in(folder, "image", self._home),
                    video=asked.video.kept_in(folder, "video", self._home),
                ),
                fingerprint=asked.mark,
                created=now,
                updated=now,
                folder=folder,
                image_name=asked.image.name,
                video_name=asked.video.name,
                duration=expected_seconds(orientation, asked.clip.duration, provider=provider),
                cost=cost,
            )
            key_from: KeyFrom = (
                "none"
                if provider == "local"
                else "visitor"
                if asked.key is not None
                else "settings"
            )
            self._access.remember(job_id, asked.key)
            private = JobSecrets(key_from, asked.image.url, asked.video.url, True)
            self._store.add(
                job,
                private,
                ev.Checked(report=asked.found, quote=cost),
                most=most,
                known=known,
            )
        except BaseException:
            self._access.forget(job_id)
            self._home.remove(job_id)
            self._home.release()
            raise
        return job
