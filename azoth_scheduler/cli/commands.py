"""
The group of all commands.
"""

import click

from azoth.cli.opening import Commands
from azoth_scheduler.cli.changing import backfill, cancel, pause, resume, trigger
from azoth_scheduler.cli.checking import check
from azoth_scheduler.cli.demonstrating import demo
from azoth_scheduler.cli.diagnosing import health
from azoth_scheduler.cli.explaining import explain, lint
from azoth_scheduler.cli.listing import forecast, runs, show, tasks
from azoth_scheduler.cli.options import EXIT_CODES
from azoth_scheduler.cli.rebuilding import rebuild, replay
from azoth_scheduler.cli.running import run
from azoth_scheduler.cli.simulating import simulate

__all__ = ["azoth_scheduler"]


class _InOrder(Commands):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        # By use, not by the alphabet: what comes first is what a stranger tries first.
        return list(self.commands)


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
@click.version_option(package_name="azoth-scheduler")
def azoth_scheduler() -> None:
    """
    Run tasks by cron, by interval, once or at once, and look at what became of them.

    A scheduler keeps everything in one log. Name it with --store, or once for all in AZOTH_STORE:
    sqlite:///data/azoth.db is a file in the folder data.
    """


for _command in (
    demo,
    run,
    tasks,
    show,
    runs,
    forecast,
    explain,
    lint,
    health,
    check,
    trigger,
    backfill,
    pause,
    resume,
    cancel,
    rebuild,
    replay,
    simulate,
):
    azoth_scheduler.add_command(_command)
