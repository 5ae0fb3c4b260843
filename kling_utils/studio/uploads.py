"""Which visitor uploaded which file, in this process. Gradio's upload folder knows no sessions, and its paths are no secrets.

Bounds keep one visitor, and all of them, from filling the disk: the oldest files go first.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from kling_utils.media import bounds


@dataclass(slots=True)
class _Upload:
    size: int
    owners: set[str] = field(default_factory=set)


_lock = threading.Lock()
_kept: OrderedDict[str, _Upload] = OrderedDict()
"""By path, the oldest first."""


def add(owner: str, path: str) -> None:
    """``owner`` uploaded the file just now. The oldest files of the owner, then of all, are removed where there are too many bytes."""
    try:
        size = Path(path).stat().st_size
    except OSError:
        return
    with _lock:
        upload = _kept.setdefault(path, _Upload(size))
        upload.owners.add(owner)
        _kept.move_to_end(path)
        for old in _beyond(owner, bounds.KEPT_EACH, path):
            _disown(owner, old)
        for old in _beyond(None, bounds.KEPT, path):
            for each in set(_kept[old].owners):
                _disown(each, old)


def owns(owner: str, path: str) -> bool:
    """Did ``owner`` upload the file at ``path``, in this process?"""
    with _lock:
        upload = _kept.get(path)
        return upload is not None and owner in upload.owners


def known(path: str) -> bool:
    """Did anybody upload the file at ``path``?"""
    with _lock:
        return path in _kept


def of(owner: str) -> list[str]:
    """The paths of all files that ``owner`` uploaded, the oldest first."""
    with _lock:
        return [path for path, upload in _kept.items() if owner in upload.owners]


def forget(owner: str, path: str) -> None:
    """``owner`` does not use the file any more. It is removed with its last owner."""
    with _lock:
        if path in _kept:
            _disown(owner, path)


def _beyond(owner: str | None, most: int, newest: str) -> list[str]:
    """The oldest files of an owner, or of all, without which the others have at most ``most`` bytes; never the newest one."""
    paths = [path for path, upload in _kept.items() if owner is None or owner in upload.owners]
    total = sum(_kept[path].size for path in paths)
    old = []
    for path in paths:
        if total <= most or path == newest:
            break
        total -= _kept[path].size
        old.append(path)
    return old


def _disown(owner: str, path: str) -> None:
    """Two visitors who upload the same content share one file: it goes with the last of them."""
    upload = _kept[path]
    upload.owners.discard(owner)
    if not upload.owners:
        del _kept[path]
        remove(Path(path))


def remove(path: Path) -> None:
    """Remove a file of the cache, and its folder when it was the last one there: the same content may lie there under other names."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()
