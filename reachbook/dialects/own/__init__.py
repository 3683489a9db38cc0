"""Reachbook's own API: what none of the vendors' wires has. README.md says what was decided."""

from reachbook.dialects.own.app import PREFIXES, REFERENCE, build

__all__ = ["PREFIXES", "REFERENCE", "build"]
