"""
The store that lives in this process and is the model for the others.
"""
