"""
Hypothesis strategies for tasks: schedules, requests, commands and the logs that they leave.

What chance would hardly draw comes often: leap days, ends of months, hours that clocks leave out or
repeat. Commands and logs are reachable: each could be given, or was decided, where it stands.
They need Hypothesis, which `azoth-scheduler[testing]` installs.
"""

from azoth_scheduler.testing._drawn_commands import commands, interleavings, task_logs
from azoth_scheduler.testing._drawn_crons import (
    CronFlaw,
    InvalidCron,
    cron_text,
    invalid_cron_text,
)
from azoth_scheduler.testing._drawn_schedules import (
    ZONES,
    crons,
    intervals,
    moments,
    occasions,
    one_times,
    schedules,
)
from azoth_scheduler.testing._drawn_tasks import definitions, options, requests, retry_policies

__all__ = [
    "ZONES",
    "CronFlaw",
    "InvalidCron",
    "commands",
    "cron_text",
    "crons",
    "definitions",
    "interleavings",
    "intervals",
    "invalid_cron_text",
    "moments",
    "occasions",
    "one_times",
    "options",
    "requests",
    "retry_policies",
    "schedules",
    "task_logs",
]
