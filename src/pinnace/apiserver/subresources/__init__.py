"""Subresources whose answer comes from a node or a pod: logs, exec, attach, port-forward, proxy, metrics."""
