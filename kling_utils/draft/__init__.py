"""Motion transfer on the CPU, at draft quality: one picture and one clip in, a video out."""

from kling_utils.draft.errors import EngineError
from kling_utils.draft.transfer import Progress, Rendered, render

__all__ = ["EngineError", "Progress", "Rendered", "render"]
