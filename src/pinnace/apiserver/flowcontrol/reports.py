"""What priority and fairness tells about itself: metrics under upstream's names, and the dumps below `/debug/api_priority_and_fairness`."""

from collections.abc import Callable, Iterator, Sequence

from pinnace.apiserver.flowcontrol.dispatcher import Dispatcher
from pinnace.apiserver.flowcontrol.flows import FlowCounts
from pinnace.apiserver.flowcontrol.levels import Level
from pinnace.component.metrics import Family

_PREFIX = "apiserver_flowcontrol_"
_BOTH = ("priority_level", "flow_schema")
_OF_LEVELS: tuple[tuple[str, str, Callable[[Level], float]], ...] = (
    ("nominal_limit_seats", "Nominal number of execution seats configured for each priority level", lambda it: it.nominal),
    ("lower_limit_seats", "Configured lower bound on number of execution seats available to each priority level",
     lambda it: it.guaranteed),
    ("upper_limit_seats", "Configured upper bound on number of execution seats available to each priority level",
     lambda it: it.maximum),
)  # fmt: skip
_OF_FLOWS: tuple[tuple[str, str, str, Callable[[FlowCounts], float]], ...] = (
    ("current_inqueue_requests", "Number of requests currently pending in queues", "gauge", lambda it: it.waiting),
    ("current_executing_requests", "Number of requests that are being executed", "gauge", lambda it: it.executing),
    ("current_executing_seats", "Number of seats occupied by the requests that are being executed", "gauge", lambda it: it.seats),
    ("dispatched_requests_total", "Number of requests that began to execute", "counter", lambda it: it.dispatched),
)  # fmt: skip


def metrics(dispatcher: Dispatcher) -> Iterator[Family]:
    levels, flows = list(dispatcher.levels.values()), list(dispatcher.flows.values())
    for name, text, value in _OF_LEVELS:
        yield Family(_PREFIX + name, text, "gauge", _BOTH[:1], [((it.name,), value(it)) for it in levels])
    for name, text, kind, number in _OF_FLOWS:
        yield Family(_PREFIX + name, text, kind, _BOTH, [((it.level, it.schema), number(it)) for it in flows])
    yield Family(
        _PREFIX + "rejected_requests_total", "Number of requests rejected, by reason", "counter", (*_BOTH, "reason"),
        [((it.level, it.schema, reason), n) for it in flows for reason, n in it.rejected.items()],
    )  # fmt: skip
    yield Family(
        _PREFIX + "request_execution_seconds", "Duration of request execution, without its time in a queue", "histogram",
        (*_BOTH, "type"), [((it.level, it.schema, "regular"), it.executed) for it in flows if it.executed.count],
    )  # fmt: skip
    waits = [
        (it, executed, wait)
        for it in flows
        for executed, wait in (("true", it.waited), ("false", it.waited_in_vain))
    ]
    yield Family(
        _PREFIX + "request_wait_duration_seconds", "Length of time a request spent waiting in its queue", "histogram",
        (*_BOTH, "execute"), [((it.level, it.schema, executed), wait) for it, executed, wait in waits if wait.count],
    )  # fmt: skip


def dump_priority_levels(dispatcher: Dispatcher) -> str:
    rows = [
        (
            it.name, len(it.queues.lengths()) if it.queues else 0, it.executing + it.waiting == 0, False, it.waiting,
            it.executing, it.dispatched, sum(it.rejected.values()), it.timed_out, it.cancelled,
        )
        for it in sorted(dispatcher.levels.values(), key=lambda it: it.name)
    ]  # fmt: skip
    head = (
        "PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests",
        "DispatchedRequests", "RejectedRequests", "TimedoutRequests", "CancelledRequests",
    )  # fmt: skip
    return _table(head, rows)


def dump_queues(dispatcher: Dispatcher) -> str:
    rows = [
        (it.name, index, length)
        for it in sorted(dispatcher.levels.values(), key=lambda it: it.name)
        if it.queues
        for index, length in sorted(it.queues.lengths().items())
    ]
    return _table(("PriorityLevelName", "Index", "PendingRequests"), rows)


def dump_requests(dispatcher: Dispatcher) -> str:
    """The requests that wait; those that run are not kept one by one."""
    rows = [
        (it.name, *each.flow.partition("/")[::2], each.seats)
        for it in sorted(dispatcher.levels.values(), key=lambda it: it.name)
        if it.queues
        for each in it.queues.everybody()
    ]
    return _table(("PriorityLevelName", "FlowSchemaName", "FlowDistinguisher", "InitialSeats"), rows)


DUMPS = {
    "dump_priority_levels": dump_priority_levels,
    "dump_queues": dump_queues,
    "dump_requests": dump_requests,
}


def _table(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    """Columns that line up, separated by commas, as upstream's."""
    lines = [
        head,
        *(tuple(str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in row) for row in rows),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "".join(
        ", ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )
