"""What is said at the button when nothing was sent: short, since it stands over the page, and with the way on.

Owns these few words and their buttons, which ``static/cards.js`` brings to life. Refuses to list what the checks found: that stands at
the files.
"""

from __future__ import annotations

from kling_utils.errors import AlreadyHave, Refused
from kling_utils.show import cards, words
from kling_utils.studio.desk import Form

_FIX = '<button type="button" class="kc-act kc-first" data-fix>Fix all</button>'
_CLOSE = '<button type="button" class="notice-close" data-close aria-label="Close this notice" title="Close"></button>'


def refused(error: Refused, *, mends: bool) -> str:
    """The checks found errors. ``mends``: one press repairs them all."""
    fields = list(dict.fromkeys(f.field for f in error.report.errors if f.field in words.GO))
    count = len(error.report.errors)
    head = "1 thing has to change first" if count == 1 else f"{count} things have to change first"
    ways = "".join(_go(field, words.GO[field]) for field in fields[:2])
    return _card(head, "Nothing was sent, nothing was spent.", (_FIX if mends else "") + ways)


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
        "a drawn character and a drawn motion"
        if len(lacking) == 2
        else f"a drawn {'character' if form.video else 'motion'}"
    )
    place = "examples" if not form.image else "clips"
    return _card(
        head,
        f"Nothing was sent. No file at hand? Try {drawn}.",
        _go(place, "Go to the drawn examples"),
    )


def already(error: AlreadyHave) -> str:
    """It was made before: the buttons under it are the ways on. A doubt is told in full."""
    if error.money != "no":
        return closable(cards.error(error))
    return closable(
        cards.note(
            error.message.rstrip("."), "Nothing was sent. Open it, or make another take on purpose."
        )
    )


def closable(card: str) -> str:
    """Any card, with an x in its corner."""
    return f'<div class="notice-box">{card}{_CLOSE}</div>'


def fix_line() -> str:
    """The same way on, before the button was pressed."""
    return f'<p class="hint fix-line"><span>Not ready to send.</span> {_FIX}</p>'


def _card(head: str, text: str, buttons: str) -> str:
    said = f'<div class="kc-head kc-bare"><p><span class="kc-title">{cards.escape(head)}</span></p></div>'
    said += f'<p class="kc-note">{cards.escape(text)}</p><p class="kc-acts">{buttons}</p>'
    return closable(f'<div class="kc kc-error-card" role="alert">{said}</div>')


def _go(place: str, label: str) -> str:
    return f'<button type="button" class="kc-act" data-goto="{cards.escape(place)}">{cards.escape(label)}</button>'
