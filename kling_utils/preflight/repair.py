"""Any photo and any clip made legal: carries a plan out, and checks the new files.

Originals are never written over, nothing is changed that the plan does not tell of, and no file
appears under its final name before it is whole.

    plan = plan_fit(report)          # nothing is written; print(plan) tells all of it
    fitted = fit(plan, folder)       # new files beside each other in the folder
    request = fitted.apply(request)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from kling_utils.errors import (
    FfmpegFailed,
    Interrupted,
    InvalidRequest,
    UnreadableMedia,
    Unrepairable,
)
from kling_utils.media import bounds, encode, images, sized
from kling_utils.media.encode import Clip
from kling_utils.media.ffmpeg import TimedOut
from kling_utils.media.files import local_trouble, named, temp_workdir
from kling_utils.media.images import picture_cost
from kling_utils.media.probe import probe_image, probe_video, read_streams
from kling_utils.preflight.check import check_image, check_video
from kling_utils.preflight.limits import HEADER_TOLERANCE, limit
from kling_utils.preflight.plan import (
    COST_NONE,
    NOTHING,
    ImagePlan,
    Plan,
    Step,
    VideoPlan,
    inner_size,
)
from kling_utils.values import MotionRequest, Report, Shown, Size

Progress = Callable[[float, str], None]
"""Gets 0..1 and what is being made: ``image`` or ``video``."""
Stop = Callable[[], bool]
Made = tuple[Path, tuple[Step, ...]]
"""A file, and what was done."""

_BEST, _FILLING = 17.0, 1.0
"""x264's quality beyond which nothing is seen, and what is gone up to when the source had more to give (0 would be another profile)."""
_HOPELESS = 0.7
"""Share of the size to be expected by now above which going on at the best quality is given up."""


@dataclass(frozen=True, slots=True, repr=False)
class Fitted(Shown):
    """The new files, measured and checked; None for one that is as it was."""

    image: Path | None
    video: Path | None
    report: Report
    """Of the new files, and of the old where nothing was changed."""
    done: tuple[Step, ...]
    before: Report
    """The report that the plan was made for."""

    def apply(self, request: MotionRequest) -> MotionRequest:
        """The request with the new files in it."""
        return replace(
            request, image=self.image or request.image, video=self.video or request.video
        )

    def __str__(self) -> str:
        return "\n".join(f"- {each}" for each in self.done) if self.done else NOTHING


def fit(
    plan: Plan, dest: Path, *, on_progress: Progress | None = None, stop: Stop | None = None
) -> Fitted:
    """Do what the plan says; the new files are in the folder ``dest``, under names that nothing there has.

    ``stop`` is asked about twice a second. Both files appear when both are ready; before, and after a stop, an error or a kill, there are
    none. Raises ``Unrepairable`` for a plan with something impossible in it, ``Interrupted``, ``FfmpegFailed``, ``UnreadableMedia``,
    and ``SettingError`` when ``dest`` cannot be written.
    """
    with local_trouble(dest):
        return _fit(plan, dest, None, on_progress, stop)


def fit_file(
    plan: Plan, out: Path, *, on_progress: Progress | None = None, stop: Stop | None = None
) -> Fitted:
    """The same for a plan of one file, under the name ``out``, which is replaced if it exists, unless it is the original.

    The name's ending chooses between JPEG and PNG. Raises ``InvalidRequest`` also for an ending that does not suit.
    """
    if (plan.image is None) == (plan.video is None):
        raise InvalidRequest(
            "There is not one file to make.",
            hint="Look at plan.needed first; use fit() for two files.",
        )
    made, field = plan.image or plan.video, "image" if plan.image else "video"
    assert made is not None  # noqa: S101 - one of both, as was just seen
    if os.path.exists(out) and out.samefile(made.info.path):
        raise InvalidRequest(
            f"{out.name} is the original, which is never written over.",
            hint="Choose another name.",
            field=field,
        )
    ending = out.suffix.lower()
    kinds = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"} if plan.image else {".mp4": "MP4"}
    if ending not in kinds:
        raise InvalidRequest(
            f"{out.name} does not end in {' or '.join(kinds)}.",
            hint="Choose such a name.",
            field=field,
        )
    if plan.image is not None and plan.image.kind != "PNG" and kinds[ending] == "PNG":
        raise InvalidRequest(
            f"{out.name}: a PNG of this picture may be too large.",
            hint="Choose a name in .jpg.",
            field="image",
        )
    with local_trouble(out):
        return _fit(plan.saved_as(ending), out.parent, out, on_progress, stop)


