"""describe stateful set."""

from typing import Any

from pinnace.cli.ages import rfc1123
from pinnace.cli.describe.deployment import pod_counts
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.pod_template import pod_template_text
from pinnace.cli.describe.writer import Writer
from pinnace.cli.selectors_text import of_label_selector
from pinnace.cli.session import Session

Object = dict[str, Any]


def describe(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.line(f"CreationTimestamp:\t{rfc1123(metadata.get('creationTimestamp'))}")
    writer.line(f"Selector:\t{of_label_selector(spec.get('selector'), empty='<none>')}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"Replicas:\t{spec.get('replicas', 1)} desired | {status.get('replicas', 0)} total")
    update = spec.get("updateStrategy") or {}
    writer.line(f"Update Strategy:\t{update.get('type', '')}")
    rolling = update.get("rollingUpdate") or {}
    if "partition" in rolling:
        writer.line(f"Partition:\t{rolling['partition']}", 1)
        if "maxUnavailable" in rolling:
            writer.line(f"MaxUnavailable:\t{rolling['maxUnavailable']}", 1)
    writer.line(f"Pods Status:\t{pod_counts(session, obj)}")
    pod_template_text(spec["template"], writer)
    _write_claims(writer, spec.get("volumeClaimTemplates") or [])
    if show_events:
        write_events(writer, events_of(session, obj))


def _write_claims(writer: Writer, templates: list[Object]) -> None:
    if not templates:
        writer.line("Volume Claims:\t<none>")
        return
    writer.line("Volume Claims:")
    for claim in templates:
        spec = claim.get("spec") or {}
        writer.line(f"Name:\t{claim['metadata']['name']}", 1)
        writer.line(f"StorageClass:\t{spec.get('storageClassName') or ''}", 1)
        writer.labels("  Labels", claim["metadata"].get("labels"))
        writer.labels("  Annotations", claim["metadata"].get("annotations"))
        requests = (spec.get("resources") or {}).get("requests") or {}
        writer.line(f"Capacity:\t{requests.get('storage', '<default>')}", 1)
        writer.line(f"Access Modes:\t[{' '.join(spec.get('accessModes') or ())}]", 1)
