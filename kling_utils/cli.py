"""The command line: reads arguments, renders what the runner says, ends with an exit code. Holds no rule.

With ``--json`` stdout holds JSON only; progress and everything for people goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from kling_utils import errors
from kling_utils.errors import SPENT, KlingError
from kling_utils.show.progress import Steady
from kling_utils.values import CharacterOrientation, Job, Layout, ModelName, MotionRequest

if TYPE_CHECKING:
    from kling_utils.jobs.runner import Runner

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

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Kling V3.0 Motion Control: a character's image and a motion's video go in, the character performing that motion comes out. "
    "Without NOVITA_API_KEY, results are local drafts. Exit codes: 0 done, 1 refused by the checks, 2 usage, 3 failed at the provider, "
    "4 unconfirmed, 5 still running, 6 no contact, 70 a fault of this program, 130 interrupted.",
)

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


@app.command("check")
def check_(
    image: Image,
    video: Video,
    character_orientation: Orientation = "video",
    model_name: Model = "kling-v3-0-std",
    prompt: Prompt = "",
    negative_prompt: Negative = "",
    no_sound: NoSound = False,
    as_json: Json = False,
) -> None:
    """Check both files against every rule, and quote. Sends nothing, costs nothing."""
    with _runner(as_json) as runner:
        look = runner.look(
            image=image,
            video=video,
            prompt=prompt,
            negative_prompt=negative_prompt,
            model_name=model_name,
            character_orientation=character_orientation,
            keep_original_sound=not no_sound,
        )
        if as_json:
            _print_json(
                {"ok": look.report.ok, "provider": look.provider, "seconds": look.seconds, "quote": look.quote, "report": look.report}
            )
        else:
            typer.echo(look.report)
            if look.quote is not None and look.seconds is not None:
                typer.echo(f"Expected length: {look.seconds:.1f} s. Cost: {look.quote}. {look.quote.basis}")
        raise typer.Exit(DONE if look.report.ok else REFUSED)


@app.command()
def run(
    image: Image,
    video: Video,
    character_orientation: Orientation = "video",
    model_name: Model = "kling-v3-0-std",
    prompt: Prompt = "",
    negative_prompt: Negative = "",
    no_sound: NoSound = False,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write the result: a file, or a folder.", metavar="FILE")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that --out names.")] = False,
    fit: Annotated[bool, typer.Option("--fit", help="Repair first what the checks find wrong.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Another take of a request that is finished already.")] = False,
    as_json: Json = False,
) -> None:
    """Check, submit, watch, and save the result."""
    if out is not None and out.is_file() and not force:
        _usage(f"{out} exists.", "Give another name, or --force.", as_json)
    if out is not None and not out.is_dir() and not out.parent.is_dir():
        _usage(f"The folder {out.parent} does not exist.", "Make it first.", as_json)
    with _runner(as_json) as runner:
        request = MotionRequest(image, video, prompt, negative_prompt, model_name, character_orientation, not no_sound)
        if fit:
            fitted = runner.fit(request)
            typer.echo(fitted, err=True)
            request = fitted.apply(request)
        try:
            job = runner.submit(request, fresh=again)
        except errors.AlreadyHave as have:  # nothing is sent: a result is shown, a doubt is asked about
            job = runner.job(have.job_id or "")
            typer.echo(f"{have.message} {have.hint}", err=True)
        _follow(runner, job, out, as_json)


@app.command()
def resume(
    job_id: Annotated[str, typer.Argument(metavar="JOB_ID")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write the result: a file, or a folder.", metavar="FILE")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that --out names.")] = False,
    task_id: Annotated[str, typer.Option("--task-id", help="For an unconfirmed job: the task that was found at the provider.")] = "",
    dismiss: Annotated[bool, typer.Option("--dismiss", help="For an unconfirmed job: give it up.")] = False,
    send_again: Annotated[bool, typer.Option("--send-again", help="For an unconfirmed job: risk paying twice.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a job: watch it, save its result, send one that was not sent. Never sends twice by itself."""
    if out is not None and out.is_file() and not force:
        _usage(f"{out} exists.", "Give another name, or --force.", as_json)
    if bool(task_id) + dismiss + send_again > 1:
        _usage("--task-id, --dismiss and --send-again exclude each other.", "Choose one.", as_json)
    with _runner(as_json) as runner:
        seen = max((number for number, _ in runner.history(job_id)), default=0)
        if task_id:
            job = runner.adopt(job_id, task_id)
        elif dismiss:
            job = runner.dismiss(job_id)
        elif send_again:
            job = runner.send_again(job_id)
        else:
            job = runner.resume(job_id)
        _follow(runner, job, out, as_json, after=seen)