def _fit(
    plan: Plan, dest: Path, out: Path | None, on_progress: Progress | None, stop: Stop | None
) -> Fitted:
    report = plan.report or Report(())
    if plan.impossible:
        first = plan.impossible[0]
        raise Unrepairable(report, first.reason, hint=first.hint, field=first.field)
    if not plan.needed:
        return Fitted(None, None, report, (), report)
    told = 0.0

    def tell(part: float, what: str) -> None:
        nonlocal told
        told = max(told, part)  # what has to be begun anew does not go back
        if on_progress is not None:
            on_progress(told, what)

    done: list[Step] = []
    made: dict[str, tuple[Path, Path]] = {}

    def keep(field: str, original: Path, path: Path, steps: tuple[Step, ...]) -> None:
        done.extend(steps)
        made[field] = path, out or _free(dest, original.stem, path.suffix)

    _ask(stop)
    _same_file(plan)
    with temp_workdir(dest, out.name if out else "fit") as work:
        begin = 0.0
        if plan.image is not None:
            keep("image", plan.image.info.path, *_make_image(plan.image, work, stop=stop))
            begin = 0.1 if plan.video else 1.0
            tell(begin, "image")
        if plan.video is not None:

            def progress(part: float) -> None:
                tell(begin + (1 - begin) * 0.99 * part, "video")

            video = _make_video(plan.video, work, on_progress=progress, stop=stop)
            keep("video", plan.video.info.path, *video)
        _check(plan, [path for path, _ in made.values()])
        _ask(stop)
        for path, final in made.values():
            os.replace(path, final)
    finals = {field: final for field, (_, final) in made.items()}
    tell(1.0, "video" if plan.video else "image")
    new = finals.get("image"), finals.get("video")
    return Fitted(*new, _report(plan, *new), tuple(done), report)


def _report(plan: Plan, image: Path | None, video: Path | None) -> Report:
    """Of the new files; what was found about texts and unchanged files stays. What depends on both files has to be asked anew."""
    old = plan.report or Report(())
    picture = probe_image(image) if image else old.image
    clip = probe_video(video) if video else old.video
    findings = (
        *(check_image(picture) if image and picture else old.of("image")),
        *(check_video(clip, plan.character_orientation) if video and clip else old.of("video")),
        *old.of("prompt", "negative_prompt"),
    )
    return Report(findings, image=picture, video=clip)


def _check(plan: Plan, paths: Iterable[Path]) -> None:
    """The promise, measured: what was made is legal."""
    for path in paths:
        picture = path.suffix in (".jpg", ".png")
        findings = (
            check_image(probe_image(path))
            if picture
            else check_video(probe_video(path), plan.character_orientation)
        )
        wrong = next((f for f in findings if f.severity == "error"), None)
        if wrong is not None:
            raise FfmpegFailed(
                f"It could not be made legal: {wrong.title.lower()} is {wrong.measured}.",
                hint=wrong.fix,
            )


def _same_file(plan: Plan) -> None:
    """A plan is for the bytes that were measured: a file that has changed since is measured again first."""
    for part in (plan.image, plan.video):
        if part is not None and (
            not part.info.path.is_file() or part.info.path.stat().st_size != part.info.size_bytes
        ):
            field = "image" if part is plan.image else "video"
            raise UnreadableMedia(
                f"{part.info.path.name} has changed since it was checked.",
                hint="Check it again.",
                field=field,
            )


def _free(dest: Path, stem: str, suffix: str) -> Path:
    """A name in ``dest`` that nothing has."""
    number, path = 1, dest / named(stem, f"-fit{suffix}")
    while path.exists():
        number += 1
        path = dest / named(stem, f"-fit-{number}{suffix}")
    return path


def _ask(stop: Stop | None) -> None:
    if stop is not None and stop():
        raise Interrupted("Stopped.", hint="Nothing was kept of it; start it again when you like.")


# -- the picture


