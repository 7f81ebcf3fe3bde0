"""A rule book: the set of rules that holds at one version, and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from rialto.errors import BadInput, NothingHere, known
from rialto.find.rules.rule import Rule
from rialto.find.rules.written import to_json

__all__ = ["RuleBook"]


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Rules in the order of their ids, and the version of the set; 0 = never saved.

    Example:
        >>> from rialto.find.rules.rule import Rule, Scope
        >>> book = RuleBook.of([Rule("b", "ann", "hide", products=Scope(ids=("1",)))])
        >>> more = book.with_rule(Rule("a", "bo", "hide", products=Scope(ids=("2",))))
        >>> [r.id for r in more], more.changes_from(book), len(more.without("b"))
        (['a', 'b'], ('added a',), 1)
    """

    rules: tuple[Rule, ...] = ()
    version: int = 0

    @classmethod
    def of(cls, rules: Iterable[Rule], *, version: int = 0) -> RuleBook:
        """A book of `rules` in any order; `BadInput` where an id comes twice."""
        made = tuple(sorted(rules, key=lambda r: r.id))
        doubles = sorted({a.id for a, b in zip(made, made[1:]) if a.id == b.id})
        if doubles:
            raise BadInput(f"rule ids {doubles[:10]} come twice; wanted each once.")
        return cls(made, version)

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    @property
    def stamp(self) -> str:
        """Version and a checksum of the rules, pinned in every decision; "" for a book without rules."""
        return f"{self.version}-{blake2b(to_json(self.rules).encode(), digest_size=6).hexdigest()}" if self.rules else ""

    def rule(self, rule_id: str) -> Rule:
        """The rule called `rule_id`; `NothingHere` with the nearest known ids where it is absent."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise NothingHere(f"there is no rule {rule_id!r}; known: {known(rule_id, [r.id for r in self.rules])}.")

    def with_rule(self, rule: Rule) -> RuleBook:
        """The book with `rule` added, or put in the place of the one of its id; the version stays until it is saved."""
        return RuleBook.of([*(r for r in self.rules if r.id != rule.id), rule], version=self.version)

    def without(self, rule_id: str) -> RuleBook:
        """The book without one rule; `NothingHere` where it is absent."""
        gone = self.rule(rule_id)
        return RuleBook(tuple(r for r in self.rules if r is not gone), self.version)

    def changed_from(self, before: RuleBook) -> frozenset[str]:
        """Ids of the rules that are new or other than in `before`."""
        old = set(before.rules)
        return frozenset(r.id for r in self.rules if r not in old)

    def changes_from(self, before: RuleBook) -> tuple[str, ...]:
        """What changed, one phrase a rule: `added a`, `changed b (factor, ends_s)`, `removed c`."""
        old, new = {r.id: r for r in before.rules}, {r.id: r for r in self.rules}
        told: list[str] = []
        for name in sorted({*old, *new}):
            if name not in old:
                told.append(f"added {name}")
            elif name not in new:
                told.append(f"removed {name}")
            elif old[name] != new[name]:
                other = [f for f in Rule.__dataclass_fields__ if getattr(old[name], f) != getattr(new[name], f)]
                told.append(f"changed {name} ({', '.join(other)})")
        return tuple(told)
