"""What ``docker stop`` does to the app, and what a killed one leaves."""

from __future__ import annotations

from pathlib import Path

import httpx
from helpers.served import serving


def test_a_termination_signal_closes_the_home_as_ctrl_c_does(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        workers = served.home / "workers"
        assert list(workers.glob("*.lock"))
    assert list(workers.glob("*.lock")) == [], "it gave its leases back before it ended"
    assert "Traceback" not in served.log.read_text("utf-8")


def test_uploads_go_with_the_process_and_those_of_a_killed_one_with_the_next(
    tmp_path: Path,
) -> None:
    def uploaded() -> Path:
        sent = httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("a.png", b"a")})
        return Path(sent.json()[0])

    with serving(tmp_path) as served:
        first = uploaded()
        assert first.is_relative_to(served.home / "page")
        served.kill()
        assert not first.exists()
        second = uploaded()
        assert second.exists()
    assert list((served.home / "page").iterdir()) == []
