"""A stand-in for the course's data API: the same protocol, made-up rows, faults on demand.

It imports nothing of the desk, because it plays somebody else's service.
"""
