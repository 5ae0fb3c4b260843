"""What one visitor's page has checked and shown, and what it is following: plain memory of one session, never of two.

Owns the order between a check and a submit. A ``Session`` lives in a ``gr.State`` and is changed in
place, because handlers of one session run side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from kling_utils.errors import KeyRefused, SettingError
from kling_utils.settings import clean_key
from kling_utils.studio.visitor import HOME, UNKNOWN
from kling_utils.values import MotionRequest, Quote

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kling_utils.jobs.client import Client
    from kling_utils.preflight.preflight import Preflight
    from kling_utils.providers.base import Balance

BALANCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Form:
    """The form as it stands: ``image`` and ``video`` are paths or addresses, empty while there is none."""

    image: str
    video: str
    character_orientation: Any
    model_name: Any
    prompt: str
    negative_prompt: str
    keep_original_sound: bool

    def request(self) -> MotionRequest:
        """Raises ``InvalidRequest`` when something is missing."""
        return MotionRequest(
            image=self.image,
            video=self.video,
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            model_name=self.model_name,
            character_orientation=self.character_orientation,
            keep_original_sound=self.keep_original_sound,
        )


class Session:
    """The last check that was shown, and the job that is followed."""

    def __init__(self) -> None:
        self._checking = threading.Lock()
        self._shown: tuple[Form, Preflight] | None = None
        self.stop_fit = threading.Event()
        self.fit_for = ("", "")
        """Picture and clip that the choices of repair are about."""
        self.fit_choices: tuple[Any, ...] = ()
        """Start, shape, slow and colour, as they were chosen for these files."""
        self.fitted: dict[str, str] = {}
        """Paths that a repair made in this session, and what each was made from."""
        self.who = HOME
        """The visitor of this session."""
        self.arrived = True
        """False for a session of which no page has arrived: it is the page of a session that is lost."""
        self.restarted = ""
        """What is said about a restart of the server: said again after a reload, until it is closed or something is sent."""
        self.secret = ""
        """By this name the tab of this session asks for its form after a reload."""
        self.job_id = ""
        self._balance: tuple[float, int, Balance] | None = None
        self._refused: int | None = None
        self.asked_about = ""
        """The job in doubt that the page has asked about: whether it shall be sent again."""
        self.asks = 0
        """Checks that were asked for: an older one that still waits is given up."""
        self._opened = 0
        self._claimed = 0
        self._aside = -1
        self.said_about: tuple[Form, int, str] | None = None
        """Form, hash of the key and open job that the notice at the button is about."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        made = Session()  # a new session begins with nothing
        made.arrived, made.who = False, UNKNOWN
        return made

    def check(self, runner: Client, form: Form, key: SecretStr | None) -> Preflight:
        """Check the form as it is now, one check at a time: a second caller waits, and measures nothing twice."""
        with self._checking:
            asked = {f.name: getattr(form, f.name) for f in fields(form)}
            look = runner.preflight(
                **{**asked, "image": form.image or None, "video": form.video or None},
                key=key,
                owner=self.who.owner,
            )
            self._shown = (form, look)
            return look

    @property
    def shown(self) -> Preflight | None:
        """The last check."""
        return self._shown[1] if self._shown is not None else None

    @property
    def form(self) -> Form | None:
        """The form that was checked last."""
        return self._shown[0] if self._shown is not None else None

    def agreed(self, runner: Client, form: Form, key: SecretStr | None) -> tuple[Preflight, bool]:
        """The check to submit with, and whether its price is the one that was on the button. Waits for a check that is running.

        Files that were looked at before keep the report that was shown, so that the runner refuses them when they have changed since.
        """
        with self._checking:
            before = self._shown
        look = self.check(runner, form, key)
        if before is None:
            return look, _free(look.quote)
        form_before, look_before = before
        same = _amount(look.quote) == _amount(look_before.quote) or _free(look.quote)
        if (form_before, look_before.provider) == (form, look.provider):
            return look_before, same
        return look, same

    def balance(self, runner: Client, key: SecretStr | None, *, anew: bool = False) -> Balance:
        """The balance of a key, as it was within the last minute, or ``anew``. Raises ``KlingError``."""
        mark = hash(key)  # of a secret: salted for each process, and no way back
        if (
            anew
            or not self.proven(key)
            or self._balance is None
            or runner.now() - self._balance[0] > BALANCE_SECONDS
        ):
            self._balance, self._refused = None, None
            try:
                asked = runner.balance(key, owner=self.who.owner)
            except KeyRefused:
                self._refused = mark
                raise
            self._balance = (runner.now(), mark, asked)
        return self._balance[2]

    def proven(self, key: SecretStr | None) -> bool:
        """Has the provider answered to this key in this session?"""
        return self._balance is not None and self._balance[1] == hash(key)

    def refused(self, key: SecretStr) -> bool:
        """Did the provider refuse this key when it was asked last?"""
        return self._refused == hash(key)

    def open(self, job_id: str) -> None:
        """Follow another job (or none): whoever followed before sees it by the number and stops."""
        self.job_id = job_id
        self._opened += 1

    def claim(self) -> int:
        """The number of the open view, once: 0 when somebody follows it already."""
        if self._claimed == self._opened:
            return 0
        self._claimed = self._opened
        return self._opened

    def holds(self, number: int) -> bool:
        """Is the view of that number still the open one?"""
        return bool(self.job_id) and self._opened == number

    def aside(self) -> Callable[[], bool] | None:
        """For whoever keeps the gallery fresh beside the open view: is it still that view? None when somebody does it already."""
        if self._aside == (number := self._opened):
            return None
        self._aside = number
        return lambda: self._opened == number


def typed_key(text: Any) -> SecretStr | None:
    """The key in the box, or None when the box is empty. Raises ``SettingError``, which never shows it."""
    return clean_key(text) if isinstance(text, str) and text.strip() else None


def key_or_none(key: Any) -> SecretStr | None:
    """For what is only shown, a key that cannot be used counts as none: the line at the top says what is wrong with it."""
    try:
        return typed_key(key)
    except SettingError:
        return None


def _amount(quote: Quote | None) -> Any:
    return None if quote is None else (quote.low, quote.high)


def _free(quote: Quote | None) -> bool:
    return quote is None or quote.free
