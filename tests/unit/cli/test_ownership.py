"""What client-side apply owned goes to server-side apply, as upstream's csaupgrade does it."""

from typing import Any

from pinnace.cli.ownership import upgraded

Entry = dict[str, Any]
OLD, NEW = "kubectl-client-side-apply", "kubectl"


def entry(manager: str, operation: str, *fields: str, version: str = "v1", subresource: str = "") -> Entry:
    found: Entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "fieldsV1": {f"f:{field}": {} for field in fields},
    }
    return {**found, "subresource": subresource} if subresource else found


def test_both_become_one() -> None:
    before = [entry(NEW, "Apply", "a"), entry(OLD, "Update", "a", "b"), entry("other", "Update", "c")]
    assert upgraded(before, {OLD}, NEW) == [entry(NEW, "Apply", "a", "b"), entry("other", "Update", "c")]


def test_without_one_that_applies_the_old_one_becomes_it() -> None:
    assert upgraded([entry(OLD, "Update", "a")], {OLD}, "me") == [entry("me", "Apply", "a")]


def test_other_versions_go_without_being_merged() -> None:
    before = [entry(NEW, "Apply", "a"), entry(OLD, "Update", "b", version="v1beta1")]
    assert upgraded(before, {OLD}, NEW) == [entry(NEW, "Apply", "a")]


def test_subresources_and_other_managers_stay() -> None:
    before = [entry(OLD, "Update", "status", subresource="status"), entry("other", "Update", "a")]
    assert upgraded(before, {OLD}, NEW) == before


def test_what_was_done_stays_done() -> None:
    before = [entry(NEW, "Apply", "a")]
    assert upgraded(before, {OLD}, NEW) == before
