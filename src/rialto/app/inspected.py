"""What is wrong with a catalogue, looked at once for each version of it, whoever asks."""

from __future__ import annotations

from threading import Lock

from rialto.find.catalogue import Catalogue
from rialto.find.quality import Quality, report

__all__ = ["Inspected"]


class Inspected:
    """The report of the catalogue that was asked about last; those who ask while it is made wait for it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: tuple[str, Quality] | None = None

    def of(self, catalogue: Catalogue) -> Quality:
        """The report of this very version of a catalogue; a second and more for 20,000 products where nobody asked before."""
        with self._lock:
            if self._held is None or self._held[0] != catalogue.version:
                self._held = (catalogue.version, report(catalogue))
            return self._held[1]
