"""What is known of a request before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kling_utils.preflight.plan import FitChoices, Plan, left_in_place, plan_fit
from kling_utils.preflight.quote import RateCard, quote
from kling_utils.values import (
    CharacterOrientation,
    Finding,
    ModelName,
    Provider,
    Quote,
    Report,
    Shown,
)

if TYPE_CHECKING:
    from kling_utils.preflight.advice import Advice


@dataclass(frozen=True, slots=True, repr=False)
class Preflight(Shown):
    """Every finding about what is there, and the cost and the length when the clip is there. True when nothing stands in the way."""

    report: Report
    quote: Quote | None
    seconds: float | None
    """Expected length of the result."""
    provider: Provider
    image: str | Path = ""
    video: str | Path = ""
    character_orientation: CharacterOrientation = "video"
    rates: RateCard = field(default_factory=RateCard)

    def __bool__(self) -> bool:
        return self.report.ok

    @property
    def ok(self) -> bool:
        return self.report.ok

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.report.findings

    @property
    def errors(self) -> tuple[Finding, ...]:
        return self.report.errors

    @property
    def advice(self) -> Advice:
        """What the content will probably do: people, shots, light, motion, and where to begin.

        Looks at both files: about 0.4 CPU seconds for a second of the clip, once for each file in a process.
        """
        from kling_utils.preflight.advice import look  # numpy and opencv

        return look(self.report.image, self.report.video, self.character_orientation)

    def quote_for(
        self, model_name: ModelName, character_orientation: CharacterOrientation
    ) -> Quote | None:
        """What the same clip costs with another choice; None without a clip."""
        clip = self.report.video
        if clip is None:
            return None
        return quote(
            provider=self.provider,
            model_name=model_name,
            character_orientation=character_orientation,
            duration=clip.duration,
            rates=self.rates,
        )

    @property
    def saving(self) -> str:
        """``6.4 of 12 s are usable: start at 3.2 s, pay 0.81 instead of 1.51 USD``; empty when all of it is."""
        return self.saving_of(self.advice)

    def saving_of(self, advice: Advice) -> str:
        """The same of advice that is there already."""
        from kling_utils.preflight.advice import saving

        return saving(advice, self.quote, self.character_orientation)

    @property
    def plan(self) -> Plan:
        """The repairs that would make both files legal, and what each costs in quality. Takes about 0.1 s for a clip."""
        choices = left_in_place(FitChoices(), self.report, image=self.image, video=self.video)
        orientation = self.character_orientation
        return plan_fit(self.report, choices=choices, character_orientation=orientation)

    def __str__(self) -> str:
        content = (
            "\nWhat picture and clip show is in .advice."
            if self.report.image or self.report.video
            else ""
        )
        return f"{self.report}\n{self.quote or 'The cost is not known.'}{content}"

    def __repr__(self) -> str:
        wrong = len(self.errors)
        state = f"{wrong} error{'s' if wrong > 1 else ''}" if wrong else "ok"
        return f"Preflight({state}, {self.quote if self.quote is not None else 'cost not known'})"
