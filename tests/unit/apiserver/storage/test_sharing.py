"""Equal parts of objects are held once, and nothing else is touched."""

import orjson

from pinnace.apiserver.storage.sharing import Sharing


def pod(name: str, image: str = "nginx") -> dict[str, object]:
    return {
        "metadata": {
            "name": name,
            "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {"f:x": {}}}}, None],
        },
        "spec": {"containers": [{"name": "a", "image": image}], "nodeName": "n1", "tolerations": []},
    }


def test_equal_parts_become_one_and_others_stay() -> None:
    sharing, one, same, other = Sharing(), pod("one"), pod("two"), pod("three", "redis")
    before = [orjson.dumps(obj) for obj in (one, same, other)]
    for obj in (one, same, other):
        sharing.share(obj)
    assert [orjson.dumps(obj) for obj in (one, same, other)] == before
    assert same["spec"]["containers"] is one["spec"]["containers"]
    assert other["spec"]["containers"] is not one["spec"]["containers"]
    owned = [obj["metadata"]["managedFields"][0]["fieldsV1"] for obj in (one, same, other)]
    assert owned[0] is owned[1] is owned[2]


def test_objects_without_these_parts_are_left_alone() -> None:
    for obj in (
        {"metadata": {}},
        {"metadata": {"managedFields": None}, "spec": None},
        {"metadata": {}, "spec": [1]},
    ):
        before = orjson.dumps(obj)
        Sharing().share(obj)
        assert orjson.dumps(obj) == before
