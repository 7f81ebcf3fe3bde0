"""The log of offers read as the state machine takes it: each entry with what came of it; as the log grows, too."""

from __future__ import annotations

from collections.abc import Iterator

from rialto.match.offers.columns import ColumnLedger, Result
from rialto.match.offers.entries import Entry, decode
from rialto.ports import EventLog

__all__ = ["Follower"]

_CHUNK = 256


class Follower:
    """Reads a log of offers from its beginning. A message that was refused, or came twice, is told with its answer, as it was then.

    Args:
        log: The log.
        start, epoch: Offset to begin at, and the number of the log's owner there (`Offers.owned`). What was placed before is unknown,
            and messages about it are told as such.

    Cost:
        One pass over what is new; the state machine's own memory.
    """

    def __init__(self, log: EventLog, *, start: int = 0, epoch: int = 0) -> None:
        self._log, self._read_to = log, start
        self.ledger = ColumnLedger()
        """As it stands after the entry that was given last."""
        self.ledger.epoch = epoch

    def more(self) -> Iterator[tuple[Entry, Result]]:
        """Each entry that was not given yet, and what came of it; without rows where another owner had the log.

        Raises:
            EngineLost: the log is none of offers.
        """
        while events := self._log.read(self._read_to, _CHUNK):
            for offset, event in events:
                entry = decode(event)
                result = self.ledger.apply(entry)
                self._read_to = offset + 1
                yield entry, result
