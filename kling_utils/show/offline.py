"""The stage as one file that people can send: both clips inside, no server, no network.

Owns the page around the stage, and how files travel in it. Nothing is written into HTML or script:
names and motion are a block of JSON, files are blocks of base64, neither of which a browser runs;
the page's own policy allows its one script by hash, and forbids every address that is not inside
it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from kling_utils.errors import Interrupted, InvalidRequest
from kling_utils.media.playable import beside, make_playable, plays
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.show import stage

MAX_BYTES = 300_000_000
"""Of all files together. A browser holds the page as text in memory, and Chromium's longest string is 512 MB."""
_PIECE = 3 << 18
"""Bytes that are read at once; a multiple of three, so that the base64 of pieces is the base64 of the whole."""
_HERE = Path(__file__).parent
_POLICY = (
    "default-src 'none'",
    "media-src blob:",
    "img-src blob: data:",
    "base-uri 'none'",
    "form-action 'none'",
)
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Reference and result</title>
"""


@dataclass
class _Held:
    """The files of a page, each under the id of its block."""

    folder: Path
    files: list[tuple[str, str, Path]] = field(default_factory=list)

    def video(self, path: Path) -> dict[str, str]:
        info = probe_video(path)
        if not plays(info):
            path = self.folder / f"{len(self.files)}.mp4"
            make_playable(info.path, info, path)
        return self._add("video/mp4", path)

    def image(self, path: Path) -> dict[str, str]:
        return self._add(f"image/{probe_image(path).format.lower()}", path)

    def _add(self, kind: str, path: Path) -> dict[str, str]:
        block = f"file-{len(self.files)}"
        self.files.append((block, kind, path))
        return {"block": block}

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for _, _, path in self.files)


def write_page(
    reference: Path,
    results: Path | Sequence[Path],
    out: Path,
    *,
    labels: Sequence[str] = (),
    title: str = "Reference and result",
    fps: float | None = None,
    image: Path | None = None,
    motion: bool = True,
    draft: bool = False,
    foot: str = "",
    on_progress: Callable[[float], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """Write one HTML file that plays the stage offline, and give its path. It is a third larger than its clips; its foot says how large.

    ``results``: one clip, or several takes of the same reference. ``labels``: for the reference and each result. ``fps``: frames a second
    by which one steps (default: the reference's). ``motion``: measure all clips for the strip under the time line. ``draft`` marks every
    result as a local draft. ``foot``: what stands below instead of the size of the clips. Clips that browsers do not play are encoded
    again, the others are taken as they are. ``on_progress`` gets 0..1; ``stop`` is asked between two clips.

    Raises ``InvalidRequest`` (no result, labels that do not fit, more than 300 MB), ``UnreadableMedia``, ``FfmpegFailed``, ``Interrupted``.
    """
    clips = [Path(results)] if isinstance(results, str | Path) else [Path(path) for path in results]
    reference, out = Path(reference), Path(out)
    if not clips:
        raise InvalidRequest("There is no result to show.", hint="Give at least one clip.")
    usual = [
        "Reference",
        *(["Result"] if len(clips) == 1 else [f"Result {n}" for n in range(1, len(clips) + 1)]),
    ]
    words = list(labels) or usual
    if len(words) != len(usual):
        raise InvalidRequest(
            f"{len(usual)} clips have {len(words)} labels.",
            hint="Give one label for the reference and one for each result.",
        )
    if out.resolve() in {
        path.resolve() for path in (reference, *clips, *([image] if image else []))
    }:
        raise InvalidRequest(
            f"{out.name} is one of the files to be shown.", hint="Give another name."
        )
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise InvalidRequest(
            f"{out.name} is no name of a page.", hint="Choose a name that ends in .html."
        )
    rate = fps or float(probe_video(reference).frame_rate)
    parts, done = (1 + len(clips)) * (2 if motion else 1) + 1, 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done / parts)
        if stop is not None and stop():
            raise Interrupted("Stopped.")

    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        held = _Held(Path(folder))
        value: dict[str, Any] = stage.nothing() | {
            "title": title,
            "label_a": words[0],
            "fps": rate,
            "a": held.video(reference),
        }
        step()
        marked = [f"{word}, local draft" if draft else word for word in words[1:]]
        value["takes"] = []
        for n, (word, path) in enumerate(zip(marked, clips, strict=True), 1):
            value["takes"].append({"id": str(n), "label": word, "b": held.video(path)})
            step()
        if image is not None:
            value["image"] = held.image(Path(image))
        if held.size > MAX_BYTES:
            raise InvalidRequest(
                f"The files are {held.size / 1e6:.0f} MB; a page holds {MAX_BYTES / 1e6:.0f} MB.",
                hint="Trim the clips, or make them smaller.",
            )
        if motion:
            value["motion"] = {"a": _moves(reference)}
            step()
            for take, path in zip(value["takes"], clips, strict=True):
                take["motion"] = _moves(path)
                step()
        value["foot"] = foot or (
            f"Plays without a network: {'all' if len(clips) > 1 else 'both'} clips are inside this file, {held.size / 1e6:.1f} MB."
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        with beside(out) as part:
            with part.open("w", encoding="utf-8", newline="\n") as file:
                _write(file, value, held)
            os.replace(part, out)
    if on_progress is not None:
        on_progress(1.0)
    return out


def _moves(path: Path) -> stage.Motion:
    from kling_utils.review.motion import activity  # cv2: not for those who only want the page

    found = activity(path)
    return stage.Motion(
        times=_short(found.times), values=_short(found.values), cuts=_short(found.cuts)
    )


def _short(numbers: Sequence[float]) -> list[float]:
    return [round(number, 3) for number in numbers]


def _write(file: TextIO, value: dict[str, Any], held: _Held) -> None:
    style = f"{(_HERE / 'offline.css').read_text('utf-8')}{stage.css()}"
    script = f"(() => {{\n{(_HERE / 'offline.js').read_text('utf-8')}{stage.script()}}})();\n"
    policy = "; ".join([*_POLICY, f"script-src {_hash(script)}", f"style-src {_hash(style)}"])
    head = f'{_HEAD}<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    file.write(
        f"{head}<style>{style}</style>\n</head>\n<body>\n<main>\n<h1></h1>\n{stage.template()}<footer></footer>\n</main>\n"
    )
    for block, kind, path in held.files:
        file.write(f'<script type="text/plain" id="{block}" data-kind="{kind}">')
        file.writelines(_letters(path))
        file.write("</script>\n")
    inert = json.dumps(value).replace(
        "<", "\\u003c"
    )  # "<" could end the block; JSON has another way to write it
    file.write(f'<script type="application/json" id="value">{inert}</script>\n')
    file.write(f"<script>{script}</script>\n</body>\n</html>\n")


def _letters(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield base64.b64encode(piece).decode("ascii")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
