"""Builds vector indexes of PostgreSQL from what a GPU has computed."""

from .errors import BuildFailed
from .run import Plan, run

__all__ = ["BuildFailed", "Plan", "run"]
__version__ = "1.1.0"
