"""describe horizontalpodautoscaler."""

from typing import Any

from pinnace.cli.ages import rfc1123
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.writer import Writer
from pinnace.cli.session import Session

Object = dict[str, Any]
UNKNOWN = "<unknown>"


def describe(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    target = spec["scaleTargetRef"]
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"CreationTimestamp:\t{rfc1123(metadata.get('creationTimestamp'))}")
    writer.line(f"Reference:\t{target['kind']}/{target['name']}")
    writer.line("Metrics:\t( current / target )")
    current = status.get("currentMetrics") or []
    for at, metric in enumerate(spec.get("metrics") or ()):
        writer.line(metric_line(metric, current[at] if at < len(current) else {}), 1)
    writer.line(f"Min replicas:\t{spec.get('minReplicas', '<unset>')}")
    writer.line(f"Max replicas:\t{spec['maxReplicas']}")
    if behavior := spec.get("behavior"):
        writer.line("Behavior:")
        for title, rules in (
            ("Scale Up", behavior.get("scaleUp")),
            ("Scale Down", behavior.get("scaleDown")),
        ):
            if rules is not None:
                _direction(writer, title, rules)
    now, wanted = status.get("currentReplicas", 0), status.get("desiredReplicas", 0)
    writer.line(f"{target['kind']} pods:\t{now} current / {wanted} desired")
    if conditions := status.get("conditions"):
        writer.line("Conditions:")
        writer.line("Type\tStatus\tReason\tMessage", 1)
        writer.line("----\t------\t------\t-------", 1)
        for one in conditions:
            cells = (one["type"], one["status"], one.get("reason", ""), one.get("message", ""))
            writer.line("\t".join(cells), 1)
    if show_events:
        write_events(writer, events_of(session, obj))


def metric_line(metric: Object, current: Object) -> str:
    kind = metric["type"]
    field = kind[:1].lower() + kind[1:]
    source = metric.get(field) or {}
    target, reading = source.get("target") or {}, (current.get(field) or {}).get("current") or {}
    if kind == "External":
        if target.get("averageValue") is not None:
            return _named(source, " (target average value)", reading, target, "averageValue")
        return _named(source, " (target value)", reading, target, "value")
    if kind == "Pods":
        return _named(source, " on pods", reading, target, "averageValue")
    if kind == "Object":
        about = source["describedObject"]
        where = f" on {about['kind']}/{about['name']} "
        if target["type"] == "AverageValue":
            return _named(source, f"{where}(target average value)", reading, target, "averageValue")
        return _named(source, f"{where}(target value)", reading, target, "value")
    if kind in ("Resource", "ContainerResource"):
        of = f' of container "{source["container"]}"' if kind == "ContainerResource" else ""
        return f"resource {source['name']}{of} on pods{_usage(reading, target)}"
    return f'<unknown metric type "{kind}">'


def _named(source: Object, what: str, reading: Object, target: Object, field: str) -> str:
    return f'"{source["metric"]["name"]}"{what}:\t{reading.get(field) or UNKNOWN} / {target[field]}'


def _usage(reading: Object, target: Object) -> str:
    if target.get("averageValue") is not None:
        return f":\t{reading.get('averageValue') or UNKNOWN} / {target['averageValue']}"
    share = reading.get("averageUtilization")
    now = UNKNOWN if share is None else f"{share}% ({reading.get('averageValue')})"
    wanted = target.get("averageUtilization")
    return f"  (as a percentage of request):\t{now} / {'<auto>' if wanted is None else f'{wanted}%'}"


def _direction(writer: Writer, title: str, rules: Object) -> None:
    writer.line(f"{title}:", 1)
    if rules.get("stabilizationWindowSeconds") is not None:
        writer.line(f"Stabilization Window: {rules['stabilizationWindowSeconds']} seconds", 2)
    if policies := rules.get("policies"):
        writer.line(f"Select Policy: {rules.get('selectPolicy') or 'Max'}", 2)
        writer.line("Policies:", 2)
        for one in policies:
            writer.line(
                f"- Type: {one['type']}\tValue: {one['value']}\tPeriod: {one['periodSeconds']} seconds", 3
            )
