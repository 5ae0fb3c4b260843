"""The form: the character's picture, the clip with the motion, and the choices of how the motion is transferred."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gradio as gr

from kling_utils import examples
from kling_utils.errors import KlingError
from kling_utils.examples import Example
from kling_utils.media import bounds
from kling_utils.preflight.limits import RESULT_SECONDS_IMAGE, limit
from kling_utils.preflight.quote import expected_seconds
from kling_utils.show import cards, words
from kling_utils.studio import files
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static
from kling_utils.values import (
    CHARACTER_ORIENTATIONS,
    MODEL_NAMES,
    CharacterOrientation,
    ModelName,
    Report,
    is_url,
)

CAMERA = {"video": {"width": {"ideal": 1280}, "height": {"ideal": 720}, "frameRate": {"ideal": 30}}}
"""What the camera is asked for: left alone it gives all it has, and a slow machine records a second in four."""
ADDRESS = 4000
"""Characters of an address that a browser gives back."""
_MEASURING = cards.note("Measuring", "Size, length and format are being checked.")
_NOT_UPLOADED = cards.note(
    "This file was not uploaded to this page",
    "Nothing was sent. Choose the file again, from this computer.",
    severity="warning",
)
"""Said about any file that this visitor did not upload here, whether it exists or not."""


class Input:
    """An input: its source (a path or an address), its view, an address box, a report card, and examples.

    The examples are drawn characters and motions. They fill the form and never submit, so they never cost anything.
    """

    name: str
    hint: str
    ready: str
    fields: tuple[str, ...]
    """Fields of the report that the card shows."""
    examples: tuple[Example, ...]

    def __init__(self, view: Any, noun: str) -> None:
        self.view = view
        self.card = gr.HTML(
            self.empty(),
            elem_id=f"{self.name}-report",
            elem_classes="report",
            apply_default_css=False,
        )
        self.address = gr.Textbox(
            label=f"Address of the {noun}",
            show_label=False,
            placeholder="or paste its address: https://…",
            submit_btn="Use",
            max_lines=1,
            elem_classes="address",
            elem_id=f"{self.name}-address",
        )
        self.samples = [each for each in self.examples if each.path.is_file()]
        self.strip = gr.HTML(
            None,
            html_template=static("strip.html"),
            js_on_load=static("strip.js"),
            apply_default_css=False,
            elem_id=f"{self.name}-examples",
            elem_classes="samples",
            visible=bool(self.samples),
        )
        self.source = gr.State("")
        self.filled = [self.source, self.view, self.address, self.card]
        """What is changed when another file is chosen."""
        self.drawn = [self.card]

    def bind(self, events: Events) -> None:
        raw, source = {"preprocess": False}, self.source
        events.on(
            self.view.upload,
            self.on_upload,
            self.filled,
            options=raw,
            payload=self.view,
            source=source,
        )
        events.on(self.view.clear, self.on_clear, [source, self.address, self.card])
        events.on(
            [self.address.submit, self.address.blur],
            self.on_address,
            self.filled,
            address=self.address,
            source=source,
        )
        events.on(self.strip.pick, self.on_example, self.filled, source=source)

    def empty(self) -> str:
        """The card while there is nothing to report on."""
        return f'<p class="hint">{cards.escape(self.hint)}</p>'

    # -- another file

    def on_upload(self, session: Session, payload: Any, source: str) -> Updates:
        """An upload: the browser shows it already."""
        path = files.uploaded(payload, session.visitor.owner)
        if path is None:
            return {self.source: "", self.view: None, self.card: _NOT_UPLOADED}
        return {self.source: str(path), self.address: "", **self.measuring(str(path), source)}

    def on_clear(self, session: Session) -> Updates:
        return {self.source: "", self.address: "", self.card: self.empty()}

    def on_address(self, session: Session, address: str, source: str) -> Any:
        """An address: it is fetched by the check, through the guard, and shown when it was measured."""
        address = address.strip()
        if not address or address == source:
            return gr.skip()
        if not is_url(address):
            text = "An address begins with https:// and leads straight to the file."
            card = cards.note("This is not an address", text, severity="error")
            return {self.source: "", self.view: None, self.card: card}
        return {self.source: address, self.view: None, self.card: _MEASURING}

    def on_example(self, event: gr.EventData, session: Session, source: str) -> Any:
        """An example fills the form. The browser's word is only believed when it is the number of one."""
        number = str(getattr(event, "id", ""))
        path = self.example(int(number) if number.isdigit() and len(number) < 4 else None)
        return gr.skip() if path is None else self.filled_with(path, source)

    def filled_with(self, path: str, before: str) -> Updates:
        """The form with a file of ours, which the browser may fetch, in the place of ``before``."""
        filled = {self.source: path, self.view: path, self.address: ""}
        return {**filled, **self.measuring(path, before)}

    def example(self, number: Any) -> str | None:
        """The example of that number, as a file that the browser may fetch."""
        if not isinstance(number, int) or isinstance(number, bool):
            return None
        return files.handed(self.samples[number].path) if 0 <= number < len(self.samples) else None

    def example_number(self, source: str) -> int | None:
        """The number of the example that is the source; None for another file."""
        handed = (files.handed(each.path) for each in self.samples)
        return next((number for number, copy in enumerate(handed) if copy == source), None)

    def strip_value(self) -> dict[str, Any]:
        """The strip of examples."""
        items = []
        for number, each in enumerate(self.samples):
            file = files.data(files.poster(each.path) if self.name == "image" else each.path)
            items.append(
                {"id": str(number), "title": each.title, "says": each.alt, self.name: file}
            )
        return {"label": "Examples", "items": items}

    # -- what is drawn

    def draw(self, session: Session) -> Updates:
        """The card of the report. Without a source the card says why already."""
        if session.preflight is None or not getattr(session.form, self.name):
            return {}
        report, advice = _without_ways(session.preflight.report), session.advice
        looked = advice is not None and advice.done
        told = advice.told(self.name) if advice is not None else ()
        fine = looked and all(f.severity == "unknown" for f in told)
        ready = self.ready if fine else "Format is fine"
        card = cards.report(report, *self.fields, ready=ready, sure=looked, fold_hints=True)
        return {self.card: card}

    def measuring(self, source: str, before: str) -> Updates:
        """The card while another file than ``before`` is checked. The same file again is not checked again."""
        return {self.card: _MEASURING} if source and source != before else {}

    def on_checked(self, session: Session, source: str) -> Any:
        """The view, after the report because it may take a while: a copy where the browser cannot show the file by itself, and an
        empty place, ready for another file, where there is nothing to be shown."""
        if not source or session.preflight is None or getattr(session.form, self.name) != source:
            return gr.skip()  # another file has come meanwhile
        report = session.preflight.report
        if (report.image if self.name == "image" else report.video) is None:
            return gr.update(value=None)
        if self.shown_as_it_is(report, source):
            return gr.skip()
        copy = self.displayed(report)
        return gr.skip() if copy is None else gr.update(value=copy)

    def displayed(self, report: Report) -> str | None:
        """What the view shows of a file that was measured."""
        raise NotImplementedError

    def shown_as_it_is(self, report: Report, source: str) -> bool:
        """Does the browser show the file without a copy?"""
        raise NotImplementedError

    # -- the form of a session before

    def restored(self, old: Session | None, told: dict[str, Any]) -> tuple[str, Any]:
        """(source, value of the view) of a session before, or of what the browser remembers; ("", None) for a file that is gone."""
        if old is not None and old.form is not None and old.preflight is not None:
            source = str(getattr(old.form, self.name))
            if is_url(source) or (source and Path(source).is_file()):
                return source, self.displayed(old.preflight.report)
        address = told.get("address")
        if isinstance(address, str) and len(address) <= ADDRESS and is_url(address):
            return address, None
        path = self.example(told.get("sample"))
        return (path, path) if path is not None else ("", None)

    def restored_card(self, source: str, *, awaited: bool) -> str:
        """The card of a form that is filled again, until it is checked. ``awaited``: the tab sends the file anew."""
        return _MEASURING if source or awaited else self.empty()


