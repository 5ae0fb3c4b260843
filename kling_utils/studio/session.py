"""What one visitor's page has checked and shown, and which job it follows: the one value that the panels are drawn from.

A ``Session`` lives in a ``gr.State`` and is changed in place, because handlers of one session run side by side.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from kling_utils.errors import KeyRefused, SettingError
from kling_utils.settings import clean_key
from kling_utils.show import words
from kling_utils.studio.visitor import HOME, UNKNOWN
from kling_utils.values import Money, MotionRequest, Quote, Rating, Vote

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kling_utils.jobs.client import Client
    from kling_utils.jobs.listing import Group
    from kling_utils.preflight.advice import Advice
    from kling_utils.preflight.preflight import Preflight
    from kling_utils.providers.base import Balance

BALANCE_SECONDS = 60.0
"""Cache time of a balance."""
PAD, CROP = "Add ground around it", "Cut around the person"
USUAL = "usual"


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
        return MotionRequest(**asdict(self))


@dataclass(frozen=True, slots=True)
class RepairChoices:
    """How the files are to be repaired.

    ``start``, ``length``, ``slow`` and ``turn_video`` are about ``video``, the others about ``image``.
    """

    image: str = ""
    video: str = ""
    start: float = 0.0
    shape: str = PAD
    slow: bool = False
    colour: str = USUAL
    length: float | None = None
    crop: tuple[int, int, int, int] | None = None
    turn_image: int = 0
    turn_video: int = 0

    def about(self, form: Form) -> RepairChoices:
        """The choices for the files of the form: for another file than before, also a repaired one, the usual ones."""
        usual, made = RepairChoices(), replace(self, image=form.image, video=form.video)
        if form.video != self.video:
            made = replace(made, start=usual.start, slow=usual.slow, length=None, turn_video=0)
        if form.image != self.image:
            made = replace(made, shape=usual.shape, colour=usual.colour, crop=None, turn_image=0)
        return made


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A job of the same request that is there already, as the buttons under the notice offer it."""

    job_id: str
    price: str
    """Of another take, as it stands on the button."""
    risk: bool = False
    """It has no result, and may have been paid for."""
    asked: bool = False
    """The page has asked whether it shall be sent all the same."""
    draft: bool = False
    """A draft was asked for where a key is used: no other take is offered."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """A press of the button whose price the user wants to be asked about: how it goes on after a yes."""

    price: str
    offered: str = ""
    twice: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which jobs the gallery shows: what was searched for, and the page of it, from 0."""

    text: str = ""
    rating: Rating | None = None
    group: Group | None = None
    page: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two takes that stand on the stage instead of a job, as job ids. ``blind``: their names are hidden until the vote."""

    left: str
    right: str
    blind: bool = False
    vote: Vote | None = None
    round: int = 1
    """Counts up when the same two are compared anew."""


@dataclass(eq=False, slots=True)
class View:
    """One showing of a job. Opening a job makes another one, and the watcher of the one before ends."""

    job_id: str = ""
    watched: bool = False
    first: bool = False
    """The view of a page that has just loaded: nothing has to be cleared."""
    sending: bool = False
    """Something of it is on its way to the page."""
    before: View | None = None
    """The view before this one, until this one is watched."""


class Session:
    """The form that was checked last, what was said about it, and the job that is followed."""

    def __init__(self) -> None:
        self._checking = threading.Lock()
        self.visitor = HOME
        self.arrived = True
        """False when no page has loaded in this session: it is the page of a session that is lost."""
        self.secret = ""
        """By this name the tab of this session asks for its form after a reload."""
        self.restarted = ""
        """The notice about a restart of the server. Shown again after a reload, until it is closed or something is sent."""
        self.form: Form | None = None
        """The form that was checked last, and what was found."""
        self.preflight: Preflight | None = None
        self._advice: tuple[tuple[str, ...], Advice] | None = None
        self.asks = 0
        """Checks that were asked for: an older one that still waits is given up."""
        self.choices = RepairChoices()
        self.repaired: dict[str, str] = {}
        """Files that a repair made in this session, and the file that each was made from."""
        self.cropped: set[str] = set()
        """Those of them that are a part of a picture."""
        self.stop_repair = threading.Event()
        self.stop_export: threading.Event | None = None
        """While a file is being exported."""
        self.notice = ""
        """What is said at the button, and the form, the key's hash and the open job that it is about."""
        self.notice_about: tuple[Form, int, str] | None = None
        self.duplicate: Duplicate | None = None
        self.confirm: Confirm | None = None
        """What was pressed, while the page asks about its price."""
        self.hf_token: SecretStr | None = None
        """By which clips of this session go to Hugging Face."""
        self.signed_token: SecretStr | None = None
        """Of the sign-in with Hugging Face, where it may make a dataset; offered, and not used unasked."""
        self.choosing_way = False
        """The ways by which a clip gets to the provider are shown, although one is chosen."""
        self.ways_chosen = 0
        """How often a way was chosen. Each time the form is checked again."""
        self.key_panel = False
        """The panel of the key is open."""
        self.key_typed: int | None = None
        """Hash of the key that was typed last; None before one was. What ends late about an earlier one changes nothing."""
        self.key_folded: int | None = None
        """The hash of the key for which the panel was folded."""
        self.view = View(first=True)
        self.example = False
        """The stage plays an example."""
        self.pair: Pair | None = None
        """While two takes are compared; the job that was open stays the open one."""
        self.listing = Listing()
        self.asked_about = ""
        """The job in doubt of which the page has asked whether it shall be sent again."""
        self._balance: tuple[float, int, Balance] | None = None
        self._refused: int | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        made = Session()  # a new session begins with nothing
        made.arrived, made.visitor = False, UNKNOWN
        return made

    @property
    def job_id(self) -> str:
        """The job that is open, or nothing."""
        return self.view.job_id

    @property
    def _last_watched(self) -> View | None:
        return self.view if self.view.watched else self.view.before

    def open(self, job_id: str) -> None:
        """Show another job, or none."""
        self.view, self.pair = View(job_id, before=self._last_watched), None

    def compare(self, pair: Pair) -> None:
        """Show two takes instead of the open job."""
        self.view, self.pair, self.example = (
            View(self.job_id, before=self._last_watched),
            pair,
            False,
        )

    def shows(self, view: View) -> bool:
        """Is the view still the open one, and its job followed?"""
        return self.view is view and bool(view.job_id)

    # -- the check

    def check(self, client: Client, form: Form, key: SecretStr | None) -> Preflight:
        """Check the form as it is now, one check at a time: a second caller waits, and measures nothing twice."""
        with self._checking:
            fields = asdict(form) | {"image": form.image or None, "video": form.video or None}
            found = client.preflight(**fields, **self.publishing, key=key, owner=self.visitor.owner)
            self.form, self.preflight = form, found
            self.choices = self.choices.about(form)
            return found

    def agreed(self, client: Client, form: Form, key: SecretStr | None) -> tuple[Preflight, bool]:
        """The check to submit with, and whether its price is the one that was on the button. Waits for a check that is running.

        Files that were checked before keep the report that was shown, so that the client refuses them when they have changed since.
        """
        with self._checking:
            form_before, before = self.form, self.preflight
        now = self.check(client, form, key)
        free = now.quote is None or now.quote.free
        if before is None:
            return now, free
        same = free or _amount(now.quote) == _amount(before.quote)
        shown = (form_before, before.provider) == (form, now.provider)
        return before if shown else now, same

    @property
    def publishing(self) -> dict[str, Any]:
        """What a check and a submit are told of how this session's clips are published."""
        return {} if self.hf_token is None else {"hf_token": self.hf_token}

    @property
    def unreachable(self) -> bool:
        """Has the clip that was checked last no way to the provider?"""
        found = self.preflight.report.errors if self.preflight is not None else ()
        return any(finding.code == "request.address" for finding in found)

    @property
    def price(self) -> str:
        """The price of the form that was checked last, as it stands on buttons."""
        quote = self.preflight.quote if self.preflight is not None else None
        return words.price(quote) if quote is not None else "price not known"

    # -- what the files show

    @property
    def advice(self) -> Advice | None:
        """What is known of the files that were checked last; None before they were looked at."""
        known, about = self._advice, self.looked_at()
        return known[1] if known is not None and known[0] == about else None

    def advised(self, about: tuple[str, ...], advice: Advice) -> bool:
        """Keep what a look tells. False, and nothing is kept, where other files were checked meanwhile."""
        if self.looked_at() != about:
            return False
        self._advice = about, advice
        return True

    @property
    def video_orientation(self) -> bool:
        """Is the result as long as the clip?"""
        return self.form is not None and self.form.character_orientation == "video"

    def looked_at(self) -> tuple[str, ...]:
        """What a look is about: both files' hashes, and the orientation."""
        if self.preflight is None or self.form is None:
            return ()
        infos = self.preflight.report.image, self.preflight.report.video
        hashes = (info.sha256 if info is not None else "" for info in infos)
        return (*hashes, str(self.form.character_orientation))

    # -- the key

    def balance(self, client: Client, key: SecretStr | None, *, anew: bool = False) -> Balance:
        """The balance of a key, as it was within the last minute, or ``anew``. Raises ``KlingError``."""
        mark = hash(key)  # of a secret: salted for each process, and no way back
        known = self._balance if self.proven(key) and not anew else None
        if known is None or client.now() - known[0] > BALANCE_SECONDS:
            if self.last_typed(key):
                self._balance, self._refused = None, None
            try:
                known = client.now(), mark, client.balance(key, owner=self.visitor.owner)
            except KeyRefused:
                if self.last_typed(key):
                    self._refused = mark
                raise
            if self.last_typed(key):
                self._balance = known
        return known[2]

    def last_typed(self, key: SecretStr | None) -> bool:
        """Is this the key that was typed last, as far as that is known?"""
        return self.key_typed in (None, hash(key))

    def proven(self, key: SecretStr | None) -> bool:
        """Has the provider answered to this key in this session?"""
        return self._balance is not None and self._balance[1] == hash(key)

    def known_balance(self, key: SecretStr) -> Money | None:
        """What is left for a key that was proven, as it was asked for last."""
        return self._balance[2].available if self._balance and self.proven(key) else None

    def refused(self, key: SecretStr) -> bool:
        """Did the provider refuse this key when it was asked last?"""
        return self._refused == hash(key)


def typed_key(text: Any) -> SecretStr | None:
    """The key in the box, or None when the box is empty. Raises ``SettingError``, which never shows it."""
    return clean_key(text) if isinstance(text, str) and text.strip() else None


def key_or_none(key: Any) -> SecretStr | None:
    """As ``typed_key``, for display: a key that cannot be used counts as none, and the line at the top says what is wrong with it."""
    try:
        return typed_key(key)
    except SettingError:
        return None


def _amount(quote: Quote | None) -> Any:
    return None if quote is None else (quote.low, quote.high)
