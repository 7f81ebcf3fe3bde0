"""Autocomplete: past queries, phrases of the catalogue, categories, brands and products for what was typed so far, ranked by a model."""

from rialto.find.suggest.ranking import FEATURES, Choices, Model, Ranking, Typed
from rialto.find.suggest.records import KINDS, Policy, Suggestion
from rialto.find.suggest.suggester import Suggester

__all__ = ["FEATURES", "KINDS", "Choices", "Model", "Policy", "Ranking", "Suggester", "Suggestion", "Typed"]
