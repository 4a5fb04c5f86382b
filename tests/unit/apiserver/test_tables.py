from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from pinnace.api.columns import table_for
from pinnace.api.resources import PODS
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.tables import Row, TableForm, single, table

NOW = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
POD: dict[str, Any] = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "web", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"containers": [{"name": "c"}]},
    "status": {"phase": "Running"},
}


def test_a_list_of_pods() -> None:
    document = orjson.loads(
        table(table_for(PODS), [Row(POD)], NOW, TableForm(), metadata={"resourceVersion": "9"})
    )
    assert (document["kind"], document["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert document["metadata"] == {"resourceVersion": "9"}
    names = [column["name"] for column in document["columnDefinitions"]]
    assert names[:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
    (row,) = document["rows"]
    assert row["cells"][0] == "web"
    assert row["cells"][4] == "5m"
    assert row["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": POD["metadata"],
    }


@pytest.mark.parametrize(("policy", "expected"), [("None", None), ("Object", POD)])
def test_include_object(policy: str, expected: Any) -> None:
    form = TableForm.of_query("v1beta1", policy)
    for row in (Row(POD), Row(POD, orjson.dumps(POD))):
        document = orjson.loads(single(table_for(PODS), row, NOW, form))
        assert document["apiVersion"] == "meta.k8s.io/v1beta1"
        assert document["metadata"] == {"resourceVersion": "7"}
        assert document["rows"][0]["object"] == expected


def test_an_unknown_policy_is_refused() -> None:
    assert TableForm.of_query("v1", "").include_object == "Metadata"
    with pytest.raises(errors.BadRequest, match='Invalid value: "All": must be'):
        TableForm.of_query("v1", "All")


def test_kinds_without_columns_show_name_and_creation() -> None:
    document = orjson.loads(
        single(table_for(GVR("example.com", "v1", "widgets")), Row(POD), NOW, TableForm())
    )
    assert [column["name"] for column in document["columnDefinitions"]] == ["Name", "Created At"]
    assert document["rows"][0]["cells"] == ["web", "2026-01-01T00:00:00Z"]


def test_later_events_of_a_watch_do_not_repeat_the_columns() -> None:
    document = orjson.loads(single(table_for(PODS), Row(POD), NOW, TableForm(), headers=False))
    assert document["columnDefinitions"] is None
    assert document["rows"][0]["cells"][0] == "web"


def test_rows_of_pods_that_are_over_say_so() -> None:
    definition, now = table_for(PODS), datetime(2026, 1, 1, tzinfo=UTC)
    rows = [Row({**POD, "status": {"phase": phase}}) for phase in ("Running", "Succeeded")]
    running, ended = orjson.loads(table(definition, rows, now, TableForm(), metadata={}))["rows"]
    assert "conditions" not in running
    assert ended["conditions"] == [
        {
            "type": "Completed",
            "status": "True",
            "reason": "Succeeded",
            "message": "The pod has completed successfully.",
        }
    ]
