"""The files of the home: where they lie, what describes a job, which process is alive, and what is swept.

``job.json`` in a job's folder holds all that is needed to write the job's row again when the database is lost. It
holds no key, and no address with a query, which may be a signature. A folder whose ``job.json`` names no job was
never a job.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from ulid import ULID

from kling_utils.errors import SettingError
from kling_utils.media.files import atomic_write, sha256, sweep

LOG = logging.getLogger(__name__)
DESCRIPTION = "job.json"
_VERSION = 1
_MOST = 2**20
"""Bytes of a description; real ones have a few thousand."""
_STALE = 86400.0
"""Seconds after which the sweep looks at the lock file of a process; young ones may be about to be locked."""
JOB_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_GONE = re.compile(rf"\.{JOB_ID.pattern}\.gone")
_CONTENT = re.compile(r"[0-9a-f]{64}\.\w+")
_FETCHED = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{64}\.\w+)")
_HALF_FETCHED = re.compile(rf"\.{_FETCHED.pattern}\.[0-9a-f]{{8}}\.part")
_FITTED = re.compile(r"[0-9a-f]{16}")
_LONGEST_GAP, _SETTLED = 14 * 86400.0, 86400.0
"""Seconds: between two sweeps of one clock, and after which a clock that jumped is believed."""


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
    def looks(self) -> Path:
        """What was seen in pictures and clips, for a day."""
        return self.root / "looks"

    @property
    def inputs(self) -> Path:
        """What jobs are made of, once for each content. A job's folder has a link to it, so the disk counts who uses it."""
        return self.root / "inputs"

    @property
    def workers(self) -> Path:
        """Locks of the processes that work on jobs."""
        return self.root / "workers"

    def folder(self, job_id: str) -> Path:
        """A job's folder. Raises ``ValueError`` for what is not a job id, so that no id can lead elsewhere."""
        if not JOB_ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is not a job id")
        return self.root / "jobs" / job_id

    def new_fetched(self) -> Path:
        """Where the next fetched file goes."""
        return self.fetched / secrets.token_hex(16)

    def new_fitted(self) -> Path:
        """The folder of the next repaired files."""
        return self.fitted / secrets.token_hex(8)

    def all_fetched(self) -> list[Path]:
        """What ``new_fetched`` named, and what was given as bytes or pictures. Anything else in the folder is not this program's."""
        return [path for path in self.fetched.glob("*") if _FETCHED.fullmatch(path.name)]

    def all_fitted(self) -> list[Path]:
        """What ``new_fitted`` named."""
        return [path for path in self.fitted.glob("*") if _FITTED.fullmatch(path.name)]

    def make(self) -> None:
        """Make the folders, readable by their owner only. Raises ``SettingError`` where they cannot be made or written."""
        try:
            for folder in (self.root, self.root / "jobs", self.fetched, self.fitted, self.inputs):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise self.unusable(error) from error
        # its folders are all there: nothing had to be written so far
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise self.unusable(PermissionError(0, "it cannot be written"))

    def unusable(self, error: OSError) -> SettingError:
        """What is raised where nothing can be kept."""
        why = error.strerror
        if isinstance(error, FileExistsError | NotADirectoryError):
            place = Path(error.filename or self.root)
            why = "it is not a folder" if place == self.root else f"{place.name} in it is no folder"
        hint = "Point KLING_HOME to a folder that can be written, or unset it for the system's own."
        return SettingError(
            f"{self.root} cannot be the home of the jobs: {why or 'it cannot be made'}.", hint=hint
        )

    def size(self, job_id: str) -> int:
        """Bytes that a job's files take: of an input that several jobs use, its share."""
        total = 0
        for path in self.folder(job_id).glob("*"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                total += stat.st_size // max(1, stat.st_nlink - 1)  # one link is the pool's
        return total

    def pack(self, job_ids: Iterable[str], out: Path) -> None:
        """Write a ZIP of the folders of jobs. Unpacked into another home, they are its jobs. Raises ``OSError``."""
        with atomic_write(out) as part, zipfile.ZipFile(part, "w") as pack:
            for folder in map(self.folder, job_ids):
                for path in sorted(folder.iterdir()):
                    if path.is_file() and not path.name.startswith("."):
                        pack.write(path, path.relative_to(self.root))  # stored: packed already

    def remove(self, job_id: str) -> None:
        """Remove a job's folder. Its name changes first, so that what a kill leaves behind is no job's any more."""
        folder = self.folder(job_id)
        gone = folder.with_name(f".{job_id}.gone")
        with contextlib.suppress(OSError):
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def release(self) -> None:
        """Remove the inputs that no job uses any more: the pool's link is their last one. Once after all that was removed."""
        for path in self.inputs.glob("*"):
            with contextlib.suppress(OSError):
                if _CONTENT.fullmatch(path.name) and path.stat().st_nlink == 1:
                    path.unlink()

    def share_inputs(self) -> None:
        """Put copies that jobs have of their own, as an older program made them, into the pool. It may be killed anywhere."""
        for path in (self.root / "jobs").glob("*/*"):
            if path.stem not in ("image", "video") or not JOB_ID.fullmatch(path.parent.name):
                continue
            with contextlib.suppress(OSError):
                if path.stat().st_nlink > 1:
                    continue
                kept = self.inputs / f"{sha256(path)}{path.suffix}"
                try:
                    os.link(path, kept)
                except FileExistsError:
                    if sha256(kept) == kept.stem:
                        link = path.with_name(f".{path.name}.part")
                        link.unlink(missing_ok=True)
                        os.link(kept, link)
                        link.replace(path)
                except OSError:
                    return  # a disk without links

    def steady(self, now: float) -> bool:
        """Has the clock gone on evenly for a day? Ages count only then: a clock that jumped makes nothing old.

        A gap between two sweeps of more than two weeks counts as a jump, backwards counts as well.
        """
        path = self.root / "swept.json"
        since, last = now, now
        with contextlib.suppress(OSError, ValueError, TypeError):
            since, last = map(float, json.loads(path.read_text("utf-8")))
        if not 0 <= now - last <= _LONGEST_GAP:
            since = now
        with contextlib.suppress(OSError):
            path.write_text(json.dumps([since, now]), "utf-8")
        return now - since >= _SETTLED

    def sweep(self, known: set[str], *, unused_since: float, halves_since: float) -> None:
        """Remove what no job owns, by Unix times.

        A fetched or repaired file goes when it was last touched before ``unused_since``, a half-written one of a killed process when
        it was last touched before ``halves_since``. A repair under way holds a lock; the folder of one without a lock goes. Of the
        jobs' folders, only those go that were begun and never became a job, and those whose deletion was cut short. Names that this
        program does not make are left alone.
        """
        for folder in self.all_fitted():
            with contextlib.suppress(OSError):
                if sweep(folder):  # a repair was killed there, before it made anything
                    folder.rmdir()

        for path in (self.root / "jobs").glob("*"):
            with contextlib.suppress(OSError):
                if _GONE.fullmatch(path.name):
                    shutil.rmtree(path)
                elif (
                    JOB_ID.fullmatch(path.name)
                    and path.name not in known
                    and path.stat().st_mtime < halves_since
                ):
                    if unmade(path) and not any(path.glob("re[sc]*")):
                        shutil.rmtree(path)
                    else:
                        path.rmdir()  # only an empty one

        for name in ("tasks", "uploads"):  # of an older program, whose drafts were no jobs
            with contextlib.suppress(OSError):
                if (self.root / "local" / name).stat().st_mtime < unused_since:
                    shutil.rmtree(self.root / "local" / name)
        self.share_inputs()
        self.release()
        whole = [(path, unused_since) for path in (*self.all_fetched(), *self.all_fitted())]
        halves = [
            (path, halves_since)
            for path in self.fetched.glob(".*.part")
            if _HALF_FETCHED.fullmatch(path.name)
        ]
        for path, before in [*halves, *whole]:
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


# -- job.json


def begin_job(folder: Path) -> None:
    """Mark a new folder as one that is being made and has no row yet. Raises ``OSError``."""
    _write(folder, None)


def describe(folder: Path, row: Mapping[str, Any]) -> None:
    """Describe a job by its row. A disk that cannot take it is logged: the database has the row as well."""
    told = {name: value for name, value in row.items() if name != "lease_by"}
    for name in ("image_url", "video_url"):
        if "?" in (told.get(name) or ""):
            told[name] = None
    try:
        _write(folder, told)
    except OSError as error:
        LOG.warning("%s could not be written: %s", folder / DESCRIPTION, error)


def described(folder: Path) -> dict[str, Any] | None:
    """The row that a folder describes, or None when it describes none. Its values are not checked."""
    row = _read(folder).get("job")
    return row if isinstance(row, dict) and row.get("job_id") == folder.name else None


def unmade(folder: Path) -> bool:
    """True for a folder that was begun and never got a row."""
    return _read(folder).get("job", "") is None


def _read(folder: Path) -> dict[str, Any]:
    """What the file says, or an empty dict where it says nothing that this version knows."""
    path = folder / DESCRIPTION
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if path.is_file() and path.stat().st_size <= _MOST:
            told = json.loads(path.read_text("utf-8"))
            if isinstance(told, dict) and told.get("version") == _VERSION:
                return told
    return {}


def _write(folder: Path, row: dict[str, Any] | None) -> None:
    part = folder / f".{DESCRIPTION}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump({"version": _VERSION, "job": row}, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / DESCRIPTION)


# -- processes


class Presence:
    """The lock of one worker, held until ``close`` or until the process ends, however it ends.

    The system gives the lock of a dead process back. No clock takes part: a clock that is set back or a machine that
    slept says nothing about a process.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._folder, self.worker = folder, worker
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # not of the thread that made it: handlers, watchers and callers ask from threads of their own
        self._lock = FileLock(self._path(worker), thread_local=False)
        self._lock.acquire(timeout=0)

    def alive(self, worker: str) -> bool:
        """True while the process of that worker holds its lock. The lock file of a dead one is removed."""
        if worker == self.worker:
            return self._lock.is_locked
        path = self._path(worker)
        if not path.exists():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            return True
        path.unlink(missing_ok=True)
        lock.release()
        return False

    def sweep(self) -> None:
        """Remove the lock files of processes that died."""
        for path in self._folder.glob("*.lock"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    self.alive(path.stem)

    def close(self) -> None:
        """Tell the others that this worker is gone."""
        with contextlib.suppress(OSError):
            self._path(self.worker).unlink(missing_ok=True)
        self._lock.release()

    def _path(self, worker: str) -> Path:
        return self._folder / f"{re.sub(r'[^0-9A-Za-z_-]', '', worker)}.lock"
