"""describe resource quota, limit range, disruption budget and priority class."""

from typing import Any

from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.writer import Writer
from pinnace.cli.selectors_text import of_label_selector
from pinnace.cli.session import Session

Object = dict[str, Any]
# What kubectl says of these scopes.
SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being "
    "actively terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually include long running pods whose "
    "container command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a best effort quality of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed "
    "quality of service.",
}
LIMITS_HEAD = (
    "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio",
    "----\t--------\t---\t---\t---------------\t-------------\t-----------------------",
)


def describe_quota(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    writer.line(f"Name:\t{obj['metadata']['name']}")
    writer.line(f"Namespace:\t{obj['metadata']['namespace']}")
    quota_lines(obj, writer, 0, " * ", "----")


def quota_lines(obj: Object, writer: Writer, level: int, bullet: str, rule: str) -> None:
    """Its scopes, and what is used of what may be."""
    scopes = sorted((obj.get("spec") or {}).get("scopes") or ())
    if scopes:
        writer.line(f"Scopes:\t{', '.join(scopes)}", level)
    for scope in scopes:
        if scope in SCOPES:
            writer.line(f"{bullet}{SCOPES[scope]}", level)
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    writer.line("Resource\tUsed\tHard", level)
    writer.line(f"--------\t{rule}\t{rule}", level)
    for name in sorted(hard):
        writer.line(f"{name}\t{used.get(name, '0')}\t{hard[name]}", level)


def describe_limits(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    writer.line(f"Name:\t{obj['metadata']['name']}")
    writer.line(f"Namespace:\t{obj['metadata']['namespace']}")
    for head in LIMITS_HEAD:
        writer.line(head)
    limit_lines(obj, writer)


def limit_lines(obj: Object, writer: Writer, indent: str = "") -> None:
    fields = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
    for item in obj["spec"].get("limits") or ():
        for name in sorted({name for field in fields for name in item.get(field) or ()}):
            cells = [(item.get(field) or {}).get(name, "-") for field in fields]
            writer.line(indent + "\t".join([item["type"], name, *cells]))


def describe_budget(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    if spec.get("minAvailable") is not None:
        writer.line(f"Min available:\t{spec['minAvailable']}")
    elif spec.get("maxUnavailable") is not None:
        writer.line(f"Max unavailable:\t{spec['maxUnavailable']}")
    selector = spec.get("selector")
    shown = "<unset>" if selector is None else of_label_selector(selector, empty="<none>")
    writer.line(f"Selector:\t{shown}")
    writer.line("Status:")
    for field, title in (
        ("disruptionsAllowed", "Allowed disruptions"),
        ("currentHealthy", "Current"),
        ("desiredHealthy", "Desired"),
        ("expectedPods", "Total"),
    ):
        writer.line(f"{title}:\t{status.get(field, 0)}", 2)
    if show_events:
        write_events(writer, events_of(session, obj))


def describe_priority_class(
    session: Session, obj: Object, writer: Writer, *, show_events: bool = True
) -> None:
    annotations = obj["metadata"].get("annotations") or {}
    writer.line(f"Name:\t{obj['metadata']['name']}")
    writer.line(f"Value:\t{obj.get('value', 0)}")
    writer.line(f"GlobalDefault:\t{'true' if obj.get('globalDefault') else 'false'}")
    writer.line(f"PreemptionPolicy:\t{obj.get('preemptionPolicy', '')}")
    writer.line(f"Description:\t{obj.get('description', '')}")
    writer.line(f"Annotations:\t{','.join(f'{k}={v}' for k, v in sorted(annotations.items())) or '<none>'}")
    if show_events:
        write_events(writer, events_of(session, obj))
