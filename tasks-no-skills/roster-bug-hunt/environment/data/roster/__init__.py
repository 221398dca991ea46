"""Shifts of people, to the minute."""

from .book import Clash, Roster
from .spans import SpanSet
from .store import dumps, loads

__all__ = ["Clash", "Roster", "SpanSet", "dumps", "loads"]
