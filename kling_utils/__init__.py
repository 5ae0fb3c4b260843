"""Motion Control Studio: a character's image and a motion's video go in, the character performing that motion comes out.

The public names, loaded on first use (PEP 562), so that ``import kling_utils`` stays cheap::

    import kling_utils as kling

    result = kling.run("hero.png", "dance.mp4", character_orientation="video")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_utils import events as events
    from kling_utils import examples as examples
    from kling_utils.errors import AlreadyHave as AlreadyHave
    from kling_utils.errors import KlingError as KlingError
    from kling_utils.errors import NoContact as NoContact
    from kling_utils.errors import NotPublished as NotPublished
    from kling_utils.errors import ProviderError as ProviderError
    from kling_utils.errors import Refused as Refused
    from kling_utils.errors import StillRunning as StillRunning
    from kling_utils.errors import SubmitUnconfirmed as SubmitUnconfirmed
    from kling_utils.errors import TaskFailed as TaskFailed
    from kling_utils.jobs.client import Client as Client
    from kling_utils.jobs.live import LiveJob as LiveJob
    from kling_utils.media.probe import probe_image as probe_image
    from kling_utils.media.probe import probe_video as probe_video
    from kling_utils.preflight.plan import FitChoices as FitChoices
    from kling_utils.preflight.preflight import Preflight as Preflight
    from kling_utils.quick import client as client
    from kling_utils.quick import compare as compare
    from kling_utils.quick import fit as fit
    from kling_utils.quick import judge as judge
    from kling_utils.quick import probe as probe
    from kling_utils.quick import run as run
    from kling_utils.settings import Settings as Settings
    from kling_utils.show.stage import Stage as Stage
    from kling_utils.values import Finding as Finding
    from kling_utils.values import ImageInfo as ImageInfo
    from kling_utils.values import Job as Job
    from kling_utils.values import Jobs as Jobs
    from kling_utils.values import Money as Money
    from kling_utils.values import MotionRequest as MotionRequest
    from kling_utils.values import Quote as Quote
    from kling_utils.values import Report as Report
    from kling_utils.values import Result as Result
    from kling_utils.values import Size as Size
    from kling_utils.values import VideoInfo as VideoInfo

_ERRORS = (
    "AlreadyHave",
    "KlingError",
    "NoContact",
    "NotPublished",
    "ProviderError",
    "Refused",
    "StillRunning",
    "SubmitUnconfirmed",
    "TaskFailed",
)
_VALUES = (
    "Finding",
    "ImageInfo",
    "Job",
    "Jobs",
    "Money",
    "MotionRequest",
    "Quote",
    "Report",
    "Result",
    "Size",
    "VideoInfo",
)
_HOME = {
    **dict.fromkeys(_ERRORS, "kling_utils.errors"),
    **dict.fromkeys(_VALUES, "kling_utils.values"),
    "FitChoices": "kling_utils.preflight.plan",
    "Client": "kling_utils.jobs.client",
    "LiveJob": "kling_utils.jobs.live",
    "Preflight": "kling_utils.preflight.preflight",
    "Settings": "kling_utils.settings",
    "Stage": "kling_utils.show.stage",
    **dict.fromkeys(("client", "compare", "fit", "judge", "probe", "run"), "kling_utils.quick"),
    "probe_image": "kling_utils.media.probe",
    "probe_video": "kling_utils.media.probe",
}
_MODULES = ("events", "examples")

__version__ = "0.1.0"
__all__ = sorted([*_HOME, *_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = import_module(f"kling_utils.{name}")
    else:
        raise AttributeError(f"module 'kling_utils' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
