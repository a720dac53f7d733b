"""
Where the schedule table is kept: in memory, or in a SQLite file beside the log.
"""
