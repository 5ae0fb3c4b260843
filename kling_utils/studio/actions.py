"""What next: the same files with one thing changed, the form filled again, the job as code, and deleting it.

Owns the offers under the stage and what each costs: the price is on the button that is pressed, and
a press at another price sends nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import AlreadyHave, InvalidRequest, KlingError
from kling_utils.media.files import named
from kling_utils.preflight.limits import limit
from kling_utils.show import cards, words
from kling_utils.studio import files, notices, snippets
from kling_utils.studio.event_options import HIDDEN, PRIVATE
from kling_utils.studio.session import Session, key_or_none, typed_key
from kling_utils.studio.theme import static
from kling_utils.studio.visitor import Visitor
from kling_utils.values import CharacterOrientation, Job, ModelName, MotionRequest, is_url

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kling_utils.jobs.client import Client
    from kling_utils.preflight.preflight import Preflight

LOG = logging.getLogger(__name__)
SHORTEST = float(limit("video.duration").low or 0)
"""Seconds of the shortest clip that is worth trimming to; what is really allowed is said by the checks."""
_OTHER_MODEL: dict[ModelName, ModelName] = {
    "kling-v3-0-std": "kling-v3-0-pro",
    "kling-v3-0-pro": "kling-v3-0-std",
}
CHANGE = {
    "image": "Change the picture",
    "video": "Change the clip",
    "prompt": "Change the scene",
    "negative_prompt": "Change what is left out",
    "character_orientation": "Change pose and framing",
    "model_name": "Change the model",
    "keep_original_sound": "Change the sound",
}
"""What an offer is called that fills the form and leads to a field of the wire."""
_OTHER_WAY: dict[CharacterOrientation, CharacterOrientation] = {"video": "image", "image": "video"}
_REFUSED = ("InputRefused", "ModerationRefused")
"""Codes of trouble that the same content always has."""
_NOTHING: dict[str, Any] = {
    "job_id": "",
    "items": [],
    "why": [],
    "copies": [],
    "trim": None,
    "deletable": False,
}


class Actions:
    """The offers; their events carry the name of one and the price that stood on it."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        self.panel = gr.HTML(
            dict(_NOTHING),
            html_template=static("actions.html"),
            js_on_load=static("actions.js"),
            apply_default_css=False,
            elem_id="next",
        )
        self.answer = gr.HTML(
            "", js_on_load=static("notice.js"), elem_id="next-answer", apply_default_css=False
        )
        self.answer.dismiss(self.unsaid, None, [self.answer], **PRIVATE, **HIDDEN)
        self.panel.moved(self.moved, [self.answer], [self.answer], **PRIVATE, **HIDDEN)

    # -- what is offered

    def value(self, job: Job | None, key: SecretStr | None = None) -> dict[str, Any]:
        """What is offered for a job, with the key that is in the box. Measures its files, once."""
        if job is None:
            return dict(_NOTHING)
        ended = job.done
        copies = [
            {"id": "python", "label": "Copy as Python", "text": snippets.python(job)},
            {"id": "cell", "label": "Copy as notebook cell", "text": snippets.cell(job)},
            {"id": "curl", "label": "Copy as curl", "text": snippets.curl(job)},
        ]
        items = (
            [
                offer
                for name in _names(job, key, self._runner)
                if (offer := self._offer(name, job, key))
            ]
            if ended
            else []
        )
        length = self._clip_length(job) if ended else 0.0
        trims = length > SHORTEST + 0.2
        changes = [
            {"id": "change", "label": CHANGE[field], "note": "fills the form", "goto": field}
            for field in _to_change(job)
        ]
        if trims and "video" in _to_change(job):
            trim = {"id": "trim", "label": "Trim the clip", "note": "begin elsewhere"}
            changes.insert(0, trim)
        return {
            "job_id": job.job_id,
            "items": changes + items,
            "why": list(
                dict.fromkeys(item["why"] for item in items if item["blocked"])
            ),  # often one reason for all: said once
            "copies": copies,
            "trim": {"length": int(length * 10) / 10, "least": SHORTEST} if trims else None,
            "deletable": ended or job.state == "checked",
        }

    def refreshed(self, desk: Session, who: Visitor, key: str) -> Any:
        """The same offers at the prices of another key."""
        job = self._job(desk, who)
        return self.value(job, key_or_none(key)) if job is not None else gr.skip()

    def _clip_length(self, job: Job) -> float:
        try:
            clip = self._look("again", job, None).report.video
        except (KlingError, OSError):
            return 0.0
        return clip.duration if clip is not None else 0.0

    def _offer(self, name: str, job: Job, key: SecretStr | None) -> dict[str, Any] | None:
        try:
            look = self._look(name, job, key)
        except (KlingError, OSError):
            return None  # its files are gone
        if look.quote is None:
            return None
        price = words.price(look.quote)
        more = words.difference(look.quote, job.cost) if not job.draft else ""
        if name == "again" and job.state == "succeeded" and not look.quote.free:
            more = "paid again"
        risk = not look.quote.free and name == "again" and notices.pays_twice(job)
        blocked = look.report.errors[0] if look.report.errors else None
        return {
            "id": name,
            "label": _label(name, job, look.provider == "local"),
            "price": price,
            "risk": {
                "ask": notices.TWICE,
                "text": notices.once_more(price),
                "yes": notices.twice_label(price),
            }
            if risk
            else None,
            "note": "cannot be sent" if blocked else (f"{price}, {more}" if more else price),
            "blocked": blocked is not None,
            "why": f"{blocked.title}: {blocked.measured.rstrip('.')}. {blocked.fix}".strip()
            if blocked
            else "",
        }

    # -- what is done

    def act(self, event: gr.EventData, desk: Session, who: Visitor, key: str) -> tuple[Any, str]:
        """One of the offers: a job, which is opened on the desk. Returns (panel, answer)."""
        job, name, shown = (
            self._job(desk, who),
            str(getattr(event, "id", "")),
            str(getattr(event, "price", "")),
        )
        if job is None or not job.done:
            return gr.skip(), gone() if desk.job_id else notices.restarted()
        try:
            given = typed_key(key)
            if name not in _names(job, given, self._runner):
                return self.value(job, given), cards.note(
                    "This is not offered any more",
                    "Look again: something has changed.",
                    severity="warning",
                )
            sure = getattr(event, "sure", None) is True
            return self._sent(job, name, shown, given, desk, who, sure=sure)
        except AlreadyHave as error:
            if not error.job_id:
                return gr.skip(), cards.error(error)
            desk.open(error.job_id)
            said = cards.note(error.message.rstrip("."), "Here it is; nothing was sent now.")
            return gr.skip(), about(error.job_id, said)
        except KlingError as error:
            return gr.skip(), cards.error(error)
        except Exception:  # the last door: a visitor must never look at a page that says nothing
            LOG.exception("an offer ended in an error of our own")
            return gr.skip(), cards.note(
                "Something went wrong on our side",
                "Look at your videos below before you try again.",
                severity="error",
            )

    def _sent(
        self,
        job: Job,
        name: str,
        shown: str,
        key: SecretStr | None,
        desk: Session,
        who: Visitor,
        *,
        sure: bool,
    ) -> tuple[Any, str]:
        """``sure``: the person has said that it shall be sent although it may be paid twice."""
        look = self._look(name, job, key)
        price = words.price(look.quote) if look.quote is not None else ""
        if price != shown:
            text = f"It is {price or 'not known'}. Press it again to agree."
            return self.value(job, key), cards.note(
                "The price is another one now", text, severity="warning"
            )
        again, free = name == "again", look.quote is None or look.quote.free
        if again and notices.pays_twice(job) and not free and not sure:
            return self.value(job, key), notices.twice(price)
        asked = self._request(name, job, key)
        used = None if name == "draft" else key
        fresh = again and (job.state == "succeeded" or notices.pays_twice(job))
        made = self._runner.submit(
            asked, owner=job.owner, key=used, report=look.report, again=fresh, draft=name == "draft"
        )
        desk.open(made.job_id)
        return gr.skip(), ""

    def delete(self, event: gr.EventData, desk: Session, who: Visitor) -> str:
        """Remove a job and its files; the page has asked whether that is meant."""
        asked = str(getattr(event, "id", ""))
        try:
            job = self._runner.record(asked, owner=who.sees)
            copies = files.copies(job)
            self._runner.delete(job.job_id, owner=who.sees)
            form = desk.form
            keep = (form.image, form.video) if form is not None else ()
            files.forget(copies, job.owner, keep=keep)
        except (KlingError, ValueError) as error:
            return cards.error(error) if isinstance(error, KlingError) else gone()
        if desk.job_id == job.job_id:
            desk.open("")
        return ""

    def trim(self, event: gr.EventData, desk: Session, who: Visitor) -> Iterator[tuple[Any, ...]]:
        """Fill the form with a part of the clip; until that is made the form stays as it is.

        Yields (answer, image, its view, video, its view, and the rest of the form).
        """
        job, begin, end = self._job(desk, who), _number(event, "from"), _number(event, "to")
        keep = (gr.skip(),) * 9
        if job is None:
            yield gone() if desk.job_id else notices.restarted(), *keep
            return
        yield (
            about(
                job.job_id,
                cards.note(
                    "Trimming the clip",
                    "It takes a few seconds. The form stays as it is until then.",
                ),
            ),
            *keep,
        )
        try:
            filled = form(job, trimmed(job, begin, end))
        except KlingError as error:
            yield about(job.job_id, notices.closable(cards.error(error))), *keep
            return
        text = f"{begin:g} to {end:g} s of it. Look at it, then press Generate. Nothing was sent."
        said = notices.closable(
            cards.note("The form is filled with the trimmed clip", text, severity="pass")
        )
        yield about(job.job_id, said, filled=True), *filled

    @staticmethod
    def unsaid() -> str:
        """What was said was closed."""
        return ""

    def moved(self, event: gr.EventData, said: Any) -> Any:
        """Another job stands on the desk: what was said about the one before goes."""
        here = str(getattr(event, "id", ""))
        return gr.skip() if here and isinstance(said, str) and said.startswith(_begun(here)) else ""

    def again(self, desk: Session, who: Visitor, key: str) -> tuple[Any, ...]:
        """Fill the form from the open job: (image, its view, video, its view, orientation, model, prompt, negative prompt, sound)."""
        job = self._job(desk, who)
        if job is None:
            return (gr.skip(),) * 9
        image, image_view, video, video_view, *rest = form(job)
        given = self._addresses(job, key_or_none(key))
        return given.get("image", image), image_view, given.get("video", video), video_view, *rest

    # -- inside

    def _job(self, desk: Session, who: Visitor) -> Job | None:
        try:
            return self._runner.record(desk.job_id, owner=who.sees) if desk.job_id else None
        except (KlingError, ValueError):
            return None

    def _addresses(self, job: Job, key: SecretStr | None, *, draft: bool = False) -> dict[str, str]:
        """What of picture and clip goes by its address again, where Kling is to make it; a draft needs none, which may be gone by now."""
        if draft or self._runner.provider_for(key, owner=job.owner) != "novita":
            return {}
        given = self._runner.as_given(job)
        return {
            name: str(source)
            for name, source in (("image", given.image), ("video", given.video))
            if is_url(source)
        }

    def _request(self, name: str, job: Job, key: SecretStr | None) -> MotionRequest:
        asked = job.request
        image = files.named(Path(asked.image), job.image_name)
        video = files.named(Path(asked.video), job.video_name)
        sources: dict[str, Any] = {"image": image or asked.image, "video": video or asked.video}
        asked = replace(asked, **sources | self._addresses(job, key, draft=name == "draft"))
        if name == "model":
            return replace(asked, model_name=_OTHER_MODEL[asked.model_name])
        if name == "orientation":
            return replace(asked, character_orientation=_OTHER_WAY[asked.character_orientation])
        return asked

    def _look(self, name: str, job: Job, key: SecretStr | None) -> Preflight:
        asked = self._request(name, job, key)
        return self._runner.preflight(
            **{field: getattr(asked, field) for field in asked.__dataclass_fields__},
            key=key,
            draft=name == "draft",
            owner=job.owner,
        )


