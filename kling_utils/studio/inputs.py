"""The two inputs: the character's picture and the clip with the motion, each with its address and its report.

Owns how a file or an address becomes the source of an input, and what is shown of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.media import bounds
from kling_utils.preflight.limits import limit
from kling_utils.show import cards
from kling_utils.studio import files, samples
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.session import Session
from kling_utils.values import Report, is_url

CAMERA = {"video": {"width": {"ideal": 1280}, "height": {"ideal": 720}, "frameRate": {"ideal": 30}}}
"""What the camera is asked for: left alone it gives all it has, and a slow machine records a second in four."""
ADDRESS = 4000
"""Characters of an address that a browser gives back."""
_MEASURING = cards.note("Measuring", "Size, length and format are being checked.")


def _allowed(code: str) -> str:
    """The rule of that code in words, as the checks say it."""
    return limit(code).allowed


def not_uploaded() -> str:
    """What is said about a file that this visitor did not upload here: the same for each, whether it exists or not."""
    text = "Nothing was sent. Choose the file again, from this computer."
    return cards.note("This file was not uploaded to this page", text, severity="warning")


class Input:
    """What both inputs share: a source that is a path or an address, an address box, a report card and examples."""

    name: str
    hint: str

    def __init__(
        self,
        desk: gr.State,
        view: Any,
        label: str,
        placeholder: str,
        examples: list[samples.Sample],
    ) -> None:
        self.view = view
        self.card = gr.HTML(
            self.empty(),
            elem_id=f"{self.name}-report",
            elem_classes="report",
            apply_default_css=False,
        )
        self.address = gr.Textbox(
            label=label,
            show_label=False,
            placeholder=placeholder,
            submit_btn="Use",
            max_lines=1,
            elem_classes="address",
            elem_id=f"{self.name}-address",
        )
        self.strip = samples.strip(examples, self.name)
        self.source = gr.State("")
        self.samples = examples
        outputs = [self.source, self.view, self.address, self.card]
        gr.on(
            [view.upload],
            self.take,
            [view, self.source, desk],
            outputs,
            preprocess=False,
            **PRIVATE,
            **HIDDEN,
        )
        view.clear(self.cleared, None, [self.source, self.address, self.card], **PRIVATE, **HIDDEN)
        gr.on(
            [self.address.submit, self.address.blur],
            self.use,
            [self.address, self.source],
            outputs,
            **PRIVATE,
            **HIDDEN,
        )
        self.strip.pick(self.pick, [self.source], outputs, **PRIVATE, **HIDDEN)

    def empty(self) -> str:
        """The card while there is nothing to report on."""
        return f'<p class="hint">{cards.escape(self.hint)}</p>'

    def take(self, payload: Any, source: str, desk: Session) -> tuple[Any, ...]:
        """An upload: the browser shows it already."""
        path = files.uploaded(payload, desk.who.owner)
        if path is None:
            return "", None, gr.skip(), not_uploaded()
        return str(path), gr.skip(), "", self.measuring(str(path), source)

    def cleared(self) -> tuple[str, str, str]:
        return "", "", self.empty()

    def use(self, address: str, source: str) -> tuple[Any, ...]:
        """An address: it is fetched by the check, through the guard, and shown when it was measured."""
        address = address.strip()
        if not address or address == source:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        if not is_url(address):
            says = cards.note(
                "This is not an address",
                "An address begins with https:// and leads straight to the file.",
                severity="error",
            )
            return "", None, gr.skip(), says
        return address, None, gr.skip(), _MEASURING

    def pick(self, event: gr.EventData, source: str) -> tuple[Any, ...]:
        """An example fills the form and nothing else."""
        path = samples.chosen(self.samples, event)
        if path is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        return str(path), str(path), "", self.measuring(str(path), source)

    def judged(self, report: Report, source: str) -> Any:
        """The card once the report is there. Where there is no source, the card says why already."""
        return cards.report(report, *self.fields, ready=self.ready) if source else gr.skip()

    def sample(self, source: str) -> int | None:
        """The number of the example that is the source; None for a file of one's own."""
        for number, each in enumerate(self.samples):
            if files.handed(each.path) == source:
                return number
        return None

    def restored(self, old: Session | None, told: dict[str, Any]) -> tuple[str, Any]:
        """(source, value of the view) of a session before, or of what the browser remembers; ("", None) for a file that is gone."""
        if old is not None and old.form is not None and old.shown is not None:
            source = str(getattr(old.form, self.name))
            if is_url(source) or (source and Path(source).is_file()):
                return source, self.look(old.shown.report)
        address, number = told.get("address"), told.get("sample")
        if isinstance(address, str) and len(address) <= ADDRESS and is_url(address):
            return address, None
        path = samples.numbered(self.samples, number)
        return (str(path), str(path)) if path is not None else ("", None)

    def look(self, report: Report) -> str | None:
        """What the view shows of a file that was measured."""
        raise NotImplementedError

    def card_of(self, source: str, *, sent: bool, missing: bool) -> str:
        """The card of a form that is filled again, until it is checked."""
        return _MEASURING if source or (missing and sent) else self.empty()

    def measuring(self, source: str, before: str) -> Any:
        """The card while a file that was not there ``before`` is checked. The same file again is not checked again."""
        return _MEASURING if source and source != before else gr.skip()

    def preview(self, source: str, desk: Session) -> Any:
        """After the report, since it may take a while: a copy where the browser could not show the file by itself, and an empty place,
        ready for another file, where there is nothing to be shown."""
        # another file has come meanwhile
        if not source or desk.shown is None or getattr(desk.form, self.name) != source:
            return gr.skip()
        report = desk.shown.report
        info = report.image if self.name == "image" else report.video
        return self.shown(report, source) if info is not None else gr.update(value=None)

    fields: tuple[str, ...]
    ready: str

    def shown(self, report: Report, source: str) -> Any:
        """An update of the view, or nothing."""
        raise NotImplementedError


