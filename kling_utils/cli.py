"""The command line: reads arguments, renders what the client says, ends with an exit code. Holds no rule.

With ``--json`` stdout holds JSON only; progress and everything for people goes to stderr.
"""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from typer.exceptions import TyperException

import kling_utils
from kling_utils import cli_jobs, cli_words, errors
from kling_utils.cli_words import (
    DONE,
    FAULT,
    FILM,
    INTERRUPTED,
    REFUSED,
    USAGE,
    AboutJob,
    Force,
    Json,
    Out,
    Part,
    Publish,
    command,
    complain,
    copy,
    end,
    nothing,
    outcome,
    print_json,
    save,
    say,
    spare,
    told,
    writable,
)
from kling_utils.errors import InvalidRequest, KlingError
from kling_utils.jobs.ledger import ROW, By, Spending, row
from kling_utils.media.processes import terminated_as_interrupted
from kling_utils.show.progress import ProgressBar
from kling_utils.values import (
    RECORD,
    Job,
    Layout,
    MotionRequest,
    Rating,
    State,
    counted,
    iso,
    megabytes,
    record,
)

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.preflight.plan import Plan
    from kling_utils.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Kling V3.0 Motion Control: a character's image and a motion's video go in, the character performing that motion comes out. "
    "Without NOVITA_API_KEY, results are local drafts. Exit codes: 0 done, 1 refused by the checks, 2 usage, 3 failed at the provider, "
    "4 unconfirmed, 5 still running, 6 no contact, 7 over the budget, "
    "70 a fault of this program, 130 interrupted by Ctrl-C or a termination signal.",
)


Csv = Annotated[bool, typer.Option("--csv", help="A table on stdout, everything else on stderr.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="Only jobs that were made since: 90m, 12h, 1d, 2w, or a date or time such as 2026-01-31.",
        metavar="TIME",
    ),
]
LISTED = 20
"""Jobs that are listed for people where no limit is given."""


def _version(asked: bool) -> None:
    if asked:
        say(f"kling-utils {kling_utils.__version__}")
        raise typer.Exit(DONE)


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


@command(app, "check")
def check_(
    asked: MotionRequest,
    every: Annotated[bool, typer.Option("--all", help="List also what passed.")] = False,
    no_advice: Annotated[
        bool, typer.Option("--no-advice", help="Do not look at what picture and clip show.")
    ] = False,
    publish: Publish = "",
    as_json: Json = False,
) -> None:
    """Check both files against every rule, look at their content, and quote. Sends nothing, costs nothing."""
    with _client(publish) as client:
        look = client.check(asked)
        advice = None if no_advice else look.advice
        if as_json:
            print_json(
                {
                    "ok": look.report.ok,
                    "provider": look.provider,
                    "seconds": look.seconds,
                    "quote": look.quote,
                    "report": look.report,
                    "advice": cli_words.advice_fields(advice),
                }
            )
        else:
            say(told(look.report, every=every))
            if advice is not None:
                say(cli_words.told_advice(advice, every=every))
                say(cli_words.usable(advice, look.saving))
            if look.quote is not None and look.seconds is not None:
                basis = look.quote.basis[:1].upper() + look.quote.basis[1:]
                say(f"Expected length: {look.seconds:.1f} s. Cost: {look.quote}. {basis}.")
        raise typer.Exit(DONE if look.report.ok else REFUSED)