def form(job: Job, video: Path | None = None) -> tuple[Any, ...]:
    """The form's values for a job, perhaps with another clip: (image, its view, video, its view, orientation, model, texts, sound)."""
    asked = job.request
    kept = (
        files.named(Path(asked.image), job.image_name),
        video or files.named(Path(asked.video), job.video_name),
    )
    image, clip = (str(path) if path is not None else None for path in kept)
    texts = (
        asked.character_orientation,
        asked.model_name,
        asked.prompt,
        asked.negative_prompt,
        asked.keep_original_sound,
    )
    return (image or "", image, clip or "", clip, *texts)


def trimmed(job: Job, begin: float, end: float) -> Path:
    """A part of the job's clip, made once. Raises ``InvalidRequest`` for a part that is none or too short, and what ``fit`` raises."""
    from kling_utils.preflight.plan import FitChoices, plan_file
    from kling_utils.preflight.repair import fit_file

    if end - begin < SHORTEST - 0.05:
        text = f"At least {SHORTEST:g} s must remain, and from {begin:g} to {end:g} s it is {max(0.0, end - begin):g} s."
        raise InvalidRequest(text, hint="Choose a longer part of the clip.", field="video")
    source = files.named(Path(job.request.video), job.video_name) or Path(job.request.video)
    choices = FitChoices(fields=("video",), start=max(0.0, begin), length=max(0.0, end - begin))
    plan = plan_file(
        source, choices=choices, character_orientation=job.request.character_orientation
    )
    if not plan.needed:
        return source
    out = files.made(
        source, named(Path(job.video_name).stem or "clip", f" {begin:g}-{end:g} s.mp4")
    )
    if not out.exists():
        fit_file(plan, out)
    return out


