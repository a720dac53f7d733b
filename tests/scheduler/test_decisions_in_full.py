"""
Any commands in any order on tasks with all options of time: the invariants hold, fed by the log.
"""

import pytest

from azoth_scheduler.testing.machines import TaskMachine

pytestmark = pytest.mark.uncovered

TestTaskMachine = TaskMachine.TestCase
