from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery.apply import fields

PATHS = st.lists(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"']), min_size=1, max_size=4).map(tuple),
    max_size=8,
)


@given(PATHS, PATHS)
def test_operations_are_those_of_sets_of_paths(left: list[fields.Path], right: list[fields.Path]) -> None:
    one, two = fields.of_paths(*left), fields.of_paths(*right)
    assert set(fields.paths(one)) == set(left)
    assert set(fields.paths(fields.union(one, two))) == set(left) | set(right)
    assert set(fields.paths(fields.difference(one, two))) == set(left) - set(right)
    assert set(fields.paths(fields.intersection(one, two))) == set(left) & set(right)
    assert fields.union(one, one) == one
    assert fields.difference(one, one) == {}


def test_the_form_is_that_of_fields_v1() -> None:
    tree = fields.of_paths(("f:spec", 'k:{"name":"web"}'), ("f:spec", 'k:{"name":"web"}', "f:image"))
    assert tree == {"f:spec": {'k:{"name":"web"}': {".": {}, "f:image": {}}}}


def test_elements_and_texts() -> None:
    keys: dict[str, Any] = {"protocol": "TCP", "containerPort": 80}
    path = ("f:spec", "f:ports", fields.key_element(keys), "f:name")
    assert path[2] == 'k:{"containerPort":80,"protocol":"TCP"}'
    assert fields.path_text(path) == '.spec.ports[containerPort=80,protocol="TCP"].name'
    assert fields.path_text(("f:finalizers", fields.value_element("x/y"), "i:3")) == '.finalizers[="x/y"][3]'
