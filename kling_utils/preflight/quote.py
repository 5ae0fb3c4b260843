"""What a request will cost: measured seconds times an editable rate, and what is not known about it.

Novita publishes no price for this model, so every quote is shown as an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from kling_utils.errors import SettingError
from kling_utils.preflight.limits import RESULT_SECONDS_IMAGE, limit, number
from kling_utils.values import (
    LIST_PRO,
    LIST_STD,
    CharacterOrientation,
    ModelName,
    Money,
    Provider,
    Quote,
)

_ROUNDED = {"up": "rounded up", "down": "rounded down", "not": "not rounded"}
_LIST = "Kling's list price, not Novita's"
_OWN = "a rate that you set"

LONGEST_IMAGE = 10.0
"""Seconds of the clip that Kling itself makes and bills in image orientation; Novita says 5."""

UNKNOWN_PRICE = (
    "Novita's own price a second for this model, and how it rounds seconds, are not published."
)
UNKNOWN_FAILED = "Whether a failed task is charged is not documented."
UNKNOWN_IMAGE = (
    "Novita says that a result in image orientation has 5 s; Kling itself makes it as long as the clip, up to 10 s, and bills that. "
    "A clip of 5 s costs the same by both."
)
UNKNOWN_SHORTER = "The result can come back shorter than the clip; whether less is charged then is not documented."


@dataclass(frozen=True, slots=True)
class LearnedRate:
    """What a second of a model really costs, by charges that agree."""

    model_name: ModelName
    rate: Decimal
    charges: int
    """How many agree."""
    rounding: str = ""
    """How seconds are then rounded, where the charges would agree on another rate otherwise: ``up``, ``down`` or ``not``."""


@dataclass(frozen=True, slots=True)
class RateCard:
    """Price of one second by model. The defaults are Kling's list price in USD; Novita's is not published.

    ``source`` says where the rates come from; left empty, it tells the list price from rates that were set by hand.
    Raises ``SettingError`` for a rate that is negative or not a number.
    """

    std: Decimal = LIST_STD
    pro: Decimal = LIST_PRO
    currency: str = "USD"
    source: str = ""
    learned: tuple[LearnedRate, ...] = ()
    """Used instead of a list price; a rate that was set by hand stays."""

    def __post_init__(self) -> None:
        for rate in (self.std, self.pro):
            if not rate.is_finite() or rate < 0:
                raise SettingError(
                    f"A rate of {rate} a second is no price.",
                    hint=f"Give a number such as {LIST_STD}, or 0 if it is free.",
                )
        if not self.source:
            listed = (self.std, self.pro, self.currency) == (LIST_STD, LIST_PRO, "USD")
            object.__setattr__(self, "source", _LIST if listed else _OWN)

    def rate(self, model_name: ModelName) -> Money:
        """For one second of ``model_name``."""
        own = self.pro if model_name == "kling-v3-0-pro" else self.std
        learned = self._learned(model_name)
        return Money(own if learned is None else learned.rate, self.currency)

    def source_of(self, model_name: ModelName) -> str:
        """Where that rate comes from, in words."""
        learned = self._learned(model_name)
        if learned is None:
            return self.source
        rounded = f", if seconds are {_ROUNDED[learned.rounding]}" if learned.rounding else ""
        return f"learned from {learned.charges} charges on your bill that agree{rounded}"

    def _learned(self, model_name: ModelName) -> LearnedRate | None:
        listed = (self.pro, LIST_PRO) if model_name == "kling-v3-0-pro" else (self.std, LIST_STD)
        if listed[0] != listed[1]:
            return None
        return next((each for each in self.learned if each.model_name == model_name), None)


def expected_seconds(
    character_orientation: CharacterOrientation, duration: float, *, provider: Provider = "novita"
) -> float:
    """Length of the result, seconds, for a clip of ``duration`` seconds.

    ``image``: always 5 s at the provider; the local engine stops where the clip does. ``video``: as long as the clip, up to 30 s; the
    provider's result can silently be shorter, so this is an upper bound.
    """
    if character_orientation == "image":
        return (
            min(float(RESULT_SECONDS_IMAGE), duration)
            if provider == "local"
            else float(RESULT_SECONDS_IMAGE)
        )
    longest = limit("video.duration").high
    return duration if longest is None else min(duration, float(longest))


def quote(
    *,
    provider: Provider,
    model_name: ModelName,
    character_orientation: CharacterOrientation,
    duration: float,
    rates: RateCard,
) -> Quote:
    """The price of one request. ``duration``: measured seconds of the clip. ``low`` and ``high`` differ where rounding matters."""
    # To the millisecond, so that a float's last digits do not buy a whole second.
    seconds = Decimal(number(expected_seconds(character_orientation, duration, provider=provider)))
    if provider == "local":
        nothing = Money(Decimal(0), rates.currency)
        return Quote(
            seconds=seconds,
            rate=nothing,
            low=nothing,
            high=nothing,
            basis="made on this computer, free of charge",
            draft=True,
        )
    rate = rates.rate(model_name)
    low, high = _range(seconds, rate)
    unknown: tuple[str, ...] = (UNKNOWN_PRICE, UNKNOWN_FAILED, UNKNOWN_SHORTER)
    length, counted = f"{seconds:f} s", "the measured length of the clip, an upper bound"
    if character_orientation == "image":
        counted, unknown = "every result in image orientation", (UNKNOWN_PRICE, UNKNOWN_FAILED)
        longest = Decimal(number(min(LONGEST_IMAGE, duration)))
        if longest > seconds:
            length = f"{seconds:f} to {longest:f} s"
            counted = "Novita says 5 s, Kling itself bills the clip up to 10 s"
            unknown = (*unknown, UNKNOWN_IMAGE)
            seconds, (_, high) = longest, _range(longest, rate)
    basis = f"{length} ({counted}) at {rate.amount:f} {rate.currency} a second ({rates.source_of(model_name)}); an estimate"
    return Quote(
        model_name=model_name,
        seconds=seconds,
        rate=rate,
        low=low,
        high=high,
        basis=basis,
        unknown=unknown,
    )


def for_part(quote: Quote, seconds: float, character_orientation: CharacterOrientation) -> Quote:
    """The same request's price for a part of the clip of so many seconds, of up to 5 s in image orientation."""
    if character_orientation == "image":
        seconds = max(seconds, float(RESULT_SECONDS_IMAGE))
    exact = Decimal(number(seconds))
    low, high = _range(exact, quote.rate)
    return replace(quote, seconds=exact, low=low, high=high)


def _range(seconds: Decimal, rate: Money) -> tuple[Money, Money]:
    """The price by seconds rounded down, and rounded up."""
    whole = (seconds.to_integral_value(how) for how in (ROUND_FLOOR, ROUND_CEILING))
    low, high = (Money(each * rate.amount, rate.currency) for each in whole)
    return low, high
