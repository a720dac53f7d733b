"""
What tests of tasks need beyond `azoth.testing`.

`azoth_scheduler.testing.strategies` draws schedules, cron texts that are valid or refused,
requests, commands and whole logs of tasks, and `azoth_scheduler.testing.machines` drives a task
through whatever comes. Both need Hypothesis, which `azoth-scheduler[testing]` installs.

`azoth_scheduler.testing.fixtures` is a plug-in for pytest with the fixture `simulate`. Opt in by
`pytest_plugins = ["azoth_scheduler.testing.fixtures"]`.
"""

__all__: list[str] = []
