"""Where an object lives in the store: `/registry/RESOURCE/NAMESPACE/NAME`, or without the namespace."""

from dataclasses import dataclass
from typing import NamedTuple

ROOT = "/registry/"


class ObjectKey(NamedTuple):
    """`namespace` is "" for cluster-scoped objects."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class KeySpace:
    """The keys of one resource. `prefix` ends in "/"."""

    prefix: str
    namespaced: bool

    @classmethod
    def of(cls, storage_name: str, *, namespaced: bool) -> "KeySpace":
        return cls(f"{ROOT}{storage_name}/", namespaced)

    def key(self, name: str, namespace: str = "") -> str:
        return f"{self.prefix}{namespace}/{name}" if self.namespaced else self.prefix + name

    def scope(self, namespace: str) -> str:
        """The prefix of all keys in one namespace; "" means all of them."""
        return f"{self.prefix}{namespace}/" if self.namespaced and namespace else self.prefix

    def split(self, key: str) -> ObjectKey:
        namespace, _, name = key[len(self.prefix) :].rpartition("/")
        return ObjectKey(namespace, name)
