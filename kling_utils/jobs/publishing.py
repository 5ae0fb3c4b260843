"""How clips of a home get to the provider, as it was chosen on its page: kept in the home, used where no setting says it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kling_utils.errors import SettingError
from kling_utils.jobs.home import Home
from kling_utils.media.files import atomic_write
from kling_utils.settings import clean_way

FILE = "publishing.json"


@dataclass(frozen=True, slots=True)
class Publishing:
    """``way`` as ``KLING_PUBLISH_TO`` has it, empty for none; ``delete`` as ``KLING_PUBLISH_DELETE``."""

    way: str = ""
    delete: bool = False


def kept(home: Home) -> Publishing:
    """What was chosen; nothing where the file is not there or cannot be read."""
    try:
        held = json.loads(_file(home).read_text("utf-8"))
        return Publishing(clean_way(held["way"]), held["delete"] is True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Publishing()


def keep(home: Home, chosen: Publishing) -> None:
    """Keep a choice. Raises ``SettingError`` for a way that is none, or that holds a key."""
    clean_way(chosen.way)
    if "@" in urlsplit(chosen.way).netloc:
        raise SettingError(
            "The address of the store holds a key, and is not kept.",
            hint="Leave the key out: the store's own library finds it where it is set up on this computer.",
        )
    with atomic_write(_file(home)) as part:
        part.touch(mode=0o600)
        part.write_text(json.dumps(asdict(chosen)), "utf-8")


def _file(home: Home) -> Path:
    return home.root / FILE
