"""
Optimistic concurrency: what a writer may expect of a stream, the comparison, and the error.
"""

from enum import Enum
from typing import Final, Literal, NewType, TypeAlias

from attrs import define, frozen

from azoth.errors import Conflict

__all__ = [
    "ANY",
    "EXISTS",
    "Expected",
    "ExpectedVersion",
    "Position",
    "StaleWrite",
    "Version",
    "WrongExpectedVersion",
    "is_met",
]

Position = NewType("Position", int)
"""An event's place in the whole log: 1, 2, 3 … without holes; 0 stands before the first."""

Version = NewType("Version", int)
"""An event's place in its stream: 1, 2, 3 …; of a stream, how many events it has."""


class Expected(Enum):
    """
    Name what a writer expects of a stream when it is not one exact version.
    """

    ANY = "any"
    EXISTS = "exists"

    def __repr__(self) -> str:
        return self.name


ANY: Final = Expected.ANY
"""The stream may have any version, or not exist."""

EXISTS: Final = Expected.EXISTS
"""The stream has at least one event."""

ExpectedVersion: TypeAlias = int | Literal[Expected.ANY, Expected.EXISTS]
"""A version the stream must have (0: it must not exist), `ANY`, or `EXISTS`."""


def is_met(expected: ExpectedVersion, actual: int) -> bool:
    """
    Say whether a stream at version *actual* is as its writer expected.
    """
    match expected:
        case Expected.ANY:
            return True
        case Expected.EXISTS:
            return actual > 0
        case version:
            return version == actual


@frozen(kw_only=True)
class StaleWrite:
    """
    Hold one write whose expectation was not met.

    Attributes:
        stream: The stream's name.
        expected: What the writer expected.
        actual: The stream's version; 0 for one that does not exist.
    """

    stream: str
    expected: ExpectedVersion
    actual: int

    def __str__(self) -> str:
        return f"stream {self.stream!r} has version {self.actual}, expected {self.expected!r}"


@define(kw_only=True, slots=False)
class WrongExpectedVersion(Conflict):
    """
    Say that streams are not at the versions expected; load again and decide again.

    Attributes:
        failures: All stale writes of the append, in the order of its writes.
    """

    failures: tuple[StaleWrite, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.failures)) + "; nothing was written"
