"""What Meta is to be told of templates, and what it is asked about them: for templates whose news did not come by webhook."""

import asyncio
from functools import partial

import structlog

from reachbook.core import ids, provider_templates
from reachbook.core.provider_templates import SLACK
from reachbook.database.queries import Database
from reachbook.providers.meta import Meta, RefusedError
from reachbook.providers.outbound import NoAnswerError
from reachbook.workers.runner import Job

log = structlog.get_logger("reachbook.provider")


def jobs(meta: Meta) -> list[Job]:
    """The jobs of an installation that is connected to Meta."""
    return [Job("templates to Meta", partial(submit_due, meta), 2.0), Job("templates of Meta", partial(poll_due, meta), 60.0)]


async def submit_due(meta: Meta, db: Database, _: asyncio.Event) -> int:
    """Tell Meta of one language that is due; answers how many there were.

    A worker that ends between the telling and the recording leaves it to the next, who finds at Meta what was made.
    """
    submission = await provider_templates.claim_due(db, ids.now())
    if submission is None:
        return 0
    account, language = submission.account, submission.language_id
    try:
        told = await meta.submit(submission)
    except (NoAnswerError, RefusedError) as error:
        again = isinstance(error, NoAnswerError)
        log.warning("template not submitted", account=str(account), language=str(language), again=again, error=str(error))
        await provider_templates.failed(db, account, language, str(error), again=again, now=ids.now())
    else:
        log.info("template submitted", account=str(account), language=str(language), template=told.provider_id, status=told.status)
        await provider_templates.submitted(db, account, language, told.provider_id, told.status, ids.now())
    return 1


async def poll_due(meta: Meta, db: Database, stopping: asyncio.Event) -> int:
    """Ask for the templates of the business account whose turn it is; answers how many accounts there were."""
    business = await provider_templates.next_poll(db, ids.now())
    if business is None:
        return 0
    # The instant is by our own clock: it needs none of the slack that core gives to Meta's, and must not profit by it. A list that was
    # on its way while a template was submitted is about what was there before.
    asked = ids.now() - SLACK
    try:
        async for said in meta.templates(business):
            await provider_templates.heard(db, said, said_at=asked, now=ids.now())
            if stopping.is_set():
                break
    except (NoAnswerError, RefusedError) as error:
        log.warning("templates not read", business=business, error=str(error))
    return 1
