"""What can be wrong with the database before a request is served. The message is what the operator reads."""


class DatabaseError(Exception):
    """The database can't be used as configured; the text says why and what to do."""
