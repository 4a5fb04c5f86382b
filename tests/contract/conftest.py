"""The session's real containerd, for the runtime contract."""

from containerd_fixture import containerd

__all__ = ["containerd"]
