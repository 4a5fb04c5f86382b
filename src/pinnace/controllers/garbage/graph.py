"""The graph of owners and dependents over all objects, by uid. Pure: it says what to look at next and does nothing itself."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.gvk import GVR, parse_api_version

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
REMEMBERED_ABSENT = 20_000


@dataclass(slots=True, eq=False)
class Node:
    """`is_virtual`: somebody names it as owner, but no informer has shown it yet; it must be looked up."""

    uid: str
    name: str
    namespace: str
    api_version: str = ""
    kind: str = ""
    gvr: GVR | None = None
    is_virtual: bool = False
    is_terminating: bool = False
    finalizers: frozenset[str] = frozenset()
    owners: tuple[Object, ...] = ()
    dependents: dict[str, "Node"] = field(default_factory=dict)

    @property
    def is_deleting_dependents(self) -> bool:
        return self.is_terminating and FOREGROUND in self.finalizers

    @property
    def is_orphaning(self) -> bool:
        return self.is_terminating and ORPHAN in self.finalizers

    def is_named_by(self, reference: Object) -> bool:
        """A uid alone is not enough: the reference must also name the kind and the name that belong to it."""
        group, _ = parse_api_version(reference["apiVersion"])
        own, _ = parse_api_version(self.api_version)
        return (self.kind, self.name, own) == (reference["kind"], reference["name"], group)

    def may_own(self, child: "Node") -> bool:
        """Only what is in the same namespace, unless it is cluster-scoped itself (or not known well enough yet)."""
        return self.is_virtual or not self.namespace or self.namespace == child.namespace

    def blocking_dependents(self) -> list["Node"]:
        """Dependents that said that this owner must not go before them."""
        return [
            node
            for node in self.dependents.values()
            if node is not self
            and self.may_own(node)
            and any(ref["uid"] == self.uid and ref.get("blockOwnerDeletion") for ref in node.owners)
        ]


class Graph:
    """`put` and `remove` yield the nodes that may now be garbage, or whose owners wait for them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._absent: OrderedDict[str, None] = OrderedDict()

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def is_absent(self, uid: str) -> bool:
        return uid in self._absent

    def put(self, obj: Object, gvr: GVR) -> Iterator[Node]:
        metadata = obj["metadata"]
        uid = metadata.get("uid", "")
        node = self._nodes.get(uid)
        is_new = node is None or node.is_virtual
        self._absent.pop(uid, None)
        if node is None:
            node = self._nodes[uid] = Node(uid, meta.name(obj), meta.namespace(obj))
        was_deleting, before = node.is_deleting_dependents, node.owners
        node.name, node.namespace = meta.name(obj), meta.namespace(obj)
        node.api_version, node.kind, node.gvr = obj["apiVersion"], obj["kind"], gvr
        node.is_virtual = False
        node.is_terminating = meta.is_terminating(obj)
        node.finalizers = frozenset(metadata.get("finalizers") or ())
        owners = tuple(metadata.get("ownerReferences") or ())
        if owners != before:
            node.owners = owners
            yield from self._relink(node, before, owners)
        if is_new:
            yield from [child for child in node.dependents.values() if not self._is_owned(child, node)]
        if node.is_orphaning or node.is_deleting_dependents:
            yield node
        if node.is_deleting_dependents and (is_new or not was_deleting):
            yield from list(node.dependents.values())

    def _relink(self, node: Node, before: tuple[Object, ...], after: tuple[Object, ...]) -> Iterator[Node]:
        kept = {ref["uid"] for ref in after}
        for ref in before:
            owner = self._nodes.get(ref["uid"])
            if owner is not None and owner.uid not in kept:
                owner.dependents.pop(node.uid, None)
            if owner is not None and owner.is_deleting_dependents:
                yield owner
        for ref in after:
            owner = self._nodes.get(ref["uid"])
            if owner is None:
                owner = Node(
                    ref["uid"], ref["name"], node.namespace, ref["apiVersion"], ref["kind"], is_virtual=True
                )
                self._nodes[owner.uid] = owner
                yield owner
            owner.dependents[node.uid] = node
            if owner.is_deleting_dependents or self.is_absent(owner.uid) or not self._is_owned(node, owner):
                yield node

    @staticmethod
    def _is_owned(child: Node, owner: Node) -> bool:
        """Whether every reference to `owner` is one that can be right."""
        return owner.is_virtual or (
            owner.may_own(child)
            and all(owner.is_named_by(ref) for ref in child.owners if ref["uid"] == owner.uid)
        )

    def remove(self, uid: str) -> Iterator[Node]:
        """The object is gone: its dependents may be garbage, and owners in foreground deletion may go on."""
        self._absent[uid] = None
        while len(self._absent) > REMEMBERED_ABSENT:
            self._absent.popitem(last=False)
        node = self._nodes.pop(uid, None)
        if node is None:
            return
        for ref in node.owners:
            owner = self._nodes.get(ref["uid"])
            if owner is not None:
                owner.dependents.pop(uid, None)
                if owner.is_deleting_dependents:
                    yield owner
                elif owner.is_virtual and not owner.dependents:
                    del self._nodes[owner.uid]
        yield from list(node.dependents.values())
