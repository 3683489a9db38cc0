"""What Meta tells of WhatsApp templates. README.md says what was decided."""

from reachbook.dialects.meta.app import PREFIXES, REFERENCE, build

__all__ = ["PREFIXES", "REFERENCE", "build"]
