"""What was spent: the sums of today and this month, what is left of the budget, and the limits of a home that is not hosted."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError, SettingError
from kling_utils.jobs.budget import Limits
from kling_utils.jobs.ledger import Spending
from kling_utils.media import bounds
from kling_utils.settings import clean_amount
from kling_utils.show import cards
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.session import Session, key_or_none
from kling_utils.values import Money, counted, moment_of

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

_NOTHING = "nothing so far"
_WHAT_COUNTS = "Jobs in doubt count, and deleted jobs do. Prices are estimates, until the provider's bill shows what one job was charged."


class SpendingPanel:
    """The panel at the end of the page."""

    def __init__(self, client: Client) -> None:
        self._client = client
        settings = client.settings
        with gr.Accordion("Spending and budget", open=False, elem_id="spending") as self.panel:
            self.sums = gr.HTML("", elem_id="spending-sums", apply_default_css=False)
            with gr.Row(visible=False, elem_id="spending-form") as self.form:
                self.budget = _amount(
                    "Budget a day, USD",
                    "Empty: no limit.",
                    "spending-budget",
                    settings.budget,
                    "KLING_BUDGET",
                )
                self.ask = _amount(
                    "Ask me above, USD",
                    "For one job. Empty: never.",
                    "spending-ask",
                    settings.confirm_above,
                    "KLING_CONFIRM_ABOVE",
                )
                self.save = gr.Button(
                    "Save", size="sm", elem_id="spending-save", scale=0, min_width=110
                )
            self.answer = gr.HTML("", elem_id="spending-answer", apply_default_css=False)

    def bind(self, events: Events, key: gr.Textbox) -> None:
        drawn = [self.sums, self.form, self.budget, self.ask]
        opened = events.on(
            self.panel.expand,
            self.on_open,
            drawn,
            lane=bounds.checking,
            busy=lambda error, _: {self.sums: cards.error(error)},
        )
        events.on(
            opened.then,
            self.on_bill,
            [self.sums],
            lane=bounds.calling,
            busy=lambda *_: gr.skip(),
            key=key,
        )
        events.on(
            [self.save.click, self.budget.submit, self.ask.submit],
            self.on_save,
            [self.answer, *drawn],
            lane=bounds.checking,
            busy=lambda error, _: {self.answer: cards.error(error)},
            budget=self.budget,
            ask=self.ask,
        )

    def on_open(self, session: Session) -> Updates:
        """The sums as they are now, and the limits that are set."""
        try:
            sums, limits = summary(self._client, session.visitor.owner), self._client.limits
        except SettingError as error:
            return {self.sums: cards.error(error)}
        return {
            self.sums: sums,
            self.form: gr.update(visible=not session.visitor.hosted),
            self.budget: _plain(limits.budget),
            self.ask: _plain(limits.confirm_above),
        }

    def on_bill(self, session: Session, key: str) -> Any:
        """The sums again, once the bill was read with the key that pays."""
        try:
            self._client.read_bill(key_or_none(key), owner=session.visitor.owner)
        except KlingError:
            return gr.skip()  # what is known is shown already
        return summary(self._client, session.visitor.owner)

    def on_save(self, session: Session, budget: str, ask: str) -> Updates:
        """Keep the limits for this home; an empty box is no limit."""
        if session.visitor.hosted:
            return {self.answer: ""}
        try:
            self._client.limit_spending(Limits(_read(budget), None, _read(ask)))
        except (KlingError, OSError) as error:
            told = error if isinstance(error, KlingError) else SettingError(f"Not kept: {error}.")
            return {self.answer: cards.error(told)}
        said = cards.note("Kept for this home", severity="pass")
        return {self.answer: said, **self.on_open(session)}


def _amount(
    label: str, info: str, elem_id: str, fixed: Decimal | None, variable: str
) -> gr.Textbox:
    return gr.Textbox(
        label=label,
        info=info if fixed is None else f"Set by {variable}.",
        interactive=fixed is None,
        max_lines=1,
        elem_id=elem_id,
        scale=1,
        min_width=150,
    )


def _read(text: str) -> Decimal | None:
    return clean_amount(text) if text.strip() else None


def _plain(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}"


# -- in words


def summary(client: Client, owner: str) -> str:
    """The sums of today and of this month, and what is left."""
    today, month = client.periods(owner)
    rows = [("Today", _told(today)), ("This month", _told(month))]
    allowance = client.allowance(owner)
    if allowance is not None:
        resets = moment_of(allowance.resets_at, None)
        when = f"; it starts anew at {resets:%H:%M}" if resets is not None else ""
        rows.append(("Left today", f"{allowance.left} of {allowance.budget}{when}"))
    return cards.facts(rows, _WHAT_COUNTS)


def line(client: Client, owner: str) -> str:
    """The same in a few words, for the place beside the price; empty where nothing was spent and nothing is limited."""
    today, month = (amount(sums) for sums in client.periods(owner))
    allowance = client.allowance(owner)
    parts = [f"this month {month}"] if month else []
    if allowance is not None:
        parts.insert(0, f"{allowance.left.amount:.2f} of {allowance.budget} left today")
    elif today:
        parts.insert(0, f"today {today}")
    return " · ".join(parts)


def amount(sums: Sequence[Spending]) -> str:
    """A sum: exact where all charges are known, else "about"; empty for nothing."""
    spent = [each for each in sums if each.currency]
    if not spent:
        return ""
    total = sum((each.at_most for each in spent), Decimal(0))
    exact = all(each.charges == each.paid and not each.perhaps for each in spent)
    return f"{'' if exact else 'about '}{Money(total, spent[0].currency)}"


def _told(sums: Sequence[Spending]) -> str:
    if not sums:
        return _NOTHING
    paid, perhaps = sum(each.paid for each in sums), sum(each.perhaps for each in sums)
    charges = sum(each.charges for each in sums)
    charged = Money(sum((each.charged for each in sums), Decimal(0)))
    billed = f" (by the bill {charged} for {charges})" if charges else ""
    parts = [f"{counted(paid, 'job')} paid{billed}"] if paid else []
    parts += [f"{perhaps} perhaps paid"] if perhaps else []
    return f"{amount(sums) or 'cost not known'}: {', '.join(parts)}"
