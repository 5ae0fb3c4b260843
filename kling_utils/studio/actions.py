"""What next: the same files with one thing changed, the form filled again, the job as code, and deleting it.

The price of an offer is on the button that is pressed: a press at another price sends nothing.
"""

from __future__ import annotations

import json
import logging
import math
import shlex
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import AlreadyHave, InvalidRequest, KlingError
from kling_utils.media import bounds
from kling_utils.media.files import named
from kling_utils.preflight.limits import limit
from kling_utils.providers.novita import POLL, SUBMIT, payload
from kling_utils.settings import NOVITA
from kling_utils.show import cards, words
from kling_utils.studio import files, notices
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.inputs import ImageInput, VideoInput
from kling_utils.studio.session import Session, key_or_none, typed_key
from kling_utils.studio.theme import static
from kling_utils.values import (
    CharacterOrientation,
    Job,
    ModelName,
    MotionRequest,
    is_url,
    parameters,
)

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kling_utils.jobs.client import Client
    from kling_utils.preflight.preflight import Preflight

LOG = logging.getLogger(__name__)
SHORTEST = float(limit("video.duration").low or 0)
"""Seconds of the shortest clip that is worth trimming to. The checks say what is really allowed."""
UNTIL, TAKES = 70, 3
"""Score and tries that the form of a series begins with."""
_OTHER_MODEL: dict[ModelName, ModelName] = {
    "kling-v3-0-std": "kling-v3-0-pro",
    "kling-v3-0-pro": "kling-v3-0-std",
}
_OTHER_WAY: dict[CharacterOrientation, CharacterOrientation] = {"video": "image", "image": "video"}
CHANGE = {
    "image": "Change the picture",
    "video": "Change the clip",
    "prompt": "Change the prompt",
    "negative_prompt": "Change the negative prompt",
    "character_orientation": "Change pose and framing",
    "model_name": "Change the model",
    "keep_original_sound": "Change the sound",
}
"""Labels of the offers that fill the form and lead to one of its fields."""
_REFUSED = ("InputRefused", "ModerationRefused")
"""Codes of trouble that the same content always has."""


