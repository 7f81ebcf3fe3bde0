"""Composition root: settings -> engines -> systems; the only place that sees both sides.

`engines` opens each port's engine by its URL; `shop`, `city` and `studio` wire the three systems over them.
"""

from rialto.app.engines import Engines

__all__ = ["Engines"]
