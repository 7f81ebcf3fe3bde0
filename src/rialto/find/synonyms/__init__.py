"""A shop's own synonyms: two-way and one-way, kept in versions, checked when saved, searched beside what was asked at once."""

from rialto.find.synonyms.book import Synonym, SynonymBook, read_synonyms
from rialto.find.synonyms.desk import Saved, SynonymDesk
from rialto.find.synonyms.findings import Finding, findings
from rialto.find.synonyms.store import SynonymStore

__all__ = ["Finding", "Saved", "Synonym", "SynonymBook", "SynonymDesk", "SynonymStore", "findings", "read_synonyms"]
