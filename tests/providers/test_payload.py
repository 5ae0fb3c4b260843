from __future__ import annotations

from kling_utils.providers.novita import payload
from kling_utils.values import MotionRequest


def test_names_and_types_of_the_wire() -> None:
    request = MotionRequest(
        image="a.png",
        video="b.mp4",
        prompt="a stage",
        negative_prompt="rain",
        model_name="kling-v3-0-pro",
        keep_original_sound=False,
    )
    assert payload(
        request, image="data:image/png;base64,AA==", video="https://e.example/b.mp4"
    ) == {
        "image": "data:image/png;base64,AA==",
        "video": "https://e.example/b.mp4",
        "prompt": "a stage",
        "negative_prompt": "rain",
        "model_name": "kling-v3-0-pro",
        "character_orientation": "video",
        "keep_original_sound": False,
    }


def test_empty_texts_are_left_out_and_the_model_never() -> None:
    assert set(payload(MotionRequest(image="a.png", video="b.mp4"), image="i", video="v")) == {
        "image",
        "video",
        "model_name",
        "character_orientation",
        "keep_original_sound",
    }
