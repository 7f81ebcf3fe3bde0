"""Facets of what was found: which are shown, their values, ranges and category paths, counted in products, each as ticking would show."""

from rialto.find.facets.counted import Counts, count
from rialto.find.facets.inside import check_selections, facet_values
from rialto.find.facets.made import facets, made
from rialto.find.facets.table import FacetTable

__all__ = ["Counts", "FacetTable", "check_selections", "count", "facet_values", "facets", "made"]
