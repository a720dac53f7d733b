"""
What is played in the world: scenarios that seeds write, played, shrunk and kept.
"""

__all__: list[str] = []
