"""The button: the price on it, the submit, and the place where a refusal is explained.

A handler returns at once: sending is the watcher's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from kling_utils.errors import AlreadyHave, KlingError, NotPublished, PriceNotAgreed, Refused
from kling_utils.media import bounds
from kling_utils.show import cards, words
from kling_utils.studio import notices, spending
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.keeper import Keeper
from kling_utils.studio.repair import one_click_fixable
from kling_utils.studio.session import Confirm, Duplicate, Form, Session, typed_key
from kling_utils.studio.theme import static
from kling_utils.values import Quote

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

LOG = logging.getLogger(__name__)
_DRAFT = "Generate draft — free"


class Generate:
    """The button with its price, and the notice that stands over it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        with gr.Column(elem_id="generate-panel"):  # stays in sight: only what is needed to press
            with gr.Column(elem_id="said"):  # stands over the button, and moves nothing
                self.keeper = Keeper(client)
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
                    "Generate",
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
        self.said = [self.notice, self.have, self.sure, self.show, self.again]
        """What ``draw_notice`` changes."""
        self.drawn = [self.button, self.draft, self.price, self.basis, *self.said]

    def bind(self, events: Events, key: Any, draft_instead: Any) -> None:
        """``draft_instead`` is another button for a draft."""
        outputs = [self.button, *self.said, self.keeper.panel, self.keeper.said]
        for trigger, handler in (
            (self.button.click, self.on_generate),
            (self.again.click, self.on_another_take),
            (self.sure.click, self.on_send_again),
            ([self.draft.click, draft_instead.click], self.on_draft),
        ):
            events.on(
                trigger,
                handler,
                outputs,
                lane=bounds.checking,
                busy=self._busy,
                fetch=True,
                opens=True,
                key=key,
                **events.form,
            )
        events.on(self.show.click, self.on_show, self.said, opens=True)
        events.on(self.notice.dismiss, self.on_dismiss, self.said)

    # -- what is drawn

    def draw(self, session: Session) -> Updates:
        """The price, how sure it is, and the way to the repair: the plan may be out of sight."""
        preflight = session.preflight
        quote = preflight.quote if preflight is not None else None
        basis = (
            ""
            if quote is None or quote.free
            else f'<p class="hint">{cards.escape(words.span(quote))}</p>'
        )
        paid = preflight is not None and preflight.provider != "local" and quote is not None
        return {
            self.button: gr.update(value=self.label(session), variant=self.variant(session)),
            self.draft: gr.update(visible=paid),
            self.price: self.fix_line(session),
            self.basis: basis,
        }

    def label(self, session: Session) -> str:
        """What the button says: the price is what is agreed to by pressing it."""
        preflight = session.preflight
        if preflight is None:
            local = self._client.provider_for(None, owner=session.visitor.owner) == "local"
            return _DRAFT if local else "Generate"
        if preflight.provider == "local":
            return _DRAFT
        if preflight.quote is None:
            return "Generate"
        return f"Generate — {words.price(preflight.quote)}"

    @staticmethod
    def variant(session: Session) -> Literal["primary", "secondary"]:
        """One primary button at a time: where something must be repaired or chosen first, it is the one that does."""
        return "secondary" if session.unreachable or one_click_fixable(session) else "primary"

    @staticmethod
    def fix_line(session: Session) -> str:
        """What has to be done first: the button for it."""
        if one_click_fixable(session, files_only=True):  # what is published is the repaired file
            return notices.fix_line()
        return notices.way_line() if session.unreachable else ""

    def draw_notice(self, session: Session) -> Updates:
        """What is said at the button, and the ways on where the same request is there already."""
        twin, confirm = session.duplicate, session.confirm
        drawn: Updates = {
            self.notice: session.notice,
            self.have: gr.update(visible=twin is not None or confirm is not None),
            self.sure: gr.update(visible=False),
            self.show: gr.update(visible=twin is not None),
            self.again: gr.update(visible=twin is not None),
        }
        if confirm is not None:
            label = notices.agree_label(confirm.price)
            return drawn | {self.sure: gr.update(value=label, visible=True)}
        if twin is not None and twin.asked:
            drawn[self.sure] = gr.update(value=notices.twice_label(twin.price), visible=True)
            drawn[self.again] = gr.update(visible=False)
        elif twin is not None:
            take = "Send it again…" if twin.risk else f"Make another take — {twin.price}"
            drawn[self.again] = gr.update(value=take, visible=not twin.draft)
        return drawn

    def clear_notice(self, session: Session, about: tuple[Form, int] | None = None) -> Updates:
        """Clears the notice when the form or the key is another one now, or when another job was opened since."""
        said = session.notice_about
        if said is None or (said[2] == session.job_id and about in (None, said[:2])):
            return {}
        return self.on_dismiss(session)

    def on_dismiss(self, session: Session) -> Updates:
        """The notice was closed, or was about another file."""
        session.notice, session.notice_about, session.duplicate = "", None, None
        session.confirm = None
        return self.draw_notice(session)

    def on_show(self, session: Session) -> Updates:
        """Show the job that is there already."""
        if session.duplicate is not None:
            session.open(session.duplicate.job_id)
        return self.on_dismiss(session)

    def funds(self, session: Session, key: str) -> Any:
        """Balance and sums beside the price, and a warning where one of them is too low. The balance is asked for at most once a minute."""
        quote = session.preflight.quote if session.preflight is not None else None
        if quote is None or quote.free:
            return gr.skip()
        short, plain = list[str](), list[str]()
        for said, low in (self._balance(session, key, quote), self._spent(session, quote)):
            (short if low else plain).append(said)
        line = " · ".join(cards.escape(each) for each in plain if each)
        return (
            self.fix_line(session)
            + "".join(short)
            + (f'<p class="hint">{line}</p>' if line else "")
        )

    def _balance(self, session: Session, key: str, quote: Quote) -> tuple[str, bool]:
        """What is said of the balance, and whether it is too low."""
        try:
            available = session.balance(self._client, typed_key(key)).available
        except KlingError:
            return "", False  # the key's own test says why
        if available.currency == quote.high.currency and available < quote.high:
            text = f"It is {available}; this may cost {quote.amount}."
            return _short("The balance may not be enough.", text), True
        return f"Balance {available}", False

    def _spent(self, session: Session, quote: Quote) -> tuple[str, bool]:
        """The same of what was spent and what is left of the budget."""
        owner = session.visitor.owner
        try:
            allowance = self._client.allowance(owner)
            said = spending.line(self._client, owner)
        except KlingError as error:
            return _short(error.message, error.hint), True
        if allowance is not None and allowance.left < quote.high:
            left = f"{allowance.left} of {allowance.budget} are left; this may cost {quote.amount}."
            return _short("It is over today's budget.", left), True
        return said, False

    # -- what is sent

    def on_generate(self, session: Session, key: str, **form: Any) -> Iterator[Updates]:
        """One click, one job, which is opened."""
        yield from self._submit(session, key, Form(**form))

    def on_draft(self, session: Session, key: str, **form: Any) -> Iterator[Updates]:
        """A draft of the same, made here, where a key would have it made by Kling."""
        yield from self._submit(session, key, Form(**form), draft=True)

    def on_another_take(self, session: Session, key: str, **form: Any) -> Iterator[Updates]:
        """The same once more, on purpose, at the price that was offered. Where that may be paid twice, the page asks first."""
        twin = session.duplicate
        if twin is not None and not twin.risk:
            yield from self._submit(session, key, Form(**form), offered=twin.price)
        elif twin is not None:
            session.duplicate = replace(twin, asked=True)
            session.notice = notices.twice(twin.price)
            yield self.draw_notice(session)

    def on_send_again(self, session: Session, key: str, **form: Any) -> Iterator[Updates]:
        """The answer to the question whether it shall be sent although it may be paid twice."""
        twin, confirm = session.duplicate, session.confirm
        if confirm is not None:
            asked = Form(**form), hash(key), session.job_id
            if session.notice_about == asked:  # a yes to this form, and to no other
                yield from self._submit(
                    session,
                    key,
                    asked[0],
                    offered=confirm.offered,
                    twice=confirm.twice,
                    confirmed=True,
                )
        elif twin is not None and twin.asked:
            yield from self._submit(
                session, key, Form(**form), offered=twin.price, twice=twin.job_id
            )

    def _busy(self, error: KlingError, session: Session) -> Updates:
        """There was no turn: nothing was sent."""
        session.notice = notices.closable(cards.error(error))
        return {self.button: gr.update(interactive=True), self.notice: session.notice}

    def _submit(
        self,
        session: Session,
        key: str,
        form: Form,
        *,
        draft: bool = False,
        offered: str = "",
        twice: str = "",
        confirmed: bool = False,
    ) -> Iterator[Updates]:
        """``offered``: the price of another take, which is made on purpose. ``twice``: a job that may have been paid for.
        ``confirmed``: the person has said yes to a price that the page is to ask about."""
        if not session.arrived:
            yield {self.keeper.panel: self.keeper.hello(session, lost=True)}
            return
        session.restarted, session.duplicate, session.confirm = "", None, None
        session.notice = cards.note("Getting ready", "Both files are checked once more.")
        session.notice_about = (form, hash(key), session.job_id)
        yield {
            self.button: gr.update(interactive=False),
            self.keeper.said: "",
            **self.draw_notice(session),
        }
        checked = False
        try:
            how = {"draft": draft, "confirmed": confirmed or bool(twice)}
            session.notice = self._sent(session, key, form, offered=offered, twice=twice, **how)
            checked = bool(form.image and form.video)
        except Refused as error:
            fixable = one_click_fixable(session)
            session.notice = notices.refused(error, one_click_fixable=fixable)
        except NotPublished:
            session.notice = notices.unreachable()
        except PriceNotAgreed as error:
            session.confirm = Confirm(session.price, offered, twice)
            session.notice = notices.agree(error, session.price)
        except AlreadyHave as error:
            twin = self._duplicate(error, session, draft=draft)
            session.duplicate = twin if twin.job_id else None
            session.notice = notices.already(error, risk=twin.risk, price=twin.price)
        except KlingError as error:
            session.notice = notices.closable(cards.error(error))
        except Exception:  # the last door: a visitor must never meet a page that says nothing
            LOG.exception("a submit ended in an error of our own")
            session.notice = notices.closable(notices.our_fault())
        button: dict[str, Any] = {"value": self.label(session)} if checked else {}
        yield {
            self.button: gr.update(interactive=True, **button),
            **self.draw_notice(session),
        }

    def _in_doubt(self, job_id: str, session: Session) -> bool:
        return self._client.record(job_id, owner=session.visitor.sees).state == "unconfirmed"

    def _duplicate(self, error: AlreadyHave, session: Session, *, draft: bool) -> Duplicate:
        """The job that is there already. Only one that has a result, or cost nothing, can be made again without a question."""
        job_id = error.job_id or ""
        try:
            job = self._client.record(job_id, owner=session.visitor.sees)
            risk = notices.pays_twice(job)
        except (KlingError, ValueError):
            risk = True
        return Duplicate(job_id, session.price, risk, draft=draft)

    def _sent(
        self,
        session: Session,
        key: str,
        form: Form,
        *,
        draft: bool,
        offered: str,
        twice: str,
        confirmed: bool,
    ) -> str:
        """Send it, and open its job. Returns what is said where nothing was sent. A job in doubt is sent again as itself."""
        if lacking := notices.missing(form):
            return lacking
        typed = typed_key(key)
        request = form.request()
        preflight, agreed = session.agreed(self._client, form, typed)
        if offered and offered != session.price:
            agreed = False
        if not agreed and not draft:
            quote = preflight.quote
            price = words.price(quote) if quote is not None else "not known"
            text = f"It is {price}. Press Generate again to agree."
            return notices.closable(
                cards.note("The price is another one now", text, severity="warning")
            )
        if twice and self._in_doubt(twice, session):
            self._client.send_again(twice, owner=session.visitor.sees, key=typed)
            session.open(twice)
            return ""
        job = self._client.submit(
            request,
            owner=session.visitor.owner,
            key=None if draft else typed,
            report=preflight.report,
            again=bool(offered),
            draft=draft,
            agreed=confirmed,
            **({} if draft else session.publishing),
        )
        session.open(job.job_id)
        return ""


def _short(head: str, text: str) -> str:
    """Something that is too low."""
    return f'<p class="hint is-short"><b>{cards.escape(head)}</b> {cards.escape(text)}</p>'
