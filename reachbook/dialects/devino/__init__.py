"""Devino Online's Address Book (document 001). README.md says what was decided."""

from reachbook.dialects.devino.app import PREFIXES, REFERENCE, build

__all__ = ["PREFIXES", "REFERENCE", "build"]
