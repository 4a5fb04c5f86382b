"""Probes: one module per kind of check, a worker per container and probe, and the manager that keeps the workers.

Owns the results; the core asks for them and decides what follows. Touches the network and CRI's ExecSync.
"""