@command(app)
def run(
    asked: MotionRequest,
    chosen: dict[str, Any],
    out: Out = None,
    force: Force = False,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit", help="Repair first what the checks find wrong, as the options of repair say."
        ),
    ] = False,
    span: Part = "",
    again: Annotated[
        bool, typer.Option("--again", help="Another take of a request that is finished already.")
    ] = False,
    draft: Annotated[
        bool, typer.Option("--draft", help="A local draft, free, also where a key is set.")
    ] = False,
    task_id: Annotated[
        str,
        typer.Option(
            "--task-id",
            help="Send nothing: a task that was sent from elsewhere with these files is followed.",
            metavar="ID",
        ),
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to a price above KLING_CONFIRM_ABOVE.")
    ] = False,
    publish: Publish = "",
    as_json: Json = False,
) -> None:
    """Check, submit, watch, and save the result."""
    if task_id and (fit or span or again or draft):
        raise InvalidRequest(
            "--task-id sends nothing, so --fit, --span, --again and --draft mean nothing.",
            hint="Leave them out.",
        )
    if out is not None:
        files = (asked.image, asked.video)
        writable(out, of=files, endings=FILM, force=force, folder=True)
    if chosen != cli_words.chosen() and not (fit or span):
        raise InvalidRequest(
            "The options of repair do nothing without --fit or --span.",
            hint="Give it, or leave them out.",
        )
    with _client(publish) as client:
        from kling_utils.jobs.job_errors import missing

        if fit or span:
            from kling_utils.preflight.plan import FitChoices

            choices = FitChoices(**chosen)
            if span:
                choices = client.trimmed(asked, cli_words.as_span(span), choices)
            with ProgressBar("repairing") as bar:
                fitted = client.fit(asked, choices=choices, on_progress=lambda share, _: bar(share))
            say(fitted, err=True)
            asked = fitted.apply(asked)
        try:
            job = (
                client.adopt_task(asked, task_id)
                if task_id
                else client.submit(asked, again=again, draft=draft, agreed=yes).record
            )
        except errors.AlreadyHave as have:  # a result is shown, a doubt is asked about
            job = client.record(have.job_id or "")
            if missing(job):
                job = client.resume(job.job_id)
            say(have.message, err=True)
            if job.done:
                say(f"For another take, {job.cost or 'at a cost'}: --again", err=True)
            if out is not None:
                spare(out, job, force=force)
        except KeyboardInterrupt:
            free = draft or client.provider_for(None) == "local"
            raise errors.Interrupted(
                "Interrupted while the request was written down.",
                hint="Look whether a job was made, and resume it: python -m kling_utils jobs",
                money="no" if free else "unknown",
            ) from None
        _follow(client, job, out, as_json)


