"""Graceful shutdown of the node: pods end by priority while the machine waits.

It owns how the time is shared out (`periods`), what happens to pods and node (`manager`), and who tells of a shutdown (`logind`).
"""