class ImageInput(Input):
    """The character."""

    name = "image"
    hint = (
        f"One person, head and upper body in sight. {limit('image.format').allowed}, "
        f"{limit('image.side').allowed}, {limit('image.bytes').allowed}."
    )
    fields = ("image",)
    ready = "The picture is fine"
    examples = examples.IMAGES

    def __init__(self) -> None:
        view = gr.Image(
            label="Character",
            type="filepath",
            image_mode=None,
            sources=["upload"],
            buttons=["fullscreen"],
            elem_id="image",
            elem_classes="media",
        )
        super().__init__(view, "picture")

    def displayed(self, report: Report) -> str | None:
        copy = files.picture(report.image) if report.image is not None else None
        return files.shown(copy, "image") if copy is not None else None

    def shown_as_it_is(self, report: Report, source: str) -> bool:
        info = report.image
        return info is not None and not is_url(source) and info.format in files.BROWSER_PICTURES


class VideoInput(Input):
    """The motion."""

    name = "video"
    hint = (
        f"One person, one take without cuts. {limit('video.container').allowed}, "
        f"{limit('video.duration').allowed}, {limit('video.bytes').allowed}."
    )
    fields = ("video", "request")
    ready = "The clip is fine"
    examples = examples.VIDEOS

    def __init__(self) -> None:
        view = gr.Video(
            label="Motion",
            sources=["upload", "webcam"],
            webcam_options=gr.WebcamOptions(mirror=False, constraints=CAMERA),
            buttons=[],
            elem_id="video",
            elem_classes="media",
        )
        super().__init__(view, "clip")

    def bind(self, events: Events) -> None:
        super().bind(events)
        events.on(
            self.view.stop_recording,
            self.on_recorded,
            self.filled,
            lane=bounds.making,
            options={"preprocess": False},
            payload=self.view,
        )

    def on_recorded(self, session: Session, payload: Any) -> Updates:
        """A webcam's recording becomes an MP4 first: browsers record a WebM without a length, which no provider takes."""
        path = files.uploaded(payload, session.visitor.owner)
        if path is None:
            return {self.source: "", self.view: None, self.card: _NOT_UPLOADED}
        try:
            clip = str(files.recording(path))
        except KlingError as error:
            return {self.source: "", self.address: "", self.card: cards.error(error)}
        view = gr.update(value=clip)
        return {self.source: clip, self.view: view, self.address: "", self.card: _MEASURING}

    def displayed(self, report: Report) -> str | None:
        try:
            return files.shown(files.clip(report.video), "video") if report.video else None
        except KlingError:
            return None  # the report stands without a preview

    def shown_as_it_is(self, report: Report, source: str) -> bool:
        try:
            info = report.video
            return info is not None and not is_url(source) and files.clip(info) == info.path
        except KlingError:
            return False