def about(job_id: str, card: str, *, filled: bool = False) -> str:
    """A card about a job, which goes when another one is opened. ``filled``: the form has its files now."""
    return f"{_begun(job_id)}{' data-filled' if filled else ''}>{card}</div>"


def _begun(job_id: str) -> str:
    """How a card about that job begins."""
    return f'<div data-about="{cards.escape(job_id)}"'


def gone() -> str:
    """What is said about a job that is not (or not any more) this visitor's."""
    return cards.note(
        "There is no such job here",
        "It was removed, or it belongs to another browser.",
        severity="warning",
    )


def _names(job: Job, key: SecretStr | None, runner: Client) -> list[str]:
    """Which offers a job has. A draft on this machine is offered beside results that cost money."""
    paid = runner.provider_for(key, owner=job.owner) == "novita"
    names = ["model", "orientation", "again"]
    if job.state != "succeeded" and not _to_change(job):
        names = ["again", "model", "orientation"]
    elif job.trouble is not None and job.trouble.code in _REFUSED:
        names = []  # the same content would be refused again
    if job.draft and paid:
        names.insert(0, "kling")
    if not job.draft and paid:
        names.append("draft")
    return names


def _to_change(job: Job) -> tuple[str, ...]:
    """Fields that have to change before a failed job can have another end; empty where the content is not to blame."""
    if job.state != "failed" or job.trouble is None:
        return ()
    field, code = job.trouble.field, job.trouble.code
    if code not in (*_REFUSED, "TaskFailed"):
        return ()
    if field in CHANGE:
        return (field,)
    return ("image", "video", "prompt") if code in _REFUSED else ()


def _label(name: str, job: Job, local: bool) -> str:
    """What an offer is called. A draft is always called one, also where the job itself was made by Kling."""
    match name:
        case "model":
            return f"Same files, {words.MODEL[_OTHER_MODEL[job.request.model_name]].lower()}{' draft' if local else ''}"
        case "orientation":
            return words.ORIENTATION[_OTHER_WAY[job.request.character_orientation]] + (
                ", as a draft" if local else " instead"
            )
        case "kling":
            return "The same, made by Kling"
        case "draft":
            return "Draft it here first"
    if job.state != "succeeded":
        return "Draft it here first" if local and not job.draft else "Try again unchanged"
    return "Another take, as a draft" if local else "Another take"


def _number(event: gr.EventData, name: str) -> float:
    value = getattr(event, name, None)
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e4
        else 0.0
    )
