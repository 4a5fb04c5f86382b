"""The session's real containerd and real etcd, for the runtime contract and the store contract."""

from containerd_fixture import containerd
from etcd_server import etcd

__all__ = ["containerd", "etcd"]
