"""Moves vectors with their metadata into PostgreSQL."""

from .errors import ImportFailed
from .run import Plan, run

__all__ = ["ImportFailed", "Plan", "run"]
__version__ = "1.1.0"
