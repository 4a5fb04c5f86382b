"""describe config map, secret, namespace, service account."""

import base64
from typing import Any

from pinnace.cli.describe import policy
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.writer import Writer
from pinnace.cli.errors import ServerError
from pinnace.cli.session import Session

Object = dict[str, Any]


def _head(obj: Object, writer: Writer) -> None:
    metadata = obj["metadata"]
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))


def describe_config_map(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line()
    writer.line("Data")
    writer.line("====")
    for key in sorted(obj.get("data") or {}):
        writer.line(f"{key}:\n----")
        writer.line(obj["data"][key] + "\n")
    writer.line()
    writer.line("BinaryData")
    writer.line("====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        writer.line(f"{key}: {len(base64.b64decode(value))} bytes")
    writer.line()
    if show_events:
        write_events(writer, events_of(session, obj))


def describe_secret(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line()
    writer.line(f"Type:\t{obj.get('type', '')}")
    writer.line()
    writer.line("Data")
    writer.line("====")
    for key, value in sorted((obj.get("data") or {}).items()):
        raw = base64.b64decode(value)
        is_token = key == "token" and obj.get("type") == "kubernetes.io/service-account-token"
        writer.line(f"{key}:\t{raw.decode()}" if is_token else f"{key}:\t{len(raw)} bytes")


def describe_namespace(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata = obj["metadata"]
    writer.line(f"Name:\t{metadata['name']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"Status:\t{(obj.get('status') or {}).get('phase', '')}")
    conditions = (obj.get("status") or {}).get("conditions") or []
    if conditions:
        writer.line("Conditions:")
        writer.line("Type\tStatus\tLastTransitionTime\tReason\tMessage", 1)
        writer.line("----\t------\t------------------\t------\t-------", 1)
    for c in conditions:
        writer.line(
            f"{c['type']}\t{c['status']}\t{c.get('lastTransitionTime')}\t{c.get('reason')}\t{c.get('message')}",
            1,
        )
    _limits(session, metadata["name"], writer)


def _limits(session: Session, namespace: str, writer: Writer) -> None:
    """Quotas and limit ranges, where the server knows such resources."""
    for resource, nothing, title in (
        ("resourcequotas", "No resource quota.", "Resource Quotas"),
        ("limitranges", "No LimitRange resource.", "Resource Limits"),
    ):
        try:
            found = session.http.get(f"/api/v1/namespaces/{namespace}/{resource}").get("items") or []
        except ServerError:
            continue
        writer.line()
        writer.line(title if found else nothing)
        if found and resource == "limitranges":
            for head in policy.LIMITS_HEAD:
                writer.line(f" {head}")
        for item in found:
            if resource == "limitranges":
                policy.limit_lines(item, writer, " ")
            else:
                writer.line(f"Name:\t{item['metadata']['name']}", 1)
                policy.quota_lines(item, writer, 1, "* ", "---")


def describe_service_account(
    session: Session, obj: Object, writer: Writer, *, show_events: bool = True
) -> None:
    _head(obj, writer)
    path = f"/api/v1/namespaces/{obj['metadata']['namespace']}/secrets"
    secrets = session.http.get(path).get("items") or ()
    there = {secret["metadata"]["name"] for secret in secrets}
    tokens = [
        secret["metadata"]["name"]
        for secret in secrets
        if secret.get("type") == "kubernetes.io/service-account-token"
        and (secret["metadata"].get("annotations") or {}).get("kubernetes.io/service-account.uid")
        == obj["metadata"]["uid"]
    ]
    for title, names in (
        ("Image pull secrets", [entry["name"] for entry in obj.get("imagePullSecrets") or ()]),
        ("Mountable secrets", [entry["name"] for entry in obj.get("secrets") or ()]),
        ("Tokens", tokens),
    ):
        shown = [name if name in there else f"{name} (not found)" for name in names]
        for at, name in enumerate(shown or ["<none>"]):
            writer.line(f"{title}:\t{name}" if at == 0 else f"\t{name}")
    if show_events:
        write_events(writer, events_of(session, obj))


def describe_endpoints(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line("Subsets:")
    for subset in obj.get("subsets") or ():
        for field, title in (("addresses", "Addresses"), ("notReadyAddresses", "NotReadyAddresses")):
            addresses = ",".join(address["ip"] for address in subset.get(field) or ())
            writer.line(f"{title}:\t{addresses or '<none>'}", 1)
        if subset.get("ports"):
            writer.line("Ports:", 1)
            writer.line("Name\tPort\tProtocol", 2)
            writer.line("----\t----\t--------", 2)
        for port in subset.get("ports") or ():
            writer.line(f"{port.get('name') or '<unset>'}\t{port['port']}\t{port.get('protocol', 'TCP')}", 2)
        writer.line()
    if show_events:
        write_events(writer, events_of(session, obj))
