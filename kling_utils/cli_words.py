"""What the commands share: options, how a command ends (an exit code, JSON, words on stderr), and where a file may be written."""

from __future__ import annotations

import filecmp
import inspect
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from decimal import Decimal
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, get_type_hints

import typer

from kling_utils import errors
from kling_utils.errors import SPENT, InvalidRequest, KlingError, MoneyState
from kling_utils.media.files import MOST_BYTES
from kling_utils.values import (
    Fidelity,
    Finding,
    Job,
    MotionRequest,
    Report,
    Severity,
    Span,
    counted,
    is_url,
    printable,
    record,
)

if TYPE_CHECKING:
    from kling_utils.preflight.advice import Advice
    from kling_utils.preflight.plan import Plan

_SEEN = 0.1
"""Seconds by which a clip may begin or end elsewhere than asked, as pictures have it, without a word."""

FILM = ("", ".mp4")
"""Endings of the names that a result may have."""
DONE, REFUSED, USAGE, FAILED, UNCONFIRMED, RUNNING, NO_CONTACT, OVER_BUDGET = range(8)
FAULT, INTERRUPTED = 70, 130
_EXIT: tuple[tuple[type[KlingError], int], ...] = (
    (errors.Refused, REFUSED),
    (errors.NotPublished, REFUSED),
    (errors.UnreadableMedia, REFUSED),
    (errors.AddressRefused, REFUSED),
    (errors.OverBudget, OVER_BUDGET),
    (errors.Interrupted, INTERRUPTED),
    (errors.FfmpegFailed, FAULT),
    (errors.SubmitUnconfirmed, UNCONFIRMED),
    (errors.StillRunning, RUNNING),
    (errors.NoContact, NO_CONTACT),
    (errors.ProviderError, FAILED),
    (errors.TaskFailed, FAILED),
    (errors.DownloadFailed, FAILED),
    (errors.KlingError, USAGE),
)
_NEXT = {
    "NoSuchJob": "List the jobs of this home: python -m kling_utils jobs",
    "SubmitUnconfirmed": "Look at your tasks at the provider, then: python -m kling_utils resume {job_id} "
    "with --task-id ID, --dismiss or, at your own risk of paying twice, --send-again.",
    "PriceNotAgreed": "To agree to it: the same command with --yes. KLING_CONFIRM_ABOVE is the sum.",
}
"""What to do, where a hint can name the command that does it."""
_COUNTED: dict[Severity, str] = {
    "error": "error",
    "warning": "warning",
    "advice": "piece of advice",
    "pass": "check passed",
}


