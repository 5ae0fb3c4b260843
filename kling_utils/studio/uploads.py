"""Which visitor uploaded which file, in this process. Gradio's upload folder knows no sessions, and its paths are no secrets.

Bounds keep one visitor, and all of them, from filling the disk: the oldest files go first.
"""

from __future__ import annotations

import shutil
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
        _shrink([p for p, u in _kept.items() if u.owners == {owner}], bounds.KEPT_EACH, path)
        _shrink(list(_kept), bounds.KEPT, path)


def owns(owner: str, path: str) -> bool:
    """Did ``owner`` upload the file at ``path``, in this process?"""
    with _lock:
        upload = _kept.get(path)
        return upload is not None and owner in upload.owners


def _shrink(paths: list[str], most: int, newest: str) -> None:
    total = sum(_kept[path].size for path in paths)
    for path in paths:
        if total <= most or path == newest:
            return
        total -= _kept.pop(path).size
        shutil.rmtree(Path(path).parent, ignore_errors=True)  # a folder of its own for each content
