"""Where files lie under the home, and which are swept. Refuses to know what is in them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ulid import ULID

from kling_utils.errors import SettingError
from kling_utils.media import workshop

JOB_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def new_job_id() -> str:
    """A ULID: unique, and sorts by time."""
    return str(ULID())


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that ``KLING_HOME`` names."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "jobs.sqlite3"

    @property
    def fetched(self) -> Path:
        """Inputs that were given as an address, until a job has its own copy."""
        return self.root / "fetched"

    @property
    def fitted(self) -> Path:
        """Files that were repaired, until a job has its own copy."""
        return self.root / "fitted"

    @property
    def workers(self) -> Path:
        """Locks of the processes that work on jobs."""
        return self.root / "workers"

    def folder(self, job_id: str) -> Path:
        """A job's folder. Raises ``ValueError`` for what is not a job id, so that no id can lead elsewhere."""
        if not JOB_ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is not a job id")
        return self.root / "jobs" / job_id

    def make(self) -> None:
        """Make the folders, readable by their owner only. Raises ``SettingError`` where they cannot be made or written."""
        try:
            for folder in (self.root, self.root / "jobs", self.fetched, self.fitted):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise self._unusable(
                "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
            ) from error
        if not os.access(
            self.root, os.W_OK | os.X_OK
        ):  # its folders are all there: nothing had to be written so far
            raise self._unusable("it cannot be written")

    def _unusable(self, why: str | None) -> SettingError:
        hint = "Point KLING_HOME to a folder that can be written, or unset it for the system's own."
        return SettingError(
            f"{self.root} cannot be the home of the jobs: {why or 'it cannot be made'}.", hint=hint
        )

    def remove(self, job_id: str) -> None:
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def sweep(self, known: set[str], *, unused_since: float, halves_since: float) -> None:
        """Remove what no job owns, by Unix times.

        What was fetched or repaired goes when nobody touched it since ``unused_since``; what a killed process left half written, files
        and job folders without a row, when nobody touched it since ``halves_since``. A repair under way holds a lock: what has none goes.
        """
        for folder in self.fitted.glob("*"):
            with contextlib.suppress(OSError):
                if workshop.sweep(folder):  # a repair was killed there, before it made anything
                    folder.rmdir()

        jobs = [
            (path, halves_since)
            for path in (self.root / "jobs").glob("*")
            if path.name not in known
        ]
        whole = [
            (path, unused_since)
            for folder in (self.fetched, self.fitted)
            for path in folder.glob("*")
        ]
        halves = [(path, halves_since) for path in self.fetched.glob(".*.part")]
        for path, before in [*jobs, *halves, *whole]:
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
