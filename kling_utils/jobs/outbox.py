"""What the provider is given of a job's files, and taking it back when the job has ended.

Owns which way each file goes, and that nothing is taken from under another job. Refuses to submit, and to know states beyond "ended".
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kling_utils.errors import KlingError
from kling_utils.jobs.access import Endpoint
from kling_utils.jobs.store import Private, Store
from kling_utils.media.guard import Guard
from kling_utils.novita import publish
from kling_utils.novita.client import payload
from kling_utils.novita.publish import Way
from kling_utils.novita.transport import Transport
from kling_utils.values import Job, Published


class Outbox:
    """Publishes and takes back. ``ways`` are the hosts that are configured at the moment."""

    def __init__(
        self, store: Store, *, guard: Guard, transport: Transport, ways: Callable[[], Sequence[Way]]
    ) -> None:
        self._store, self._guard, self._transport, self._ways = store, guard, transport, ways

    def publish(self, job: Job, there: Endpoint, private: Private) -> Published:
        """The clip, where the provider finds it. Raises ``KlingError``, and then nothing was spent."""
        publisher = publish.choose(
            draft=job.draft,
            video_url=private.video_url,
            base_url=there.base_url,
            key=there.key,
            guard=self._guard,
            transport=self._transport,
            ways=self._ways(),
        )
        return publisher.publish(Path(job.request.video))

    def body(self, job: Job, published: Published, private: Private) -> dict[str, Any]:
        """The body of the submit; the image goes by an address where that costs nothing more. Raises ``UnreadableMedia``."""
        path = Path(job.request.image)
        at_home = publish.data_uri(path) if job.draft else None
        image = at_home or publish.image_source(
            path, url=private.image_url, guard=self._guard, ways=self._ways()
        )
        return payload(job.request, image=image, video=published.url)

    def take_back(self, job: Job, private: Private, *, unsent: bool = False) -> Iterator[str]:
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