def _make_image(plan: ImagePlan, work: Path, *, stop: Stop | None) -> Made:
    """Make it in the folder ``work``. Raises ``UnreadableMedia`` and ``Interrupted``."""
    _ask(stop)
    with bounds.pictures.taken(picture_cost(plan.info.path)[1]):
        picture = images.plain(plan.info.path, plan.behind, plan.turn)
        _ask(stop)
        if plan.crop is not None:
            picture = picture.crop(plan.crop)
        if plan.padded is not None:
            inner = inner_size(Size(*picture.size))
            picture = images.pad(images.scale(picture, inner), plan.padded, plan.ground)
        picture = images.scale(picture, plan.size)
        path = work / "image"
        kind, shrunk = images.save(
            picture,
            path,
            plan.kind,
            max_bytes=plan.max_bytes,
            fill=plan.fill,
            least=int(limit("image.side.kling").low or 0),
            stop=lambda: _ask(stop),
        )
    done = plan.steps
    if kind != plan.kind:  # rare: a drawing that a PNG holds badly
        done = (*done[:-1], replace(done[-1], values={"to": kind, "cost": COST_NONE}))
    if shrunk < 1:
        made = Size(round(picture.width * shrunk), round(picture.height * shrunk))
        done = (*done, Step("image.smaller", values={"from_": plan.size, "to": made}))
    return path.rename(path.with_suffix(".png" if kind == "PNG" else ".jpg")), done


# -- the clip


def _make_video(
    plan: VideoPlan, work: Path, *, on_progress: encode.Progress | None, stop: Stop | None
) -> Made:
    """Make it in the folder ``work``: the file and what was done. Raises ``FfmpegFailed``, ``UnreadableMedia`` and ``Interrupted``."""
    clip = Clip(plan.info, read_streams(plan.info.path), plan.turn)
    try:
        return _make_clip(clip, plan, work, on_progress, stop)
    except TimedOut:
        raise
    except FfmpegFailed:
        if clip.streams.sound is None:
            raise
        # a codec that is known, and packets that are none of it
        silent = clip._replace(streams=replace(clip.streams, sound=None))
        path, done = _make_clip(silent, plan, work, on_progress, stop)
        return path, (*done, Step("video.silent"))


def _make_clip(
    clip: Clip, plan: VideoPlan, work: Path, on_progress: encode.Progress | None, stop: Stop | None
) -> Made:
    dest, done = work / "video.mp4", plan.steps
    if plan.way == "copy":
        try:
            encode.copy(clip, plan.recipe, dest, on_progress=on_progress, stop=stop)
            if _as_planned(dest, plan, sound=clip.streams.sound is not None):
                return dest, done
        except (FfmpegFailed, UnreadableMedia):
            pass  # packets that an MP4 does not take, or an index that does not tell the truth: then it has to be encoded
        kept = (each for each in done if each.code != "video.repack")
        done = (*kept, Step("video.encode", values={"cost": COST_NONE}))
    dest.unlink(missing_ok=True)
    if not plan.fill and _at_best(clip, plan, dest, on_progress, stop):
        return dest, done
    best = _FILLING if plan.fill else _BEST
    job = sized.Sized(
        clip,
        plan.recipe,
        work,
        max_bytes=plan.max_bytes,
        best_crf=best,
        on_progress=on_progress,
        stop=stop,
    )
    job.make(dest)
    return dest, done


def _at_best(
    clip: Clip, plan: VideoPlan, dest: Path, on_progress: encode.Progress | None, stop: Stop | None
) -> bool:
    """Write ``dest`` at the best quality, in a plain pass; False when that will not fit, which shows early."""
    reached = 0.0

    def progress(share: float) -> None:
        nonlocal reached
        reached = share
        if on_progress is not None:
            on_progress(share)

    def too_much() -> bool:
        size = dest.stat().st_size if dest.exists() else 0
        return size > plan.max_bytes or (
            reached > 0.1 and _HOPELESS * size / reached > plan.max_bytes
        )

    try:
        encode.encode(
            clip,
            plan.recipe,
            dest,
            crf=_BEST,
            on_progress=progress,
            stop=lambda: too_much() or (stop is not None and stop()),
        )
    except Interrupted:
        if stop is not None and stop():
            raise
        return False
    return dest.stat().st_size <= plan.max_bytes


def _as_planned(path: Path, plan: VideoPlan, *, sound: bool) -> bool:
    """Whether what was copied is legal and whole, with its ``sound``, and its header says so."""
    made = probe_video(path)
    if sound and made.audio_codec is None:
        return False
    errors = [f for f in check_video(made, "video") if f.severity == "error"]
    whole = (
        abs(made.duration - plan.recipe.seconds) <= 1 / plan.recipe.rate and not made.variable_rate
    )
    header = made.duration if made.header_duration is None else made.header_duration
    whole = whole and abs(header - made.duration) <= HEADER_TOLERANCE
    return not errors and whole and made.size_bytes <= plan.max_bytes
