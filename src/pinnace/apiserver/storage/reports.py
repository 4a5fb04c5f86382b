"""What the store, the watch caches and lists look like in `/metrics`, under upstream's names: by group and resource."""

from collections.abc import Callable, Iterator
from typing import Any

from pinnace.apiserver.storage.object_storage import ObjectStorage
from pinnace.apiserver.storage.storages import Storages
from pinnace.component.metrics import Family

_BY = ("group", "resource")
_VERSION_LIMIT = 10**15
Value = Callable[[ObjectStorage], float]
_FAMILIES: tuple[tuple[str, str, str, Value], ...] = (
    ("apiserver_resource_objects", "Number of stored objects by kind.", "gauge", lambda it: len(it.cache.contents)),
    ("apiserver_storage_events_received_total", "Number of events received from the store by kind.", "counter",
     lambda it: it.cache.received),
    ("apiserver_watch_cache_events_received_total", "Counter of events received in watch cache by resource type.", "counter",
     lambda it: it.cache.received),
    ("apiserver_watch_cache_events_dispatched_total", "Counter of events dispatched in watch cache by resource type.", "counter",
     lambda it: it.cache.received),
    ("apiserver_watch_cache_initializations_total", "Counter of watch cache initializations by resource type.", "counter",
     lambda it: it.cache.loads),
    ("apiserver_init_events_total", "Counter of init events processed in watch cache by resource type.", "counter",
     lambda it: it.cache.loaded_items),
    ("apiserver_watch_cache_resource_version", "Current resource version of watch cache by resource type, its last 15 digits.",
     "gauge", lambda it: it.cache.revision % _VERSION_LIMIT),
    ("apiserver_terminated_watchers_total", "Counter of watchers closed due to unresponsiveness by resource type.", "counter",
     lambda it: it.cache.watchers.too_slow),
    ("apiserver_cache_list_returned_objects_total", "Number of objects returned for a LIST request from watch cache", "counter",
     lambda it: it.reading.cache_lists.returned),
    ("apiserver_storage_list_total", "Number of LIST requests served from storage", "counter",
     lambda it: it.reading.store_lists.lists),
    ("apiserver_storage_list_fetched_objects_total", "Number of objects read from storage for LIST requests", "counter",
     lambda it: it.reading.store_lists.evaluated),
    ("apiserver_storage_list_evaluated_objects_total", "Number of objects tested for LIST requests from storage", "counter",
     lambda it: it.reading.store_lists.evaluated),
    ("apiserver_storage_list_returned_objects_total", "Number of objects returned for LIST requests from storage", "counter",
     lambda it: it.reading.store_lists.returned),
)  # fmt: skip


def metrics(storages: Storages) -> Iterator[Family]:
    found = [((it.gvr.group, it.gvr.resource), it) for it in storages.all if it.cache.loads]
    for name, text, kind, value in _FAMILIES:
        yield Family(name, text, kind, _BY, [(labels, value(it)) for labels, it in found])
    yield Family(
        "apiserver_storage_objects", "Number of stored objects by resource; apiserver_resource_objects replaces it.", "gauge",
        ("resource",), [((it.gvr.qualified,), len(it.cache.contents)) for _, it in found],
    )  # fmt: skip
    indexed = (*_BY, "index")
    yield Family("apiserver_cache_list_total", "Number of LIST requests served from watch cache", "counter", indexed,
                 [((*labels, ""), it.reading.cache_lists.lists) for labels, it in found])  # fmt: skip
    yield Family("apiserver_cache_list_fetched_objects_total",
                 "Number of objects read from watch cache for LIST requests", "counter", indexed,
                 [((*labels, ""), it.reading.cache_lists.evaluated) for labels, it in found])  # fmt: skip
    yield from _calls(storages)
    size: Any = getattr(storages.backend, "size_bytes", None)
    if size is not None:
        yield Family("apiserver_storage_size_bytes", "Size of the storage database file physically allocated in bytes.",
                     "gauge", ("storage_cluster_id",), [(("sqlite-0",), size())])  # fmt: skip


def _calls(storages: Storages) -> Iterator[Family]:
    calls = [
        ((name, it.gvr.group, it.gvr.resource), operation)
        for it in storages.all
        for name, operation in it.calls.operations.items()
    ]
    labels = ("operation", *_BY)
    what = "by operation and object type."
    yield Family("etcd_request_duration_seconds", f"Latency of requests to the store in seconds {what}", "histogram", labels,
                 [(key, operation.durations) for key, operation in calls])  # fmt: skip
    yield Family("etcd_requests_total", f"Requests to the store {what}", "counter", labels,
                 [(key, operation.durations.count) for key, operation in calls])  # fmt: skip
    yield Family("etcd_request_errors_total", f"Failed requests to the store {what}", "counter", labels,
                 [(key, operation.failures) for key, operation in calls if operation.failures])  # fmt: skip
