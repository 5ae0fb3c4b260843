"""axe-core on a page: what it finds that is serious."""

from __future__ import annotations

from typing import Any

_RUN = """async () => (await axe.run(document, { resultTypes: ['violations'] })).violations
  .filter((v) => ['serious', 'critical'].includes(v.impact))
  .map((v) => [v.id, ...v.nodes.map((n) => n.target.join(' ') + ' ' + n.failureSummary)])"""


def serious(page: Any, script: str) -> list[Any]:
    """What axe finds that is serious; nothing where there is no axe."""
    if not script:
        return []
    page.evaluate(script)
    return list(page.evaluate(_RUN))
