"""Timed readings of model files, in a process of their own.

`model_files` finds what to read, `runner` times it in a child process (`child`) with one of the
`engines`, `evict` and `residency` see to it that cold means cold, `store` keeps the results.
"""
