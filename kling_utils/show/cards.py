"""Values as HTML cards, for notebooks (``_repr_html_``) and for the app.

The markup is in ``card.html``, which escapes every value: file names and the provider's words are
strangers' text. The plain-text forms are the values' own ``__str__``. Colours are taken from the
text colour around a card, so that it reads on light and on dark pages.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import jinja2
import markupsafe

from kling_utils.errors import AlreadyHave, KlingError, Refused, Unrepairable
from kling_utils.show import words
from kling_utils.values import (
    Finding,
    ImageInfo,
    Job,
    Jobs,
    Quote,
    Report,
    Result,
    Severity,
    Shown,
    Trouble,
    VideoInfo,
    counted,
    megabytes,
)

if TYPE_CHECKING:
    from kling_utils.preflight.plan import Plan
    from kling_utils.preflight.repair import Fitted

_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "advice", "unknown", "pass")
_INERT = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})
"""Besides HTML's own: a page that puts a card into a template must not find a template's signs in it."""

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
TEMPLATES.globals.update(
    SIGNS={"error": "!", "warning": "!", "advice": "i", "unknown": "?", "pass": "✓"},
    SPOKEN={
        "error": "Error",
        "warning": "Warning",
        "advice": "Advice",
        "unknown": "Cannot be told",
        "pass": "Passed",
    },
    GO=words.GO,
)


class _Trouble(TypedDict):
    when: str
    """At which point it happened."""
    message: str
    sign: Severity
    findings: Sequence[Finding]
    who: str
    """Said ``words``."""
    words: str
    hint: str
    money: str


class _Parts(TypedDict, total=False):
    """What a card is made of, in the order of the template."""

    sign: Severity
    facts: Sequence[str]
    draft: bool
    price_basis: str
    unknown: Sequence[str]
    text: str
    extra: str
    """HTML of our own, which is not escaped."""
    rows: Sequence[tuple[str, object]]
    columns: Sequence[str]
    cells: Iterable[Sequence[object]]
    findings: Sequence[Finding]
    summary: str
    folded: Sequence[Sequence[Finding]]
    """Lists of findings behind the summary."""
    trouble: _Trouble
    task_id: str | None
    field: str
    """The field that a button leads to."""
    report: str
    """What a button copies. Without it there is no button."""


def _card(kind: str, head: str = "", **parts: Unpack[_Parts]) -> str:
    parts["extra"] = markupsafe.Markup(parts.get("extra", ""))  # noqa: S704 - our own, as its name says
    return (
        TEMPLATES.get_template("card.html").render(kind=kind, head=head, **parts).translate(_INERT)
    )


def escape(text: object) -> str:
    """Text for HTML, in elements and in quoted attributes; also inert in template languages."""
    return str(markupsafe.escape(str(text))).translate(_INERT)


def sign(severity: Severity) -> str:
    """The round sign of a severity."""
    return str(TEMPLATES.get_template("rows.html").module.icon(severity))  # type: ignore[attr-defined]


@functools.cache
def style() -> str:
    """The style sheet of all cards."""
    return (Path(__file__).parent / "cards.css").read_text("utf-8")


def html(value: object) -> str:
    """A card for a notebook, its style in style attributes, so that it looks the same in a cell that is not trusted.

    Values without a card of their own become preformatted text.
    """
    match value:
        case Report() if any(f.field == "result" for f in value.findings):
            body = _judged(value)
        case Report():
            body = report(value)
        case Quote():
            body = quote(value)
        case Job():
            body = job(value)
        case Result():
            body = result(value)
        case KlingError():
            body = error(value, act=False)
        case Jobs():
            body = jobs(value)
        case Shown():
            body = _prepared(value)
        case _:
            body = f"<pre>{escape(value)}</pre>"
    return inlined(body)


def inlined(body: str) -> str:
    """The HTML of a card with the style sheet written into its style attributes."""
    import css_inline  # late: the page needs the style sheet alone

    styled = css_inline.inline_fragment(body, style())
    return styled.translate(_INERT)  # the inliner resolves what was escaped for these signs


# -- before a job


def report(
    value: Report,
    *fields: str,
    ready: str = "Ready to send",
    sure: bool = True,
    fold_hints: bool = False,
) -> str:
    """What was measured and what stands in the way; of the named ``fields`` only, when some are given.

    ``ready`` is the headline when no error is left. Without ``sure`` it gets no tick: more is being looked at.
    ``fold_hints``: what is neither an error nor a warning stands behind the number of hints.
    """
    findings = value.of(*(fields or ("image", "video", "prompt", "negative_prompt", "request")))
    errors = sum(f.severity == "error" for f in findings)
    warnings = sum(f.severity == "warning" for f in findings)
    if errors:
        head = "Cannot be sent like this" + (f": {errors} reasons" if errors > 1 else "")
    else:
        head = ready + (f", with {counted(warnings, 'warning')}" if warnings else "")
    facts = []
    if value.image is not None and (not fields or "image" in fields):
        facts.append(_image_facts(value.image))
    if value.video is not None and (not fields or "video" in fields):
        facts.append(_video_facts(value.video))
    passed = [f for f in findings if f.severity == "pass"]
    hints = [f for f in findings if f.severity == "advice"] if fold_hints else []
    summary = f"{counted(len(passed), 'check')} passed"
    return _card(
        "report",
        head,
        sign="error" if errors else "warning" if warnings else "pass" if sure else "advice",
        facts=facts,
        findings=[f for f in _faults(findings) if f not in hints],
        summary=f"{counted(len(hints), 'hint')}, {summary}" if hints else summary,
        folded=[each for each in (hints, passed) if each],
    )


def quote(value: Quote) -> str:
    """What it will cost, its width, its source, and what is not known."""
    price = words.price(value)
    return _card(
        "quote",
        price[:1].upper() + price[1:],
        price_basis=words.span(value),
        unknown=() if value.free else value.unknown,
    )


def plan(value: Plan, *, most: int | None = None) -> str:
    """What a repair would do, what it costs, and what cannot be repaired. More than ``most`` changes stand behind their number."""
    steps = [
        Finding(s.code, s.field, "advice", s.text, "", "", f"{s.cost}." if s.cost else "")
        for s in value.ahead
    ]
    if value.impossible:
        errors = [
            Finding(i.code, i.field, "error", i.reason, "", "", i.hint) for i in value.impossible
        ]
        return listing("Cannot be fixed with one click", [*errors, *steps], severity="error")
    if value.required:
        head = "Can be fixed with one click"
        if most is None or len(steps) <= most:
            return listing(head, steps, severity="warning")
        return _card(
            "report", head, sign="warning", folded=[steps], summary=counted(len(steps), "change")
        )
    return listing("Could be safer", steps, severity="advice")


def fitted(value: Fitted) -> str:
    """What a repair has done, and both files before and after."""
    if not value.done:
        return listing(str(value), (), severity="pass")
    rows, before, after = list[tuple[str, str, str]](), value.before, value.report
    if value.image is not None and before.image is not None and after.image is not None:
        rows.append(("Picture", _image_facts(before.image), _image_facts(after.image)))
    if value.video is not None and before.video is not None and after.video is not None:
        rows.append(("Clip", _video_facts(before.video), _video_facts(after.video)))
    return _card(
        "report",
        "Fixed; your own files are as they were",
        sign="pass",
        columns=("", "Before", "After"),
        cells=rows,
        findings=[Finding(s.code, s.field, "pass", s.text, "", "") for s in value.done],
    )


def _prepared(value: Shown) -> str:
    from kling_utils.preflight.advice import Advice
    from kling_utils.preflight.plan import Plan
    from kling_utils.preflight.preflight import Preflight
    from kling_utils.preflight.repair import Fitted  # late: heavy to import

    match value:
        case Plan():
            return plan(value)
        case Fitted():
            return fitted(value)
        case Preflight():
            from kling_utils.show.advice import advice

            shown = advice(value.advice, saving=value.saving)
            return (
                report(value.report, ready="Format is fine")
                + shown
                + (quote(value.quote) if value.quote is not None else "")
            )
        case Advice():
            from kling_utils.show.advice import advice

            return advice(value)
        case _:
            raise TypeError(f"no card for {type(value).__name__}")


# -- a job and its result


def job(value: Job) -> str:
    """Where a job is, who makes it, what it costs, and its trouble, if any."""
    rows = [
        *_given(value),
        ("Image", value.image_name),
        ("Motion", value.video_name),
        ("Made by", words.maker(value)),
        ("Started", words.age(value.created, time.time())),
    ]
    if value.cost is not None:
        rows.append(("Price", words.price(value.cost)))
    rows += [("Money", words.MONEY[value.money]), ("Job", value.job_id)]
    if value.task_id:
        rows.append(("Task", value.task_id))
    state = words.STATE[value.state]
    if value.progress is not None and not value.done:
        state += f", {value.progress} %"
    parts: _Parts = {"draft": value.draft, "rows": rows}
    if value.trouble is not None:
        when = words.when(value.trouble.code, money=value.trouble.money)
        parts["trouble"] = _trouble(value.trouble, when, draft=value.draft)
    return _card("job", state, **parts)


def _given(value: Job) -> list[tuple[str, str]]:
    """What a person has said of a take."""
    said = (("Name", value.name), ("Rating", words.RATING[value.rating]), ("Note", value.note))
    return [(what, text) for what, text in said if text]


def jobs(value: Jobs) -> str:
    """A list of jobs, a row each: what it is, where it is, and the id to ask for it."""
    if not value:
        return _card("jobs", "No jobs yet")
    now = time.time()
    cells = [
        (
            each.job_id,
            each.name or f"{each.image_name} × {each.video_name}",
            words.maker(each),
            words.STATE[each.state],
            words.spent(each),
            words.age(each.created, now),
        )
        for each in value
    ]
    columns = ("Job", "Files", "Made by", "State", "Price", "Started")
    return _card("jobs", columns=columns, cells=cells)


def result(value: Result) -> str:
    """Reference and result in one small clip (so they cannot drift apart), a still when that fails, and what the audit found."""
    from kling_utils.show import judge, proxies  # runs ffmpeg: only when a card is really drawn

    return _card(
        "result",
        "Result",
        draft=value.job.draft,
        extra=proxies.embedded(value.reference, value.video) + judge.card(value.audit),
        rows=[
            *_given(value.job),
            ("Made by", words.maker(value.job)),
            ("File", value.video),
            ("Job", value.job.job_id),
        ],
        findings=_faults(value.audit.findings) if value.audit is not None else (),
    )


def audit(value: Report | None, *, waiting: bool = False) -> str:
    """What was measured on a result, against its reference and what was asked.

    Two lines while it is folded, also before it is there, so that nothing below it jumps.
    """
    if value is None:
        text = "Length, sound, cuts, frozen and black stretches"
        head = "The result is being compared with its reference"
        return _card("audit", head, sign="advice", text=text) if waiting else ""
    faults = _faults(value.findings)
    passed = [f for f in value.findings if f.severity == "pass"]
    if faults:
        names = ", ".join([faults[0].title, *(f.title.lower() for f in faults[1:])])
        head = f"{counted(len(faults), 'thing')} to know about the result"
        summary = f"{names}; {len(passed)} of {len(value.findings)} checks passed"
    else:
        head = "The result keeps to its reference"
        summary = f"{len(passed)} checks passed"
    sign = faults[0].severity if faults else "pass"
    return _card("audit", head, sign=sign, summary=summary, folded=[faults, passed])


def _judged(value: Report) -> str:
    """The same of two clips that no job made: how the motion is followed, and all that is wrong."""
    from kling_utils.show import judge

    passed = [f for f in value.findings if f.severity == "pass"]
    return _card(
        "audit",
        extra=judge.card(value),
        findings=_faults(value.findings),
        summary=f"{counted(len(passed), 'check')} passed",
        folded=[passed],
    )


# -- what went wrong


def error(value: KlingError, *, act: bool = True) -> str:
    """At which point it went wrong, what happened, the provider's words, what to do, whether money was spent, and the task id.

    ``act``: with buttons, which the page's script brings to life: to the field to change, and to copy a report.
    """
    told = Trouble(value.code, value.message, value.hint, value.money, value.words, value.field)
    if isinstance(value, AlreadyHave):
        return _card("note", trouble=_trouble(told, "", sign="advice"), task_id=value.task_id)
    when = words.when(value.code, money=value.money, task_id=value.task_id)
    parts: _Parts = {"trouble": _trouble(told, when), "task_id": value.task_id}
    if isinstance(value, Refused) and not isinstance(value, Unrepairable):
        told = Trouble(value.code, "The files need a change first", "", "no")
        when = words.when(value.code)
        parts = {"trouble": _trouble(told, when, findings=value.report.errors)}
    if act:
        parts["field"] = words.go(value.code, value.field)
        parts["report"] = words.report_of_error(value)
    return _card("error", **parts)


def trouble(value: Trouble, *, job: Job) -> str:
    """The trouble of a job as a card of its own, with buttons."""
    when = words.when(value.code, money=value.money, task_id=job.task_id, draft=job.draft)
    return _card(
        "error",
        trouble=_trouble(value, when, draft=job.draft),
        task_id=job.task_id,
        field=words.go(value.code, value.field),
        report=words.report_of_job(job, value),
    )


def _trouble(
    value: Trouble,
    when: str,
    *,
    sign: Severity = "error",
    findings: Sequence[Finding] = (),
    draft: bool = False,
) -> _Trouble:
    return {
        "when": when,
        "message": value.message,
        "sign": sign,
        "findings": findings,
        "who": "The motion engine" if draft else "The provider",
        "words": value.words,
        "hint": value.hint,
        "money": words.MONEY.get(value.money, words.MONEY["unknown"]),
    }


# -- what the page says itself


def note(head: str, text: str = "", *, severity: Severity = "advice") -> str:
    """A short message of our own."""
    return _card("note", head, sign=severity, text=text)


def facts(rows: Sequence[tuple[str, object]], text: str) -> str:
    """A table of names and values, and what it means."""
    return _card("facts", rows=rows, price_basis=text)


def listing(head: str, findings: Sequence[Finding], *, severity: Severity, extra: str = "") -> str:
    """A headline over rows of facts; ``extra`` is HTML of our own between them."""
    return _card("report", head, sign=severity, extra=extra, findings=findings)


def _faults(findings: Iterable[Finding]) -> list[Finding]:
    """Without what passed, the worst first."""
    wrong = (f for f in findings if f.severity != "pass")
    return sorted(wrong, key=lambda f: _SEVERITIES.index(f.severity))


def _image_facts(info: ImageInfo) -> str:
    return f"{info.size.width} × {info.size.height}, {info.format}, {megabytes(info.size_bytes)}"


def _video_facts(info: VideoInfo) -> str:
    rate = f"{float(info.frame_rate):.2f}".rstrip("0").rstrip(".")
    return f"{words.seconds(info.duration)}, {info.size.width} × {info.size.height}, {rate} fps, {megabytes(info.size_bytes)}"
