"""Stands in for pytest-kind where kr8s's suite asks for a cluster: the one that `tests/clients/run.py` has started."""
