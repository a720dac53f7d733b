"""
What handlers and the scheduler log, on standard error, with the fields that come with it.
"""

import logging
from typing import Final

__all__ = ["log_to_stderr"]

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


class _WithFields(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        said = " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{super().format(record)}  {said}" if said else super().format(record)
