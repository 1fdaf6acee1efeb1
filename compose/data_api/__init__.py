"""A stand-in for the course's data API: the same protocol, synthetic rows, faults on demand.

It imports nothing of driftdesk, because it simulates an external service.
"""
