"""Looks at people kept on the disk, so that the next process does not look at the same file again.

Owns the format, the number of files and their age. A file is a SHA-256 and the archive that has it. What cannot be read is
looked at anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_utils.media.bounds import visitor
from kling_utils.media.files import atomic_write
from kling_utils.values import Size

if TYPE_CHECKING:
    from kling_utils.media.people import PoseTrack

VERSION = 5
"""Counts up when what is measured changes: an older file is looked at again."""
SUFFIX = ".npz"
PICTURE = "-picture"
"""Ends the key of a file that was looked at as a picture."""
MOST, AGE = 48, 86400.0
"""Files that are kept, the newest, and seconds without use: pictures of a clip stay no longer than that."""

_folder: Path | None = None


def keep_in(folder: Path | None) -> None:
    """Where this process keeps its looks from now on; None keeps nothing on the disk."""
    global _folder  # one for a process, as the tracks in memory
    _folder = folder


def write(sha256: str, track: PoseTrack) -> None:
    """Keep a track. Not for a visitor of a page: what strangers send leaves no pictures here. A full disk fails nothing."""
    if _folder is None or visitor.get():
        return
    import numpy as np

    arrays: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    parts: dict[str, Any] = {"": track, "scan.": track.scan}
    parts |= {f"still{i}.": still for i, still in enumerate(track.stills)}
    for prefix, part in parts.items():
        for name in (each.name for each in fields(part)):
            value = getattr(part, name)
            if isinstance(value, bytes):
                value = np.frombuffer(value, np.uint8)
            if isinstance(value, np.ndarray):
                arrays[prefix + name] = value
            elif name not in ("scan", "stills"):
                rest[prefix + name] = value
    arrays["rest"] = np.frombuffer(json.dumps(rest).encode(), np.uint8)
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    data = archive.getvalue()
    with contextlib.suppress(OSError):
        _folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_write(_path(_folder, sha256)) as part_path:
            part_path.write_bytes(hashlib.sha256(data).digest() + data)
        sweep()


def read(sha256: str) -> PoseTrack | None:
    """The track of a file that was looked at before; None where there is none, or it cannot be read."""
    if _folder is None:
        return None
    path = _path(_folder, sha256)
    try:
        data = path.read_bytes()
    except OSError:  # none, or one of another user
        return None
    made = _unpacked(data)
    with contextlib.suppress(OSError):
        if made is None:
            path.unlink()
        else:
            path.touch()
    return made


def _unpacked(data: bytes) -> PoseTrack | None:
    """The track in a file; None for a file that is damaged, or that another version wrote."""
    digest, archive = data[:32], data[32:]
    if hashlib.sha256(archive).digest() != digest:
        return None
    import numpy as np

    from kling_utils.media.people import PoseTrack, Still
    from kling_utils.media.shots import Scan

    try:
        with np.load(io.BytesIO(archive), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        rest = json.loads(arrays.pop("rest").tobytes())

        def part(kind: type[Any], prefix: str, **known: Any) -> Any:
            told = dict(known)
            for name in (each.name for each in fields(kind) if each.name not in known):
                value = arrays.get(prefix + name)
                told[name] = rest[prefix + name] if value is None else value
            return kind(**told)

        stills: list[Still] = []
        while (prefix := f"still{len(stills)}.") + "jpeg" in arrays:
            stills.append(part(Still, prefix, jpeg=arrays[prefix + "jpeg"].tobytes()))
        track: PoseTrack = part(
            PoseTrack,
            "",
            size=Size(*rest["size"]),
            cuts=tuple(rest["cuts"]),
            changes=tuple(map(tuple, rest["changes"])),
            flashes=tuple(map(tuple, rest["flashes"])),
            stills=tuple(stills),
            scan=part(Scan, "scan."),
        )
    except (ValueError, KeyError, TypeError):
        return None
    return track


def forget(sha256: str) -> None:
    """Remove what is kept of a file."""
    if _folder is not None:
        for key in (sha256, f"{sha256}{PICTURE}"):
            with contextlib.suppress(OSError):
                _path(_folder, key).unlink(missing_ok=True)


def sweep() -> None:
    """Remove what was not used for a day, and the oldest of too many."""
    if _folder is None:
        return
    kept: list[tuple[float, Path]] = []
    for path in _folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            kept.append((path.stat().st_mtime, path))
    kept.sort(reverse=True)
    for i, (used, path) in enumerate(kept):
        if i >= MOST or time.time() - used > AGE:
            with contextlib.suppress(OSError):
                path.unlink()


def _path(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256}-{VERSION}{SUFFIX}"
