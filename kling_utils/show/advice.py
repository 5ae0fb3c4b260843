"""Advice as a card: stills with skeletons over the clip's time line, spans coloured by finding, and what to do.

Nothing in it needs a script. On the page, elements with ``data-seek`` set the clip's player to that
second.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

from kling_utils.show.cards import TEMPLATES, listing
from kling_utils.values import Finding, Severity, Span, counted

if TYPE_CHECKING:
    import numpy as np

    from kling_utils.media.people import PoseTrack, Still
    from kling_utils.preflight.advice import Advice

MOST_STILLS, MOST_WIDE = 9, 5
"""Stills of an upright and of a wide clip."""
HEIGHT = 128
"""Pixels of a still as shown."""
_BONES = (
    *((11, 12), (11, 13), (13, 15), (12, 14), (14, 16), (11, 23), (12, 24), (23, 24)),
    *((23, 25), (25, 27), (24, 26), (26, 28)),
)
_FIELDS = {"image": "Picture", "video": "Clip", "pair": "Both together"}


class _Picture(TypedDict):
    src: str
    time: float
    width: int
    height: int
    lines: list[tuple[float, float, float, float]]
    boxes: list[tuple[float, float, float, float]]


class _Bar(TypedDict):
    title: str
    severity: str
    spans: list[tuple[float, float, float]]
    """Left and width in percent, and the second that a click leads to."""


def advice(
    value: Advice, *, head: str = "", saving: str = "", looking: str = "", stills: bool = True
) -> str:
    """The card of advice. ``saving``: what the clean part costs beside all; ``looking``: what is still being looked at.

    ``head``: the headline; without it the findings are counted. Without ``stills`` the time line has spans alone.
    """
    told = value.told(*_FIELDS)
    says, sign = headline(value, looking=looking)
    seconds = value.seconds or 0.0
    parts = {
        "film": film(value.video) if stills else [],
        "bars": _bars(value, seconds),
        "ticks": _ticks(seconds),
        "saving": saving,
        "groups": [
            (name, [f for f in told if f.field == field]) for field, name in _FIELDS.items()
        ],
        "passed": [f for f in value.findings if f.severity == "pass"],
    }
    body = TEMPLATES.get_template("advice.html").render(**parts)
    return listing(head or says, (), severity=sign, extra=body)


def headline(value: Advice, *, looking: str = "") -> tuple[str, Severity]:
    """All of it in a few words, and the sign of the worst."""
    told = value.told(*_FIELDS)
    warnings = sum(f.severity == "warning" for f in told)
    hints = sum(f.severity == "advice" for f in told)
    sign: Severity = "warning" if warnings else "advice" if hints or looking else "pass"
    if looking:
        return looking, sign
    if warnings or hints:
        what = counted(warnings, "warning") if warnings else counted(hints, "hint")
        return f"{what} about what is shown", sign
    return "What is shown looks fine", sign


def waiting(text: str) -> str:
    """The card before anything is known."""
    return listing(text, (), severity="advice")


def film(track: PoseTrack | None) -> list[_Picture]:
    """A few stills over the length of a clip, with skeletons."""
    if track is None or not track.stills:
        return []
    n = len(track.stills)
    shown = min(n, MOST_STILLS if track.size.height >= track.size.width else MOST_WIDE)
    return [_picture(track.stills[i * n // shown], track) for i in range(shown)]


def _picture(still: Still, track: PoseTrack) -> _Picture:
    import cv2
    import numpy as np

    width, height = track.size
    scale = 2 * HEIGHT / height
    small = still.pixels()
    if scale < 1:
        small = np.asarray(
            cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 72])
    i = int(np.argmin(np.abs(track.times - still.time)))
    return {
        "src": f"data:image/jpeg;base64,{base64.b64encode(bytes(jpeg)).decode()}",
        "time": still.time,
        "width": width,
        "height": height,
        "lines": list(_skeleton(track.bodies[i])),
        "boxes": [
            (float(x), float(y), float(w), float(h))
            for x, y, w, h, _ in (still.boxes if len(still.boxes) > 1 else ())
        ],
    }


def _skeleton(body: np.ndarray) -> Iterable[tuple[float, float, float, float]]:
    """The bones whose both ends are seen."""
    for a, b in _BONES:
        if min(body[a, 3], body[b, 3]) > 0.5:
            yield tuple(round(float(v), 1) for v in (*body[a, :2], *body[b, :2]))  # type: ignore[misc]


def _bars(value: Advice, seconds: float) -> list[_Bar]:
    if not seconds:
        return []

    def bar(title: str, severity: str, spans: Iterable[Span]) -> _Bar:
        return {
            "title": title,
            "severity": severity,
            "spans": [
                (
                    round(100 * min(a, seconds) / seconds, 2),
                    round(max(0.8, 100 * (min(b, seconds) - min(a, seconds)) / seconds), 2),
                    a,
                )
                for a, b in spans
            ],
        }

    bars = [bar(f.title, f.severity, f.spans) for f in _marked(value)]
    if value.use is not None:
        bars.append(bar("Usable", "pass", [value.use]))
    return bars


def _marked(value: Advice) -> list[Finding]:
    return [f for f in value.told("video", "pair") if f.spans]


def _ticks(seconds: float) -> list[tuple[float, str]]:
    """Left in percent and text of about six marks of the time line."""
    if not seconds:
        return []
    step = next(s for s in (0.5, 1, 2, 5, 10) if seconds / s <= 7 or s == 10)
    marks = [i * step for i in range(int((seconds - 0.4 * step) / step) + 1)]
    return [(round(100 * t / seconds, 2), f"{t:g} s") for t in marks]
