"""Statements over thousands of rows of one account, planned for what is there now."""

from reachbook.database.queries import Transaction


async def prepare(tx: Transaction) -> None:
    """For the rest of the transaction: plans without a look at the values.

    The statistics know nothing of an account that is just being filled, so a plan made for its id expects one row and reads all of
    them for each row of the batch. A plan for any account expects an average one and takes the index. Plans that the connection
    keeps, those of cascades too, were made when the tables were smaller: they are made anew.
    """
    await tx.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    await tx.execute("DISCARD PLANS")
