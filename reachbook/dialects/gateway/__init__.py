"""What gateways and mail systems tell Reachbook. README.md says what was decided."""

from reachbook.dialects.gateway.app import PREFIXES, REFERENCE, build

__all__ = ["PREFIXES", "REFERENCE", "build"]
