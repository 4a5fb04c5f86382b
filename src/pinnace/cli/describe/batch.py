"""describe job and cron job."""

from typing import Any

from pinnace.apimachinery.times import human_duration, parse_time
from pinnace.cli.ages import rfc1123
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.pod_template import pod_template_text
from pinnace.cli.describe.writer import Writer, boolean, controlled_by
from pinnace.cli.selectors_text import of_label_selector
from pinnace.cli.session import Session

Object = dict[str, Any]
MANY_INDEXES = 50  # characters of a list of indexes that are shown


def describe_job(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.line(f"Selector:\t{of_label_selector(spec.get('selector'))}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    if controlled_by(obj):
        writer.line(f"Controlled By:\t{controlled_by(obj)}")
    _settings(writer, spec)
    _times(writer, status)
    if spec.get("activeDeadlineSeconds") is not None:
        writer.line(f"Active Deadline Seconds:\t{spec['activeDeadlineSeconds']}s")
    ready = f" ({status['ready']} Ready)" if status.get("ready") is not None else ""
    writer.line(
        f"Pods Statuses:\t{status.get('active', 0)} Active{ready} / {status.get('succeeded', 0)} Succeeded / "
        f"{status.get('failed', 0)} Failed"
    )
    if spec.get("completionMode") == "Indexed":
        writer.line(f"Completed Indexes:\t{_shortened(status.get('completedIndexes') or '')}")
    pod_template_text(spec["template"], writer)
    if show_events:
        write_events(writer, events_of(session, obj))


def _settings(writer: Writer, spec: Object) -> None:
    if spec.get("parallelism") is not None:
        writer.line(f"Parallelism:\t{spec['parallelism']}")
    writer.line(f"Completions:\t{_or_unset(spec.get('completions'))}")
    if spec.get("completionMode") is not None:
        writer.line(f"Completion Mode:\t{spec['completionMode']}")
    if spec.get("suspend") is not None:
        writer.line(f"Suspend:\t{boolean(spec['suspend']).lower()}")
    for field, title in (
        ("backoffLimit", "Backoff Limit"),
        ("ttlSecondsAfterFinished", "TTL Seconds After Finished"),
    ):
        if spec.get(field) is not None:
            writer.line(f"{title}:\t{spec[field]}")


def _times(writer: Writer, status: Object) -> None:
    begun, ended = status.get("startTime"), status.get("completionTime")
    if begun:
        writer.line(f"Start Time:\t{rfc1123(begun)}")
    if ended:
        writer.line(f"Completed At:\t{rfc1123(ended)}")
    if begun and ended:
        took = (parse_time(ended) - parse_time(begun)).total_seconds()
        writer.line(f"Duration:\t{human_duration(took)}")


def _shortened(indexes: str) -> str:
    if len(indexes) <= MANY_INDEXES:
        return indexes or "<none>"
    end = indexes.find(",", MANY_INDEXES)
    return indexes if end < 0 else f"{indexes[:end]},..."


def describe_cron_job(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"Schedule:\t{spec.get('schedule', '')}")
    writer.line(f"Concurrency Policy:\t{spec.get('concurrencyPolicy', '')}")
    suspend = spec.get("suspend")
    writer.line(f"Suspend:\t{'<unset>' if suspend is None else boolean(suspend)}")
    writer.line(f"Successful Job History Limit:\t{_or_unset(spec.get('successfulJobsHistoryLimit'))}")
    writer.line(f"Failed Job History Limit:\t{_or_unset(spec.get('failedJobsHistoryLimit'))}")
    writer.line(f"Starting Deadline Seconds:\t{_or_unset(spec.get('startingDeadlineSeconds'), 's')}")
    _job_template(writer, spec["jobTemplate"]["spec"])
    writer.line(f"Last Schedule Time:\t{rfc1123(status.get('lastScheduleTime'))}")
    active = ", ".join(entry["name"] for entry in status.get("active") or ())
    writer.line(f"Active Jobs:\t{active or '<none>'}")
    if show_events:
        write_events(writer, events_of(session, obj))


def _job_template(writer: Writer, spec: Object) -> None:
    selector = spec.get("selector")
    writer.line(f"Selector:\t{'<unset>' if selector is None else of_label_selector(selector)}")
    writer.line(f"Parallelism:\t{_or_unset(spec.get('parallelism'))}")
    writer.line(f"Completions:\t{_or_unset(spec.get('completions'))}")
    if spec.get("activeDeadlineSeconds") is not None:
        writer.line(f"Active Deadline Seconds:\t{spec['activeDeadlineSeconds']}s")
    pod_template_text(spec["template"], writer)


def _or_unset(value: Any, unit: str = "") -> str:
    return "<unset>" if value is None else f"{value}{unit}"