# -- the options that commands share

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, everything else on stderr.")]
ASKED = {
    "image": "The reference image: the character. A file or an https address.",
    "video": "The reference video: the motion. A file or an https address.",
    "character_orientation": "image: pose and framing of the image, 5 s. "
    "video: pose, framing and length of the video.",
    "model_name": "Standard or professional quality.",
    "prompt": "Scene, light, clothes. The motion comes from the video.",
    "negative_prompt": "What should not be seen.",
    "keep_original_sound": "Leave the video's sound out.",
}
"""Help for the fields of a request."""
Start = Annotated[
    float, typer.Option("--start", min=0, help="Repair: where a clip begins, seconds.")
]
Length = Annotated[
    float | None,
    typer.Option("--length", min=0, help="Repair: how long a clip is at most, seconds."),
]
Part = Annotated[
    str,
    typer.Option(
        "--span",
        help="Send only a part of the clip: clean (what advice finds worth paying for), or seconds such as 3.2-9.6.",
        metavar="clean|A-B",
    ),
]
Slow = Annotated[bool, typer.Option("--slow", help="Repair: slow down a clip that is too short.")]
Crop = Annotated[
    bool,
    typer.Option(
        "--crop", help="Repair: cut a picture around the person, instead of adding ground."
    ),
]
CropTo = Annotated[
    str | None,
    typer.Option(
        "--crop-to",
        metavar="L,T,R,B",
        help="Repair: keep this part of the picture: left, top, right, bottom in pixels.",
    ),
]
TurnImage = Annotated[
    int,
    typer.Option(
        "--turn-image",
        metavar="DEGREES",
        help="Repair: turn the picture clockwise by 90, 180 or 270 degrees.",
    ),
]
TurnVideo = Annotated[
    int,
    typer.Option("--turn-video", metavar="DEGREES", help="Repair: the same of the clip."),
]
Ground = Annotated[
    str,
    typer.Option(
        "--ground",
        help="Repair: what is added to a picture: blur (its own), a colour's name or #rrggbb.",
        metavar="COLOUR",
    ),
]
Behind = Annotated[
    str,
    typer.Option(
        "--behind",
        help="Repair: the colour behind what is see-through in a picture.",
        metavar="COLOUR",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Where to write the result: an .mp4, or a folder that is there.",
        metavar="FILE",
    ),
]
Publish = Annotated[
    str,
    typer.Option(
        "--publish",
        help="How a local clip gets to the provider: tunnel (a temporary link from this machine, open while the job is under way), "
        "huggingface (a dataset for each job, with HF_TOKEN), or an object store such as s3://bucket/prefix. Default: KLING_PUBLISH_TO.",
        metavar="WAY",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file that --out names.")]


def say(text: object, *, err: bool = False) -> None:
    """A line for a person; a file's name may hold signs that would steer the terminal."""
    typer.echo(printable(str(text)), err=err)


def _request_options() -> Iterator[inspect.Parameter]:
    """The fields of ``MotionRequest`` as arguments and options: ``prompt`` is ``--prompt``."""
    kinds = get_type_hints(MotionRequest)
    for each in fields(MotionRequest):
        name, kind, default, says = each.name, kinds[each.name], each.default, ASKED[each.name]
        option = typer.Option(f"--{name.replace('_', '-')}", help=says)
        if default is MISSING:
            kind, default = str, inspect.Parameter.empty
            option = typer.Argument(metavar=name.upper(), help=says)
        elif name == "keep_original_sound":
            name, default, option = "no_sound", False, typer.Option("--no-sound", help=says)
        yield inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=default,
            annotation=Annotated[kind, option],
        )


def asked(*, no_sound: bool, **given: Any) -> MotionRequest:
    """The request that the options of a command make."""
    return MotionRequest(**given, keep_original_sound=not no_sound)


asked.__signature__ = inspect.Signature([*_request_options()])  # type: ignore[attr-defined]


def chosen(
    start: Start = 0.0,
    length: Length = None,
    slow: Slow = False,
    crop: Crop = False,
    crop_to: CropTo = None,
    turn_image: TurnImage = 0,
    turn_video: TurnVideo = 0,
    ground: Ground = "blur",
    behind: Behind = "white",
) -> dict[str, Any]:
    """What a repair is made by, by the names of ``FitChoices``: the options of every command that repairs."""
    return {
        "start": start,
        "length": length,
        "slow": slow,
        "shape": "crop" if crop else "pad",
        "crop": None if crop_to is None else as_box(crop_to),
        "turn_image": turn_image,
        "turn_video": turn_video,
        "ground": ground,
        "behind": behind,
    }


def command(
    app: typer.Typer, name: str | None = None, *, costs: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a command whose errors end it as ``ending`` says.

    Where it takes an argument ``asked`` or ``chosen``, it has the options of that function and gets what the function makes of them.
    """

    def added(body: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(body, eval_str=True).parameters
        makers = {each.__name__: each for each in (asked, chosen) if each.__name__ in own}
        options = {
            name: inspect.signature(maker, eval_str=True).parameters
            for name, maker in makers.items()
        }

        @wraps(body)
        def called(**given: Any) -> None:
            with ending(given["as_json"], costs=costs):
                parts = {
                    name: {each: given.pop(each) for each in names}
                    for name, names in options.items()
                }
                body(**{name: makers[name](**part) for name, part in parts.items()}, **given)

        every = [each for names in options.values() for each in names.values()]
        every += [each for name, each in own.items() if name not in makers]
        every.sort(key=lambda each: each.default is not inspect.Parameter.empty)
        called.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        return app.command(name)(called)

    return added


def as_span(text: str) -> Literal["clean"] | Span:
    """``clean``, or start and end in seconds. Raises ``InvalidRequest`` for anything else."""
    if text == "clean":
        return "clean"
    start, dash, end = text.partition("-")
    try:
        span = float(start), float(end)
        if not dash or not 0 <= span[0] < span[1] < math.inf:
            raise ValueError
    except ValueError:
        raise InvalidRequest(
            f"--span {text} is no part of a clip.",
            hint="Give clean, or start and end in seconds, such as 3.2-9.6.",
            field="video",
        ) from None
    return span


def as_box(text: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels. Raises ``InvalidRequest`` for anything else."""
    parts = text.split(",")
    if len(parts) != 4 or not all(each.strip().isdecimal() for each in parts):
        raise InvalidRequest(
            f"--crop-to {text} is no part of a picture.",
            hint="Give left, top, right and bottom in pixels, such as 100,0,900,1200.",
            field="image",
        )
    left, top, right, bottom = map(int, parts)
    return left, top, right, bottom


# -- what is said of a report


def told_advice(advice: Advice, *, every: bool = False) -> str:
    """Advice for a terminal: what matters, the worst last; what passed only with ``every``."""
    found = [f for f in advice.of("image", "video", "pair") if every or f.severity != "pass"]
    return "\n".join(map(str, reversed(found))) or "Nothing in the picture or the clip stands out."


def usable(advice: Advice, saving: str) -> str:
    """Which part of the clip is worth paying for."""
    if advice.use is None:
        return saving or "Which part of the clip is usable cannot be told."
    if saving:
        return f"{saving} With run: --span clean.{_starts(advice)}"
    return f"All of the clip is usable.{_starts(advice)}"


def _starts(advice: Advice) -> str:
    """The moments to begin at, where the poses match clearly better."""
    if not advice.better_starts:
        return ""
    options = [f"--span {s.time:.1f}-{s.end:.1f} ({s.match:.0%})" for s in advice.better_starts]
    return f" The picture's pose matches best with {', then '.join(options)}."


def advice_fields(advice: Advice | None) -> dict[str, Any] | None:
    """Advice for JSON, without what was measured for each frame."""
    if advice is None:
        return None
    return {
        "findings": advice.findings,
        "clean": advice.clean,
        "use": advice.use,
        "starts": [
            {"start": start.time, "end": start.end, "match": start.match} for start in advice.starts
        ],
    }


def told(report: Report, *, every: bool = False, but: Finding | None = None) -> str:
    """A report for a terminal: what matters, the worst last, where the eye is; what passed as a number, unless ``every`` is asked for.

    ``but``: a finding that is told elsewhere.
    """
    shown: list[Severity] = (
        ["pass", "unknown", "advice", "warning", "error"]
        if every
        else ["unknown", "advice", "warning", "error"]
    )
    lines = [
        str(each)
        for severity in shown
        for each in report.findings
        if each.severity == severity and each is not but
    ]
    count = {each: sum(found.severity == each for found in report.findings) for each in _COUNTED}
    said = ", ".join(counted(number, _COUNTED[each]) for each, number in count.items() if number)
    return "\n".join([*lines, f"{said}."])


def followed(found: Fidelity) -> str:
    """How well a result follows, for a terminal: the sentence, the scores, a row for each limb."""
    from kling_utils.review.verdict import WHY

    lines = [found.sentence]
    if found.score.value is not None:
        of = "body" if found.score is found.body else "face"
        lines.append(f"Score: {found.score.value:.0f} of 100, by the {of}.")
    for name, score in (("Body", found.body), ("Face", found.face)):
        if score.value is None:
            lines.append(f"{name}: not judged, because {WHY.get(score.why, score.why)}.")
            continue
        parts = ["motion", "pose", "amplitude", "timing", "coverage"]
        if name == "Face":
            parts.remove("pose")  # a face has none
        shares = ", ".join(f"{part} {getattr(score, part):.0%}" for part in parts)
        lines.append(f"{name}: {score.value:.0f} of 100 ({shares}).")
    if any(limb.judged for limb in found.limbs):
        lines.append(
            f"{'':10} {'follows':>8} {'size':>6} {'error':>6}   left and right are the person's"
        )
    for limb in found.limbs if any(limb.judged for limb in found.limbs) else ():
        rest = "  moves too little in the reference to be judged, or is hidden"
        row = f" {limb.follows:8.0%} {limb.amplitude:6.0%} {limb.error:4.0f} deg"
        lines.append(f"{limb.name:10}{row if limb.judged else rest}")
    if found.worst:
        moments = ", ".join(f"{moment.time:.1f} s ({moment.kind})" for moment in found.worst)
        lines.append(f"Worst moments: {moments}.")
    return "\n".join(lines)


# -- where a file may be written


def writable(
    out: Path,
    *,
    of: tuple[str | Path, ...],
    endings: tuple[str, ...] = (),
    force: bool = False,
    folder: bool = False,
) -> None:
    """Raises ``InvalidRequest`` when a file must not be written as ``out``: it is one that it is made ``of``, its ending would lie, its
    folder is not there, or it exists. ``folder``: it may be one, and gets a file with the job's name.
    """
    length = len(os.fsencode(out.name))
    if length > MOST_BYTES:
        told = f"The name of the file has {length} bytes; at most {MOST_BYTES} are allowed."
        raise InvalidRequest(told, hint="Give a shorter name.")
    if out.is_dir():
        if folder:
            return
        raise InvalidRequest(f"{out} is a folder.", hint="Name a file in it.")
    if any(_same(out, Path(each).expanduser()) for each in of if not is_url(each)):
        told = f"{out} is one of the files that it is to be made of, which are never written over."
        raise InvalidRequest(told, hint="Give another name.")
    if endings and out.suffix.lower() not in endings:
        told = f"{out.name} does not end in {' or '.join(each for each in endings if each)}."
        raise InvalidRequest(told, hint="Choose such a name.")
    if not out.parent.is_dir():
        raise InvalidRequest(f"The folder {out.parent} does not exist.", hint="Make it first.")
    if out.exists() and not force:
        raise InvalidRequest(f"{out} exists.", hint="Give another name, or --force.")


def spare(out: Path, job: Job, *, force: bool) -> None:
    """Raises ``AboutJob`` when saving the job's result would write over a file: any without ``force``, what it was made of never."""
    dest = destination(out, job)
    kept = [Path(each) for each in (job.request.image, job.request.video)]
    # Where the originals lie is not kept; but what has the bytes of the job's own copy is one, or as good.
    if dest.is_file() and any(
        each.is_file() and filecmp.cmp(dest, each, shallow=False) for each in kept
    ):
        told = f"{dest} is one of the files that the job was made of, which are never written over."
        raise AboutJob(told, hint="Give another name.", job=job)
    if dest.exists() and not force:
        raise AboutJob(f"{dest} exists.", hint="Give another name, or --force.", job=job)


def destination(out: Path, job: Job) -> Path:
    """A folder gets the job's name."""
    return out / f"{job.job_id}.mp4" if out.is_dir() else out


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (
        one.exists() and other.exists() and one.samefile(other)
    )


def save(video: Path, out: Path, job: Job) -> Path:
    """Copy the result to where the user wants it. A folder gets the job's name."""
    return copy(
        video, destination(out, job), hint=f"The result is safe at {video}.", money=job.money
    )


def copy(
    source: Path,
    dest: Path,
    *,
    hint: str = "Look at the disk, and try again.",
    money: MoneyState = "no",
) -> Path:
    """A file under another name, whole or not at all."""
    from kling_utils.media.files import atomic_write

    try:
        with atomic_write(dest) as part:
            shutil.copyfile(source, part)
    except OSError as error:
        raise errors.SettingError(
            f"{dest} could not be written: {error.strerror}.", hint=hint, money=money
        ) from error
    return dest


# -- how a command ends


def outcome(
    job: Job,
    *,
    video: Path | None = None,
    error: KlingError | None = None,
    shown: Sequence[Finding] = (),
) -> dict[str, Any]:
    """What ``--json`` says of a job."""
    if error is None and job.trouble is not None:
        trouble: dict[str, Any] | None = asdict(job.trouble)
    else:
        trouble = None if error is None else _error(error)
    said = record(job)
    low, high, currency = (said.pop(name) for name in ("cost_low", "cost_high", "currency"))
    del said["error_message"]
    return {
        **said,
        "cost": currency and {"low": low, "high": high, "currency": currency},
        "video": str(video) if video else said["video"],
        "error": trouble and {**trouble, **({"findings": shown} if shown else {})},
    }


def _error(error: KlingError) -> dict[str, Any]:
    findings = {"findings": error.report.errors} if isinstance(error, errors.Refused) else {}
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "money": error.money,
        "words": error.words,
        "field": error.field,
        **findings,
    }


def nothing(error: KlingError) -> dict[str, Any]:
    """What ``--json`` says when there is no job."""
    same = {
        "job_id": error.job_id,
        "task_id": error.task_id,
        "state": None,
        "video": None,
        "draft": None,
    }
    return {**same, "money": error.money, "error": _error(error)}


def complain(
    error: KlingError,
    job: Job | None = None,
    *,
    costs: bool = True,
    shown: Sequence[Finding] = (),
) -> int:
    """Say what went wrong, what the files show of it, what to do and, for a command that ``costs``, whether money was spent.

    Returns the error's exit code.
    """
    if error.code in _NEXT:
        error.hint = _NEXT[error.code].format(job_id=error.job_id)
    if isinstance(error, errors.Refused):
        say(
            told(error.report, but=next(iter(error.report.errors), None)), err=True
        )  # above: what counts stays in sight
    who = "The motion engine" if job is not None and job.draft else "The provider"
    say(f"{error.message}" + (f'\n{who} said: "{error.words}"' if error.words else ""), err=True)
    for line in (
        error.hint,
        *(f"What the files show: {finding}" for finding in shown),
        SPENT[error.money] if costs else "",
        f"Job: {error.job_id}" if error.job_id else "",
        f"Task: {error.task_id}" if error.task_id else "",
    ):
        if line:
            say(line, err=True)
    # it goes on, without this program
    if isinstance(error, errors.CannotServe) and job is not None and job.state != "checked":
        return RUNNING
    return next(code for kind, code in _EXIT if isinstance(error, kind))


def end(
    error: KlingError,
    as_json: bool,
    job: Job | None = None,
    *,
    costs: bool = True,
    shown: Sequence[Finding] = (),
) -> NoReturn:
    """``complain``, then end with the error's exit code."""
    code = complain(error, job, costs=costs, shown=shown)
    if as_json:
        print_json(outcome(job, error=error, shown=shown) if job is not None else nothing(error))
    raise typer.Exit(code)


class AboutJob(InvalidRequest):
    """Arguments that do not suit a job that is there, and on which money may have been spent."""

    def __init__(self, message: str, *, hint: str, job: Job) -> None:
        super().__init__(message, hint=hint, money=job.money)
        self.job, self.job_id, self.task_id = job, job.job_id, job.task_id

    @property
    def code(self) -> str:
        return InvalidRequest.__name__


@contextmanager
def ending(as_json: bool, *, costs: bool = True) -> Iterator[None]:
    """What is raised inside ends the command; ``costs``: it is one on which money may be spent."""
    try:
        yield
    except KlingError as error:
        end(error, as_json, error.job if isinstance(error, AboutJob) else None, costs=costs)
    except OSError as error:
        if costs:
            raise  # perhaps after a submit: shown whole
        told = f"{error.filename or 'A file'} could not be used: {error.strerror or error}."
        hint = "Check its permissions and the free space, and start it again."
        end(errors.SettingError(told, hint=hint), as_json, costs=False)
    except KeyboardInterrupt:
        told = "Interrupted: nothing was sent, and nothing is kept of what was not finished."
        end(errors.Interrupted(told), as_json)


def print_json(value: Any) -> None:
    """One line on stdout."""

    def plain(part: Any) -> Any:
        if isinstance(part, Path | Decimal | Fraction):
            return str(part)
        return asdict(part)

    sys.stdout.write(printable(json.dumps(value, default=plain, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


def endings(plan: Plan) -> tuple[str, ...]:
    """Of the names that the repaired file may have. A file that is fine as it is keeps its kind."""
    report = plan.report or Report(())
    if report.image is None:
        return (
            (".mp4", ".mov")
            if report.video is not None and report.video.container == "mov" and not plan.needed
            else (".mp4",)
        )
    kinds = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg")}
    return (*kinds["JPEG"], *kinds["PNG"]) if plan.needed else kinds[report.image.format]


def otherwise(plan: Plan, start: float, length: float | None) -> list[str]:
    """What becomes of a start and a length that the clip has no room for."""
    if plan.video is None:
        return []
    recipe, notes = plan.video.recipe, []
    if abs(recipe.start - start) > _SEEN:
        notes.append(
            f"--start {start:g} leaves too little of the clip: it begins at {recipe.start:.3g} s."
        )
    if length is not None and recipe.seconds - length > _SEEN:
        notes.append(f"--length {length:g} is too short: {recipe.seconds:.3g} s are kept.")
    return notes
