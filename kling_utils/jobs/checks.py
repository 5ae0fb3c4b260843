"""What can be known, and mended, before anything is sent: findings, cost, repairs, the balance. Nothing here makes a job.

Owns how the home, the wire and the rules are put together for a process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kling_utils.errors import InvalidRequest, KlingError, NotPublished, SettingError
from kling_utils.jobs.credentials import Credentials
from kling_utils.jobs.given import Given, as_file
from kling_utils.jobs.home import Home
from kling_utils.jobs.inputs import Inputs, Measured, Room
from kling_utils.jobs.store import Store
from kling_utils.media import bounds
from kling_utils.media.guard import Guard
from kling_utils.media.turns import Rate, visitor
from kling_utils.preflight import words
from kling_utils.preflight.check import check, check_image, check_text, check_video
from kling_utils.preflight.fit import FitChoices, Fitted, Plan, fit, left_in_place, plan_fit
from kling_utils.preflight.limits import limit
from kling_utils.preflight.preflight import Preflight
from kling_utils.preflight.quote import RateCard, expected_seconds, quote
from kling_utils.providers.http import Transport
from kling_utils.providers.local import LocalProvider
from kling_utils.providers.novita import Balance, NovitaAPI
from kling_utils.providers.publish import Host, ObjectStore, PublishTarget, not_public
from kling_utils.settings import Settings
from kling_utils.values import (
    HOME_OWNER,
    CharacterOrientation,
    Finding,
    ImageInfo,
    ModelName,
    MotionRequest,
    Provider,
    Quote,
    Report,
    VideoInfo,
)


class Checks:
    """One home, one wire and the rules. The half of ``Client`` that costs nothing."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        transport: Transport | None = None,
        local: LocalProvider | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self.home = Home(settings.home)
        self._store = Store(self.home)
        verify = str(settings.ca_bundle) if settings.ca_bundle else True
        self.guard = Guard(allow=settings.private_hosts, verify=verify, proxies=settings.proxies)
        self.page: Host | None = None
        """The page as a host of clips, once it is up and found itself reachable from outside."""
        self.page_refusal = ""
        """Why the page is no host, once it looked."""
        self._closing = threading.Event()
        self._transport = transport or Transport(
            proxies=settings.proxies,
            verify=verify,
            per_minute=settings.submits_per_minute,
            wait=self._closing.wait,
        )
        self._intake = Inputs(self.home, self.guard)
        self._repaired = Room(self.home.all_fitted)
        self._balances = Rate(
            bounds.BALANCES, bounds.BALANCES_EACH, bounds.BALANCES_SECONDS, "other keys"
        )
        self._rates = RateCard(std=settings.rate_std, pro=settings.rate_pro)
        self._access = Credentials(
            settings,
            self._store,
            transport=self._transport,
            local=local or LocalProvider(settings.home),
            clock=clock,
        )

    def look(
        self,
        *,
        image: str | Path | None = None,
        video: str | Path | None = None,
        prompt: str = "",
        negative_prompt: str = "",
        model_name: ModelName = "kling-v3-0-std",
        character_orientation: CharacterOrientation = "video",
        keep_original_sound: bool = True,
        key: SecretStr | None = None,
        draft: bool = False,
        owner: str = HOME_OWNER,
    ) -> Preflight:
        """Measure and check whatever is there already; with ``draft``, for the server of this home. Nothing is sent."""
        asked = MotionRequest(
            image or "missing",
            video or "missing",
            prompt,
            negative_prompt,
            model_name,
            character_orientation,
            keep_original_sound,
        )
        provider = self.provider_for(key, draft=draft, owner=owner)
        seen_image = self._intake.image(asked.image) if image else None
        seen_video = self._intake.video(asked.video) if video else None
        if seen_image and seen_video:
            report = check(asked, seen_image.info, seen_video.info)
        else:
            found = [*check_text(asked)]
            found += check_image(seen_image.info, source=asked.image) if seen_image else ()
            found += (
                check_video(seen_video.info, character_orientation, source=asked.video)
                if seen_video
                else ()
            )
            report = Report(
                tuple(found), _info(seen_image, ImageInfo), _info(seen_video, VideoInfo)
            )
        report = _with(report, self._reach(seen_video, provider))
        clip = report.video
        if clip is None:
            return Preflight(
                report, None, None, provider, asked.image, asked.video, character_orientation
            )
        cost = quote(
            provider=provider,
            model_name=model_name,
            character_orientation=character_orientation,
            duration=clip.duration,
            rates=self._rates,
        )
        return Preflight(
            report,
            cost,
            expected_seconds(character_orientation, clip.duration, provider=provider),
            provider,
            asked.image,
            asked.video,
            character_orientation,
        )

    def begin_fetch(self, kind: str, source: str | Path | None) -> Future[Path] | None:
        """As ``Inputs.begin``: what ``look`` and ``submit`` fetch themselves, for callers that must not wait in their thread."""
        return self._intake.begin(kind, source)

    def request(
        self, image: MotionRequest | Given, video: Given | None = None, **fields: Any
    ) -> MotionRequest:
        """A request of these inputs and fields, or the one that is given. What is no file is written into the home, once.

        Raises ``InvalidRequest``, and ``TypeError`` for a name that is no field.
        """
        if isinstance(image, MotionRequest):
            if video is not None or fields:
                raise TypeError("Give a MotionRequest alone, or image, video and their fields.")
            return image
        if video is None:
            raise InvalidRequest(
                "The video is missing.", hint="Give image and video.", field="video"
            )
        folder = self.home.fetched
        return MotionRequest(
            as_file(image, "image", folder), as_file(video, "video", folder), **fields
        )

    def check(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        key: SecretStr | None = None,
        draft: bool = False,
        **fields: Any,
    ) -> Preflight:
        """Both files and all texts against every rule, whether the clip can get there, and the cost. Nothing is sent.

        The request, or image, video and its fields; true when nothing stands in the way.
        """
        asked = self.request(image, video, **fields)
        return self.look(**_fields(asked), key=key, draft=draft)

    def _reach(self, video: Measured[VideoInfo] | None, provider: Provider) -> tuple[Finding, ...]:
        """A clip of this machine, and no way from here to a provider that fetches clips by their address."""
        if (
            video is None
            or video.url
            or provider == "local"
            or isinstance(video.info, KlingError)
            or self.ways()
        ):
            return ()
        rule, error = limit("request.address"), self._no_way(video)
        return (
            Finding(
                rule.code,
                rule.field,
                rule.severity,
                rule.title,
                error.message,
                "",
                error.hint,
                words.SOURCES[rule.source],
            ),
        )

    def _no_way(self, video: Measured[VideoInfo]) -> NotPublished:
        """Why the provider cannot get at a clip of this machine, and what to do."""
        repaired = video.path is not None and video.path.is_relative_to(self.home.fitted)
        return not_public(
            "the repaired clip is a new file" if repaired else f"{video.name} is a file",
            self.page_refusal,
        )

    def plan_fit(self, request: MotionRequest, *, choices: FitChoices | None = None) -> Plan:
        """What would make both files legal, and what that costs in quality; nothing is changed."""
        report = self.check(request).report
        choices = left_in_place(
            choices or FitChoices(), report, image=request.image, video=request.video
        )
        return plan_fit(
            report, choices=choices, character_orientation=request.character_orientation
        )

    def fit(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        choices: FitChoices | None = None,
        on_progress: Callable[[float, str], None] | None = None,
        stop: Callable[[], bool] | None = None,
        **fields: Any,
    ) -> Fitted:
        """Do what the plan says, to copies: ``.apply(request)`` is the request with them.

        Raises ``Unrepairable`` for what cannot be repaired, and says why.
        """
        plan = self.plan_fit(self.request(image, video, **fields), choices=choices)
        return self.repair(plan, on_progress=on_progress, stop=stop)

    def repair(
        self,
        plan: Plan,
        *,
        on_progress: Callable[[float, str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Fitted:
        """Do what a plan says. The new files lie in the home for a day, unless a job makes its own copies.

        Those of visitors have a bound: the oldest make room.
        """
        folder = self.home.new_fitted()
        fitted = fit(plan, folder, on_progress=on_progress, stop=stop)
        if visitor.get():
            self._repaired.add(folder, each=bounds.FITTED_EACH, most=bounds.FITTED)
        return fitted

    def quote(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        key: SecretStr | None = None,
        **fields: Any,
    ) -> Quote | None:
        """What the request will cost; None when the clip cannot be read."""
        return self.check(image, video, key=key, **fields).quote

    def ways(self) -> list[PublishTarget]:
        """How a local clip gets to a public address; the first one is used."""
        to = self.settings.publish_to
        found = (
            [
                PublishTarget(
                    ObjectStore(to),
                    "the object store",
                    self.settings.publish_delete,
                    by_content=True,
                )
            ]
            if to
            else []
        )
        return found + (
            [PublishTarget(self.page, "this page", True)] if self.page is not None else []
        )

    def provider_for(
        self, key: SecretStr | None = None, *, draft: bool = False, owner: str = HOME_OWNER
    ) -> Provider:
        """Where a request goes: to Novita with a key, else to the server of this home, as a ``draft`` always does.

        Nobody but this home's owner uses the key of its settings.
        """
        return "local" if draft else self._access.provider_for(key, owner)

    def balance(self, key: SecretStr | None = None, *, owner: str = HOME_OWNER) -> Balance:
        """The account's balance: free, and the cheapest test of a key. Raises ``Busy`` for a visitor who asks too often."""
        used = key or self._access.own_key(owner)
        if used is None:
            raise SettingError(
                "No API key is set.", hint="Type one into the page, or set NOVITA_API_KEY."
            )
        if owner != HOME_OWNER:
            self._balances.count(owner, self._clock())
        return NovitaAPI(self.settings.novita_base_url, used, transport=self._transport).balance()


def _fields(request: MotionRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def _with(report: Report, more: tuple[Finding, ...]) -> Report:
    return replace(report, findings=(*report.findings, *more)) if more else report


def _info(seen: Measured[Any] | None, kind: type[Any]) -> Any:
    return seen.info if seen is not None and isinstance(seen.info, kind) else None
