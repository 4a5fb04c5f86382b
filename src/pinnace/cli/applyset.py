"""Sets of applied objects (KEP-3659): a parent object tells which kinds and namespaces to look at for members that went.

Members carry the parent's id as a label; what carries it and was not applied this time is pruned. The parent is widened
before anything is applied and narrowed after all went well, so that a break in between forgets nothing.
https://git.k8s.io/enhancements/keps/sig-cli/3659-kubectl-apply-prune
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from pinnace.cli import cascade, dry_run
from pinnace.cli.builder import Selection
from pinnace.cli.commands.create import validation
from pinnace.cli.errors import CliError, ServerError, not_found
from pinnace.cli.flags import Values
from pinnace.cli.mapper import Resource
from pinnace.cli.session import Session

Object = dict[str, Any]
Say = Callable[[Selection, Object, str], None]
TOOL = "kubectl"  # also when it is called otherwise: sets are kubectl's and ours alike
_PREFIX = "applyset.kubernetes.io/"
ID, PART_OF, IS_PARENT_TYPE = f"{_PREFIX}id", f"{_PREFIX}part-of", f"{_PREFIX}is-parent-type"
TOOLING, KINDS = f"{_PREFIX}tooling", f"{_PREFIX}contains-group-kinds"
RESOURCES, NAMESPACES = f"{_PREFIX}contains-group-resources", f"{_PREFIX}additional-namespaces"


class ApplySet:
    def __init__(self, session: Session, flags: Values, parent: Selection) -> None:
        self._session, self._flags, self._parent = session, flags, parent
        self._kinds: dict[str, Resource] = {}  # in the set as it was, by group kind
        self._namespaces: set[str] = set()
        self._new_kinds: set[str] = set()
        self._new_namespaces: set[str] = set()

    @classmethod
    def of(cls, session: Session, flags: Values) -> "ApplySet":
        """The set that --applyset names: `[RESOURCE][.GROUP]/NAME`, a Secret where only a name is given."""
        text = flags["applyset"]
        kind, slash, name = text.partition("/")
        if not slash:
            kind, name = "secrets", text
        if not name:
            raise CliError(f'invalid parent reference "{text}": name cannot be blank')
        resource = session.mapper.lookup(kind)
        if resource is None:
            plural, _, group = kind.partition(".")
            where = f"{group}/" if group else "/"
            raise CliError(f'invalid parent reference "{text}": no matches for {where}, Resource={plural}')
        given = session.namespace_is_given and resource.namespaced
        return cls(session, flags, Selection(resource, name, session.namespace if given else ""))

    @property
    def id(self) -> str:
        row = self._parent.resource
        names = ".".join((self._parent.name, self._parent.namespace, row.kind, row.group))
        digest = urlsafe_b64encode(sha256(names.encode()).digest()).decode().rstrip("=")
        return f"applyset-{digest}-v1"

    def check_parent(self) -> None:
        """Secrets, config maps and custom resources whose definition says so may be parents."""
        row, problems = self._parent.resource, []
        if row.namespaced and not self._parent.namespace:
            problems.append("namespace is required to use namespace-scoped ApplySet")
        if not self._is_built_in and row.qualified not in self._parent_types():
            shown = f"{row.group}/{row.version}, Resource={row.name}"
            problems.append(
                f'resource "{shown}" is not permitted as an ApplySet parent (CRD needs "{IS_PARENT_TYPE}" label)'
            )
        if problems:
            raise CliError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")

    @property
    def _is_built_in(self) -> bool:
        return self._parent.resource.api_version == "v1" and self._parent.resource.name in (
            "secrets",
            "configmaps",
        )

    def _parent_types(self) -> set[str]:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        try:
            listed = self._session.http.get(path, {"labelSelector": IS_PARENT_TYPE})
        except ServerError as error:
            raise CliError(f"identifying allowed custom resource parent types: {error}") from error
        return {item["metadata"]["name"] for item in listed.get("items") or ()}

    # --- before

    def label(self, members: Iterable[Selection]) -> None:
        for one in members:
            assert one.manifest is not None
            metadata = one.manifest["metadata"]
            if PART_OF in (metadata.get("labels") or {}):
                raise CliError(f'ApplySet label "{PART_OF}" already set in input data')
            metadata["labels"] = {**(metadata.get("labels") or {}), PART_OF: self.id}

    def before_apply(self, members: Iterable[Selection]) -> None:
        self._read_parent()
        for one in members:
            self._new_kinds.add(_group_kind(one.resource))
            if one.resource.namespaced and one.namespace:
                self._new_namespaces.add(one.namespace)
        self._write_parent({*self._kinds, *self._new_kinds}, self._namespaces | self._new_namespaces)

    @property
    def _shown(self) -> str:
        return f'"{self._parent.resource.name}.{self._parent.resource.group}/{self._parent.name}"'

    def _read_parent(self) -> None:
        try:
            live = self._session.http.get(self._parent.path)
        except ServerError as error:
            if not not_found(error):
                raise CliError(f"failed to fetch ApplySet parent object {self._shown}: {error}") from error
            if not self._is_built_in:
                raise CliError("custom resource ApplySet parents cannot be created automatically") from error
            return
        labels, annotations = (live["metadata"].get(part) or {} for part in ("labels", "annotations"))
        self._check_owner(labels, annotations)
        try:
            self._kinds = self._kinds_of(annotations)
        except CliError as error:
            raise CliError(f"parsing ApplySet annotation on {self._shown}: {error}") from error
        self._namespaces = set(filter(None, annotations.get(NAMESPACES, "").split(",")))
        if self._parent.namespace:
            self._namespaces.add(self._parent.namespace)

    def _check_owner(self, labels: dict[str, str], annotations: dict[str, str]) -> None:
        about = f"ApplySet parent object {self._shown}"
        if TOOLING not in annotations:
            raise CliError(f'{about} already exists and is missing required annotation "{TOOLING}"')
        tool = annotations[TOOLING]
        base = tool.rpartition("/")[0] if "/" in tool else tool
        if base != TOOL:
            raise CliError(f'{about} already exists and is managed by tooling "{base}" instead of "{TOOL}"')
        if ID not in labels:
            raise CliError(f"{about} exists and does not have required label {ID}")
        if labels[ID] != self.id:
            raise CliError(
                f'{about} exists and has incorrect value for label "{ID}" (got: {labels[ID]}, want: {self.id})'
            )

    def _kinds_of(self, annotations: dict[str, str]) -> dict[str, Resource]:
        if KINDS not in annotations:
            if annotations.get(RESOURCES):
                return self._of_resources(annotations[RESOURCES])
            raise CliError(
                f'kubectl requires the "{KINDS}" annotation to be set on all ApplySet parent objects'
            )
        found = {}
        for text in filter(None, annotations[KINDS].split(",")):
            kind, _, group = text.partition(".")
            row = self._session.mapper.of_group_kind(group, kind)
            if row is None:
                where = f'kind "{kind}" in group "{group}"'
                raise CliError(
                    f'could not find mapping for kind in "{KINDS}" annotation: no matches for {where}'
                )
            found[text] = row
        return found

    def _of_resources(self, text: str) -> dict[str, Resource]:
        """Of the annotation that was before the one with kinds."""
        found = {}
        for name in text.split(","):
            row = self._session.mapper.lookup(name)
            if row is None:
                plural, _, group = name.partition(".")
                raise CliError(
                    f'invalid group resource in "{RESOURCES}" annotation: no matches for {group}/, Resource={plural}'
                )
            found[_group_kind(row)] = row
        return found

    # --- after

    def prune(self, visited: set[str], say: Say) -> None:
        for one, obj in list(self._leftovers(visited)):
            if dry_run.mode(self._flags) != "client":
                self._delete(one)
            say(one, obj, "pruned")
        try:
            self._write_parent(self._new_kinds, self._new_namespaces)
        except CliError as error:
            raise CliError(f"apply and prune succeeded, but ApplySet update failed: {error}") from error

    def _leftovers(self, visited: set[str]) -> Iterable[tuple[Selection, Object]]:
        for _, row in sorted(self._kinds.items()):
            for namespace in sorted(self._namespaces) if row.namespaced else ("",):
                try:
                    listed = self._session.http.get(
                        row.path(namespace), {"labelSelector": f"{PART_OF}={self.id}"}
                    )
                except ServerError as error:
                    kind = f"{row.group}/{row.version}, Kind={row.kind}"
                    raise CliError(f"listing {kind} objects for pruning: {error}") from error
                for item in listed.get("items") or ():
                    if item["metadata"]["uid"] not in visited:
                        obj = {"apiVersion": row.api_version, "kind": row.kind, **item}
                        yield Selection(row, item["metadata"]["name"], namespace), obj

    def _delete(self, one: Selection) -> None:
        try:
            self._session.http.request("DELETE", one.path, None, cascade.delete_options(self._flags))
        except ServerError as error:
            where = f"{one.namespace}/{one.name}" if one.namespace else one.name
            raise CliError(f"pruning {_group_kind(one.resource)} {where}: {error}") from error

    def _write_parent(self, kinds: Iterable[str], namespaces: set[str]) -> None:
        if dry_run.mode(self._flags) == "client":
            return
        from pinnace.cli.client_version import client_version

        row = self._parent.resource
        metadata: Object = {
            "name": self._parent.name,
            "annotations": {
                NAMESPACES: ",".join(sorted(namespaces - {self._parent.namespace})),
                KINDS: ",".join(sorted(kinds)),
                TOOLING: f"{TOOL}/{client_version()['gitVersion']}",
            },
            "labels": {ID: self.id},
        }
        if self._parent.namespace:
            metadata["namespace"] = self._parent.namespace
        body = {"apiVersion": row.api_version, "kind": row.kind, "metadata": metadata}
        query = {"fieldManager": f"{TOOL}-applyset", **validation(self._flags)}
        if dry_run.mode(self._flags) == "server":
            query["dryRun"] = "All"
        try:
            self._apply({**query, "force": "false"}, body)
        except ServerError as error:
            if error.reason != "Conflict":
                raise CliError(f"failed to update ApplySet: {error}") from error
            try:
                self._apply({**query, "force": "true"}, body)
            except ServerError as again:
                raise CliError(f"failed to update ApplySet: {again}") from again

    def _apply(self, query: dict[str, str], body: Object) -> None:
        self._session.http.request(
            "PATCH", self._parent.path, query, body, content_type="application/apply-patch+yaml"
        )


def _group_kind(row: Resource) -> str:
    return f"{row.kind}.{row.group}" if row.group else row.kind
