"""Any photo and any clip made legal: ``plan_fit`` says what would be done and what it costs, ``fit`` does it and checks the new files.

Owns the order of things and the promise: never over the original, never behind the user's back, the
least change that makes it legal, nothing half done under a final name.

    plan = plan_fit(report)          # nothing is written; print(plan) tells all of it
    fitted = fit(plan, folder)       # new files beside each other in the folder
    request = fitted.apply(request)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from kling_utils.errors import (
    FfmpegFailed,
    Interrupted,
    InvalidRequest,
    UnreadableMedia,
    Unrepairable,
)
from kling_utils.media.encode import thumbnails
from kling_utils.media.files import local_trouble, named, temp_workdir
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.preflight import fit_words
from kling_utils.preflight.check import check_image, check_video
from kling_utils.preflight.fit_image import make_image, plan_image
from kling_utils.preflight.fit_video import make_video, plan_video
from kling_utils.preflight.limits import limit
from kling_utils.preflight.plan import (
    FitChoices,
    Fitted,
    ImagePlan,
    Impossible,
    Plan,
    Step,
    VideoPlan,
)
from kling_utils.values import CharacterOrientation, Finding, ImageInfo, Report, VideoInfo, is_url

__all__ = [
    "FitChoices",
    "Fitted",
    "Impossible",
    "Plan",
    "Step",
    "fit",
    "fit_file",
    "left_in_place",
    "measure",
    "plan_file",
    "plan_fit",
    "thumbnails",
]

Progress = Callable[[float, str], None]
"""Gets 0..1 and what is being made: ``image`` or ``video``."""
Stop = Callable[[], bool]

_HINT = "Nothing was kept of it; start it again when you like."
_DEFAULT = FitChoices()


def plan_fit(
    report: Report,
    *,
    choices: FitChoices = _DEFAULT,
    character_orientation: CharacterOrientation = "video",
) -> Plan:
    """What would make the files of the report legal, and what that costs in quality. Nothing is changed.

    A file that could not be measured, or cannot be repaired, is in ``.impossible`` with its reason. Takes about 0.1 s for a clip.
    """
    image: ImagePlan | None = None
    video: VideoPlan | Impossible | None = None
    cannot = [each for each in _unreadable(report.findings) if each.field in choices.fields]
    if report.image is not None and "image" in choices.fields:
        image = plan_image(report.image, report.of("image"), choices)
    if report.video is not None and "video" in choices.fields:
        try:
            video = plan_video(report.video, report.of("video"), choices)
        except (UnreadableMedia, FfmpegFailed) as error:
            video = Impossible("video", "video.unreadable", error.message, error.hint)
    if isinstance(video, Impossible):
        cannot.append(video)
        video = None
    return Plan(image, video, tuple(cannot), character_orientation, report)


def left_in_place(
    choices: FitChoices, report: Report, *, image: str | Path, video: str | Path
) -> FitChoices:
    """The choices without what is at an address and would not be refused: the provider can fetch it, and a copy would have to be published.

    ``image`` and ``video`` as they were given; the report tells what would be refused.
    """
    given, wrong = {"image": image, "video": video}, {finding.field for finding in report.errors}
    return replace(
        choices,
        fields=tuple(
            field for field in choices.fields if field in wrong or not is_url(given[field])
        ),
    )


def plan_file(
    file: Path | ImageInfo | VideoInfo,
    *,
    choices: FitChoices = _DEFAULT,
    character_orientation: CharacterOrientation = "video",
) -> Plan:
    """The same for one file, by its path or as it was measured. Raises ``UnreadableMedia`` for what is neither picture nor clip."""
    info = measure(file) if isinstance(file, Path) else file
    if isinstance(info, ImageInfo):
        report = Report(check_image(info), image=info)
    else:
        report = Report(check_video(info, character_orientation), video=info)
    return plan_fit(report, choices=choices, character_orientation=character_orientation)


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
    made = plan.image or plan.video
    assert made is not None  # noqa: S101 - one of both, as was just seen
    if os.path.exists(out) and out.samefile(made.info.path):
        raise InvalidRequest(
            f"{out.name} is the original, which is never written over.",
            hint="Choose another name.",
            field=_field(plan),
        )
    ending = out.suffix.lower()
    kinds = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"} if plan.image else {".mp4": "MP4"}
    if ending not in kinds:
        raise InvalidRequest(
            f"{out.name} does not end in {' or '.join(kinds)}.",
            hint="Choose such a name.",
            field=_field(plan),
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
    share, told = (0.1 if plan.video else 1.0), 0.0

    def tell(part: float, what: str) -> None:
        nonlocal told
        told = max(told, part)  # what has to be begun anew does not go back
        if on_progress is not None:
            on_progress(told, what)

    done: list[Step] = []
    made: list[tuple[Path, Path]] = []
    _ask(stop)
    _same_file(plan)
    with temp_workdir(dest, out.name if out else "fit") as work:
        if plan.image is not None:
            path, steps = make_image(plan.image, work, stop=lambda: _ask(stop))
            done += steps
            made.append((path, out or _free(dest, plan.image.info.path.stem, path.suffix)))
            tell(share, "image")
        if plan.video is not None:
            begin = share if plan.image else 0.0
            path, steps = make_video(
                plan.video,
                work,
                on_progress=lambda part: tell(begin + (1 - begin) * 0.99 * part, "video"),
                stop=stop,
            )
            done += steps
            made.append((path, out or _free(dest, plan.video.info.path.stem, path.suffix)))
        _check(plan, [path for path, _ in made])
        _ask(stop)
        for path, final in made:
            os.replace(path, final)
    finals = [final for _, final in made]
    image = finals[0] if plan.image else None
    video = finals[-1] if plan.video else None
    tell(1.0, "video" if video else "image")
    return Fitted(image, video, _report(plan, image, video), tuple(done), report)


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


def measure(path: Path) -> ImageInfo | VideoInfo:
    try:
        clip = probe_video(path)
        # an animation that is shorter than any clip may be is meant as a picture
        short = clip.container == "gif" and clip.duration < float(limit("video.duration").low or 0)
        return probe_image(path) if short else clip
    except UnreadableMedia as error:
        if error.found == "image":
            return probe_image(path)
        raise


def _unreadable(findings: Iterable[Finding]) -> Iterable[Impossible]:
    for each in findings:
        if (
            each.code
            in ("image.unreadable", "image.is_video", "video.unreadable", "video.is_image")
            and each.severity == "error"
        ):
            yield Impossible(
                each.field,
                each.code,
                *fit_words.impossible("unreadable", what=each.measured, fix=each.fix),
            )


def _field(plan: Plan) -> str:
    return "image" if plan.image else "video"


def _free(dest: Path, stem: str, suffix: str) -> Path:
    """A name in ``dest`` that nothing has."""
    number, path = 1, dest / named(stem, f"-fit{suffix}")
    while path.exists():
        number += 1
        path = dest / named(stem, f"-fit-{number}{suffix}")
    return path


def _ask(stop: Stop | None) -> None:
    if stop is not None and stop():
        raise Interrupted("Stopped.", hint=_HINT)
