"""The command line: reads arguments, renders what the runner says, ends with an exit code. Holds no rule.

With ``--json`` stdout holds JSON only; progress and everything for people goes to stderr.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from kling_utils import errors
from kling_utils.cli_words import (
    DONE,
    FAULT,
    INTERRUPTED,
    REFUSED,
    USAGE,
    Force,
    Json,
    Out,
    asking,
    end,
    ending,
    nothing,
    outcome,
    print_json,
    save,
    usage,
)
from kling_utils.errors import KlingError
from kling_utils.show.progress import Steady
from kling_utils.values import Job, Layout, MotionRequest

if TYPE_CHECKING:
    from kling_utils.jobs.runner import Runner

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Kling V3.0 Motion Control: a character's image and a motion's video go in, the character performing that motion comes out. "
    "Without NOVITA_API_KEY, results are local drafts. Exit codes: 0 done, 1 refused by the checks, 2 usage, 3 failed at the provider, "
    "4 unconfirmed, 5 still running, 6 no contact, 70 a fault of this program, 130 interrupted.",
)


@app.command("check")
@asking
def check_(asked: dict[str, Any], as_json: Json = False) -> None:
    """Check both files against every rule, and quote. Sends nothing, costs nothing."""
    with _runner(as_json) as runner:
        look = runner.look(**asked)
        if as_json:
            print_json(
                {"ok": look.report.ok, "provider": look.provider, "seconds": look.seconds, "quote": look.quote, "report": look.report}
            )
        else:
            typer.echo(look.report)
            if look.quote is not None and look.seconds is not None:
                typer.echo(f"Expected length: {look.seconds:.1f} s. Cost: {look.quote}. {look.quote.basis}")
        raise typer.Exit(DONE if look.report.ok else REFUSED)


@app.command()
@asking
def run(
    asked: dict[str, Any],
    out: Out = None,
    force: Force = False,
    fit: Annotated[bool, typer.Option("--fit", help="Repair first what the checks find wrong.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Another take of a request that is finished already.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="A local draft, free, also where a key is set.")] = False,
    task_id: Annotated[
        str, typer.Option("--task-id", help="Send nothing: a task that was sent from elsewhere with these files is followed.", metavar="ID")
    ] = "",
    as_json: Json = False,
) -> None:
    """Check, submit, watch, and save the result."""
    if task_id and (fit or again or draft):
        usage("--task-id sends nothing, so --fit, --again and --draft mean nothing.", "Leave them out.", as_json)
    if out is not None and out.is_file() and not force:
        usage(f"{out} exists.", "Give another name, or --force.", as_json)
    if out is not None and not out.is_dir() and not out.parent.is_dir():
        usage(f"The folder {out.parent} does not exist.", "Make it first.", as_json)
    with _runner(as_json) as runner:
        request = MotionRequest(**asked)
        if fit:
            fitted = runner.fit(request)
            typer.echo(fitted, err=True)
            request = fitted.apply(request)
        try:
            job = runner.adopt_task(request, task_id) if task_id else runner.submit(request, fresh=again, draft=draft)
        except errors.AlreadyHave as have:  # nothing is sent: a result is shown, a doubt is asked about
            job = runner.job(have.job_id or "")
            typer.echo(f"{have.message} {have.hint}", err=True)
        _follow(runner, job, out, as_json)


@app.command()
def resume(
    job_id: Annotated[str, typer.Argument(metavar="JOB_ID")],
    out: Out = None,
    force: Force = False,
    task_id: Annotated[str, typer.Option("--task-id", help="For an unconfirmed job: the task that was found at the provider.")] = "",
    dismiss: Annotated[bool, typer.Option("--dismiss", help="For an unconfirmed job: give it up.")] = False,
    send_again: Annotated[bool, typer.Option("--send-again", help="For an unconfirmed job: risk paying twice.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a job: watch it, save its result, send one that was not sent. Never sends twice by itself."""
    if out is not None and out.is_file() and not force:
        usage(f"{out} exists.", "Give another name, or --force.", as_json)
    if bool(task_id) + dismiss + send_again > 1:
        usage("--task-id, --dismiss and --send-again exclude each other.", "Choose one.", as_json)
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
            print_json([outcome(job) for job in listed])
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
    force: Force = False,
    start: Annotated[float, typer.Option("--start", min=0, help="Where a clip begins, seconds.")] = 0.0,
    length: Annotated[float | None, typer.Option("--length", min=0, help="How long it is at most, seconds.")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Slow down a clip that is too short.")] = False,
    crop: Annotated[bool, typer.Option("--crop", help="Cut a picture around the person, instead of adding ground.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Make a picture or a clip legal: a new file, the least change, and what it costs in quality."""
    with ending(as_json):
        from kling_utils.preflight.fit import FitChoices, fit_file, plan_file

        source = Path(file)
        plan = plan_file(source, choices=FitChoices(start=start, length=length, slow=slow, shape="crop" if crop else "pad"))
        if out.exists() and not force and not dry_run:
            usage(f"{out} exists.", "Give another name, or --force.", as_json)
        steps = [{"code": s.code, "text": s.text, "cost": s.cost} for s in plan.steps]
        if not (plan.needed or plan.impossible):
            typer.echo(f"{source.name} is fine as it is; nothing was written.", err=True)
        written = str(out) if plan.needed and not plan.impossible and not dry_run else None
        typer.echo(plan, err=as_json)
        if written:
            fit_file(plan, out)
        if as_json:
            print_json({"file": written, "steps": steps, "impossible": [str(each) for each in plan.impossible]})
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
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Reference and result in one file that can be sent: a film, an animation, a contact sheet, or a page that plays offline."""
    with ending(as_json):
        if out.exists() and not force:
            usage(f"{out} exists.", "Give another name, or --force.", as_json)
        if layout == "html" or out.suffix.lower() == ".html":
            from kling_utils.show.offline import write_page

            write_page(reference, result, out, image=image)
        else:
            from kling_utils.review.compare import compare

            with Steady("drawing") as bar:
                compare(reference, result, out, layout=layout, image=image, max_bytes=max_bytes, on_progress=bar)
        if as_json:
            print_json({"file": str(out), "bytes": out.stat().st_size})
        else:
            typer.echo(out)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look whether everything is there: the home, ffmpeg, the models, the key, and every way to publish a local clip. Costs nothing."""
    with _runner(as_json) as runner:
        from kling_utils.jobs.doctor import examine

        report = examine(runner)
        if as_json:
            print_json({"ok": report.ok, "findings": report.findings})
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
            print_json({"base_url": base_url, "key": key})
        else:
            typer.echo(f"NOVITA_BASE_URL={base_url}\nNOVITA_API_KEY={key}")

    with ending(as_json):
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
            print_json(nothing(errors.InvalidRequest(error.format_message(), hint="See --help.")))
        sys.exit(USAGE)
    except Exception:  # noqa: BLE001 - a fault of this program: shown whole, and still one line of JSON
        traceback.print_exc()
        if as_json:
            told = "The program failed; standard error has the details."
            print_json(nothing(KlingError(told, hint="List the jobs to see where yours stands.", money="unknown")))
        sys.exit(FAULT)
    sys.exit(code or DONE)


def _follow(runner: Runner, job: Job, out: Path | None, as_json: bool, *, after: int = 0) -> NoReturn:
    try:
        result = runner.result(job.job_id) if job.done else runner.follow(job.job_id, after=after)
        video = save(result.video, out, job) if out is not None else result.video
    except KlingError as error:
        error.job_id = error.job_id or job.job_id
        end(error, as_json, runner.job(job.job_id))
    except KeyboardInterrupt:
        runner.close()  # first: a submit on its way is written down
        now = runner.job(job.job_id)
        said = f"Interrupted. The job is kept: python -m kling_utils resume {job.job_id}"
        typer.echo(said if now.state == "checked" or now.draft else f"{said}. It goes on at the provider.", err=True)
        if as_json:
            print_json(outcome(now))
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(outcome(result.job, video=video))
    else:
        typer.echo(video)
    raise typer.Exit(DONE)


@contextmanager
def _runner(as_json: bool) -> Iterator[Runner]:
    with ending(as_json):
        from kling_utils.jobs.runner import Runner

        with Runner.from_env() as runner:
            yield runner
