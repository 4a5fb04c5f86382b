"""The revisions of a rollout: replica sets of a deployment, controller revisions of the others."""

from typing import Any

from pinnace.cli.builder import Selection
from pinnace.cli.errors import CliError
from pinnace.cli.mapper import Resource
from pinnace.cli.printers.tabwriter import align
from pinnace.cli.session import Session

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
HASH = "pod-template-hash"
NO_HISTORY = "No rollout history found."
# annotations that a rollback leaves as they are
_OWN = frozenset({"kubectl.kubernetes.io/last-applied-configuration", REVISION, "deployment.kubernetes.io/revision-history",
                  "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas", "deprecated.deployment.rollback.to"})  # fmt: skip


def of(session: Session, one: Selection, obj: Object) -> dict[int, Object]:
    """Number -> replica set or controller revision."""
    if one.resource.name == "deployments":
        resource = session.mapper.find("replicasets.apps")
        numbered = [
            ((item["metadata"].get("annotations") or {}).get(REVISION), item)
            for item in _owned(session, resource, obj)
        ]
        return {int(number): item for number, item in numbered if number}
    if one.resource.name in ("daemonsets", "statefulsets"):
        resource = session.mapper.find("controllerrevisions.apps")
        return {item["revision"]: item for item in _owned(session, resource, obj)}
    raise CliError(f'no history viewer has been implemented for "{one.resource.kind}"')


def _owned(session: Session, resource: Resource, owner: Object) -> list[Object]:
    path = resource.path(owner["metadata"]["namespace"])
    from pinnace.cli.selectors_text import of_label_selector

    found = session.http.get(path, {"labelSelector": of_label_selector(owner["spec"].get("selector"))})
    uid = owner["metadata"]["uid"]
    return [
        {"apiVersion": resource.api_version, "kind": resource.kind, **item}
        for item in found.get("items") or ()
        if any(
            o.get("uid") == uid and o.get("controller") for o in item["metadata"].get("ownerReferences") or ()
        )
    ]


def table(known: dict[int, Object]) -> str:
    if not known:
        return NO_HISTORY
    rows = ["REVISION\tCHANGE-CAUSE"]
    for number in sorted(known):
        cause = (known[number]["metadata"].get("annotations") or {}).get(CHANGE_CAUSE)
        rows.append(f"{number}\t{cause or '<none>'}")
    return align("\n".join(rows) + "\n")


def target(one: Selection, known: dict[int, Object], wanted: int) -> int:
    """The revision to go back to: the one asked for, or the last but one."""
    if wanted:
        if wanted not in known:
            raise CliError(f"unable to find specified revision {wanted} in history")
        return wanted
    if len(known) < 2 and one.resource.name != "deployments":
        raise CliError("no last revision to roll back to")
    if len(known) < 2:
        raise CliError(f'no rollout history found for {one.resource.kind.lower()} "{one.name}"')
    return sorted(known)[-2]


def as_it_was(obj: Object, revision: Object) -> Object:
    if revision["kind"] != "ControllerRevision":
        return revision
    from pinnace.apimachinery.gvk import GVK
    from pinnace.apimachinery.patch import strategic
    from pinnace.apimachinery.schema import schemas

    return strategic.apply(obj, revision["data"], schemas.for_gvk(GVK("apps", "v1", obj["kind"])))


def template(revision: Object) -> Object:
    if revision["kind"] == "ControllerRevision":
        found: Object = revision["data"]["spec"]["template"]
    else:
        found = revision["spec"]["template"]
    return found


def template_text(revision: Object) -> str:
    from pinnace.cli.describe.pod_template import pod_template_text
    from pinnace.cli.describe.writer import Writer

    shown = template(revision)
    cause = (revision["metadata"].get("annotations") or {}).get(CHANGE_CAUSE)
    if cause and revision["kind"] == "ReplicaSet":  # kubectl tells it only of deployments
        metadata = shown.get("metadata") or {}
        annotations = {**(metadata.get("annotations") or {}), CHANGE_CAUSE: cause}
        shown = {**shown, "metadata": {**metadata, "annotations": annotations}}
    writer = Writer()
    pod_template_text(shown, writer)
    return writer.unaligned()  # kubectl does not align this one


def undo_patch(resource: Resource, obj: Object, revision: Object) -> tuple[str, Any] | None:
    """(content type, patch), or None when the template is that of the revision already."""
    if resource.name != "deployments":
        kept = {field: value for field, value in template(revision).items() if field != "$patch"}
        if kept == obj["spec"]["template"]:
            return None
        return "application/strategic-merge-patch+json", revision["data"]
    wanted = _without_hash(template(revision))
    if wanted == _without_hash(obj["spec"]["template"]):
        return None
    old = obj["metadata"].get("annotations") or {}
    kept = {k: v for k, v in old.items() if k in _OWN}
    given = {k: v for k, v in (revision["metadata"].get("annotations") or {}).items() if k not in _OWN}
    operations = [
        {"op": "replace", "path": "/spec/template", "value": wanted},
        {"op": "replace" if old else "add", "path": "/metadata/annotations", "value": {**given, **kept}},
    ]
    return "application/json-patch+json", operations


def _without_hash(shown: Object) -> Object:
    metadata = dict(shown.get("metadata") or {})
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH}
    return {**shown, "metadata": {**metadata, "labels": labels}}
