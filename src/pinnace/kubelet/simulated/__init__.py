"""Simulated nodes: node objects with heartbeats, on which pods become Running without containers.

For `pinnace up --nodes sim:N`, tests and benchmarks. Nothing runs, so logs, exec and probes do not exist here.
`behaviour.py` says what a test may tell containers to do.
"""

from pinnace.kubelet.simulated.node_objects import SimulatedNodesConfig
from pinnace.kubelet.simulated.nodes import SimulatedNodes

__all__ = ["SimulatedNodes", "SimulatedNodesConfig"]
