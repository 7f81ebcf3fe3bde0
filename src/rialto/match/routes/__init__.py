"""Routes of pickups and drop-offs: what a plan costs, where an order is best inserted, a search that betters a plan, a plan made anew.

`best_insertion` and `improve` take every cost that `Stops` and `Terms` can name (lateness, a courier's time); `solve` and `Live` take
hard windows and loads, and only travel as the cost, for which they search much further.
"""

from rialto.match.routes.candidates import candidates
from rialto.match.routes.effort import Effort
from rialto.match.routes.insertion import best_insertion, insert, remove
from rialto.match.routes.live import Live
from rialto.match.routes.records import Plan, Routes, Stops, Terms
from rialto.match.routes.search import improve
from rialto.match.routes.solve import Solved, solve
from rialto.match.routes.walk import route_cost, step, travel_s

__all__ = [
    "Effort", "Live", "Plan", "Routes", "Solved", "Stops", "Terms", "best_insertion", "candidates", "improve", "insert", "remove",
    "route_cost", "solve", "step", "travel_s",
]  # fmt: skip
