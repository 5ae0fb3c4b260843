"""What ``docker stop`` does to the app."""

from __future__ import annotations

from pathlib import Path

from helpers.served import serving


def test_a_termination_signal_closes_the_home_as_ctrl_c_does(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        workers = served.home / "workers"
        assert list(workers.glob("*.lock"))
    assert list(workers.glob("*.lock")) == [], "it gave its leases back before it ended"
    assert "Traceback" not in served.log.read_text("utf-8")
