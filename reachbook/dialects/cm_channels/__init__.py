"""CM.com Channels v1 (document 003). Decisions: README.md beside this file."""

from reachbook.dialects.cm_channels.app import PREFIXES, REFERENCE, build
from reachbook.dialects.cm_channels.policy import Policy

__all__ = ["PREFIXES", "REFERENCE", "Policy", "build"]