def _without_ways(report: Report) -> Report:
    """Without the finding that a panel of its own is about: how the clip gets to the provider says nothing about the file."""
    findings = tuple(f for f in report.findings if f.code != "request.address")
    return replace(report, findings=findings)


# -- choices

# The first line of a label is its headline (the style sheet says so), the rest says length and price.


def orientation_choices(session: Session | None = None) -> list[tuple[str, str]]:
    """The two cards, with length and price of the result where they are known."""
    preflight = session.preflight if session is not None else None
    clip = preflight.report.video if preflight is not None else None
    choices: list[tuple[str, str]] = []
    for name in ("video", "image"):
        told = "As long as the clip" if name == "video" else words.seconds(RESULT_SECONDS_IMAGE)
        if preflight is not None and clip is not None:
            told = words.seconds(expected_seconds(name, clip.duration, provider=preflight.provider))
        choices.append(
            (f"{words.ORIENTATION[name]}\n{told}{_price(session, orientation=name)}", name)
        )
    return choices


def model_choices(session: Session | None = None) -> list[tuple[str, str]]:
    """The two cards, with the price where it is known."""
    return [
        (f"{words.MODEL[name]}\n{_price(session, model=name).removeprefix(', ') or name}", name)
        for name in MODEL_NAMES
    ]


def _price(
    session: Session | None,
    *,
    orientation: CharacterOrientation | None = None,
    model: ModelName | None = None,
) -> str:
    """What one of the choices costs, the other one as it is chosen; empty where it is free or not known."""
    form, preflight = (session.form, session.preflight) if session is not None else (None, None)
    if form is None or preflight is None:
        return ""
    quote = preflight.quote_for(model or form.model_name, orientation or form.character_orientation)
    return f", {quote.amount}" if quote is not None and not quote.free else ""


class Options:
    """Orientation and model, which set the price; below them, folded, texts and sound."""

    def __init__(self) -> None:
        self.orientation = gr.Radio(
            cast(Any, orientation_choices()),
            value=CHARACTER_ORIENTATIONS[1],
            label="Pose and framing",
            elem_id="orientation",
            elem_classes="choice-cards",
        )
        self.model = gr.Radio(
            cast(Any, model_choices()),
            value=MODEL_NAMES[0],
            label="Model",
            elem_id="model",
            elem_classes="choice-cards",
        )
        with gr.Accordion("Prompt and sound (optional)", open=False, elem_id="more") as self.fold:
            self._place_texts()
        self.card = gr.HTML("", elem_id="text-report", apply_default_css=False, visible=False)
        self.drawn = [self.orientation, self.model, self.card]

    def _place_texts(self) -> None:
        self.prompt = gr.Textbox(
            label="Prompt",
            info="The motion comes from the clip. Describe scene, light, clothes.",
            placeholder="A quiet harbour at dusk, soft side light, a yellow raincoat",
            lines=2,
            max_lines=6,
            elem_id="prompt",
        )
        self.negative = gr.Textbox(
            label="Negative prompt",
            placeholder="Text, logos, extra people",
            lines=1,
            max_lines=4,
            elem_id="negative",
        )
        self.sound = gr.Checkbox(
            True, label="Keep the sound of the clip", elem_id="sound", container=False
        )

    def draw(self, session: Session) -> Updates:
        """Lengths and prices of the choices, and the report on the texts where there is something to say."""
        preflight = session.preflight
        if preflight is None:
            return {}
        report, fields = preflight.report, ("prompt", "negative_prompt")
        fine = all(f.severity == "pass" for f in report.of(*fields))
        card = "" if fine else cards.report(report, *fields, ready="The texts are fine")
        return {
            self.orientation: gr.update(choices=orientation_choices(session)),
            self.model: gr.update(choices=model_choices(session)),
            self.card: gr.update(value=card, visible=not fine),
        }
