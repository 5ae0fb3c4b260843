"""The button: checks as the form changes, the price on the button, and the submit.

Owns what happens between a click and a job. Returns at once: sending is the watcher's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from kling_utils.errors import AlreadyHave, Busy, KlingError, Refused
from kling_utils.media import bounds
from kling_utils.preflight.quote import expected_seconds
from kling_utils.show import cards, words
from kling_utils.studio import notices
from kling_utils.studio.account import Account
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.fitting import Fitting, one_click_fixable
from kling_utils.studio.inputs import ImageInput, VideoInput
from kling_utils.studio.keeper import Keeper
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.options import Options, orientation_choices
from kling_utils.studio.session import Form, Session, key_or_none, typed_key
from kling_utils.studio.theme import static
from kling_utils.studio.visitor import Visitor
from kling_utils.values import CHARACTER_ORIENTATIONS, CharacterOrientation

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.preflight.preflight import Preflight

LOG = logging.getLogger(__name__)
_DRAFT = "Generate draft — free"


@dataclass(frozen=True, slots=True)
class Twin:
    """A job of the same request that is there already, as the buttons under the notice offer it."""

    job_id: str
    price: str
    """Of another take, as it stands on the button."""
    risk: bool = False
    """It has no result, and may have been paid for."""
    asked: bool = False
    """The page has asked whether it shall be sent all the same."""


_NO_TWIN = Twin("", "")


class Generate:
    """The button with its price, and the place where a refusal is explained."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        with gr.Column(elem_id="generate-panel"):  # stays in sight: only what is needed to press
            with gr.Column(elem_id="said"):  # stands over the button, and moves nothing
                self.keeper = Keeper(runner)
                self.notice = gr.HTML(
                    "", js_on_load=static("notice.js"), apply_default_css=False, elem_id="notice"
                )
                with gr.Row(visible=False, elem_id="have-already") as self.have:
                    # First in the row: the second press of a double click never lands on it.
                    self.sure = gr.Button(
                        "Send it again",
                        size="sm",
                        visible=False,
                        elem_id="send-anyway",
                        variant="stop",
                    )
                    self.show = gr.Button("Show it", size="sm", elem_id="show-it")
                    self.again = gr.Button("Make another take", size="sm", elem_id="another-take")
            with gr.Row(elem_id="generate-row", equal_height=True):
                self.button = gr.Button(
                    self.label(None),
                    variant="primary",
                    size="lg",
                    elem_id="generate",
                    scale=3,
                    min_width=120,
                )
                self.draft = gr.Button(
                    "Draft it here first — free",
                    size="sm",
                    visible=False,
                    elem_id="generate-draft",
                    scale=1,
                    min_width=110,
                )
            self.price = gr.HTML("", elem_id="price", apply_default_css=False)
        self.basis = gr.HTML("", elem_id="price-basis", apply_default_css=False)
        self.twin = gr.State(_NO_TWIN)

    def bind(
        self,
        form: list[Any],
        account: Account,
        image: ImageInput,
        video: VideoInput,
        options: Options,
        fitting: Fitting,
        desk: gr.State,
        who: Visitor,
    ) -> None:
        """Check whenever something changes that a rule or the price looks at."""
        changes = [
            image.source.change,
            video.source.change,
            options.orientation.input,
            options.model.input,
            options.sound.input,
            options.prompt.blur,
            options.negative.blur,
            account.box.blur,
            account.box.submit,
            account.forgotten.change,
        ]
        outputs = [
            image.card,
            video.card,
            options.card,
            options.orientation,
            self.button,
            self.price,
            self.basis,
            self.draft,
        ]
        outputs += [*fitting.judged_outputs, *self.choice, self.keeper.panel]

        def check(*values: Any) -> Iterator[tuple[Any, ...]]:
            *fields, start, shape, slow, colour, key, seat = values
            asked = Form(*fields)
            if not seat.arrived:  # the form of a session that is lost: it is filled again first
                yield (*[gr.skip()] * (len(outputs) - 1), self.keeper.hello(seat, lost=True))
                return
            before = seat.form
            yield (  # the cards are about the files before, until these are measured
                image.measuring(asked.image, before.image if before else ""),
                video.measuring(asked.video, before.video if before else ""),
                *[gr.skip()] * (len(outputs) - 2),
            )
            yield checked_form(asked, (start, shape, slow, colour), key, seat)

        def unchecked(error: KlingError, asked: Form, key: Any, seat: Session) -> tuple[Any, ...]:
            return (
                image.empty(),
                video.empty(),
                gr.update(value=cards.error(error), visible=True),
                *[gr.skip()] * 5,
                *[gr.skip()] * len(fitting.judged_outputs),
                *self.still(seat, (asked, hash(key))),
                gr.skip(),
            )

        def checked_form(asked: Form, choices: Any, key: Any, seat: Session) -> tuple[Any, ...]:
            try:
                look = seat.check(self._runner, asked, key_or_none(key))
            except KlingError as error:
                return unchecked(error, asked, key, seat)
            lengths = orientation_choices(_lengths(look))
            return (
                image.judged(look.report, asked.image),
                video.judged(look.report, asked.video),
                options.judged(look.report),
                gr.update(choices=lengths),
                gr.update(value=self.label(look)),
                self.fine_print(seat),
                self.whole_price(seat),
                gr.update(visible=look.provider != "local" and look.quote is not None),
                *fitting.judged(look.report, asked, seat, *choices),
                *self.still(seat, (asked, hash(key))),
                self.keeper.value(seat),
            )

        inputs = [*form, *fitting.choices, account.box, desk]
        turned = in_lane(
            bounds.checking,
            check,
            busy=lambda error, *values: unchecked(error, Form(*values[:7]), values[-2], values[-1]),
            runner=self._runner,
            newest=True,
        )
        checked = gr.on(
            changes,
            turned,
            inputs,
            outputs,
            trigger_mode="always_last",
            **PRIVATE,
            **HIDDEN,
            **UNLIMITED,
        )
        funds = in_lane(bounds.calling, self.funds, busy=lambda *_: gr.skip())
        asked_for = checked.then(
            funds, [account.box, desk], [self.price], **PRIVATE, **HIDDEN, **UNLIMITED
        )
        asked_for.then(account.says, [account.box, desk], [account.line], **PRIVATE, **HIDDEN)
        for each in (image, video):
            preview = in_lane(bounds.making, each.preview, busy=lambda *_: gr.skip())
            checked.then(
                preview, [each.source, desk], [each.view], **PRIVATE, **HIDDEN, **UNLIMITED
            )
        frames = in_lane(bounds.making, fitting.frames, busy=lambda *_: gr.skip())
        checked.then(frames, [desk], [fitting.strip], **PRIVATE, **HIDDEN, **UNLIMITED)
        gr.on(
            [image.source.change, video.source.change],
            self.cleared,
            None,
            self.choice,
            **PRIVATE,
            **HIDDEN,
        )
        self.notice.dismiss(self.cleared, None, self.choice, **PRIVATE, **HIDDEN)
        fitting.bind(form, image, video, desk)

    @property
    def outputs(self) -> list[Any]:
        """What ``submit`` changes."""
        said = [self.keeper.panel, self.keeper.said]
        return [self.button, self.notice, self.have, self.again, self.twin, self.sure, *said]

    @property
    def choice(self) -> list[Any]:
        """What ``open_twin`` changes."""
        return [self.notice, self.have]

    @staticmethod
    def cleared() -> tuple[str, Any]:
        """Another file: what was refused was about the one before."""
        return "", gr.update(visible=False)

    def still(self, seat: Session, now: tuple[Form, int] | None = None) -> tuple[Any, Any]:
        """What was said at the button goes when it is about another form or key than ``now``, or when another job was opened since."""
        about = seat.said_about
        if about is None or (about[2] == seat.job_id and now in (None, about[:2])):
            return gr.skip(), gr.skip()
        seat.said_about = None
        return self.cleared()

    def open_twin(self, twin: Twin, desk: Session) -> tuple[str, Any]:
        """Show what is there already."""
        if twin.job_id:
            desk.open(twin.job_id)
        return "", gr.update(visible=False)

    def submit_again(self, twin: Twin, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The same once more, on purpose, at the price that was offered. Where that may be paid twice, the page asks first."""
        if not twin.job_id:
            yield (gr.skip(),) * len(self.outputs)
        elif not twin.risk:
            yield from self.submit(*values, fresh=True, offered=twin.price)
        else:
            yield (
                gr.skip(),
                notices.twice(twin.price),
                gr.update(visible=True),
                gr.update(visible=False),
                replace(twin, asked=True),
                gr.update(value=notices.twice_label(twin.price), visible=True),
                gr.skip(),
                "",
            )

    def submit_surely(self, twin: Twin, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The answer to the question whether it shall be sent although it may be paid twice."""
        if twin.job_id and twin.asked:
            yield from self.submit(*values, fresh=True, offered=twin.price)
        else:
            yield (gr.skip(),) * len(self.outputs)

    def submit_draft(self, *values: Any) -> Iterator[tuple[Any, ...]]:
        """A draft of the same, made here, where a key would have it made by Kling."""
        yield from self.submit(*values, draft=True)

    def busy(self, error: Busy, *_: Any) -> tuple[Any, ...]:
        """The outputs of ``submit`` when there is no turn: nothing was sent."""
        notice = notices.closable(cards.error(error))
        kept = [gr.skip()] * (len(self.outputs) - 2)
        return gr.update(interactive=True), notice, *kept

    def in_turn(self, handler: Callable[..., Any], *, form_at: int = 0) -> Callable[..., Any]:
        """One of the handlers that submit, as gradio takes it."""
        return in_lane(
            bounds.checking, handler, busy=self.busy, runner=self._runner, form_at=form_at
        )

    def arrived(self, desk: Session) -> Any:
        """The button of a form that is empty, for the visitor of this session."""
        local = self._runner.provider_for(None, owner=desk.who.owner) == "local"
        return gr.update(value=_DRAFT if local else "Generate")

    def label(self, look: Preflight | None) -> str:
        """What the button says: the price is what is agreed to by pressing it."""
        if look is not None and look.provider == "local":
            return _DRAFT
        return (
            f"Generate — {words.price(look.quote)}"
            if look is not None and look.quote is not None
            else "Generate"
        )

    @staticmethod
    def fine_print(seat: Session) -> str:
        """Under the button: the repair, where one press does it, since the plan may be out of sight."""
        return notices.fix_line() if one_click_fixable(seat) else ""

    @staticmethod
    def whole_price(seat: Session) -> str:
        """How sure the price is and where it comes from, which a draft has none of."""
        cost = seat.shown.quote if seat.shown is not None else None
        return (
            ""
            if cost is None or cost.free
            else f'<p class="hint">{cards.escape(words.span(cost))}</p>'
        )

    def funds(self, key: Any, seat: Session) -> Any:
        """The balance beside the price, once it is known, and a warning when it is below. Asked for at most once a minute."""
        look = seat.shown
        if look is None or look.quote is None or look.quote.free:
            return gr.skip()
        try:
            available = seat.balance(self._runner, typed_key(key)).available
        except KlingError:
            return gr.skip()  # the key's own test says why
        said = f'<p class="hint">Balance: {cards.escape(available)}.</p>'
        if (
            available.currency == look.quote.high.currency
            and available.amount < look.quote.high.amount
        ):
            text = cards.escape(f"It is {available}; this may cost {look.quote.high}.")
            said = f'<p class="hint is-short"><b>The balance may not be enough.</b> {text}</p>'
        return self.fine_print(seat) + said

    def submit(
        self, *values: Any, fresh: bool = False, draft: bool = False, offered: str = ""
    ) -> Iterator[tuple[Any, ...]]:
        """One click, one job, which is opened on the desk.

        Yields (button, notice, the row of choices, its button for another take, twin, its button that confirms, keeper, what it says).
        """
        *fields, key, seat, who = values
        if not seat.arrived:
            lost = self.keeper.hello(seat, lost=True)
            yield (*[gr.skip()] * (len(self.outputs) - 2), lost, gr.skip())
            return
        seat.restarted = ""
        yield (
            gr.update(interactive=False),
            cards.note("Getting ready", "Both files are checked once more."),
            gr.update(visible=False),
            gr.skip(),
            _NO_TWIN,
            gr.update(visible=False),
            gr.skip(),
            "",
        )
        look: Preflight | None = None
        said, twin = "", _NO_TWIN
        form = Form(*fields)
        seat.said_about = (form, hash(key), seat.job_id)
        try:
            look, said = self._sent(form, key, cast(Session, seat), who, fresh, draft, offered)
        except Refused as error:
            said = notices.refused(error, one_click_fixable=one_click_fixable(seat))
        except AlreadyHave as error:
            twin = self._twin(error, cast(Session, seat), who)
            said = notices.already(error, risk=twin.risk, price=twin.price)
        except KlingError as error:
            said = notices.closable(cards.error(error))
        except Exception:  # the last door: a visitor must never look at a page that says nothing
            LOG.exception("a submit ended in an error of our own")
            text = "Look at your videos below before you try again."
            said = notices.closable(
                cards.note("Something went wrong on our side", text, severity="error")
            )
        label = self.label(look) if look is not None else gr.skip()
        button = (
            gr.update(interactive=True)
            if look is None
            else gr.update(value=label, interactive=True)
        )
        take = "Send it again…" if twin.risk else f"Make another take — {self._price(seat)}"
        another = gr.update(value=take, visible=not draft)  # it is paid for where a key is used
        hidden = gr.update(visible=False)
        row = gr.update(visible=bool(twin.job_id))
        yield button, said, row, another, twin, hidden, gr.skip(), gr.skip()

    def _twin(self, error: AlreadyHave, seat: Session, who: Visitor) -> Twin:
        """The job that is there already. Only one that has a result, or cost nothing, can be made again without being asked about it."""
        job_id = error.job_id or ""
        try:
            job = self._runner.record(job_id, owner=who.sees)
            risk = notices.pays_twice(job)
        except (KlingError, ValueError):
            risk = True
        return Twin(job_id, self._price(seat), risk)

    def _price(self, seat: Session) -> str:
        cost = seat.shown.quote if seat.shown is not None else None
        return words.price(cost) if cost is not None else "price not known"

    def _sent(
        self,
        form: Form,
        key: Any,
        seat: Session,
        who: Visitor,
        fresh: bool,
        draft: bool,
        offered: str,
    ) -> tuple[Preflight | None, str]:
        if lacking := notices.missing(form):
            return None, lacking
        given = typed_key(key)
        request = form.request()
        look, agreed = seat.agreed(self._runner, form, given)
        if offered and offered != self._price(seat):
            agreed = False
        if not agreed and not draft:
            price = words.price(look.quote) if look.quote is not None else "not known"
            text = f"It is {price}. Press Generate again to agree."
            return look, notices.closable(
                cards.note("The price is another one now", text, severity="warning")
            )
        owner = who.owner
        job = self._runner.submit(
            request,
            owner=owner,
            key=None if draft else given,
            report=look.report,
            again=fresh,
            draft=draft,
        )
        seat.open(job.job_id)
        return look, ""


def _lengths(look: Preflight) -> dict[CharacterOrientation, float | None]:
    clip = look.report.video
    if clip is None:
        return {}
    return {
        name: expected_seconds(name, clip.duration, provider=look.provider)
        for name in CHARACTER_ORIENTATIONS
    }
