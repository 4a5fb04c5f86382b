"""The Container Storage Interface on the wire: its messages, and calls to a driver's socket. Knows nothing of Kubernetes."""
