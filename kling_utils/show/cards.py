"""Values as HTML cards, for notebooks (``_repr_html_``) and for the app.

Owns the look of a report, a quote, a job, a result and an error. Everything that is written into
HTML goes through ``escape``: file names and the provider's words are strangers' text. The
plain-text forms are the values' own ``__str__``. Colours are taken from the text colour around a
card, so that it reads on light and on dark pages.
"""

from __future__ import annotations

import functools
import html as _html
import time
from collections.abc import Iterable
from pathlib import Path

from kling_utils.errors import AlreadyHave, KlingError, Refused, Unrepairable
from kling_utils.show import reports, words
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
)

_SIGN: dict[Severity, str] = {"error": "!", "warning": "!", "advice": "i", "pass": "✓"}
_SEVERE: tuple[Severity, ...] = ("error", "warning", "advice", "pass")
_SPOKEN: dict[Severity, str] = {
    "error": "Error",
    "warning": "Warning",
    "advice": "Advice",
    "pass": "Passed",
}
# Besides HTML's own: a page that puts a card into a template must not find a template's signs in it.
_TEMPLATE = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})


def escape(text: object) -> str:
    """Text for HTML, in elements and in quoted attributes; also inert in template languages."""
    return _html.escape(str(text), quote=True).translate(_TEMPLATE)


@functools.cache
def style() -> str:
    """The style sheet of all cards."""
    return (Path(__file__).parent / "cards.css").read_text("utf-8")


def html(value: object) -> str:
    """A card for a notebook, its style in style attributes, so that it looks the same in a cell that is not trusted.

    Values without a card of their own become preformatted text.
    """
    match value:
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
            from kling_utils.show import repairs  # late: what they tell of is heavy to import

            body = repairs.html(value)
        case _:
            body = f"<pre>{escape(value)}</pre>"
    return inlined(body)


def inlined(body: str) -> str:
    """The HTML of a card with the style sheet written into its style attributes."""
    import css_inline  # late: the page needs the style sheet alone

    styled = css_inline.inline_fragment(body, style())
    return styled.translate(_TEMPLATE)  # the inliner resolves what ``escape`` wrote for these signs


