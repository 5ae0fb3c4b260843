"""Values from a browser are checked before any handler sees them: texts, numbers, choices, files and event data.

All events of the page pass through ``CheckedBlocks.process_api``, so a new handler is covered by itself. A value that is not allowed
becomes the component's own: nothing is raised, and nothing is told about it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import gradio as gr

from kling_utils.studio import routes

TEXT = 20_000
"""Characters of a text that are read: far above the limit of any field, so that the checks still see that it is too long."""
NAME = 200
"""Characters of a file's name."""
NUMBER = 1e12
"""No number of the page comes near it."""
DEPTH, VALUES = 5, 400
"""Levels and values of an event's data."""


class CheckedBlocks(gr.Blocks):
    """A page whose events get values that are checked."""

    async def process_api(  # type: ignore[override]
        self, block_fn: Any, inputs: Any, state: Any = None, **more: Any
    ) -> dict[str, Any]:
        """As gradio's. The values and the event's data are checked first: gradio fetches an address that stands in a file's place."""
        fn = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        if fn.fn is None:  # of a script of the page alone
            raise gr.Error("The server does nothing for this.", print_exception=False)
        given = inputs if isinstance(inputs, list) else []
        if len(given) != len(fn.inputs):
            given = [None] * len(fn.inputs)
        checked = [
            self._checked(_here(state, block), value)
            for block, value in zip(fn.inputs, given, strict=True)
        ]
        if (event := more.get("event_data")) is not None:
            event._data = told(event._data)
        routes.ROOT.set(more.get("root_path") or "")
        return await super().process_api(fn, checked, state=state, **more)

    def _checked(self, block: Any, value: Any) -> Any:
        if isinstance(block, gr.Image | gr.Video):
            return self._file(value)
        return component_value(block, value)

    def _file(self, value: Any) -> dict[str, Any] | None:
        """An upload as gradio takes it; None for anything else. Whose it is, ``files.uploaded`` asks."""
        inner = value.get("video", value) if isinstance(value, Mapping) else None
        path = inner.get("path") if isinstance(inner, Mapping) else None
        if not isinstance(path, str) or path not in self.upload_file_set:
            return None
        return {
            "path": path,
            "orig_name": text(PurePath(path).name, NAME),
            "meta": {"_type": "gradio.FileData"},
        }


def _here(state: Any, block: Any) -> Any:
    """The component as this session has it: an event may have changed its choices."""
    return state[block._id] if state is not None and block._id in state else block


def component_value(block: Any, value: Any) -> Any:
    """The value where the component may have it, else the one that it has by itself."""
    if getattr(block, "stateful", False):
        return None  # gradio takes the session's own
    if isinstance(block, gr.Textbox | gr.BrowserState):
        return text(value)
    if isinstance(block, gr.HTML):
        return text(value, 5 * TEXT)
    if isinstance(block, gr.Checkbox):
        return value if isinstance(value, bool) else block.value
    if isinstance(block, gr.Radio | gr.Dropdown):
        allowed = [choice for _, choice in block.choices]
        return value if isinstance(value, str) and value in allowed else block.value
    if isinstance(block, gr.Slider):
        number = finite(value)
        return block.value if number is None else min(max(number, block.minimum), block.maximum)
    return None


def text(value: Any, most: int = TEXT) -> str:
    """A text without what terminals, databases and pages take amiss, cut off at ``most``; empty for what is none."""
    if not isinstance(value, str):
        return ""
    cut = value[:most].encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in cut if c in "\n\t" or (ord(c) >= 32 and not 127 <= ord(c) < 160))


def finite(value: Any) -> float | int | None:
    """The number, or None for what is no number, not finite, or out of all reason."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -NUMBER < value < NUMBER and math.isfinite(value) else None


def told(data: Any) -> dict[str, Any]:
    """The data of an event: an object of plain values. What has no place in it is left out, and files are."""
    left = [VALUES]
    plain = _plain(data, DEPTH, left)
    return plain if isinstance(plain, dict) else {}


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        if "path" in value or "meta" in value:  # a file: no event of the page carries one
            return None
        return {
            text(name, NAME): _plain(each, depth - 1, left)
            for name, each in list(value.items())[:VALUES]
        }
    if isinstance(value, Sequence):
        return [_plain(each, depth - 1, left) for each in value[:VALUES]]
    return finite(value)
