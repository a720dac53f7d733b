"""
The command `azoth-scheduler`: run workers, look at tasks, and change them, from a shell.

Exit codes: 0 it is so; 1 it is not (no such task, a trigger that was skipped, a demo whose proof
fails, something wrong that `health`, `lint`, `check` or `simulate` found); 2 the command was not
understood; 3 the store cannot be opened or used; 130 interrupted.
"""

import sys
from io import TextIOWrapper

__all__ = ["main"]


def main() -> None:
    """
    Run the command line, or say what to install for it.
    """
    try:
        # Without the extra, only this fails.
        from azoth.cli.output import guard_output  # noqa: PLC0415
        from azoth_scheduler.cli.commands import azoth_scheduler  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.exit(
            f"azoth-scheduler: {error.name} is missing; run: pip install 'azoth-scheduler[cli]'"
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a mark shows a question mark; that ends no command.
            stream.reconfigure(errors="replace")
    guard_output()
    azoth_scheduler()