class ImageInput(Input):
    """The character."""

    name = "image"
    hint = f"One person, head and upper body in sight. {_allowed('image.format')}, {_allowed('image.side')}, {_allowed('image.bytes')}."
    fields = ("image",)
    ready = "The picture is fine"

    def __init__(self, desk: gr.State) -> None:
        view = gr.Image(
            label="Character",
            type="filepath",
            image_mode=None,
            sources=["upload"],
            buttons=["fullscreen"],
            elem_id="image",
            elem_classes="media",
        )
        super().__init__(
            desk,
            view,
            "Address of the picture",
            "or paste its address: https://…",
            samples.images(),
        )

    def look(self, report: Report) -> str | None:
        there = files.picture(report.image) if report.image is not None else None
        return files.shown(there, "image") if there is not None else None

    def shown(self, report: Report, source: str) -> Any:
        info = report.image
        if info is None or (not is_url(source) and info.format in files.BROWSER_PICTURES):
            return gr.skip()
        there = files.picture(info)
        return gr.skip() if there is None else gr.update(value=files.shown(there, "image"))


class VideoInput(Input):
    """The motion."""

    name = "video"
    hint = f"One person, one take without cuts. {_allowed('video.container')}, {_allowed('video.duration')}, {_allowed('video.bytes')}."
    fields = ("video", "request")
    ready = "The clip is fine"

    def __init__(self, desk: gr.State) -> None:
        view = gr.Video(
            label="Motion",
            sources=["upload", "webcam"],
            webcam_options=gr.WebcamOptions(mirror=False, constraints=CAMERA),
            buttons=[],
            elem_id="video",
            elem_classes="media",
        )
        super().__init__(
            desk, view, "Address of the clip", "or paste its address: https://…", samples.videos()
        )
        view.stop_recording(
            in_lane(bounds.making, self.recorded),
            [view, desk],
            [self.source, view, self.address, self.card],
            preprocess=False,
            **PRIVATE,
            **HIDDEN,
            **UNLIMITED,
        )

    def recorded(self, payload: Any, desk: Session) -> tuple[Any, ...]:
        """A webcam's recording becomes an MP4 first: browsers record a WebM without a length, which no provider takes."""
        path = files.uploaded(payload, desk.who.owner)
        if path is None:
            return "", None, gr.skip(), not_uploaded()
        try:
            clip = files.recording(path)
        except KlingError as error:
            return "", gr.skip(), "", cards.error(error)
        return str(clip), gr.update(value=str(clip)), "", _MEASURING

    def look(self, report: Report) -> str | None:
        try:
            return files.shown(files.clip(report.video), "video") if report.video else None
        except KlingError:
            return None

    def shown(self, report: Report, source: str) -> Any:
        info = report.video
        if info is None:
            return gr.skip()
        try:
            there = files.clip(info)
        except KlingError:
            return gr.skip()  # the report stands without a preview
        if there == info.path and not is_url(source):
            return gr.skip()  # the browser has it already
        return gr.update(value=files.shown(there, "video"))
