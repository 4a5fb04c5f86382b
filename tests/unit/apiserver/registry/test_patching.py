"""Which top-level fields a patch may change."""

from typing import Any

import pytest

from pinnace.apiserver.registry.patching import reach
from pinnace.client.interface import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH

CONDITIONS = {"conditions": [{"type": "Ready"}]}


@pytest.mark.parametrize("media", [MERGE_PATCH, STRATEGIC_MERGE_PATCH])
def test_metadata_that_only_names_the_object_is_not_reached(media: str) -> None:
    assert reach(media, {"metadata": {"uid": "u"}, "status": CONDITIONS}) == {"status"}


@pytest.mark.parametrize(
    "metadata", [{"uid": None}, {"labels": {"a": "b"}}, None, [], {"uid": "u", "$patch": "replace"}]
)
def test_other_metadata_is_reached(metadata: Any) -> None:
    assert "metadata" in (reach(MERGE_PATCH, {"metadata": metadata, "status": CONDITIONS}) or ())


def test_nothing_is_known_of_paths_and_directives() -> None:
    assert reach(JSON_PATCH, [{"op": "remove", "path": "/spec"}]) is None
    assert reach(STRATEGIC_MERGE_PATCH, {"$patch": "replace", "status": {}}) is None
    assert reach(STRATEGIC_MERGE_PATCH, {"$retainKeys": ["status"], "status": {}}) is None
