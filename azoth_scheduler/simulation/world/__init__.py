"""
The world that is simulated: its time, its log, its schedulers, and what goes wrong there.
"""

__all__: list[str] = []
