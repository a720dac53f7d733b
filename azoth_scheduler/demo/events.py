"""
What the demo's handlers write into the log.
"""

from typing import Final

from attrs import frozen

from azoth import Registry
from azoth_scheduler import TaskEvent

__all__ = [
    "DiskMeasured",
    "FilesChecked",
    "LoadNoted",
    "LoadSampled",
    "ServiceAnswered",
    "WordsCounted",
    "registry",
    "told",
]

registry: Final = Registry()
"""The demo's event types."""


@registry.event("load_sampled")
@frozen(kw_only=True)
class LoadSampled:
    """
    Hold one look at this machine.

    Attributes:
        load_1: Processes that ran or waited, on average over the last minute.
        memory_used: The share of the memory in use, from 0 to 1; None where nobody tells.
    """

    load_1: float
    load_5: float
    load_15: float
    memory_used: float | None = None


@registry.event("load_noted")
@frozen(kw_only=True)
class LoadNoted:
    """
    Answer one sample, exactly once: what the projection of all samples so far says.

    Attributes:
        sample: The position of the sample that is answered.
        count: How many samples there were with it.
        mean: Of the load over all of them.
        digest: Of the rows that the handler keeps, at this sample.
    """

    sample: int
    count: int
    mean: float
    digest: str


@registry.event("files_checked")
@frozen(kw_only=True)
class FilesChecked:
    """
    Hold the checksum over the names and contents of many files.
    """

    files: int
    size: int
    sha256: str


@registry.event("disk_measured")
@frozen(kw_only=True)
class DiskMeasured:
    """
    Say how large a disk is and how much of it is free, in bytes.
    """

    path: str
    total: int
    free: int


@registry.event("words_counted")
@frozen(kw_only=True)
class WordsCounted:
    """
    Count the lines and words of one file.
    """

    path: str
    lines: int
    words: int


@registry.event("service_answered")
@frozen(kw_only=True)
class ServiceAnswered:
    """
    Say after how many failures a service answered.
    """

    failures: int


def told(event: object) -> TaskEvent:
    """
    Return an event of the demo as a handler hands it over.
    """
    encoded = registry.encode(event)
    return TaskEvent(encoded.type, encoded.data)
