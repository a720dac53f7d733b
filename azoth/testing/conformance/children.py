"""
Child processes of the suite: a program here, run by `python -m`, that says what it sees.

A child prints one line for each step and reads one line where it must wait, so that nobody sleeps.
"""

import subprocess
import sys
from types import TracebackType
from typing import Final, Self

__all__ = ["Child"]


class Child:
    """
    Be one running child.

    Args:
        program: Its name in `azoth.testing._programs`.
        *arguments: Of the program; the first is the store's URL.
    """

    def __init__(self, program: str, *arguments: object) -> None:
        self._process: Final = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "azoth.testing._programs", program]
            + [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def line(self) -> str:
        """
        Return the next line that the child prints; empty at its end.
        """
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def go(self) -> None:
        """
        Let the child go on.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def rest(self) -> list[str]:
        """
        Return the lines that the child prints until its end, which must be a good one.
        """
        lines = self._last_lines()
        assert self._process.returncode == 0, f"the child ended with {self._process.returncode}"
        return lines

    def kill(self) -> list[str]:
        """
        Kill the child at once, as `kill -9` does, and return the lines that it printed before.
        """
        self._process.kill()
        return self._last_lines()

    def _last_lines(self) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return []
        # `communicate` would pass over what `line` has read ahead.
        lines = self._process.stdout.read().splitlines()
        self._process.wait()
        self._process.stdout.close()
        self._process.stdin.close()
        return lines
