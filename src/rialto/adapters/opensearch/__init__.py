"""Text and vectors in OpenSearch: fielded BM25 and k-NN over HTTP, each an index of its own on one server or a cluster."""

from rialto.adapters.opensearch.text import OpenSearchText
from rialto.adapters.opensearch.vectors import OpenSearchVectors

__all__ = ["OpenSearchText", "OpenSearchVectors"]
