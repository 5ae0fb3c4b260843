"""Why the engine stops. The texts of refusal are Kling's own, so that one table of failures explains both."""

from __future__ import annotations

NO_PERSON_IN_IMAGE = "Image recognition failed. No complete upper body detected in the image"
NO_PERSON_IN_VIDEO = "No complete upper body detected in the video"
MOTION_TOO_SHORT = "duration of continuous valid motion is too short"


class EngineError(Exception):
    """The engine cannot make this video; ``reason`` can be shown to a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
