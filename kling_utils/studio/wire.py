"""How events are wired, said once.

``PRIVATE``: no event of the page is an endpoint for others, or recorded by gradio. ``HIDDEN``: the page shows progress in words of its own.
``MANY``: a handler that waits must not make other visitors wait. ``MORE``: it may begin again before it has ended, since the desk tells the
older one to stop.
"""

from __future__ import annotations

from typing import Any

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
HIDDEN: dict[str, Any] = {"show_progress": "hidden"}
MANY: dict[str, Any] = {"concurrency_limit": None}
MORE: dict[str, Any] = {"trigger_mode": "multiple"}
