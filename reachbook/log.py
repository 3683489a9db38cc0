"""Structured logs on standard error: JSON lines, or text on a terminal. One request's lines share its `request_id`."""

import logging
import sys

import msgspec
import structlog


def _json(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


def configure(level: str, form: str) -> None:
    """Set up once at start; `form` is json, text or auto."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    # Never the local variables of a trace: tokens and people's addresses are among them.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = plain if as_text else structlog.processors.JSONRenderer(_json)
    traces = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
    exceptions = [] if as_text else [traces]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *exceptions,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr) if as_text else structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    # Libraries write through the standard library; their warnings are worth a line, their progress is not.
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True)
