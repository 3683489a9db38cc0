"""The operator's API: who stands behind the wires. README.md says what was decided."""

from reachbook.dialects.operator.app import PREFIXES, REFERENCE, build

__all__ = ["PREFIXES", "REFERENCE", "build"]
