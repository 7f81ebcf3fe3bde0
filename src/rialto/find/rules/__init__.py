"""Merchandising rules: pin, hide, boost, bury, redirect; kept in versions, checked when saved, previewed on real queries, explained."""

from rialto.find.rules.book import RuleBook
from rialto.find.rules.compiled import Compiled
from rialto.find.rules.conflicts import Conflict, conflicts
from rialto.find.rules.desk import Past, RuleDesk, Saved
from rialto.find.rules.effects import effects
from rialto.find.rules.preview import Impact, QueryImpact, preview
from rialto.find.rules.rule import Rule, Scope, When
from rialto.find.rules.steps import ruled
from rialto.find.rules.store import Change, Refused, RuleStore, Stale
from rialto.find.rules.written import as_data, parse, read_rules, rule_of, to_json, to_toml

__all__ = [
    "Change",
    "Compiled",
    "Conflict",
    "Impact",
    "Past",
    "QueryImpact",
    "Refused",
    "Rule",
    "RuleBook",
    "RuleDesk",
    "RuleStore",
    "Saved",
    "Scope",
    "Stale",
    "When",
    "as_data",
    "conflicts",
    "effects",
    "parse",
    "preview",
    "read_rules",
    "rule_of",
    "ruled",
    "to_json",
    "to_toml",
]
