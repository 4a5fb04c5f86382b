from datetime import UTC, datetime
from typing import Any

import pytest

from pinnace.apimachinery import errors
from pinnace.apiserver.registry import deletion
from pinnace.apiserver.registry.context import DeleteOptions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def obj(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", **metadata}}


def thirty(_: Any, asked: int | None) -> int:
    return 30 if asked is None else asked


def test_goes_at_once_without_grace_and_finalizers() -> None:
    assert deletion.marked(obj(), DeleteOptions(), NOW, deletion.no_grace) is None


def test_finalizers_keep_it() -> None:
    kept = deletion.marked(obj(finalizers=["x/y"], generation=3), DeleteOptions(), NOW, deletion.no_grace)
    assert kept is not None
    assert kept["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert kept["metadata"]["generation"] == 4


def test_grace_is_counted_from_now_and_can_be_shortened_only() -> None:
    kept = deletion.marked(obj(), DeleteOptions(), NOW, thirty)
    assert kept is not None
    assert kept["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    longer = deletion.marked(kept, DeleteOptions(60), NOW, thirty)
    assert longer == kept
    shorter = deletion.marked(kept, DeleteOptions(10), NOW, thirty)
    assert shorter is not None
    assert shorter["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:10Z"
    assert deletion.marked(kept, DeleteOptions(0), NOW, thirty) is None


@pytest.mark.parametrize(
    ("options", "finalizers"),
    [
        (DeleteOptions(propagation_policy="Orphan"), ["orphan"]),
        (DeleteOptions(propagation_policy="Foreground"), ["foregroundDeletion"]),
        (DeleteOptions(orphan_dependents=True), ["orphan"]),
    ],
)
def test_propagation_policies_are_finalizers(options: DeleteOptions, finalizers: list[str]) -> None:
    kept = deletion.marked(obj(), options, NOW, deletion.no_grace)
    assert kept is not None
    assert kept["metadata"]["finalizers"] == finalizers


def test_unknown_policy_is_invalid() -> None:
    with pytest.raises(errors.Invalid, match="Foreground"):
        deletion.check_options(DeleteOptions(propagation_policy="Sideways"))
    with pytest.raises(errors.Invalid):
        deletion.check_options(DeleteOptions(propagation_policy="Orphan", orphan_dependents=True))


def test_an_update_may_finish_a_deletion() -> None:
    assert deletion.is_finished(obj(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=0))
    assert not deletion.is_finished(obj(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x/y"]))
    assert not deletion.is_finished(
        obj(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=30)
    )
    assert not deletion.is_finished(obj())
