"""
A scheduler whose every decision is an event in the log.
"""
