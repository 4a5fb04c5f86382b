"""One object on its way through the build, with what it was called before, so that references to it can follow."""

import json
from typing import Any

from pinnace.cli.kustomize.identity import Gvk, Id, split_api_version

Object = dict[str, Any]


class Resource:
    def __init__(self, obj: Object) -> None:
        self.obj = obj
        self.previous: list[tuple[str, str, str]] = []  # (namespace, name, kind), oldest first
        self.prefixes: list[str] = []
        self.suffixes: list[str] = []
        self.needs_hash = False
        self.behavior = ""  # of a generator: create, merge, replace

    @property
    def metadata(self) -> Object:
        found: Object = self.obj.setdefault("metadata", {})
        return found

    @property
    def kind(self) -> str:
        return str(self.obj.get("kind") or "")

    @property
    def name(self) -> str:
        return str((self.obj.get("metadata") or {}).get("name") or "")

    @property
    def namespace(self) -> str:
        return str((self.obj.get("metadata") or {}).get("namespace") or "")

    @property
    def gvk(self) -> Gvk:
        return Gvk(*split_api_version(str(self.obj.get("apiVersion") or "")), self.kind)

    @property
    def id(self) -> Id:
        return Id(self.gvk, self.name, self.namespace)

    @property
    def previous_ids(self) -> list[Id]:
        gvk = self.gvk
        return [Id(gvk._replace(kind=kind), name, namespace) for namespace, name, kind in self.previous]

    @property
    def ids(self) -> list[Id]:
        """Oldest first; the present one last."""
        return [*self.previous_ids, self.id]

    @property
    def original_id(self) -> Id:
        return self.ids[0]

    def remember(self) -> None:
        """Keep the present id among the previous ones, before it changes."""
        present = self.id
        self.previous.append((present.effective_namespace, present.name, present.gvk.kind))

    @property
    def text(self) -> str:
        """One line of JSON, with the history in annotations, as upstream's messages show a resource."""
        history = {
            "prefixes": self.prefixes,
            "previousKinds": [kind for _, _, kind in self.previous],
            "previousNames": [name for _, name, _ in self.previous],
            "previousNamespaces": [namespace for namespace, _, _ in self.previous],
            "suffixes": self.suffixes,
        }
        notes = {
            f"internal.config.kubernetes.io/{key}": ",".join(value) for key, value in history.items() if value
        }
        metadata = {**self.metadata, "annotations": {**self.annotations(), **notes}}
        return json.dumps(
            {**self.obj, "metadata": metadata}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )

    def labels(self) -> dict[str, str]:
        return (self.obj.get("metadata") or {}).get("labels") or {}

    def annotations(self) -> dict[str, str]:
        return (self.obj.get("metadata") or {}).get("annotations") or {}
