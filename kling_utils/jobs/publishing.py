"""What the provider is given of a job's files, and taking it back when the job has ended.

Owns which way each file goes, and that nothing is taken from under another job.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kling_utils.errors import KlingError
from kling_utils.jobs.store import JobSecrets, Store
from kling_utils.media.fetch import Guard
from kling_utils.providers import publish
from kling_utils.providers.publish import PublishTarget
from kling_utils.values import Job, Published


class Publishing:
    """Publishes and takes back. ``ways`` are the hosts that are configured at the moment."""

    def __init__(
        self, store: Store, *, guard: Guard, ways: Callable[[], Sequence[PublishTarget]]
    ) -> None:
        self._store, self._guard, self._ways = store, guard, ways

    def publish(self, job: Job, private: JobSecrets) -> Published:
        """The clip, where the provider finds it. Raises ``KlingError``, and then nothing was spent."""
        publisher = publish.choose(
            video_url=private.video_url, guard=self._guard, ways=self._ways()
        )
        return publisher.publish(Path(job.request.video))

    def image(self, job: Job, private: JobSecrets) -> str:
        """The image of the submit, by an address where that costs nothing more. Raises ``UnreadableMedia``."""
        path, url = Path(job.request.image), private.image_url
        return publish.image_source(path, url=url, guard=self._guard, ways=self._ways())

    def take_back(self, job: Job, private: JobSecrets, *, unsent: bool = False) -> Iterator[str]:
        """The provider has what it needed, or never will. Sentences about what could not be taken back.

        ``unsent``: nobody needs what was published for it, also where what was sent is left there.
        """
        if job.draft:
            return
        lent = [Path(job.request.image)] + ([] if private.video_url else [Path(job.request.video)])
        for way in (way for way in self._ways() if way.withdraw or unsent):
            for path in lent:
                if not (way.by_content and self._needed(job, path)):
                    try:
                        way.host.withdraw(path)
                    except KlingError as error:
                        yield f"The {path.stem} could not be taken back from {way.name}: {error.message}"

    def _needed(self, job: Job, path: Path) -> bool:
        """Does another job that has not ended hold the same file? A store names what it is given by content: the two share it."""
        others = (j for j in self._store.unended(job.provider) if j.job_id != job.job_id)
        return any(
            file.is_file() and filecmp.cmp(file, path, shallow=False)
            for j in others
            for file in map(Path, (j.request.image, j.request.video))
        )
