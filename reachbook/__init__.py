"""Reachbook: the address book, consent ledger and channel desk for business messaging."""

from importlib.metadata import version

__version__ = version("reachbook")
