"""What is said at the button when nothing was sent, and about jobs: short, because it stands over the page, and with the way on.

``static/page.js`` handles the buttons.
"""

from __future__ import annotations

from kling_utils.errors import AlreadyHave, KlingError, Refused
from kling_utils.jobs import job_errors
from kling_utils.show import cards, words
from kling_utils.studio.session import Form
from kling_utils.values import Job, Severity

_FIX = '<button type="button" class="kc-act kc-first" data-fix>Fix all</button>'
TWICE = "Send it again? It may be paid twice"
_CLOSE = '<button type="button" class="notice-close" data-close aria-label="Close this notice" title="Close"></button>'


def refused(error: Refused, *, one_click_fixable: bool) -> str:
    """The checks found errors. ``one_click_fixable``: one press repairs them all."""
    fields = list(dict.fromkeys(f.field for f in error.report.errors if f.field in words.GO))
    count = len(error.report.errors)
    head = "1 thing has to change first" if count == 1 else f"{count} things have to change first"
    ways = "".join(_go(field, words.GO[field]) for field in fields[:2])
    if any(finding.code == "request.address" for finding in error.report.errors):
        ways += _CHOOSE
    return _card(
        head, "Nothing was sent, nothing was spent.", (_FIX if one_click_fixable else "") + ways
    )


def unreachable() -> str:
    """The clip has no way to the provider yet: the card that offers the ways is part of the form."""
    text = "Nothing was sent, nothing was spent."
    return _card("Novita needs to fetch your clip", text, _CHOOSE)


def missing(form: Form) -> str:
    """Nothing was asked for yet; empty when both files are there."""
    lacking = [
        name for name, source in (("picture", form.image), ("clip", form.video)) if not source
    ]
    if not lacking:
        return ""
    head = (
        "The picture and the clip are missing"
        if len(lacking) == 2
        else f"The {lacking[0]} is missing"
    )
    drawn = (
        "an example of each"
        if len(lacking) == 2
        else f"a drawn {'character' if form.video else 'motion'}"
    )
    place = "examples" if not form.image else "clips"
    return _card(
        head,
        f"Nothing was sent. No file at hand? Try {drawn}.",
        _go(place, "Go to the drawn examples"),
    )


def already(error: AlreadyHave, *, risk: bool, price: str) -> str:
    """The same request is there already: the buttons under the notice are the ways on.

    ``risk``: it may have been paid for, and has no result.
    """
    if risk:
        head = error.message.rstrip(".")
        text = (
            f"Nothing was sent now. If it is sent again, it may be paid twice: {price} once more."
        )
        return closable(cards.note(head, text, severity="warning"))
    take = "another take is free" if price == "free" else f"another take is paid again, {price}"
    text = f"Nothing was sent. Open it, or make another take on purpose: {take}."
    return closable(cards.note(error.message.rstrip("."), text))


def pays_twice(job: Job) -> bool:
    """Would sending the job's request again perhaps pay twice for one result?"""
    return not job.draft and job.state != "succeeded" and job_errors.counts(job)


def twice(price: str, *, close: bool = True) -> str:
    """The question before a request is sent again that may have been paid for. ``close``: with an x."""
    card = cards.note(TWICE, once_more(price), severity="warning")
    return closable(card) if close else card


def once_more(price: str) -> str:
    """Why it may be paid twice, and what the second request costs."""
    return (
        f"The first request may have been billed, or may still be running. The second one is {price}. "
        "Look into your account at the provider first."
    )


def twice_label(price: str) -> str:
    """The button that answers ``twice``."""
    return f"Yes, send it again and perhaps pay twice — {price}"


def agree(error: KlingError, price: str) -> str:
    """The question before a price is paid that is above the sum that the user has set."""
    text = f"Nothing was sent. {error.message}"
    return closable(cards.note(f"Spend {price}?", text, severity="warning"))


def agree_label(price: str) -> str:
    """The button that answers ``agree``."""
    return f"Yes, generate — {price}"


def restarted() -> str:
    """A button of a job was pressed on a page whose session is gone."""
    text = "Nothing was sent. Press it again in a moment, or reload the page: your jobs are kept."
    return closable(cards.note("This page was restarted", text))


def gone() -> str:
    """What is said about a job that does not belong to this visitor, or does not any more."""
    text = "It was removed, or it belongs to another browser."
    return cards.note("There is no such job here", text, severity="warning")


def our_fault() -> str:
    """What is said about an error of our own."""
    text = "Look at your videos below before you try again."
    return cards.note("Something went wrong on our side", text, severity="error")


def closable(card: str) -> str:
    """Any card, with an x in its corner."""
    return f'<div class="notice-box">{card}{_CLOSE}</div>'


def way_line() -> str:
    """Where a way for the clip has to be chosen first, and its card may be out of sight."""
    button = _go("ways", "Choose how")
    return f'<div class="fix-line way-short"><p class="hint">Novita needs to fetch your clip.</p>{button}</div>'


def fix_line() -> str:
    """The same way on, before the button was pressed."""
    return f'<p class="hint fix-line"><span>Not ready to send.</span> {_FIX}</p>'


def _card(head: str, text: str, buttons: str) -> str:
    said = f'<div class="kc-head kc-bare"><p><span class="kc-title">{cards.escape(head)}</span></p></div>'
    said += f'<p class="kc-note">{cards.escape(text)}</p><p class="kc-acts">{buttons}</p>'
    return closable(f'<div class="kc kc-error-card" role="alert">{said}</div>')


def _go(place: str, label: str) -> str:
    return f'<button type="button" class="kc-act" data-goto="{cards.escape(place)}">{cards.escape(label)}</button>'


def content_line(text: str, severity: Severity) -> str:
    """What was seen in picture and clip, in a few words, with the way to all of it."""
    said = f"{cards.sign(severity)}<span>{cards.escape(text)}</span>{_go('advice', 'Show')}"
    return f'<p class="hint content-line">{said}</p>'


_CHOOSE = _go("ways", words.GO["ways"])
