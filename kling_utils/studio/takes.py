"""Results of the same two files: standard and pro, both orientations, earlier takes. They stand beside each other on the stage.

Owns which jobs belong together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

from kling_utils.media.files import sha256
from kling_utils.show import stage, words
from kling_utils.studio import job_files
from kling_utils.studio.result_analysis import ResultAnalysis
from kling_utils.values import Job

MOST = 8
"""Takes on one stage."""


def of(
    job: Job, jobs: Iterable[Job], known: Callable[[Job], ResultAnalysis | None]
) -> list[stage.Take]:
    """The finished results of the same picture and clip, oldest first, as the stage takes them; ``known`` tells of their motion.

    None at all where the job's own is the only one: then there is nothing to choose from.
    """
    mark = _mark(job)
    if mark is None:
        return []
    same = [
        other
        for other in jobs
        if other.video is not None and (other.job_id == job.job_id or _mark(other, mark) == mark)
    ]
    same = sorted(same, key=lambda other: other.job_id)[-MOST:]
    if len(same) < 2 or job not in same:
        return []
    shown = []
    for other, label in zip(same, words.takes(same), strict=True):
        video = job_files.data(other, other.video)
        if video is not None:
            take = stage.Take(id=other.job_id, label=label, b=video)
            seen = known(other)
            if seen is not None and seen.motion is not None:
                take["motion"] = seen.motion.get("b")
            shown.append(take)
    return shown


def _mark(
    job: Job, like: tuple[tuple[int, str], ...] | None = None
) -> tuple[tuple[int, str], ...] | None:
    """Sizes and hashes of both files; None when they are gone or, with ``like``, when the sizes already differ."""
    try:
        paths = [Path(job.request.image), Path(job.request.video)]
        stats = [path.stat() for path in paths]
        if like is not None and [s.st_size for s in stats] != [size for size, _ in like]:
            return None
        return tuple(
            (s.st_size, _hash(p, s.st_mtime_ns)) for p, s in zip(paths, stats, strict=True)
        )
    except OSError:
        return None


@functools.lru_cache(maxsize=256)
def _hash(path: Path, _modified: int) -> str:
    return sha256(path)
