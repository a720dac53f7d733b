"""
The command `azoth`: look into a log from a shell, explain it, and take it elsewhere.

Exit codes: 0 it is so; 1 it is not (damage, a difference, or nothing was found); 2 the command was
not understood; 3 the store or file cannot be used; 130 interrupted: what was begun goes on by the
same command.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """
    Run the command line, or say what to install for it.
    """
    try:
        # Without the extra, only this fails.
        from azoth.cli.commands import azoth  # noqa: PLC0415
        from azoth.cli.output import guard_output  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.exit(f"azoth: {error.name} is missing; run: pip install 'azoth-scheduler[cli]'")
    guard_output()
    azoth()
