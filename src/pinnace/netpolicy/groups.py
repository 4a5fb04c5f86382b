"""Which selectors mean a pod, found through the pod's own labels instead of by asking every selector. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from pinnace.apimachinery.selectors import Selector
from pinnace.netpolicy.model import Group

Scope = str | Selector  # the namespace of this name, or all namespaces with these labels
NAME_LABEL = "kubernetes.io/metadata.name"


class GroupIndex:
    def __init__(self) -> None:
        self._scopes: dict[Scope, _Selectors] = defaultdict(_Selectors)
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._selecting: dict[str, tuple[Selector, ...]] = {}  # namespace -> scopes that its labels match

    def add(self, group: Group) -> None:
        scope = scope_of(group)
        if scope not in self._scopes and isinstance(scope, Selector):
            self._selecting.clear()
        self._scopes[scope].add(group)

    def discard(self, group: Group) -> None:
        scope = scope_of(group)
        self._scopes[scope].discard(group)
        if not self._scopes[scope]:
            del self._scopes[scope]
            if isinstance(scope, Selector):
                self._selecting.clear()

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> bool:
        """None: there is none of this name. Whether its pods may belong to other groups now."""
        before = self.selecting(name)
        self._selecting.pop(name, None)
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels
        return self.selecting(name) != before

    def selecting(self, namespace: str) -> tuple[Selector, ...]:
        """The selectors of namespaces that this one's labels match; one not yet seen has the label that all have."""
        if namespace not in self._selecting:
            labels = self._namespaces.get(namespace, {NAME_LABEL: namespace})
            self._selecting[namespace] = tuple(
                scope for scope in self._scopes if isinstance(scope, Selector) and scope.matches(labels)
            )
        return self._selecting[namespace]

    def of(self, namespace: str, labels: Mapping[str, str]) -> Iterator[Group]:
        """Every group that a pod of this namespace with these labels belongs to."""
        for scope in (namespace, *self.selecting(namespace)):
            if scope in self._scopes:
                yield from self._scopes[scope].matching(labels)


def scope_of(group: Group) -> Scope:
    return group.namespace or group.namespaces


class _Selectors:
    """Groups of one scope; those that ask for a certain value of a label are found by it."""

    def __init__(self) -> None:
        self._by_pair: dict[tuple[str, str], set[Group]] = defaultdict(set)
        self._rest: set[Group] = set()

    def __bool__(self) -> bool:
        return bool(self._rest) or any(self._by_pair.values())

    def add(self, group: Group) -> None:
        pair = _required_pair(group.pods)
        (self._by_pair[pair] if pair else self._rest).add(group)

    def discard(self, group: Group) -> None:
        pair = _required_pair(group.pods)
        if not pair:
            self._rest.discard(group)
            return
        self._by_pair[pair].discard(group)
        if not self._by_pair[pair]:
            del self._by_pair[pair]

    def matching(self, labels: Mapping[str, str]) -> Iterator[Group]:
        for pair in labels.items():
            yield from _those(self._by_pair.get(pair, ()), labels)
        yield from _those(self._rest, labels)


def _those(groups: Iterable[Group], labels: Mapping[str, str]) -> Iterator[Group]:
    return (group for group in groups if group.pods.matches(labels))


def _required_pair(selector: Selector) -> tuple[str, str] | None:
    """A label and value that everything it matches has."""
    for requirement in selector.requirements:
        if requirement.operator == "In" and len(requirement.values) == 1:
            return requirement.key, next(iter(requirement.values))
    return None
