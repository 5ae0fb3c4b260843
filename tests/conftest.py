"""What every test shares: no test touches the real home, the internet's settings, or a key of the person who runs it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "media"
CLEARED = ("HF_TOKEN", "HF_ENDPOINT", "NOVITA_", "KLING_", "SPACE_", "GRADIO_", "PUBLIC_BASE_URL")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # begun in the background of a script: processes that tests start must hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        wanted = name in ("KLING_REQUIRE_BROWSER", "KLING_REQUIRE_FFPROBE")
        if not wanted and (name.startswith(CLEARED) or name.upper() in PROXIES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KLING_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(
        "PYTHONPATH", str(ROOT)
    )  # processes that a test starts find the package as the test does
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Folder of real pictures and clips, which are not part of the project."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail("the real media are missing, and CI must have them")
        pytest.skip("needs the folder of real pictures and clips, which lies beside the project")
    return SHARED
