"""``job.json`` in a job's folder: all that is needed to write the job's row again when the database is lost.

It holds no key, and no address with a query, which may be a signature. A folder whose ``job.json`` names no job was never a job.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)
NAME = "job.json"
_VERSION = 1
_MOST = 2**20
"""Bytes of a description; real ones have a few thousand."""
_LEFT_OUT = ("lease_by",)


def begin(folder: Path) -> None:
    """Mark a new folder as one that is being made and has no row yet. Raises ``OSError``."""
    _write(folder, None)


def write(folder: Path, row: Mapping[str, Any]) -> None:
    """Describe a job by its row. A disk that cannot take it is logged: the database has the row as well."""
    told = {name: value for name, value in row.items() if name not in _LEFT_OUT}
    for name in ("image_url", "video_url"):
        if "?" in (told.get(name) or ""):
            told[name] = None
    try:
        _write(folder, told)
    except OSError as error:
        LOG.warning("%s could not be written: %s", folder / NAME, error)


def read(folder: Path) -> dict[str, Any] | None:
    """The row that a folder describes, or None when it describes none. Its values are not checked."""
    row = _read(folder).get("job")
    return row if isinstance(row, dict) and row.get("job_id") == folder.name else None


def unmade(folder: Path) -> bool:
    """True for a folder that was begun and never got a row."""
    return _read(folder).get("job", "") is None


def _read(folder: Path) -> dict[str, Any]:
    """What the file says, or an empty dict where it says nothing that this version knows."""
    path = folder / NAME
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if path.is_file() and path.stat().st_size <= _MOST:
            told = json.loads(path.read_text("utf-8"))
            if isinstance(told, dict) and told.get("version") == _VERSION:
                return told
    return {}


def _write(folder: Path, row: dict[str, Any] | None) -> None:
    part = folder / f".{NAME}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump({"version": _VERSION, "job": row}, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)
