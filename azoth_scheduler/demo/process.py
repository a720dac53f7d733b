"""
The worker's process, from outside: started, killed, ended.
"""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from attrs import define

from azoth import AzothError
from azoth_scheduler.demo.worker import GRACE_SECONDS

__all__ = ["DemoFailed", "WorkerProcess"]

_LAST_WORDS: Final = 5
_MODULE: Final = "azoth_scheduler.demo.worker"


@define(kw_only=True, slots=False)
class DemoFailed(AzothError):
    """
    Say that the demo could not be carried out; its log can be looked at.

    Attributes:
        reason: What happened.
    """

    reason: str

    def __str__(self) -> str:
        return f"the demo broke off: {self.reason}"


class WorkerProcess:
    """
    Hold one worker after the other; a context manager that leaves none behind.

    Args:
        url: The log.
        table: The file of the worker's schedule table.
        words: The file that its warnings go to.
    """

    def __init__(self, url: str, table: Path, words: Path) -> None:
        self._command = [sys.executable, "-m", _MODULE, url, str(table)]
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int | None:
        """
        Return the id of the process; None while there is none.
        """
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """
        Start a worker; the pipe to it is closed when this process dies, and that ends it too.
        """
        assert self._process is None, "one worker at a time"
        with self._words.open("ab") as words:
            # In a session of its own, so that Ctrl-C comes to us alone.
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                self._command,
                stdin=subprocess.PIPE,
                stdout=words,
                stderr=words,
                start_new_session=True,
            )

    def kill(self) -> None:
        """
        Send SIGKILL, which no program can answer, and wait until the worker is gone.
        """
        self._alive().kill()
        self._end()

    def stop(self) -> None:
        """
        Send SIGTERM, and wait until the worker has ended what it runs.

        Raises:
            DemoFailed: It did not end, or not well.
        """
        process = self._alive()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(2 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            raise DemoFailed(reason="the worker did not end when it was asked to") from None
        if code != 0:
            raise DemoFailed(reason=self._said(code))
        self._end()

    def check(self) -> None:
        """
        See that a worker that was started still runs.

        Raises:
            DemoFailed: It ended by itself.
        """
        code = None if self._process is None else self._process.poll()
        if code is not None:
            raise DemoFailed(reason=self._said(code))

    def _alive(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "a worker was started"
        return self._process

    def _end(self) -> None:
        process, self._process = self._alive(), None
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _said(self, code: int) -> str:
        lines = self._words.read_text(errors="replace").splitlines()[-_LAST_WORDS:]
        said = "\n  ".join(lines) or "nothing"
        return f"the worker ended by itself with code {code}; its last words were\n  {said}"
