"""How the motion is transferred: orientation, model, texts, sound.

Owns the words that say what each choice means.
"""

from __future__ import annotations

from typing import Any, cast

import gradio as gr

from kling_utils.preflight.limits import RESULT_SECONDS_IMAGE
from kling_utils.show import cards, words
from kling_utils.values import CHARACTER_ORIENTATIONS, MODEL_NAMES, CharacterOrientation, Report

# The first line of a label is its headline (the style sheet says so), the rest says the consequence.
_ORIENTATION: dict[CharacterOrientation, tuple[str, str]] = {
    "video": ("Like the clip", "Pose and framing of the clip."),
    "image": ("Like the picture", "Pose and framing of your picture."),
}


def orientation_choices(lengths: dict[CharacterOrientation, float | None]) -> list[tuple[str, str]]:
    """The two cards, with the length of the result in seconds where it is known."""
    choices: list[tuple[str, str]] = []
    for value, (head, what) in _ORIENTATION.items():
        length = lengths.get(value)
        if value == "video":
            how_long = (
                "As long as the clip"
                if length is None
                else f"{words.seconds(length)}, as long as the clip"
            )
        else:
            how_long = words.seconds(RESULT_SECONDS_IMAGE if length is None else length)
        choices.append((f"{head}\n{what}\n{how_long}", value))
    return choices


class Options:
    """The choices of the form."""

    def __init__(self) -> None:
        self.orientation = gr.Radio(
            cast(Any, orientation_choices({})),
            value=CHARACTER_ORIENTATIONS[1],
            label="Whose pose and framing",
            elem_id="orientation",
            elem_classes="choice-cards",
        )
        self.model = gr.Radio(
            [(f"{words.MODEL[name]}\n{name}", name) for name in MODEL_NAMES],
            value=MODEL_NAMES[0],
            label="Model",
            elem_id="model",
            elem_classes="choice-cards",
        )
        self.prompt = gr.Textbox(
            label="Scene (optional)",
            info="The motion comes from the clip. Describe scene, light, clothes.",
            placeholder="A quiet harbour at dusk, soft side light, a yellow raincoat",
            lines=2,
            max_lines=6,
            elem_id="prompt",
        )
        self.negative = gr.Textbox(
            label="Leave out (optional)",
            placeholder="Text, logos, extra people",
            lines=1,
            max_lines=4,
            elem_id="negative",
        )
        self.sound = gr.Checkbox(
            True, label="Keep the sound of the clip", elem_id="sound", container=False
        )
        self.card = gr.HTML("", elem_id="text-report", apply_default_css=False, visible=False)

    def judged(self, report: Report) -> Any:
        """The report on the texts: nothing is said while there is nothing to say."""
        if all(f.severity == "pass" for f in report.of("prompt", "negative_prompt")):
            return gr.update(value="", visible=False)
        return gr.update(
            value=cards.report(report, "prompt", "negative_prompt", ready="The texts are fine"),
            visible=True,
        )