class Actions:
    """The offers; their events carry the name of one and the price that stood on it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.panel = gr.HTML(
            {"job_id": ""},
            html_template=static("actions.html"),
            js_on_load=static("actions.js"),
            apply_default_css=False,
            elem_id="next",
        )
        self.answer = gr.HTML(
            "", js_on_load=static("notice.js"), elem_id="next-answer", apply_default_css=False
        )

    def bind(
        self, events: Events, key: Any, image: ImageInput, video: VideoInput, reuse: Any
    ) -> None:
        """``reuse`` is the button that fills the form again."""
        self._form, self._views = events.form, {"image": image.view, "video": video.view}
        filled = [*self._form.values(), *self._views.values()]
        checking: dict[str, Any] = {"lane": bounds.checking, "key": key}
        events.on(self.answer.dismiss, self.on_dismiss, [self.answer])
        events.on(self.panel.moved, self.on_moved, [self.answer], said=self.answer)
        events.on(self.panel.trim, self.on_trim, [self.answer, *filled], lane=bounds.making)
        events.on(reuse.click, self.on_refill, filled, **checking)
        events.on(self.panel.refill, self.on_refill, filled, **checking)
        events.on([key.blur, key.submit], self.on_key, [self.panel], **checking)
        events.on(self.panel.act, self.on_act, [self.panel, self.answer], opens=True, **checking)
        events.on(self.panel.retake, self.on_retake, [self.answer], opens=True, **checking)
        events.on(self.panel.halt, self.on_halt, [self.panel])
        events.on(self.panel.show, self.on_show, [self.answer], opens=True)

    # -- what is offered

    def value(
        self,
        job: Job | None,
        key: SecretStr | None = None,
        publishing: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What is offered for a job, with the key that is in the box. Measures its files, once. ``publishing`` is the session's."""
        if job is None:
            return {"job_id": ""}
        copies = [
            {"id": "python", "label": "Copy as Python", "text": as_python(job)},
            {"id": "cell", "label": "Copy as notebook cell", "text": as_cell(job)},
            {"id": "curl", "label": "Copy as curl", "text": as_curl(job)},
        ]
        shown = {"job_id": job.job_id, "copies": copies, "items": [], "series": self.series(job)}
        if not job.done:
            return shown | {"deletable": job.state == "checked"}
        names, changes = _names(job, key, self._client), _to_change(job)
        sent = publishing or {}
        offers = [each for name in names if (each := self._offer(name, job, key, sent))]
        fills = [
            {"id": "change", "label": CHANGE[field], "note": "fills the form", "goto": field}
            for field in changes
        ]
        length = self._clip_length(job)
        trims = length > SHORTEST + 0.2
        if trims and "video" in changes:
            trim = {"id": "trim", "label": "Trim the clip", "note": "begin elsewhere"}
            fills.insert(0, trim)
        why = [each["why"] for each in offers if each["blocked"]]
        return shown | {
            "items": fills + offers,
            "why": list(dict.fromkeys(why)),  # often one reason for all: said once
            "trim": {"length": int(length * 10) / 10, "least": SHORTEST} if trims else None,
            "retake": self._retake(job, offers),
            "deletable": True,
        }

    @staticmethod
    def _retake(job: Job, offers: list[dict[str, Any]]) -> dict[str, Any] | None:
        """What the form of a series begins with; None where the job cannot be sent again."""
        again = next((each for each in offers if each["id"] == "again"), None)
        if again is None or again["blocked"] or notices.pays_twice(job):
            return None
        most = 0.0 if job.draft else again["most"] * TAKES
        budget = math.ceil(most * 10) / 10 if most else None
        return {"until": UNTIL, "takes": TAKES, "budget": budget}

    def series(self, job: Job) -> dict[str, Any] | None:
        """The tries that a job began or belongs to: a line for each, and what can be done."""
        series = self._client.retakes_of(job.job_id)
        if series is None:
            return None
        lines = []
        for number, each in enumerate(series.tries, 1):
            here = each.job_id == job.job_id
            came = "under way" if not each.ended else each.ended
            if each.score is not None:
                came = f"{each.score:.0f} of 100"
            text = f"Try {number} of {series.takes}, {each.told}: {came}"
            lines.append({"text": text, "id": "" if here else each.job_id})
        return {
            "lines": lines,
            "over": series.over,
            "goal": f"Until {series.until:g} of 100 is reached"
            + (f", for {series.budget} at most." if series.budget is not None else "."),
        }

    def _clip_length(self, job: Job) -> float:
        try:
            clip = self._preflight("again", job, None, {}).report.video
        except (KlingError, OSError):
            return 0.0
        return clip.duration if clip is not None else 0.0

    def _offer(
        self, name: str, job: Job, key: SecretStr | None, publishing: dict[str, Any]
    ) -> dict[str, Any] | None:
        try:
            preflight = self._preflight(name, job, key, publishing)
        except (KlingError, OSError):
            return None  # its files are gone
        quote = preflight.quote
        if quote is None:
            return None
        offer: dict[str, Any] = {
            "id": name,
            "label": _label(name, job, preflight.provider == "local"),
            "price": words.price(quote),
            "most": float(quote.high.amount),
            "blocked": bool(preflight.report.errors),
            "risk": None,
        }
        if preflight.report.errors:
            error = preflight.report.errors[0]
            why = f"{error.title}: {error.measured.rstrip('.')}. {error.fix}".strip()
            if error.code == "request.address":
                why = "Novita needs to fetch the clip: fill the form from this job, and choose how."
            return offer | {"note": "cannot be sent", "why": why}
        more = "" if job.draft else words.difference(quote, job.cost)
        try:
            self._client.limits.agree(quote)
        except KlingError as error:
            offer["risk"] = {
                "ask": f"Spend {offer['price']}?",
                "text": error.message,
                "yes": notices.agree_label(offer["price"]),
            }
        if name == "again" and not quote.free:
            if job.state == "succeeded":
                more = "paid again"
            if notices.pays_twice(job):
                offer["risk"] = {
                    "ask": notices.TWICE,
                    "text": notices.once_more(offer["price"]),
                    "yes": notices.twice_label(offer["price"]),
                }
        return offer | {"note": f"{offer['price']}, {more}" if more else offer["price"]}

    def on_key(self, session: Session, key: str) -> Any:
        """The same offers at the prices of another key."""
        job = self._job(session)
        if job is None:
            return gr.skip()
        return self.value(job, key_or_none(key), session.publishing)

    # -- what is done

    def on_act(self, event: gr.EventData, session: Session, key: str) -> Updates:
        """One of the offers: its job is made and opened."""
        job, name = self._job(session), str(getattr(event, "id", ""))
        if job is None or not job.done:
            return {self.answer: _no_job(session)}
        try:
            typed = typed_key(key)
            if name not in _names(job, typed, self._client):
                text = "Look again: something has changed."
                said = cards.note("This is not offered any more", text, severity="warning")
            else:
                sure = getattr(event, "sure", None) is True
                said = self._send(session, job, name, typed, getattr(event, "price", ""), sure)
            # what is offered now
            offers = {self.panel: self.value(job, typed, session.publishing)} if said else {}
            return {self.answer: said, **offers}
        except AlreadyHave as error:
            if not error.job_id:
                return {self.answer: cards.error(error)}
            session.open(error.job_id)
            said = cards.note(error.message.rstrip("."), "Here it is; nothing was sent now.")
            return {self.answer: about(error.job_id, said)}
        except KlingError as error:
            return {self.answer: cards.error(error)}
        except Exception:  # the last door: a visitor must never meet a page that says nothing
            LOG.exception("an offer ended in an error of our own")
            return {self.answer: notices.our_fault()}

    def _send(
        self,
        session: Session,
        job: Job,
        name: str,
        key: SecretStr | None,
        shown: Any,
        sure: bool,
    ) -> str:
        """Send an offer at the price that was ``shown``. Returns what is said where nothing was sent.

        ``sure``: the person has said that it shall be sent although it may be paid twice.
        """
        preflight = self._preflight(name, job, key, session.publishing)
        quote = preflight.quote
        price = words.price(quote) if quote is not None else ""
        if price != shown:
            text = f"It is {price or 'not known'}. Press it again to agree."
            return cards.note("The price is another one now", text, severity="warning")
        twice = name == "again" and notices.pays_twice(job)
        if twice and quote is not None and not quote.free and not sure:
            return notices.twice(price)
        draft = name == "draft"
        made = self._client.submit(
            self._request(name, job, key),
            owner=job.owner,
            key=None if draft else key,
            report=preflight.report,
            again=twice or (name == "again" and job.state == "succeeded"),
            draft=draft,
            agreed=sure,
            **({} if draft else session.publishing),
        )
        session.open(made.job_id)
        return ""

    def on_retake(self, event: gr.EventData, session: Session, key: str) -> str:
        """Try the open job again until it follows. The numbers are those of the form."""
        job = self._job(session)
        if job is None or not job.done:
            return _no_job(session)
        try:
            paid: dict[str, Any] = {}
            if not job.draft:
                budget = f"{_number(event, 'budget'):g}"
                paid = {"budget": budget, "key": typed_key(key), **session.publishing}
            self._client.retake(
                job.job_id,
                until=_number(event, "until"),
                takes=int(_number(event, "takes")),
                owner=session.visitor.sees,
                **paid,
            )
        except KlingError as error:
            return cards.error(error)
        session.open(job.job_id)  # it is followed again
        return ""

    def on_halt(self, session: Session) -> Any:
        """Send no other try."""
        job = self._job(session)
        series = self._client.retakes_of(job.job_id) if job is not None else None
        if series is not None:
            series.stop()
        return gr.skip()

    def on_show(self, event: gr.EventData, session: Session) -> Any:
        """Open another try of the series."""
        try:
            found = self._client.record(str(getattr(event, "id", "")), owner=session.visitor.sees)
        except (KlingError, ValueError):
            return notices.gone()
        session.open(found.job_id)
        return gr.skip()

    def delete(self, event: gr.EventData, session: Session) -> str:
        """Remove a job and its files; the page has asked whether that is meant."""
        job_id = str(getattr(event, "id", ""))
        try:
            remove(self._client, session, self._client.record(job_id, owner=session.visitor.sees))
        except KlingError as error:
            return cards.error(error)
        except ValueError:
            return notices.gone()
        return ""

    def on_trim(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """Fill the form with a part of the clip; until that is made the form stays as it is."""
        job, begin, end = self._job(session), _number(event, "from"), _number(event, "to")
        if job is None:
            yield {self.answer: _no_job(session)}
            return
        text = "It takes a few seconds. The form stays as it is until then."
        yield {self.answer: about(job.job_id, cards.note("Trimming the clip", text))}
        try:
            filled = self._fill(job, trimmed(job, begin, end))
        except KlingError as error:
            yield {self.answer: about(job.job_id, notices.closable(cards.error(error)))}
            return
        text = f"{begin:g} to {end:g} s of it. Look at it, then press Generate. Nothing was sent."
        card = cards.note("The form is filled with the trimmed clip", text, severity="pass")
        said = about(job.job_id, notices.closable(card), filled=True)
        yield {self.answer: said, **filled}

    @staticmethod
    def on_dismiss(session: Session) -> str:
        """The answer was closed."""
        return ""

    @staticmethod
    def on_moved(event: gr.EventData, session: Session, said: Any) -> Any:
        """Another job was opened: an answer about the one before goes."""
        here = str(getattr(event, "id", ""))
        return gr.skip() if here and isinstance(said, str) and said.startswith(_begun(here)) else ""

    def on_refill(self, session: Session, key: str) -> Any:
        """Fill the form from the open job."""
        job = self._job(session)
        if job is None:
            return gr.skip()
        filled = self._fill(job)
        for name, address in self._addresses(job, key_or_none(key)).items():
            filled[self._form[name]] = address
        return filled

    def _fill(self, job: Job, video: Path | None = None) -> Updates:
        """The form's values for a job, perhaps with another clip."""
        asked = job.request
        kept = {
            "image": files.named(Path(asked.image), job.image_name),
            "video": video or files.named(Path(asked.video), job.video_name),
        }
        values = asdict(asked) | {n: str(path) if path else "" for n, path in kept.items()}
        views = {self._views[n]: str(path) if path else None for n, path in kept.items()}
        return {self._form[name]: value for name, value in values.items()} | views

    def _job(self, session: Session) -> Job | None:
        try:
            if session.job_id:
                return self._client.record(session.job_id, owner=session.visitor.sees)
        except (KlingError, ValueError):
            pass
        return None

    def _addresses(self, job: Job, key: SecretStr | None) -> dict[str, str]:
        """Inputs that go by their address again, where Kling is to make it. A draft needs none, which may be gone by now."""
        if self._client.provider_for(key, owner=job.owner) != "novita":
            return {}
        given = self._client.as_given(job)
        sources = {"image": given.image, "video": given.video}
        return {name: str(source) for name, source in sources.items() if is_url(source)}

    def _request(self, name: str, job: Job, key: SecretStr | None) -> MotionRequest:
        asked = job.request
        image = files.named(Path(asked.image), job.image_name)
        video = files.named(Path(asked.video), job.video_name)
        asked = replace(asked, image=image or asked.image, video=video or asked.video)
        if name != "draft":
            addresses: dict[str, Any] = self._addresses(job, key)
            asked = replace(asked, **addresses)
        if name == "model":
            return replace(asked, model_name=_OTHER_MODEL[asked.model_name])
        if name == "orientation":
            return replace(asked, character_orientation=_OTHER_WAY[asked.character_orientation])
        return asked

    def _preflight(
        self, name: str, job: Job, key: SecretStr | None, publishing: dict[str, Any]
    ) -> Preflight:
        fields = asdict(self._request(name, job, key)) | publishing
        return self._client.preflight(**fields, key=key, draft=name == "draft", owner=job.owner)


def remove(client: Client, session: Session, job: Job) -> None:
    """Remove a job with its files, and what the page holds of them. Raises as ``Client.delete`` does."""
    copies, form = files.copies_of(job), session.form
    client.delete(job.job_id, owner=session.visitor.sees)
    files.forget(copies, job.owner, keep=(form.image, form.video) if form else ())
    if session.job_id == job.job_id:
        session.open("")


def trimmed(job: Job, begin: float, end: float) -> Path:
    """A part of the job's clip, made once. Raises ``InvalidRequest`` for a part that is too short, and what ``fit`` raises."""
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


def _no_job(session: Session) -> str:
    return notices.gone() if session.job_id else notices.restarted()


def _names(job: Job, key: SecretStr | None, client: Client) -> list[str]:
    """Which offers a job has. A draft on this machine is offered beside results that cost money."""
    paid = client.provider_for(key, owner=job.owner) == "novita"
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
    """The label of an offer. A draft is always called one, also where the job itself was made by Kling."""
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


# -- as code

KEY = "$NOVITA_API_KEY"
_VIDEO = "https://example.com/"

# What people typed is written as a literal, so that it stays text wherever it is pasted. No key and no path of this machine is in
# the texts: the key is named by its environment variable, and files by the names under which they were given.


def as_python(job: Job) -> str:
    """A program that asks for the same."""
    return (
        "import kling_utils as kling\n\n"
        "# Set NOVITA_API_KEY for a Kling result; without it, a free local draft is made.\n"
        f"result = kling.run({_request(job)})\n"
        "print(result.video)  # run again, it is not paid again; again=True makes another take\n"
    )


def as_cell(job: Job) -> str:
    """The same for a notebook: reference and result on the stage."""
    return (
        "import kling_utils as kling\n\n"
        f"result = kling.run({_request(job)})\n"
        "result.stage()  # run again, it is not paid again; again=True makes another take\n"
    )


def as_curl(job: Job) -> str:
    """The same two calls without this package: submit, then ask for the result. The picture goes along, the clip needs an address."""
    body = json.dumps(
        payload(job.request, image="IMAGE", video=_VIDEO + _plain(job.video_name)),
        indent=2,
        ensure_ascii=True,
    )
    picture, host = shlex.quote(job.image_name), NOVITA if job.draft else job.base_url or NOVITA
    kind = "png" if Path(job.request.image).suffix.lower() == ".png" else "jpeg"
    image = f'$body + {{image: ("data:image/{kind};base64," + .)}}'
    return (
        "# The clip must lie at a public address; the key is read from the environment.\n"
        f"base64 < {picture} | tr -d '\\n' | jq -Rs --argjson body {shlex.quote(body)} {shlex.quote(image)} |\n"
        f'  curl -sS {host}{SUBMIT} -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" --data-binary @-\n\n'
        "# It answers with a task_id. Ask until it has succeeded; the link to the video is good for an hour.\n"
        f'curl -sS "{host}{POLL}?task_id=TASK_ID" -H "Authorization: Bearer {KEY}"\n'
    )


def _request(job: Job) -> str:
    lines = [f"    image={job.image_name!r},", f"    video={job.video_name!r},"]
    lines += [
        f"    {name}={value!r}," for name, value in parameters(job.request).items() if value != ""
    ]
    return "\n" + "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "-" for c in name)
        or "clip.mp4"
    )