@app.command()
def jobs(limit: Annotated[int, typer.Option("--limit", min=1)] = 20, as_json: Json = False) -> None:
    """List the jobs of this home, the newest first."""
    with _runner(as_json) as runner:
        listed = runner.jobs(limit=limit)
        if as_json:
            _print_json([outcome(job) for job in listed])
            return
        from kling_utils.show.words import age, maker

        for job in listed:
            line = (
                f"{job.job_id}  {job.state:<12} {maker(job):<24} {age(job.created, runner.now()):<16} {job.image_name} + {job.video_name}"
            )
            typer.echo(line + (f"  {job.video}" if job.video else "") + (f"  {job.trouble.message}" if job.trouble else ""))
        if not listed:
            typer.echo("No jobs yet. Start one with: python -m kling_utils run IMAGE VIDEO")


@app.command("fit")
def fit_(
    file: Annotated[str, typer.Argument(help="A picture or a clip.", metavar="FILE")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the repaired copy.", metavar="FILE")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file that --out names.")] = False,
    start: Annotated[float, typer.Option("--start", min=0, help="Where a clip begins, seconds.")] = 0.0,
    length: Annotated[float | None, typer.Option("--length", min=0, help="How long it is at most, seconds.")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Slow down a clip that is too short.")] = False,
    crop: Annotated[bool, typer.Option("--crop", help="Cut a picture around the person, instead of adding ground.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Make a picture or a clip legal: a new file, the least change, and what it costs in quality."""
    with _errors(as_json):
        from kling_utils.preflight.fit import FitChoices, fit_file, plan_file

        source = Path(file)
        plan = plan_file(source, choices=FitChoices(start=start, length=length, slow=slow, shape="crop" if crop else "pad"))
        if out.exists() and not force and not dry_run:
            _usage(f"{out} exists.", "Give another name, or --force.", as_json)
        steps = [{"code": s.code, "text": s.text, "cost": s.cost} for s in plan.steps]
        if not (plan.needed or plan.impossible):
            typer.echo(f"{source.name} is fine as it is; nothing was written.", err=True)
        written = str(out) if plan.needed and not plan.impossible and not dry_run else None
        typer.echo(plan, err=as_json)
        if written:
            fit_file(plan, out)
        if as_json:
            _print_json({"file": written, "steps": steps, "impossible": [str(each) for each in plan.impossible]})
        elif written:
            typer.echo(written)
        raise typer.Exit(REFUSED if plan.impossible else DONE)


@app.command("compare")
def compare_(
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE")],
    result: Annotated[Path, typer.Argument(metavar="RESULT")],
    out: Annotated[Path, typer.Option("--out", help="The ending says what it is: .mp4, .gif, .webp, .png, .html.", metavar="FILE")],
    layout: Annotated[Layout, typer.Option("--layout", help="How the two stand together.")] = "side",
    image: Annotated[Path | None, typer.Option("--image", help="The character's picture, for triptych.", metavar="I")] = None,
    max_bytes: Annotated[int | None, typer.Option("--max-bytes", min=1000, help="Largest size of a .gif or .webp.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that --out names.")] = False,
    as_json: Json = False,
) -> None:
    """Reference and result in one file that can be sent: a film, an animation, a contact sheet, or a page that plays offline."""
    with _errors(as_json):
        if out.exists() and not force:
            _usage(f"{out} exists.", "Give another name, or --force.", as_json)
        if layout == "html" or out.suffix.lower() == ".html":
            from kling_utils.show.offline import write_page

            write_page(reference, result, out, image=image)
        else:
            from kling_utils.review.compare import compare

            with Steady("drawing") as bar:
                compare(reference, result, out, layout=layout, image=image, max_bytes=max_bytes, on_progress=bar)
        if as_json:
            _print_json({"file": str(out), "bytes": out.stat().st_size})
        else:
            typer.echo(out)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look whether everything is there: the home, ffmpeg, the models, the key, and every way to publish a local clip. Costs nothing."""
    with _runner(as_json) as runner:
        from kling_utils.jobs.doctor import examine

        report = examine(runner)
        if as_json:
            _print_json({"ok": report.ok, "findings": report.findings})
        else:
            typer.echo(report)
        raise typer.Exit(DONE if report.ok else REFUSED)


@app.command()
def serve(port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0, as_json: Json = False) -> None:
    """Run the loopback server, which speaks Novita's contract and makes local drafts, until Ctrl-C."""
    from kling_utils.local.server import serve as serve_forever
    from kling_utils.settings import load

    def ready(base_url: str, key: str) -> None:
        if as_json:
            _print_json({"base_url": base_url, "key": key})
        else:
            typer.echo(f"NOVITA_BASE_URL={base_url}\nNOVITA_API_KEY={key}")

    with _errors(as_json):
        serve_forever(load().home, port, on_ready=lambda endpoint: ready(endpoint.base_url, endpoint.key))


# -- how it ends


def main() -> NoReturn:
    """The entry: whatever happens, ``--json`` has its one line, and the exit code says what it was."""
    as_json = "--json" in sys.argv[1:]
    try:
        code = app(standalone_mode=False, prog_name="kling-utils" if "kling-utils" in sys.argv[0] else "python -m kling_utils")
    except TyperException as error:
        error.show()  # type: ignore[attr-defined]
        if as_json:
            _print_json(_nothing(errors.InvalidRequest(error.format_message(), hint="See --help.")))
        sys.exit(USAGE)
    except Exception:  # noqa: BLE001 - a fault of this program: shown whole, and still one line of JSON
        traceback.print_exc()
        if as_json:
            told = "The program failed; standard error has the details."
            _print_json(_nothing(KlingError(told, hint="List the jobs to see where yours stands.", money="unknown")))
        sys.exit(FAULT)
    sys.exit(code or DONE)


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


def _follow(runner: Runner, job: Job, out: Path | None, as_json: bool, *, after: int = 0) -> NoReturn:
    try:
        result = runner.result(job.job_id) if job.done else runner.follow(job.job_id, after=after)
        video = save(result.video, out, job) if out is not None else result.video
    except KlingError as error:
        error.job_id = error.job_id or job.job_id
        _end(error, as_json, runner.job(job.job_id))
    except KeyboardInterrupt:
        runner.close()  # first: a submit on its way is written down
        now = runner.job(job.job_id)
        said = f"Interrupted. The job is kept: python -m kling_utils resume {job.job_id}"
        typer.echo(said if now.state == "checked" or now.draft else f"{said}. It goes on at the provider.", err=True)
        if as_json:
            _print_json(outcome(now))
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        _print_json(outcome(result.job, video=video))
    else:
        typer.echo(video)
    raise typer.Exit(DONE)


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
        raise errors.SettingError(f"{dest} could not be written: {error.strerror}.", hint=f"The result is safe at {video}.") from error
    return dest


def _end(error: KlingError, as_json: bool, job: Job | None = None) -> NoReturn:
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
        _print_json(outcome(job, error=error) if job is not None else _nothing(error))
    raise typer.Exit(next(code for kind, code in _EXIT if isinstance(error, kind)))


def _nothing(error: KlingError) -> dict[str, Any]:
    """What ``--json`` says when there is no job."""
    same = {"job_id": error.job_id, "task_id": error.task_id, "state": None, "video": None, "draft": None}
    return {**same, "money": error.money, "error": _error(error)}


def _usage(message: str, hint: str, as_json: bool) -> NoReturn:
    _end(errors.InvalidRequest(message, hint=hint), as_json)


@contextmanager
def _errors(as_json: bool) -> Iterator[None]:
    try:
        yield
    except KlingError as error:
        _end(error, as_json)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _runner(as_json: bool) -> Iterator[Runner]:
    with _errors(as_json):
        from kling_utils.jobs.runner import Runner

        with Runner.from_env() as runner:
            yield runner


def _print_json(value: Any) -> None:
    def plain(part: Any) -> Any:
        if isinstance(part, Path | Decimal | Fraction):
            return str(part)
        return asdict(part)

    sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False) + "\n")
    sys.stdout.flush()
