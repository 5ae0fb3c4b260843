"""Who is at the page: a random id that the browser keeps, checked on the server.

Owns the id's form and whose jobs a visitor sees. Refuses to know what a job is. Browser storage belongs to the visitor, so what comes back
is only believed when it has the form of an id that we could have made; it is long enough that nobody meets another's by guessing.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.values import HOME_OWNER

if TYPE_CHECKING:
    from kling_utils.jobs.runner import Runner

_FORM = re.compile(r"v1_[A-Za-z0-9_-]{32}")
# Public on purpose: gradio needs it to read its own value after a restart, and sends it to every browser. It protects nothing.
_OBFUSCATION = "motion-control-studio"


def state() -> gr.BrowserState:
    """Where the browser keeps the id; nothing else is kept there."""
    return gr.BrowserState("", storage_key="motion-control-studio.visitor.v1", secret=_OBFUSCATION)


def known(value: Any) -> str:
    """The id that the browser gave, or a new one when it is not one of ours."""
    return (
        value
        if isinstance(value, str) and _FORM.fullmatch(value)
        else f"v1_{secrets.token_urlsafe(24)}"
    )


def owner(runner: Runner, value: Any) -> str:
    """As whom the visitor's jobs are written: on one's own machine all jobs belong to its home. A made-up id owns nothing."""
    return known(value) if runner.settings.hosted else HOME_OWNER


def sees(runner: Runner, value: Any) -> str | None:
    """Whose jobs the visitor sees: None is all of this home, and only on one's own machine."""
    return known(value) if runner.settings.hosted else None
