"""Sign-in with a name and the showcase's password (``KLING_PASSWORD``), or on a Space with Hugging Face. Gradio does both.

The password proves that somebody may come in, not that the name is theirs. A Hugging Face account is proved.
"""

from __future__ import annotations

import collections
import hmac
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from starlette.requests import HTTPConnection

from kling_utils.show import cards
from kling_utils.studio import routes
from kling_utils.studio.theme import static

NAME = 40
"""Characters of a name at most."""
TRIES, MINUTE = 20, 60.0
"""Wrong tries of all people together within these seconds, after which nobody is let in until they are over."""
ASKS = (
    "This showcase asks for a name and its password. The name keeps your videos apart from those of others: choose any of 1 to "
    f"{NAME} characters, and take the same one next time."
)
WRONG = (
    f"You are not signed in. The password is wrong, or the name does not have 1 to {NAME} characters. Try again. "
    f"After {TRIES} wrong tries nobody can sign in for a minute."
)
SIGNED_OUT = "You are not signed in. Nothing was sent or spent. Load the page again, and sign in."


class Door:
    """Says whether a name and a password come in: the function that Gradio's ``auth`` takes."""

    def __init__(self, password: SecretStr, clock: Callable[[], float] = time.monotonic) -> None:
        self._password, self._clock = password.get_secret_value().encode(), clock
        self._wrong: collections.deque[float] = collections.deque(maxlen=TRIES)

    def __call__(self, name: str, password: str) -> bool:
        now = self._clock()
        if len(self._wrong) == TRIES and now - self._wrong[0] < MINUTE:
            return False
        # bytes: for texts beyond ASCII `compare_digest` raises
        right = hmac.compare_digest(password.encode("utf-8", "replace"), self._password)
        if not right:
            self._wrong.append(now)
        return right and 0 < len(name.strip()) <= NAME and name.strip().isprintable()


def name_in(scope: Mapping[str, Any]) -> str | None:
    """The name with which the sender of a request has signed in, as Gradio knows it."""
    app, cookies = scope["app"], HTTPConnection(dict(scope)).cookies
    for kind in ("access-token", "access-token-unsecure"):
        name = app.tokens.get(cookies.get(f"{kind}-{app.cookie_id}"))
        if isinstance(name, str):
            return name
    return None


@dataclass(frozen=True, slots=True)
class Account:
    """A Hugging Face account that somebody has signed in with."""

    name: str
    token: SecretStr
    scopes: frozenset[str]


def account(session: Any) -> Account | None:
    """Of the session that gradio's sign-in keeps in a signed cookie; None before a sign-in, and once it has expired."""
    info = session.get("oauth_info") if isinstance(session, Mapping) else None
    if not info or (info.get("expires_at") or math.inf) < time.time():
        return None
    name, token = info["userinfo"]["preferred_username"], SecretStr(info["access_token"])
    return Account(name, token, frozenset(str(info.get("scope") or "").split()))


def script() -> str:
    """For the form of the sign-in: what it says of a wrong password."""
    return static("sign_in.js").replace("SENTENCE", json.dumps(WRONG))


def line(name: str) -> str:
    """Who is signed in, and the way out."""
    out = cards.escape(f"{routes.ROOT.get().rstrip('/')}/logout")
    return (
        f'<p class="signed-in">Signed in as <b>{cards.escape(name)}</b>. '
        f'<a href="{out}" title="This name is signed out in every browser.">Sign out</a></p>'
    )
