"""
What handlers and the scheduler log, on standard error, with the fields that come with it.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["log_to_stderr", "unreadable_events_unlogged"]

_OWN: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def log_to_stderr() -> None:
    """
    Print warnings, and from the scheduler and `ctx.logger` what is worth telling too.

    A program that sets up logging itself is left alone: the last resort is for those that do not.
    """
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.INFO)
        logging.lastResort.setFormatter(
            _WithFields("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
        )
    logging.getLogger("azoth_scheduler").setLevel(logging.INFO)


@contextmanager
def unreadable_events_unlogged() -> Generator[None, None, None]:
    """
    Leave out what the library logs of events that it cannot read: a command says it in one line.
    """
    logger = logging.getLogger("azoth_scheduler")
    logger.addFilter(_is_of_no_event)
    try:
        yield
    finally:
        logger.removeFilter(_is_of_no_event)


def _is_of_no_event(record: logging.LogRecord) -> bool:
    return not hasattr(record, "event_type")


class _WithFields(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        said = " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{super().format(record)}  {said}" if said else super().format(record)
