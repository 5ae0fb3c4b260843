"""Take the vendored model files again from the packages they come from, and compare each with the table's SHA-256.

    python scripts/vendor_models.py            # compare only
    python scripts/vendor_models.py --write    # and put the files into kling_utils/media/models

Needs npm and pip. A file that does not match is never written. The files lie unpacked in a package, or in a ``*_packed_assets.data``, which
is a plain concatenation whose offsets stand in the ``*_packed_assets_loader.js`` beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

MODELS = Path(__file__).resolve().parent.parent / "kling_utils" / "media" / "models"
_ENTRY = re.compile(
    r'\{[^{}]*?"?filename"?:\s*"(?P<name>[^"]+)",\s*"?start"?:\s*(?P<start>\d+),\s*"?end"?:\s*(?P<end>\d+)[^{}]*?\}'
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put matching files into the package")
    write = parser.parse_args().write
    table: list[dict[str, Any]] = json.loads((MODELS / "models.json").read_text("utf-8"))["models"]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        unpacked: dict[str, Path] = {}
        for row in table:
            spec = f"{row['package']}@{row['version']}"
            if spec not in unpacked:
                get = fetch_wheel if row.get("registry") == "pypi" else fetch
                unpacked[spec] = get(spec, Path(folder) / str(len(unpacked)))
            data = take(unpacked[spec], row["inside"], row["file"])
            same = hashlib.sha256(data).hexdigest() == row["sha256"]
            bad += not same
            print(
                f"{'same' if same else 'DIFFERENT'}  {row['file']}  {len(data)} bytes  {spec} {row['inside']}"
            )
            if write and same:
                (MODELS / row["file"]).write_bytes(data)
    return 1 if bad else 0


def fetch(spec: str, folder: Path) -> Path:
    """Download one npm package by name and version, and unpack it."""
    folder.mkdir(parents=True)
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is needed to fetch the packages.")
    packed = subprocess.run(
        [npm, "pack", "--silent", spec],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def fetch_wheel(spec: str, folder: Path) -> Path:
    """Download one wheel from PyPI by name and version, without what it needs, and unpack it."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
    ]
    subprocess.run(
        [*command, "--dest", str(folder), spec.replace("@", "==")], check=True, timeout=300
    )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder)  # noqa: S202 - zipfile drops what leads out of the folder
    return folder


def take(package: Path, inside: str, name: str) -> bytes:
    """One model's bytes: the file itself, or its slice of a packed one."""
    data = (package / inside).read_bytes()
    if not inside.endswith("_packed_assets.data"):
        return data
    loader = (package / inside.replace(".data", "_loader.js")).read_text("utf-8")
    for entry in _ENTRY.finditer(loader):
        if entry["name"].rsplit("/", 1)[-1] == name:
            return data[int(entry["start"]) : int(entry["end"])]
    raise SystemExit(f"{name} is not in {inside}.")


if __name__ == "__main__":
    sys.exit(main())
