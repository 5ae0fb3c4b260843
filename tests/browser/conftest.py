"""One browser for the tests of a file, and axe-core for all of them."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.served import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """(the script of axe-core, fetched by npm; or why it is not there)."""
    npm = shutil.which("npm")
    if npm is None:
        return "", "needs npm, to fetch axe-core"
    folder = tmp_path_factory.mktemp("axe")
    got = subprocess.run(
        [npm, "pack", "axe-core@4.10.3", "--silent", "--cache", str(folder / "cache")],
        cwd=folder,
        capture_output=True,
        timeout=120,
        check=False,
    )
    packed = next(folder.glob("*.tgz"), None)
    if packed is None:
        return "", f"npm could not fetch axe-core: {got.stderr.decode(errors='replace')[-200:]}"
    with tarfile.open(packed) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode("utf-8"), ""


@pytest.fixture
def axe(fetched: tuple[str, str]) -> str:
    """The script of axe-core; skips where it cannot be had."""
    script, missing = fetched
    if not script:
        pytest.skip(missing)
    return script
