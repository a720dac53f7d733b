"""
Any state of the past: rebuilt, compared, searched and explained.

Write `from azoth.replay import state_at`; the name `azoth.replay` itself is the function `replay`.
"""

from azoth.replay.errors import (
    BeforeFirstEvent,
    HoldsFromStart,
    NeverHolds,
    PositionBeyondHead,
    ReplayError,
    UnknownPlugin,
)
from azoth.replay.plugins import DECIDERS, PROJECTIONS, Factory, Rules, deciders, projections
from azoth.replay.replaying import digest, position_at, replay

__all__ = [
    "DECIDERS",
    "PROJECTIONS",
    "BeforeFirstEvent",
    "Factory",
    "HoldsFromStart",
    "NeverHolds",
    "PositionBeyondHead",
    "ReplayError",
    "Rules",
    "UnknownPlugin",
    "deciders",
    "digest",
    "position_at",
    "projections",
    "replay",
]
