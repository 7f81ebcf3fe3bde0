"""Query understanding: what a shopper typed to what is searched for; every rewrite is shown and can be undone."""

from rialto.find.query.first import understand
from rialto.find.query.reader import Reader
from rialto.find.query.relax import relaxations
from rialto.find.query.understood import Quantity, Tag, Understood

__all__ = ["Quantity", "Reader", "Tag", "Understood", "relaxations", "understand"]
