"""Make the finished comparisons that ship in ``kling_utils/examples``.

    python scripts/make_pairs.py [FOLDER]

Each is a local draft of an example picture and an example clip, made by ``Client.run`` without a key
and without sound. The same machine makes the same bytes again. Takes about two minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from kling_utils import Client, examples


def main(folder: Path | None = None) -> None:
    """Write one file for each pair, into the folder of the examples or another one."""
    with tempfile.TemporaryDirectory(prefix="pairs-") as home, Client(home=Path(home)) as client:
        for pair in examples.PAIRS:
            result = client.run(pair.image.path, pair.video.path, keep_original_sound=False)
            path = (folder or pair.result.parent) / pair.result.name
            path.write_bytes(result.video.read_bytes())
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {result.job.cost}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
