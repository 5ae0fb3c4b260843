"""One call each: run, fit, probe, compare and judge, over a client of this process's settings."""

from __future__ import annotations

import atexit
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_utils.errors import InvalidRequest
from kling_utils.values import ImageInfo, MotionRequest, Report, Result, VideoInfo

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.jobs.inputs import Given
    from kling_utils.preflight.repair import Fitted


@functools.cache
def client() -> Client:
    """The client that ``run`` uses: made at the first call, closed when the program ends."""
    from kling_utils.jobs.client import Client

    made = Client()
    atexit.register(made.close)
    return made


def run(image: MotionRequest | Given, video: Given | None = None, **how: Any) -> Result:
    """As ``Client.run``: check, submit and wait. What is there already is returned, not paid again."""
    return client().run(image, video, **how)


def probe(path: str | Path) -> ImageInfo | VideoInfo:
    """What a picture or a clip is. Raises ``UnreadableMedia`` for a file that is neither."""
    from kling_utils.preflight.plan import measure

    return measure(Path(path))


def fit(path: str | Path, out: str | Path | None = None, **choices: Any) -> Fitted:
    """A legal copy of a picture or a clip, at ``out`` or beside the original as ``name.fit.jpg``, ``.png`` or ``.mp4``.

    ``choices`` as ``FitChoices`` has them. Raises ``Unrepairable``, and ``InvalidRequest`` when nothing has to be done.
    """
    from kling_utils.preflight.plan import FitChoices, measure, plan_file
    from kling_utils.preflight.repair import fit_file

    source = Path(path)
    info = measure(source)
    plan = plan_file(info, choices=FitChoices(**choices))
    if not plan.needed and not plan.impossible:
        raise InvalidRequest(f"{source.name} needs no repair.", hint="Use it as it is.")
    ending = (
        ".mp4"
        if isinstance(info, VideoInfo)
        else ".png"
        if source.suffix.lower() == ".png"
        else ".jpg"
    )
    return fit_file(plan, Path(out) if out is not None else source.with_suffix(f".fit{ending}"))


def compare(
    one: Result | str | Path,
    other: Result | str | Path | None = None,
    out: str | Path | None = None,
    **how: Any,
) -> Path:
    """One film of two, side by side: a result beside its reference, two results, or two files. ``how`` as ``review.compare`` has it.

    It is written to ``out``, or as ``compare.mp4`` beside the second one.
    """
    from kling_utils.review.compare import compare as written
    from kling_utils.show import words

    if other is None:
        if not isinstance(one, Result):
            raise InvalidRequest(
                "There is nothing to compare with.", hint="Give a result, or two files."
            )
        first, second = one.reference, one.video
        how.setdefault("draft", one.draft)
    else:
        first, second = (
            Path(each.video if isinstance(each, Result) else each) for each in (one, other)
        )
        if isinstance(one, Result) and isinstance(other, Result):
            names = words.takes([one.job, other.job])
            how.setdefault("labels", (names[0], names[1]))
    return written(first, second, out or second.with_name("compare.mp4"), **how)


def judge(
    reference: str | Path,
    result: str | Path,
    image: str | Path | None = None,
    *,
    seconds: float | None = None,
) -> Report:
    """How well a result follows its reference, and what is wrong with it: any two clips, also ones that were made elsewhere.

    ``.fidelity`` has the score and its parts; what a job made has all of it in ``Result.audit``. ``image``: the character's
    picture, to compare with. ``seconds``: the length that was asked for, 5 in image orientation. Takes about as long as the
    clips. Raises ``UnreadableMedia``.
    """
    from kling_utils.media.probe import probe_image, probe_video
    from kling_utils.review.audit import audit

    reference, result = Path(reference), Path(result)
    if image is not None:
        probe_image(Path(image))
    whole = probe_video(reference).duration
    # without a picture the reference stands for it: it is no picture, so nothing is compared with it
    asked = MotionRequest(image or reference, reference)
    expected = whole if seconds is None else min(seconds, whole)
    return audit(result, reference, request=asked, expected_seconds=expected)
