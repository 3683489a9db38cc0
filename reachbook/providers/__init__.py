"""Whom Reachbook calls by itself: the gateway of one-time passwords, and Meta for WhatsApp."""
