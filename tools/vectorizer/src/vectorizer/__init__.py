"""Keeps the embeddings of PostgreSQL tables up to date, and searches them."""

from .errors import BadAnswer, Rejected, Unavailable, VectorizerError
from .search import Hit, asearch, search

__all__ = ["BadAnswer", "Hit", "Rejected", "Unavailable", "VectorizerError", "asearch", "search"]
__version__ = "1.1.0"
