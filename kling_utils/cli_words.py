"""The command line's words: the options that commands share, and how a command ends: as an exit code, as JSON, for people on stderr.

Owns what ``--json`` says, the exit codes, and where a result is saved. Refuses to know the commands and the runner.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from kling_utils import errors
from kling_utils.errors import SPENT, KlingError
from kling_utils.values import CharacterOrientation, Job, ModelName

DONE, REFUSED, USAGE, FAILED, UNCONFIRMED, RUNNING, NO_CONTACT, FAULT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 70, 130
_EXIT: tuple[tuple[type[KlingError], int], ...] = (
    (errors.Refused, REFUSED),
    (errors.NotPublished, REFUSED),
    (errors.UnreadableMedia, REFUSED),
    (errors.AddressRefused, REFUSED),
    (errors.InvalidRequest, USAGE),
    (errors.SettingError, USAGE),
    (errors.NoSuchJob, USAGE),
    (errors.SubmitUnconfirmed, UNCONFIRMED),
    (errors.StillRunning, RUNNING),
    (errors.NoContact, NO_CONTACT),
    (errors.KlingError, FAILED),
)


# -- the options that commands share

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, everything else on stderr.")]
Image = Annotated[str, typer.Argument(help="The reference image: the character. A file or an https address.", metavar="IMAGE")]
Video = Annotated[str, typer.Argument(help="The reference video: the motion. A file or an https address.", metavar="VIDEO")]
Orientation = Annotated[
    CharacterOrientation,
    typer.Option(
        "--character-orientation", help="image: pose and framing of the image, 5 s. video: pose, framing and length of the video."
    ),
]
Model = Annotated[ModelName, typer.Option("--model-name", help="Standard or professional quality.")]
Prompt = Annotated[str, typer.Option("--prompt", help="Scene, light, clothes. The motion comes from the video.")]
Negative = Annotated[str, typer.Option("--negative-prompt", help="What should not be seen.")]
NoSound = Annotated[bool, typer.Option("--no-sound", help="Leave the video's sound out.")]
Out = Annotated[Path | None, typer.Option("--out", help="Where to write the result: a file, or a folder.", metavar="FILE")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file that --out names.")]


def _asked(
    image: Image,
    video: Video,
    character_orientation: Orientation = "video",
    model_name: Model = "kling-v3-0-std",
    prompt: Prompt = "",
    negative_prompt: Negative = "",
    no_sound: NoSound = False,
) -> dict[str, Any]:
    """What a request is made of, by the names of ``MotionRequest``: the options of every command that takes one."""
    return {
        "image": image,
        "video": video,
        "prompt": prompt,
        "negative_prompt": negative_prompt,
        "model_name": model_name,
        "character_orientation": character_orientation,
        "keep_original_sound": not no_sound,
    }


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Put the options of ``_asked`` before a command's own; it is called with what they make as its first argument."""
    asked = inspect.signature(_asked, eval_str=True).parameters
    _, *own = inspect.signature(command, eval_str=True).parameters.values()

    @wraps(command)
    def called(**given: Any) -> None:
        command(_asked(**{name: given.pop(name) for name in asked}), **given)

    called.__signature__ = inspect.Signature([*asked.values(), *own])  # type: ignore[attr-defined]
    return called


# -- how a command ends


def outcome(job: Job, *, video: Path | None = None, error: KlingError | None = None) -> dict[str, Any]:
    """What ``--json`` says of a job."""
    if error is None and job.trouble is not None:
        trouble: dict[str, Any] | None = asdict(job.trouble)
    else:
        trouble = None if error is None else _error(error)
    return {
        "job_id": job.job_id,
        "task_id": job.task_id,
        "state": job.state,
        "video": str(video or job.video) if video or job.video else None,
        "draft": job.draft,
        "money": job.money,
        "error": trouble,
        "take": job.take,
        "image": job.image_name,
        "reference": job.video_name,
        "model_name": job.request.model_name,
        "character_orientation": job.request.character_orientation,
    }


def _error(error: KlingError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "money": error.money,
        "words": error.words,
        "field": error.field,
    }


def nothing(error: KlingError) -> dict[str, Any]:
    """What ``--json`` says when there is no job."""
    same = {"job_id": error.job_id, "task_id": error.task_id, "state": None, "video": None, "draft": None}
    return {**same, "money": error.money, "error": _error(error)}


def save(video: Path, out: Path, job: Job) -> Path:
    """Copy the result to where the user wants it, whole or not at all. A folder gets the job's name."""
    import shutil

    from kling_utils.media.playable import beside

    dest = out / f"{job.job_id}.mp4" if out.is_dir() else out
    try:
        with beside(dest) as part:
            shutil.copyfile(video, part)
            os.replace(part, dest)
    except OSError as error:
        told, hint = f"{dest} could not be written: {error.strerror}.", f"The result is safe at {video}."
        raise errors.SettingError(told, hint=hint, money=job.money) from error
    return dest


def end(error: KlingError, as_json: bool, job: Job | None = None) -> NoReturn:
    """Say what went wrong, what to do and whether money was spent, and end with the exit code of such an error."""
    typer.echo(f"{error.message}" + (f'\nThe provider said: "{error.words}"' if error.words else ""), err=True)
    for line in (
        error.hint,
        SPENT[error.money],
        f"Job: {error.job_id}" if error.job_id else "",
        f"Task: {error.task_id}" if error.task_id else "",
    ):
        if line:
            typer.echo(line, err=True)
    if isinstance(error, errors.Refused):
        typer.echo(error.report, err=True)
    if as_json:
        print_json(outcome(job, error=error) if job is not None else nothing(error))
    raise typer.Exit(next(code for kind, code in _EXIT if isinstance(error, kind)))


def usage(message: str, hint: str, as_json: bool) -> NoReturn:
    """End with a sentence about the arguments."""
    end(errors.InvalidRequest(message, hint=hint), as_json)


@contextmanager
def ending(as_json: bool) -> Iterator[None]:
    """What is raised inside ends the command."""
    try:
        yield
    except KlingError as error:
        end(error, as_json)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def print_json(value: Any) -> None:
    """One line on stdout."""

    def plain(part: Any) -> Any:
        if isinstance(part, Path | Decimal | Fraction):
            return str(part)
        return asdict(part)

    sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False) + "\n")
    sys.stdout.flush()
