"""CM.com Addressbook v2 (document 000), and the v1.0 calls it keeps compatible. Decisions: README.md beside this file."""

from reachbook.dialects.cm_addressbook.app import PREFIXES, REFERENCE, build

__all__ = ["PREFIXES", "REFERENCE", "build"]
