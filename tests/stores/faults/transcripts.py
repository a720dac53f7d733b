"""
What a writing child said, read as a history.
"""

from collections.abc import Iterable, Iterator

from attrs import frozen

__all__ = ["Transcript"]


@frozen
class Transcript:
    """
    Hold the lines that a writer said, in order.
    """

    lines: tuple[str, ...]

    @classmethod
    def of(cls, *parts: Iterable[str]) -> "Transcript":
        """
        Return the transcript of all *parts*, one after the other.
        """
        return cls(tuple(line for part in parts for line in part))

    @property
    def acknowledged(self) -> int:
        """
        Return the number of the last batch that was acknowledged.
        """
        return max((int(words[1]) for words in self._words("ack")), default=0)

    @property
    def tried(self) -> int:
        """
        Return the number of the last batch that was tried.
        """
        return max((int(words[1]) for words in self._words("try")), default=0)

    @property
    def ended(self) -> bool:
        """
        Say whether the writer came to its end.
        """
        return "end" in self.lines

    @property
    def errors(self) -> list[str]:
        """
        Return the names of the errors that its appends, its opening and its closing raised.
        """
        return [words[2] for words in self._words("err")] + [
            words[1] for words in self._words("broken")
        ]

    @property
    def probes(self) -> list[tuple[str, str]]:
        """
        Return how the store answered after an error: what was tried, and `ok` or an error.
        """
        return [(words[1], words[2]) for words in self._words("probe")]

    @property
    def untyped(self) -> list[str]:
        """
        Return the errors that came out as the engine raised them.
        """
        return [f"came out as it was: {line}" for line in self.lines if line.startswith("untyped")]

    def _words(self, first: str) -> Iterator[list[str]]:
        for line in self.lines:
            words = line.split()
            if words[0] == first:
                yield words
