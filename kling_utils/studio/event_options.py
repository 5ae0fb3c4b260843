"""Options of events that many components share."""

from __future__ import annotations

from typing import Any

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
"""No event of the page is an endpoint for others, or recorded by Gradio."""
HIDDEN: dict[str, Any] = {"show_progress": "hidden"}
"""The page shows progress in words of its own."""
UNLIMITED: dict[str, Any] = {"concurrency_limit": None}
"""A handler that waits must not make other visitors wait."""
ALLOW_OVERLAP: dict[str, Any] = {"trigger_mode": "multiple"}
"""It may begin again before it has ended: the session tells the older one to stop."""
