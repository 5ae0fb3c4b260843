"""What a request will cost: measured seconds times an editable rate, and what is not known about it.

Owns the rate card and the arithmetic of seconds. Refuses to present an estimate as a fact: Novita publishes no price for this model.
"""

from __future__ import annotations

from dataclasses import dataclass
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

_LIST = "Kling's list price, not Novita's"
_OWN = "a rate that you set"

UNKNOWN_PRICE = (
    "Novita's own price a second for this model, and how it rounds seconds, are not published."
)
UNKNOWN_FAILED = "Whether a failed task is charged is not documented."
UNKNOWN_SHORTER = "The result can come back shorter than the clip; whether less is charged then is not documented."


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
        return Money(self.pro if model_name == "kling-v3-0-pro" else self.std, self.currency)


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
    low, high = (
        Money(seconds.to_integral_value(rounding) * rate.amount, rate.currency)
        for rounding in (ROUND_FLOOR, ROUND_CEILING)
    )
    image = character_orientation == "image"
    counted = (
        "every result in image orientation"
        if image
        else "the measured length of the clip, an upper bound"
    )
    basis = f"{seconds:f} s ({counted}) at {rate.amount:f} {rate.currency} a second ({rates.source}); an estimate"
    unknown = (
        (UNKNOWN_PRICE, UNKNOWN_FAILED)
        if image
        else (UNKNOWN_PRICE, UNKNOWN_FAILED, UNKNOWN_SHORTER)
    )
    return Quote(
        model_name=model_name,
        seconds=seconds,
        rate=rate,
        low=low,
        high=high,
        basis=basis,
        unknown=unknown,
    )
