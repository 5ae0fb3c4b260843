"""File names within what file systems hold: 255 bytes, not characters."""

from __future__ import annotations

import secrets
from pathlib import Path

MOST_BYTES = 255


def cut(text: str, most: int) -> str:
    """As much of the beginning as ``most`` bytes of UTF-8 hold, without half a character."""
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= most:
        return text
    end = most
    while end > 0 and data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end].decode("utf-8", "surrogateescape")


def named(stem: str, ending: str) -> str:
    """``stem`` and ``ending``, the stem cut so that both fit."""
    most = MOST_BYTES - len(ending.encode("utf-8", "surrogateescape"))
    return cut(stem, max(0, most)) + ending


def part_name(dest: Path, ending: str = ".part", *, letters: int = 8) -> Path:
    """A hidden name beside ``dest`` that nothing has, for a file or folder that is renamed or removed when it is done."""
    return dest.with_name(named(f".{dest.name}", f".{secrets.token_hex(letters // 2)}{ending}"))
