"""
What a worker works with: its ports, its settings, and who keeps its lease.
"""

from attrs import frozen

from azoth.clocks import Clock, Microseconds
from azoth.store import EventStore
from azoth_scheduler.bell import Bell
from azoth_scheduler.executors.base import Executor
from azoth_scheduler.handlers import Handlers
from azoth_scheduler.leases import LeaseKeeper, LeaseWatch
from azoth_scheduler.projection.base import Served
from azoth_scheduler.settings import Settings
from azoth_scheduler.table import ScheduleTable

__all__ = ["Workshop"]


@frozen(kw_only=True)
class Workshop:
    """
    Hold what a worker works with; all of it is injected.

    Attributes:
        slots: How many attempts it runs at a time.
        survey_every: How often it looks after the workers of other attempts.
    """

    store: EventStore
    table: ScheduleTable
    clock: Clock
    executor: Executor
    bell: Bell
    handlers: Handlers
    settings: Settings
    keeper: LeaseKeeper
    watch: LeaseWatch
    served: Served
    slots: int
    survey_every: Microseconds