@command(app)
def resume(
    job_id: Annotated[str, typer.Argument(metavar="[JOB_ID]")] = "",
    out: Out = None,
    force: Force = False,
    task_id: Annotated[
        str,
        typer.Option(
            "--task-id", help="For an unconfirmed job: the task that was found at the provider."
        ),
    ] = "",
    dismiss: Annotated[
        bool, typer.Option("--dismiss", help="For an unconfirmed job: give it up.")
    ] = False,
    send_again: Annotated[
        bool, typer.Option("--send-again", help="For an unconfirmed job: risk paying twice.")
    ] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help="All jobs that were not sent, or are past their deadline."),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Agree to a price above KLING_CONFIRM_ABOVE. With --all: send also what is paid for.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Go on with a job: watch it, save its result, send one that was not sent. Never sends twice by itself."""
    if out is not None:
        writable(out, of=(), endings=FILM, force=force, folder=True)
    if bool(task_id) + dismiss + send_again > 1:
        raise InvalidRequest(
            "--task-id, --dismiss and --send-again exclude each other.", hint="Choose one."
        )
    if every == bool(job_id):
        raise InvalidRequest("Which job is to go on?", hint="Give one JOB_ID, or --all.")
    if every and (task_id or dismiss or send_again):
        hint = "Give the JOB_ID of the one that is in doubt."
        raise InvalidRequest("--task-id, --dismiss and --send-again are for one job.", hint=hint)
    if every:
        if out is not None and not out.is_dir():
            raise InvalidRequest(
                f"{out} is no folder.", hint="With --all, --out names one that is there."
            )
        with _client() as client:
            _resume_all(client, out, as_json, force=force, yes=yes)
    with _client() as client:
        job = client.record(job_id)
        if out is not None:
            spare(out, job, force=force)
        doubt = job.state == "unconfirmed"
        if not doubt and (dismiss or send_again or (task_id and task_id.strip() != job.task_id)):
            stands = "was not sent yet" if job.state == "checked" else "is on its way"
            told_of = (
                f"The job {'has ended' if job.done else stands}. --task-id, --dismiss and --send-again "
                "are for a job in doubt: nothing was changed."
            )
            hint = f"Without them: python -m kling_utils resume {job_id}"
            raise AboutJob(told_of, hint=hint, job=job)
        seen = max((number for number, _ in client.history(job_id)), default=0)
        try:
            if not yes and (send_again or job.state == "checked"):
                client.limits.agree(job.cost)
            if task_id and doubt:
                job = client.adopt(job_id, task_id)
            elif dismiss:
                job = client.dismiss(job_id)
            elif send_again:
                job = client.send_again(job_id)
            else:
                from kling_utils.jobs.job_errors import resumed

                job = client.resume(job_id)
                if not (job.done or job.state == "unconfirmed"):
                    say(resumed(job), err=True)
        except KlingError as error:
            end(error, as_json, client.record(job_id))
        except KeyboardInterrupt:
            _left(client, job_id, out, as_json)
        _follow(client, job, out, as_json, after=seen)


@command(app)
def jobs(
    state: Annotated[State | None, typer.Option("--state", help="Only jobs in this state.")] = None,
    since: Since = None,
    text: Annotated[
        str, typer.Option("--text", help="Only jobs with these words in name, prompt, note or ids.")
    ] = "",
    rating: Annotated[
        Literal["good", "bad", "favourite", "none"] | None,
        typer.Option("--rating", help="Only jobs with this rating."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, help=f"At most so many. Default: {LISTED}, all with --csv or --json."
        ),
    ] = None,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """List the jobs of this home, the newest first."""
    _one_form(as_csv, as_json)
    with _client() as client:
        most = limit or (None if as_csv or as_json else LISTED)
        rated: Rating | None = "" if rating == "none" else rating
        found = client.jobs(
            state=state, since=since, text=text, rating=rated, limit=most and most + 1
        )
        listed = found[:most]
        if len(found) > len(listed):
            say(f"There are more than these {len(listed)}; --limit N lists more.", err=True)
        if as_json:
            print_json([outcome(job) for job in listed])
            return
        if as_csv:
            cli_jobs.print_csv(RECORD, map(record, listed))
            return
        from kling_utils.show import words

        for job in listed:
            say(words.line(job, client.now()))
        if any(job.draft for job in listed):
            days = client.settings.keep_days
            say(f"Drafts are removed after {days} days; paid results are kept.", err=True)
        if not listed and (state or since or text or rating):
            say("No such jobs.", err=True)
        elif not listed:
            say("No jobs yet. Start one with: python -m kling_utils run IMAGE VIDEO")


@command(app)
def show(job_id: Annotated[str, typer.Argument(metavar="JOB_ID")], as_json: Json = False) -> None:
    """Show one job: what was asked, where it stands, its files, and what happened so far."""
    with _client() as client:
        job, log = client.record(job_id), client.log(job_id)
        about = client.explanation(job_id)
        found = about.findings if about is not None else ()
        entry = client.charge(job_id)
        balance = client.doubt(job_id) if job.state == "unconfirmed" else ""
        if as_json:
            more: dict[str, Any] = {"folder": job.folder, "files": cli_jobs.files(job)}
            more |= {"charge": entry and row(entry), "balance": balance}
            print_json({**outcome(job, shown=found), **more, "events": cli_jobs.events(log)})
        else:
            charge = entry.told() if entry is not None else ""
            say(cli_jobs.shown(job, log, found, charge=charge, balance=balance))


@command(app)
def evidence(
    job_id: Annotated[str, typer.Argument(metavar="JOB_ID")],
    out: Annotated[Path, typer.Option("--out", help="The ZIP to write.", metavar="FILE.zip")],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a ZIP about a job for the provider's support: request, times, what was said and measured, and the files. No key is in it."""
    cli_words.writable(out, of=(), endings=(".zip",), force=force)
    with _client() as client:
        path = client.evidence(job_id, out)
        if as_json:
            print_json({"job_id": job_id, "file": path, "bytes": path.stat().st_size})
        else:
            say(path)