def report(value: Report, *fields: str, ready: str = "Ready to send") -> str:
    """What was measured and what stands in the way; of the named ``fields`` only, when some are given.

    ``ready`` is the headline when no error is left.
    """
    findings = (
        value.of(*fields)
        if fields
        else value.of("image", "video", "prompt", "negative_prompt", "request")
    )
    errors = sum(f.severity == "error" for f in findings)
    warnings = sum(f.severity == "warning" for f in findings)
    sign: Severity
    if errors:
        head, sign = (
            (
                "Cannot be sent like this"
                if errors == 1
                else f"Cannot be sent like this: {errors} reasons"
            ),
            "error",
        )
    else:
        head, sign = (
            ready + (f", with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""),
            "warning" if warnings else "pass",
        )
    facts = []
    if value.image is not None and (not fields or "image" in fields):
        facts.append(image_facts(value.image))
    if value.video is not None and (not fields or "video" in fields):
        facts.append(video_facts(value.video))
    shown = [f for f in findings if f.severity != "pass"]
    passed = [f for f in findings if f.severity == "pass"]
    parts = [_head(head, *(f'<span class="kc-facts">{escape(f)}</span>' for f in facts), sign=sign)]
    parts.append(_findings(shown))
    if passed:
        count = f"{len(passed)} check{'s' if len(passed) > 1 else ''} passed"
        parts.append(f"<details><summary>{count}</summary>{_findings(passed)}</details>")
    return _card("report", *parts)


def image_facts(info: ImageInfo) -> str:
    """Size, format and weight of a picture in one line."""
    return f"{info.size.width} × {info.size.height}, {info.format}, {_megabytes(info.size_bytes)}"


def video_facts(info: VideoInfo) -> str:
    """Length, size, rate and weight of a clip in one line."""
    rate = f"{float(info.frame_rate):.2f}".rstrip("0").rstrip(".")
    return f"{words.seconds(info.duration)}, {info.size.width} × {info.size.height}, {rate} fps, {_megabytes(info.size_bytes)}"


def quote(value: Quote) -> str:
    """What it will cost, its width, its source, and what is not known."""
    price = words.price(value)
    unknown = "".join(
        f"<li class='kc-row'>{_icon('advice')}<span>{escape(u)}</span></li>" for u in value.unknown
    )
    return _card(
        "quote",
        _head(price[:1].upper() + price[1:]),
        f'<p class="kc-note">{escape(words.span(value))}</p>',
        f'<ul class="kc-list">{unknown}</ul>' if unknown and not value.free else "",
    )


def job(value: Job, *, now: float | None = None) -> str:
    """Where a job is, who makes it, what it costs, and its trouble, if any."""
    rows = [
        ("Image", value.image_name),
        ("Motion", value.video_name),
        ("Made by", words.maker(value)),
        ("Started", words.age(value.created, time.time() if now is None else now)),
    ]
    if value.cost is not None:
        rows.append(("Price", words.price(value.cost)))
    rows.append(("Money", words.MONEY[value.money]))
    rows.append(("Job", value.job_id))
    if value.task_id:
        rows.append(("Task", value.task_id))
    state = words.STATE[value.state]
    if value.progress is not None and not value.done:
        state += f", {value.progress} %"
    return _card(
        "job",
        _head(state, _draft(value)),
        _table(rows),
        _trouble_body(value.trouble, draft=value.draft) if value.trouble else "",
    )


def jobs(value: Jobs, *, now: float | None = None) -> str:
    """A list of jobs, a row each: what it is, where it is, and the id to ask for it."""
    if not value:
        return _card("jobs", _head("No jobs yet"))
    now, names = (
        time.time() if now is None else now,
        ("Job", "Files", "Made by", "State", "Price", "Started"),
    )
    rows = (
        (
            j.job_id,
            f"{j.image_name} × {j.video_name}",
            words.maker(j),
            words.STATE[j.state],
            words.spent(j),
            words.age(j.created, now),
        )
        for j in value
    )
    return _card("jobs", grid(names, rows))


def result(value: Result, *, proxy: bool = True) -> str:
    """Reference and result in one small clip (so they cannot drift apart), a still when that fails, and what the audit found."""
    rows = [("Made by", words.maker(value.job)), ("File", value.video), ("Job", value.job.job_id)]
    media = ""
    if proxy:
        from kling_utils.show import proxies  # runs ffmpeg: only when a card is really drawn

        media = proxies.embedded(value.reference, value.video)
    audit = ""
    if value.audit is not None:
        audit = _findings(
            [
                f
                for f in value.audit.of(*{f.field for f in value.audit.findings})
                if f.severity != "pass"
            ]
        )
    return _card("result", _head("Result", _draft(value.job)), media, _table(rows), audit)


def error(value: KlingError, *, act: bool = True) -> str:
    """At which point it went wrong, what happened, the provider's words, what to do, whether money was spent, and the task id.

    ``act``: with buttons, which the page's script brings to life: to the field to change, and to copy a report.
    """
    if isinstance(value, Refused) and not isinstance(value, Unrepairable):
        trouble = Trouble(value.code, "The files need a change first", "", "no", field=value.field)
        return _card(
            "error",
            _trouble_body(trouble, found=value.report.errors),
            _buttons(trouble, reports.of_error(value)) if act else "",
        )
    trouble = Trouble(value.code, value.message, value.hint, value.money, value.words, value.field)
    if isinstance(value, AlreadyHave):
        return _card("note", _trouble_body(trouble, "advice", when=""), _ids(value.task_id))
    when = words.when(value.code, money=value.money, task_id=value.task_id)
    return _card(
        "error",
        _trouble_body(trouble, when=when),
        _ids(value.task_id),
        _buttons(trouble, reports.of_error(value)) if act else "",
    )


def trouble(value: Trouble, *, job: Job | None = None, task_id: str | None = None) -> str:
    """The trouble of a job as a card of its own; with the job, also its buttons."""
    task_id = job.task_id if job is not None else task_id
    when = words.when(
        value.code, money=value.money, task_id=task_id, draft=job is not None and job.draft
    )
    acts = _buttons(value, reports.of_job(job, value)) if job is not None else ""
    return _card(
        "error",
        _trouble_body(value, when=when, draft=job is not None and job.draft),
        _ids(task_id),
        acts,
    )


def audit(value: Report | None, *, waiting: bool = False) -> str:
    """What was measured on a result, against its reference and what was asked. Two lines while it is folded, also before it is there,
    so that nothing below it jumps."""
    if value is None:
        text = "The result is being compared with its reference"
        return (
            _card(
                "audit",
                _head(text, sign="advice"),
                '<p class="kc-do">Length, sound, cuts, frozen and black stretches</p>',
            )
            if waiting
            else ""
        )
    shown = sorted(
        (f for f in value.findings if f.severity != "pass"), key=lambda f: _SEVERE.index(f.severity)
    )
    passed = [f for f in value.findings if f.severity == "pass"]
    count = f"{len(shown)} thing{'s' if len(shown) > 1 else ''} to know about the result"
    head = _head(
        count if shown else "The result keeps to its reference",
        sign=shown[0].severity if shown else "pass",
    )
    names = ", ".join(f.title if n == 0 else f.title.lower() for n, f in enumerate(shown))
    told = (
        f"{names}; {len(passed)} of {len(value.findings)} checks passed"
        if shown
        else f"{len(passed)} checks passed"
    )
    return _card(
        "audit",
        head,
        f"<details><summary>{escape(told)}</summary>{_findings(shown)}{_findings(passed)}</details>",
    )


def grid(names: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Rows under a row of names, as a grid: notebooks give tables rules of their own."""
    named = list(names)
    cells = [f'<span class="kc-name">{escape(name)}</span>' for name in named]
    cells += [f'<span class="kc-cell">{escape(cell)}</span>' for row in rows for cell in row]
    columns = f"grid-template-columns: repeat({len(named)}, auto)"
    return f'<div class="kc-beside" style="{columns}">{"".join(cells)}</div>'


def note(head: str, text: str = "", *, severity: Severity = "advice") -> str:
    """A short message of our own."""
    return _card(
        "note", _head(head, sign=severity), f'<p class="kc-do">{escape(text)}</p>' if text else ""
    )


def listing(head: str, findings: Iterable[Finding], *, severity: Severity, extra: str = "") -> str:
    """A headline over rows of facts; ``extra`` is HTML of our own between them."""
    return _card("report", _head(head, sign=severity), extra, _findings(findings))


def _card(kind: str, *parts: str) -> str:
    role = ' role="alert"' if kind == "error" else ""
    return f'<div class="kc kc-{kind}-card"{role}>{"".join(parts)}</div>'


def _head(text: str, *extra: str, sign: Severity | None = None) -> str:
    """``text`` is escaped here; ``extra`` is HTML that follows it."""
    icon = _icon(sign) if sign else ""
    kind = "kc-head" if sign else "kc-head kc-bare"
    return f'<div class="{kind}">{icon}<p><span class="kc-title">{escape(text)}</span>{"".join(extra)}</p></div>'


def _icon(severity: Severity) -> str:
    """One grid cell: the sign, and the word for those who cannot see it."""
    sign = f'<span class="kc-i kc-{severity}" aria-hidden="true">{_SIGN[severity]}</span>'
    return f'<span>{sign}<span class="kc-hide">{_SPOKEN[severity]}: </span></span>'


def _findings(findings: Iterable[Finding]) -> str:
    items = []
    for f in findings:
        allowed = (
            f' <span class="kc-allowed">(allowed: {escape(f.allowed)})</span>' if f.allowed else ""
        )
        fix = f'<br><span class="kc-fix">{escape(f.fix)}</span>' if f.fix else ""
        number = f'<span class="kc-number">: {escape(f.measured)}</span>' if f.measured else ""
        items.append(
            f'<li class="kc-row">{_icon(f.severity)}<span><span class="kc-what">{escape(f.title)}</span>{number}{allowed}{fix}</span></li>'
        )
    return f'<ul class="kc-list">{"".join(items)}</ul>' if items else ""


def _buttons(value: Trouble, report: str) -> str:
    """To the field that is to blame, and the report to copy. The page's script does both; a notebook has neither."""
    field = words.go(value.code, value.field)
    goto = (
        f'<button type="button" class="kc-act" data-goto="{escape(field)}">{escape(words.GO[field])}</button>'
        if field
        else ""
    )
    copy = f'<button type="button" class="kc-act kc-quietly" data-report="{escape(report)}">Copy report</button>'
    return f'<p class="kc-acts">{goto}{copy}</p>'


def _trouble_body(
    value: Trouble,
    sign: Severity = "error",
    *,
    when: str | None = None,
    found: Iterable[Finding] = (),
    draft: bool = False,
) -> str:
    who = "The motion engine" if draft else "The provider"
    when = words.when(value.code, money=value.money) if when is None else when
    kind = f'<p class="kc-kind">{escape(when)}</p>' if when else ""
    said = (
        f'<p class="kc-do">{who} said:</p><blockquote class="kc-words">{escape(value.words)}</blockquote>'
        if value.words
        else ""
    )
    hint = f'<p class="kc-do">{escape(value.hint)}</p>' if value.hint else ""
    return (
        kind
        + _head(value.message, sign=sign)
        + _findings(found)
        + said
        + hint
        + _money(value.money)
    )


def _money(state: str) -> str:
    text = {"no": words.MONEY["no"], "yes": words.MONEY["yes"]}.get(state, words.MONEY["unknown"])
    return f'<p class="kc-do"><span class="kc-badge">{escape(text)}</span></p>'


def _ids(task_id: str | None) -> str:
    return f'<p class="kc-do kc-note">Task id <code>{escape(task_id)}</code></p>' if task_id else ""


def _table(rows: Iterable[tuple[str, object]]) -> str:
    cells = (f'<span class="kc-key">{escape(k)}</span><span>{escape(v)}</span>' for k, v in rows)
    return f'<div class="kc-table">{"".join(cells)}</div>'


def _draft(value: Job) -> str:
    return '<span class="kc-badge">Draft</span>' if value.draft else ""


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{max(1, round(count / 1000))} kB"
