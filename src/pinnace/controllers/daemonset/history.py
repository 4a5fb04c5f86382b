"""Which of a DaemonSet's revisions its pods are of, and which old ones may go; the rest is `controllers.history`."""

from collections.abc import Iterator, Sequence

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.controllers.daemonset.placement import HASH_LABEL
from pinnace.controllers.history import History, limit_of
from pinnace.controllers.runtime import Action, Delete


def digest_of(history: History) -> str:
    """The hash that pods of the present template carry."""
    return meta.labels(history.current).get(HASH_LABEL, "") if history.current is not None else ""


def tidy(ds: Object, history: History, owned: Sequence[Object]) -> Iterator[Action]:
    """Delete old revisions beyond `spec.revisionHistoryLimit` that no pod is of."""
    excess = len(history.old) - limit_of(ds)
    in_use = {meta.labels(pod).get(HASH_LABEL) for pod in owned}
    for revision in history.old:
        if excess <= 0:
            return
        if meta.labels(revision).get(HASH_LABEL) not in in_use:
            excess -= 1
            yield Delete(revision)
