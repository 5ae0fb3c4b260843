"""A copy of ended jobs: one ZIP whose folders another home takes as they are.

Jobs under way stay out: two homes that know the same unsent job would both send it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from kling_utils.media.files import atomic_write
from kling_utils.values import Job


def write(jobs: Iterable[Job], out: Path) -> Path:
    """Write the folders of the jobs, as ``jobs/JOB_ID/...``. Unpacked into a home, they are its jobs. Raises ``OSError``."""
    with atomic_write(out) as part, zipfile.ZipFile(part, "w") as pack:
        for job in jobs:
            for path in sorted(job.folder.iterdir()):
                if path.is_file() and not path.name.startswith("."):
                    pack.write(path, f"jobs/{job.job_id}/{path.name}")  # stored: packed already
    return out
