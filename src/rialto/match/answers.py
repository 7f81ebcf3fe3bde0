"""How offers ended, read from the log of offers from its beginning: also those that a running system has forgotten."""

from __future__ import annotations

from rialto.match.jobs import Logs, several
from rialto.match.ledger import KINDS
from rialto.match.offers import Answered
from rialto.match.offers.follow import Follower
from rialto.match.offers.tables import used
from rialto.ports import EventLog

__all__ = ["answered_logged"]


def answered_logged(logs: Logs) -> list[Answered]:
    """Every offer of a log, or of those of shards, that was accepted, declined or expired, in the log's order: what acceptance is learned by.

    Raises:
        EngineLost: a log is none of offers.

    Cost:
        One pass over each log; memory by the offers that ended.
    """
    return [answer for log in several(logs) for answer in _ended(log)]


def _ended(log: EventLog) -> list[Answered]:
    found: list[Answered] = []
    follower, known = Follower(log), 0
    for entry, _ in follower.more():
        rows = used(follower.ledger.tables, "ended")
        if entry.kind != "forgot":  # which drops rows, and adds none
            found += [
                Answered(KINDS[kind], request, order, driver, at_s)
                for request, order, driver, at_s, kind in rows[known:].tolist()
            ]
        known = len(rows)
    return found
