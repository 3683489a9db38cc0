"""Digitaleo's Contacts API (document 002) and its token endpoint. README.md says what was decided."""

from reachbook.dialects.digitaleo.app import PREFIXES, REFERENCE, build

__all__ = ["PREFIXES", "REFERENCE", "build"]
