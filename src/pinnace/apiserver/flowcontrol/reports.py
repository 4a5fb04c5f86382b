"""What priority and fairness tells about itself: metrics under upstream's names, and the dumps below `/debug/api_priority_and_fairness`."""

from collections.abc import Callable, Iterator, Sequence

from pinnace.apiserver.flowcontrol.dispatcher import Dispatcher
from pinnace.apiserver.flowcontrol.levels import Level
from pinnace.apiserver.metrics import Family

_PREFIX = "apiserver_flowcontrol_"
_GAUGES: tuple[tuple[str, str, Callable[[Level], float]], ...] = (
    (
        "nominal_limit_seats",
        "Nominal number of execution seats of each priority level.",
        lambda it: it.nominal,
    ),
    ("lower_limit_seats", "Configured lower bound on number of execution seats.", lambda it: it.guaranteed),
    ("upper_limit_seats", "Configured upper bound on number of execution seats.", lambda it: it.maximum),
    (
        "current_inqueue_requests",
        "Requests that wait in the queues of each priority level.",
        lambda it: it.waiting,
    ),
    ("current_executing_requests", "Requests that are being executed.", lambda it: it.executing),
    ("current_executing_seats", "Seats of the requests that are being executed.", lambda it: it.in_use),
)


def metrics(dispatcher: Dispatcher) -> Iterator[Family]:
    levels = dispatcher.levels.values()
    for name, text, value in _GAUGES:
        yield _PREFIX + name, text, "gauge", ("priority_level",), [((it.name,), value(it)) for it in levels]
    dispatched = [((it.name,), float(it.dispatched)) for it in levels]
    yield (
        _PREFIX + "dispatched_requests",
        "Requests that began to execute.",
        "counter",
        ("priority_level",),
        dispatched,
    )
    rejected = [((it.name, reason), float(n)) for it in levels for reason, n in it.rejected.items()]
    yield (
        _PREFIX + "rejected_requests",
        "Requests that were rejected.",
        "counter",
        ("priority_level", "reason"),
        rejected,
    )


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
