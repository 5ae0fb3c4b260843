"""``python -m kling_utils``."""

from kling_utils.cli import main

if __name__ == "__main__":
    main()
