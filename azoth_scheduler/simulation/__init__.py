"""
The scheduler in a simulated world, and what must hold of every log that it writes there.
"""

__all__: list[str] = []
