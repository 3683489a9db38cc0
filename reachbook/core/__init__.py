"""The rules of Reachbook, one module per noun. Knows nothing of HTTP or settings.

A function that takes `db` is a whole unit of work and commits; one that takes `tx` is part of one. The account
comes first everywhere.
"""
