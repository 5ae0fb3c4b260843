"""``python -m kling_utils``."""

from kling_utils.cli import app

if __name__ == "__main__":
    app(prog_name="python -m kling_utils")
