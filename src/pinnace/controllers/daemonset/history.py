"""Which of a DaemonSet's revisions its pods are of, and which revisions may go; the rest is `controllers.history`."""

from collections.abc import Iterator, Sequence

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.controllers.daemonset.placement import HASH_LABEL
from pinnace.controllers.history import History, limit_of
from pinnace.controllers.runtime import Action, Delete, Patch


def digest_of(history: History) -> str:
    """The hash that pods of the present template carry."""
    return _digest(history.current) if history.current is not None else ""


def _digest(revision: Object) -> str:
    """A revision that somebody made without a hash goes by its name."""
    return meta.labels(revision).get(HASH_LABEL) or meta.name(revision)


def label(revisions: Sequence[Object]) -> Iterator[Action]:
    for revision in revisions:
        if not meta.labels(revision).get(HASH_LABEL):
            yield Patch(revision, {"metadata": {"labels": {HASH_LABEL: _digest(revision)}}})


def unite(history: History, owned: Sequence[Object]) -> Iterator[Action]:
    """Of several revisions with the present template one stays, and pods of the others become pods of it without a restart."""
    if history.current is None:
        return
    digest, doubles = (
        digest_of(history),
        [r for r in history.old if r.get("data") == history.current.get("data")],
    )
    theirs = {_digest(revision) for revision in doubles} - {digest}
    for pod in owned:
        if meta.labels(pod).get(HASH_LABEL) in theirs:
            yield Patch(pod, {"metadata": {"labels": {HASH_LABEL: digest}}})
    for revision in doubles:
        yield Delete(revision)


def tidy(ds: Object, history: History, owned: Sequence[Object]) -> Iterator[Action]:
    """Delete old revisions beyond `spec.revisionHistoryLimit` that no pod is of."""
    excess = len(history.old) - limit_of(ds)
    in_use = {meta.labels(pod).get(HASH_LABEL) for pod in owned}
    for revision in history.old:
        if excess <= 0:
            return
        if _digest(revision) not in in_use:
            excess -= 1
            yield Delete(revision)