@command(app)
def retake(
    job_id: Annotated[str, typer.Argument(metavar="JOB_ID")],
    until: Annotated[float, typer.Option("--until", help="Score, 0 to 100, that is enough.")] = 70,
    takes: Annotated[int, typer.Option("--takes", help="Tries, at most.")] = 3,
    budget: Annotated[
        str, typer.Option("--budget", help="USD that all tries may cost together.", metavar="USD")
    ] = "",
    as_json: Json = False,
) -> None:
    """Try an ended job again, each time with another change that advice suggests, until its result follows well enough."""
    with _client() as client:
        series = client.retake(job_id, until=until, takes=takes, budget=budget or None)
        for number, each in enumerate(series.ended(), 1):
            say(f"Try {number}, {each.told}: {each.ended}", err=as_json)
        if as_json:
            print_json({"tries": series.tries, "over": series.over, "best": series.best})
        else:
            best = f" The best is {series.best.job_id}." if series.best is not None else ""
            say(f"{series.over}{best}")


@command(app)
def backup(
    out: Annotated[Path, typer.Argument(metavar="FILE.zip")],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a ZIP of all ended jobs with their files. Unpacked into a home, it brings them back there. No key is in it."""
    cli_words.writable(out, of=(), endings=(".zip",), force=force)
    with _client() as client:
        count = client.backup(out)
        size, home = out.stat().st_size, client.home.root
    if as_json:
        print_json({"file": out, "jobs": count, "bytes": size})
    else:
        say(f"{counted(count, 'job')}, {megabytes(size)}: {out}")
        say(f"To bring them back: unzip it into {home}, or another home.", err=True)


@command(app)
def pause(
    end: Annotated[bool, typer.Option("--end", help="Send again what waits.")] = False,
    as_json: Json = False,
) -> None:
    """Send nothing more that is paid, from any program of this home, until ``pause --end``. What was sent goes on."""
    with _client() as client:
        if end:
            client.go_on()
        else:
            client.pause()
        waits = [job for job in client.jobs(state="checked", limit=None) if not job.draft]
    if as_json:
        print_json({"paused": not end, "not_sent": [job.job_id for job in waits]})
        return
    say("Sending goes on." if end else "Sending is paused: nothing more is sent or spent.")
    if waits and end:
        hint = "A program that waits sends its own; else: python -m kling_utils resume --all"
        say(f"{counted(len(waits), 'job')} not sent yet. {hint}", err=True)
    elif waits:
        say(f"{counted(len(waits), 'job')} not sent yet.", err=True)


@command(app)
def cost(
    by: Annotated[
        By | None, typer.Option("--by", help="A sum for each; of jobs, all that is known of each.")
    ] = None,
    since: Since = None,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Add up what was paid or may have been: quotes, and charges where the provider's bill tells them. Reads the bill, which is free."""
    _one_form(as_csv, as_json)
    with _client() as client:
        from kling_utils.jobs.timing import moment

        try:
            client.read_bill()
        except KlingError as error:
            say(f"The bill could not be read: {error.message}", err=True)
        totals = client.costs(since=since)
        today, month = client.periods()
        sends = client.ledger(since=since) if by == "job" else []
        rows = client.costs(by, since=since) if by and by != "job" else []
        if as_json:
            asked = {"by": by, "since": iso(moment(since, client.now())) if since else None}
            listed: list[Any] = rows or [row(each) for each in sends]
            print_json({**asked, "rows": listed, "total": totals, "today": today, "month": month})
        elif as_csv and by == "job":
            cli_jobs.print_csv(list(ROW), map(row, sends))
        elif as_csv:
            columns = [each.name for each in fields(Spending)]
            cli_jobs.print_csv(columns, map(asdict, rows if by else totals))
        else:
            for each in sends:
                say(cli_jobs.send(each))
            if not (by or since):
                rows = [*today, *month]
            say(cli_jobs.spent(rows, totals))
            if allowance := client.allowance():
                say(f"Left of today's budget: {allowance.left} of {allowance.budget}.")
            say("Quotes are estimates; a charge is what the bill says of one job.", err=True)


@command(app, "fit", costs=False)
def fit_(
    chosen: dict[str, Any],
    file: Annotated[str, typer.Argument(help="A picture or a clip.", metavar="FILE")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the repaired copy.", metavar="FILE")
    ] = None,
    force: Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a picture or a clip legal: a new file, the least change, and what it costs in quality."""
    from kling_utils.preflight.plan import CANNOT, FitChoices, plan_file
    from kling_utils.preflight.repair import fit_file

    source = Path(file)
    plan = plan_file(source, choices=FitChoices(**chosen))
    clean = not (plan.needed or plan.impossible)
    if out is not None:
        writable(out, of=(source,), endings=cli_words.endings(plan), force=force or dry_run)
        plan = plan.saved_as(out.suffix)
    elif not dry_run:
        raise InvalidRequest(
            "Where is the copy to be written?",
            hint=f"Name it with --out, ending in {cli_words.endings(plan)[0]}.",
        )
    for note in cli_words.otherwise(plan, chosen["start"], chosen["length"]):
        say(note, err=True)
    steps = plan.ahead
    written = None if dry_run or plan.impossible else out
    if clean:
        say(
            f"{source.name} is fine as it is{', so this is a copy of it' if written else ''}.",
            err=True,
        )
    if written is not None and clean:
        _as_it_is(plan, source, written)
    elif written is not None:
        with ProgressBar("repairing") as bar:
            steps = fit_file(plan, written, on_progress=lambda share, _: bar(share)).done
    for line in (*steps, *(f"{CANNOT}: {each}" for each in plan.impossible)):
        say(f"- {line}", err=as_json)
    if as_json:
        listed = [{"code": s.code, "text": s.text, "cost": s.cost} for s in steps]
        print_json(
            {
                "file": str(written) if written else None,
                "steps": listed,
                "impossible": [str(each) for each in plan.impossible],
            }
        )
    elif written:
        say(written)
    raise typer.Exit(REFUSED if plan.impossible else DONE)


@command(app, "compare", costs=False)
def compare_(
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE")],
    result: Annotated[Path, typer.Argument(metavar="RESULT")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="The ending says what it is: .mp4, .gif, .webp, .png, .html.",
            metavar="FILE",
        ),
    ],
    layout: Annotated[
        Layout | None,
        typer.Option("--layout", help="How the two stand together; side where it is not said."),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", help="The character's picture, for triptych.", metavar="I"),
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option("--max-bytes", min=1000, help="Largest size of a .gif or .webp.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Reference and result in one file that can be sent: a film, an animation, a contact sheet, or a page that plays offline."""
    page = out.suffix.lower() == ".html"
    if layout is not None and page != (layout == "html"):
        wrong = f"{out.name} does not end in .html" if layout == "html" else f"{out.name} is a page"
        raise InvalidRequest(
            f"{wrong}, and the layout is {layout}.",
            hint="Let name and layout agree: .html goes with html only.",
        )
    writable(out, of=(reference, result, *([image] if image else [])), force=force)
    if page:
        from kling_utils.show.stage import write_page

        with ProgressBar("writing") as bar:
            write_page(reference, result, out, image=image, on_progress=bar)
    else:
        from kling_utils.review.compare import compare

        with ProgressBar("drawing") as bar:
            compare(
                reference,
                result,
                out,
                layout=layout or "side",
                image=image,
                max_bytes=max_bytes,
                on_progress=bar,
            )
    if as_json:
        print_json({"file": str(out), "bytes": out.stat().st_size})
    else:
        say(out)


@command(app, "review", costs=False)
def review_(
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE")],
    result: Annotated[Path, typer.Argument(metavar="RESULT")],
    image: Annotated[
        Path | None,
        typer.Option(
            "--image", help="The character's picture, to compare with.", metavar="PICTURE"
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", min=0.1, help="Length that was asked for: 5 in image orientation."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List also what passed.")] = False,
    as_json: Json = False,
) -> None:
    """How well a result follows its reference, and what is wrong with it. Any two clips. Costs nothing."""
    from kling_utils.quick import judge

    if not as_json:
        say("Looking at both clips.", err=True)
    found = judge(reference, result, image, seconds=seconds)
    if as_json:
        print_json(
            {
                "sentence": found.fidelity.sentence if found.fidelity else None,
                "score": found.fidelity.score.value if found.fidelity else None,
                "fidelity": found.fidelity,
                "findings": found.findings,
            }
        )
    else:
        if found.fidelity is not None:
            say(cli_words.followed(found.fidelity))
        say(told(found, every=every))


@command(app)
def doctor(publish: Publish = "", as_json: Json = False) -> None:
    """Look whether everything is there: the home, ffmpeg, the models, the key, and every way to publish a local clip. Costs nothing."""
    from kling_utils.jobs.client import Client
    from kling_utils.jobs.doctor import examine, without_home

    settings = _settings(publish)
    try:
        with Client(settings) as client:
            report = examine(client)
    except KlingError as error:
        report = without_home(error)
    if as_json:
        print_json({"ok": report.ok, "findings": report.findings})
    else:
        say(told(report, every=True))
    raise typer.Exit(DONE if report.ok else REFUSED)


@command(app)
def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    as_json: Json = False,
) -> None:
    """Speak Novita's contract on the loopback address, and make local drafts of what comes, until Ctrl-C."""
    from kling_utils.jobs.client import Client
    from kling_utils.serve import Served
    from kling_utils.serve import serve as serve_forever

    def ready(served: Served) -> None:
        if as_json:
            print_json({"base_url": served.base_url, "key": served.key})
        else:
            say(f"NOVITA_BASE_URL={served.base_url}\nNOVITA_API_KEY={served.key}")

    with Client() as client:
        serve_forever(client, port, on_ready=ready)


# -- how it ends


def main() -> NoReturn:
    """The entry: whatever happens, ``--json`` has its one line, and the exit code says what it was."""
    as_json = "--json" in sys.argv[1:]
    completing = any("-completion" in each for each in sys.argv[1:2])  # a shell completes one word
    if len(sys.argv) > 1 and not {"--help", "--version"} & set(sys.argv):
        from kling_utils.settings import unknown_variables

        for told in unknown_variables():
            say(told, err=True)
    try:
        with terminated_as_interrupted():
            code = app(
                standalone_mode=False,
                prog_name="kling-utils"
                if "kling-utils" in sys.argv[0] or completing
                else "python -m kling_utils",
            )
    except TyperException as error:
        error.show()  # type: ignore[attr-defined]
        if as_json:
            print_json(nothing(InvalidRequest(error.format_message(), hint="See --help.")))
        sys.exit(USAGE)
    except Exception:  # noqa: BLE001 - a fault of this program: shown whole, and still one line of JSON
        traceback.print_exc()
        if as_json:
            told = "The program failed; standard error has the details."
            print_json(
                nothing(
                    KlingError(
                        told, hint="List the jobs to see where yours stands.", money="unknown"
                    )
                )
            )
        sys.exit(FAULT)
    sys.exit(code or DONE)


def _as_it_is(plan: Plan, source: Path, out: Path) -> None:
    """A copy of what is fine; a MOV becomes an MP4, its pictures as they are, where the name says so."""
    from kling_utils.media.encode import make_playable

    clip = plan.report.video if plan.report else None
    if clip is not None and clip.container == "mov" and out.suffix.lower() == ".mp4":
        make_playable(source, clip, out)
    else:
        copy(source, out)


def _follow(
    client: Client, job: Job, out: Path | None, as_json: bool, *, after: int = 0
) -> NoReturn:
    from sqlalchemy.exc import SQLAlchemyError

    from kling_utils.jobs import database

    try:
        result = client.result(job.job_id) if job.done else client.follow(job.job_id, after=after)
        video = save(result.video, out, job) if out is not None else result.video
    except KlingError as error:
        error.job_id = error.job_id or job.job_id
        about = client.explanation(job.job_id)
        shown = about.findings if about is not None else ()
        end(error, as_json, client.record(job.job_id), shown=shown)
    except SQLAlchemyError as error:
        trouble = database.explain(error, client.home, money=job.money)
        trouble.job_id, trouble.task_id = job.job_id, job.task_id
        end(trouble, as_json, job)
    except KeyboardInterrupt:
        _left(client, job.job_id, out, as_json)
    if as_json:
        print_json(outcome(result.job, video=video))
    else:
        say(video)
    raise typer.Exit(DONE)


def _resume_all(
    client: Client, out: Path | None, as_json: bool, *, force: bool, yes: bool
) -> NoReturn:
    """Go on with all that stands still. The exit code is that of the first job without a result."""
    stopped = client.stopped()
    unsent = [job for job in stopped if job.state == "checked"]
    paid = [job for job in unsent if not job.draft]
    what = (
        (len(paid), f"to be sent, {cli_jobs.price(paid)}"),
        (len(unsent) - len(paid), "to be drafted, free"),
        (len(stopped) - len(unsent), "to be watched, free"),
    )
    told = "; ".join(f"{counted(number, 'job')} {rest}" for number, rest in what if number)
    if paid and not yes:
        hint = "To go on with all of them: python -m kling_utils resume --all --yes"
        raise InvalidRequest(f"{told}. Nothing was changed.", hint=hint)
    say(told or "No job stands still.", err=True)
    if out is not None:
        for job in stopped:
            spare(out, job, force=force)
    said: dict[str, dict[str, Any]] = {job.job_id: outcome(job) for job in stopped}
    refused: dict[str, KlingError] = {}
    code = DONE
    try:
        seen = {
            job.job_id: max((number for number, _ in client.history(job.job_id)), default=0)
            for job in stopped
        }
        for job in stopped:
            try:
                client.resume(job.job_id)
            except KlingError as error:
                refused[job.job_id] = error
        for job in stopped:
            say(f"Job {job.job_id}: {job.image_name} + {job.video_name}", err=True)
            try:
                if job.job_id in refused:
                    raise refused[job.job_id]
                result = client.follow(job.job_id, after=seen[job.job_id])
                video = save(result.video, out, job) if out is not None else result.video
            except KlingError as error:
                now = client.record(job.job_id)
                ended = complain(error, now)
                code = code or ended
                said[job.job_id] = outcome(now, error=error)
            else:
                said[job.job_id] = outcome(result.job, video=video)
                if not as_json:
                    say(video)
    except KeyboardInterrupt:
        client.close()  # first: a submit on its way is written down
        say("Interrupted. The jobs are kept: python -m kling_utils resume --all", err=True)
        said |= {job.job_id: outcome(client.record(job.job_id)) for job in stopped}
        code = INTERRUPTED
    if as_json:
        print_json(list(said.values()))
    raise typer.Exit(code)


def _one_form(as_csv: bool, as_json: bool) -> None:
    if as_csv and as_json:
        raise InvalidRequest("--csv and --json exclude each other.", hint="Choose one.")


def _left(client: Client, job_id: str, out: Path | None, as_json: bool) -> NoReturn:
    """Ctrl-C: say where the job stands, and end."""
    client.close()  # first: a submit on its way is written down
    now = client.record(job_id)
    said = f"Interrupted. The job is kept: python -m kling_utils resume {job_id}"
    if out is not None:
        said += f" --out {shlex.quote(str(out))}"
    if not (now.state == "checked" or now.draft or now.done):
        said += ". It goes on at the provider."
        if now.publish == "tunnel":
            said += (
                " The temporary link to its clip has ended with this program: if the provider had not fetched the clip yet, the task fails "
                "there, and whether that is charged is not known."
            )
    say(said, err=True)
    if as_json:
        print_json(outcome(now))
    raise typer.Exit(INTERRUPTED)


@contextmanager
def _client(publish: str = "") -> Iterator[Client]:
    from sqlalchemy.exc import SQLAlchemyError

    from kling_utils.jobs import database
    from kling_utils.jobs.client import Client

    try:
        with Client(_settings(publish)) as client:  # unknown variables were told of at the start
            if client.home_said:
                say(client.home_said, err=True)
            yield client
    except SQLAlchemyError as error:
        raise database.explain(error, money="unknown") from error


def _settings(publish: str = "") -> Settings:
    """The environment's, with what the options say."""
    from kling_utils.settings import load

    return load(**({"publish": publish} if publish else {}))
