"""Examples as pairs: picture and clip by one press, and what came out of them on the stage of an empty page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from kling_utils import examples
from kling_utils.examples import Pair
from kling_utils.show import stage
from kling_utils.studio import files
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.inputs import ImageInput, VideoInput
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static

LABEL = "Example: a local draft, made without a key"


class Pairs:
    """The cards under the stage. Events: ``pick`` and ``watch``, with the ``id`` of a pair."""

    def __init__(self, image: ImageInput, video: VideoInput, board: gr.HTML) -> None:
        """``board`` is the stage."""
        self._image, self._video, self._board = image, video, board
        self._pairs = [each for each in examples.PAIRS if each.result.is_file()]
        self.panel = gr.HTML(
            {},
            html_template=static("pairs.html"),
            js_on_load=static("pairs.js"),
            apply_default_css=False,
            elem_id="pairs",
            visible=bool(self._pairs),
        )

    def bind(self, events: Events, generate: gr.Button) -> None:
        image, video = self._image, self._video
        filled = [*image.filled, *video.filled]
        events.on(self.panel.pick, self.on_pick, filled, image=image.source, video=video.source)
        events.on(self.panel.watch, self.on_watch, [self._board])
        events.on(generate.click, self.on_stop, [self._board])

    def value(self) -> dict[str, Any]:
        """The cards."""
        items = [
            {
                "id": str(number),
                "title": each.title,
                "image": files.data(files.poster(each.image.path)),
                "video": files.data(each.video.path),
            }
            for number, each in enumerate(self._pairs)
        ]
        return {"items": items}

    def on_pick(self, event: gr.EventData, session: Session, image: str, video: str) -> Any:
        """Both files of a pair fill the form. Nothing is sent."""
        pair = self._asked(event)
        paths = (pair.image.path, pair.video.path) if pair is not None else ()
        copies = [copy for path in paths if (copy := files.handed(path)) is not None]
        if len(copies) < 2:
            return gr.skip()
        return {
            **self._image.filled_with(copies[0], image),
            **self._video.filled_with(copies[1], video),
        }

    def on_watch(self, event: gr.EventData, session: Session) -> Any:
        """The comparison of a pair, where no job is open."""
        pair = self._asked(event)
        return gr.skip() if pair is None or _used(session) else self._play(session, pair)

    def on_stop(self, session: Session) -> Any:
        return self.stop(session) or gr.skip()

    def first(self, session: Session) -> Updates:
        """What the stage of an empty page plays."""
        return self._play(session, self._pairs[0]) if self._pairs else {}

    def stop(self, session: Session) -> Updates:
        """The stage is for what is the visitor's own."""
        plays, session.example = session.example, False
        return {self._board: stage.nothing()} if plays and not _used(session) else {}

    def _play(self, session: Session, pair: Pair) -> Updates:
        """Reference and result in step, without sound. Who asks for less motion gets a still and the player's button."""
        session.example = True
        return {
            self._board: stage.nothing()
            | {
                "a": files.data(pair.video.path),
                "b": files.data(pair.result),
                "label_a": "Reference",
                "label_b": LABEL,
                "fps": float(pair.fps),
                "autoplay": True,
            }
        }

    def _asked(self, event: gr.EventData) -> Pair | None:
        number = str(getattr(event, "id", ""))
        known = number.isdigit() and len(number) < 4 and int(number) < len(self._pairs)
        return self._pairs[int(number)] if known else None


def _used(session: Session) -> bool:
    """Does the stage show a job, or two takes?"""
    return bool(session.job_id) or session.pair is not None
