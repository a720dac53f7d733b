"""
The store in one LMDB environment.
"""
