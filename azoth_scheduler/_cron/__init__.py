"""
The cron dialect and its evaluator: from text to numbers, days, wall-clock times, and instants.

Nothing here is promised; `azoth_scheduler.cron` is the door.
"""
