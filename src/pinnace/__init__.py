"""Pinnace: a complete Kubernetes cluster in Python, wire-compatible with Kubernetes v1.36."""

__version__ = "0.1.0"
KUBERNETES_VERSION = ("1", "36", "2")
