"""Patches over the wire: what is refused, in which words, and what is warned about."""

from typing import Any

import pytest

from integration.conftest import Wire

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
NAMELESS = "the name of the object (a based on URL) was undeterminable: name must be provided"
UNKNOWN_UID = (
    'Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, '
    "Key: /registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, "
    "UID in object meta: "
)
MODIFIED = (
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the '
    "latest version and try again"
)


async def config_map(wire: Wire) -> dict[str, Any]:
    made = await wire("POST", CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    return dict(made.body)


@pytest.mark.parametrize(
    ("media", "body", "told"),
    [
        ("json", b"{}", "400 BadRequest: error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        ("merge", b"[]", "400 BadRequest: error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ("strategic", b"[]", "400 BadRequest: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ("merge", {"metadata": {"name": None}}, f"400 BadRequest: {NAMELESS}"),
        ("merge", {"metadata": {"name": "b"}}, "400 BadRequest: the name of the object (b) does not match the name on the URL (a)"),
        ("merge", {"metadata": {"uid": "x"}}, '422 Invalid: ConfigMap "a" is invalid: metadata.uid: Invalid value: "x": field is immutable'),
        ("merge", {"metadata": {"resourceVersion": "1"}}, f"409 Conflict: {MODIFIED}"),
        ("strategic", {"$patch": "x"}, "400 BadRequest: unknown patch type: x in map: map[$patch:x]"),
        ("strategic", {"data": 3}, '422 Invalid:  "" is invalid: patch: Invalid value: "map[data:3]": json: cannot unmarshal number '
         "into Go struct field ConfigMap.data of type map[string]string"),
        ("apply", {}, "400 BadRequest: invalid object type: /, Kind="),
        ("apply", {"apiVersion": "v1", "kind": "Pod"}, "400 BadRequest: invalid object type: /v1, Kind=Pod"),
        ("apply", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "x": 1},
         "400 BadRequest: failed to create typed patch object (default/a; /v1, Kind=ConfigMap): .x: field not declared in schema"),
        ("apply", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": []}},
         "400 BadRequest: metadata.managedFields must be nil"),
        ("apply", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": "1"}}, f"409 Conflict: {MODIFIED}"),
    ],
)  # fmt: skip
async def test_refused_patches_change_nothing(wire: Wire, media: str, body: Any, told: str) -> None:
    before = await config_map(wire)
    query = "?fieldManager=m" if media == "apply" else ""
    assert (await wire("PATCH", f"{CONFIG_MAPS}/a{query}", body, media)).message == told
    assert (await wire("GET", f"{CONFIG_MAPS}/a")).body == before


async def test_operations_are_counted(wire: Wire) -> None:
    await config_map(wire)
    operations = [{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10_001
    refused = await wire("PATCH", f"{CONFIG_MAPS}/a", operations, "json")
    assert refused.message == (
        "413 RequestEntityTooLarge: Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )
    assert (await wire("PATCH", f"{CONFIG_MAPS}/a", operations[1:], "json")).status == 200


async def test_a_patch_that_leads_to_a_wrong_type_shows_what_it_leads_to(wire: Wire) -> None:
    await config_map(wire)
    refused = await wire("PATCH", f"{CONFIG_MAPS}/a", {"data": 3}, "merge")
    assert refused.message.startswith(
        '422 Invalid:  "" is invalid: patch: Invalid value: "{\\"kind\\":\\"ConfigMap\\"'
    )
    assert refused.message.endswith(
        "json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string"
    )
    (cause,) = refused.body["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldValueInvalid", "patch")


REPEATED = b'[{"op":"test","path":"/kind","value":"ConfigMap","x":1,"path":"/kind"}]'


@pytest.mark.parametrize(
    ("media", "body", "slips"),
    [
        ("merge", b'{"data":{"k":"1","k":"2"},"x":1}', ['duplicate field "data.k"', 'unknown field "x"']),
        ("strategic", b'{"data":{"k":"1","k":"2"},"x":1}', ['duplicate field "data.k"', 'unknown field "x"']),
        ("json", REPEATED, ['json patch duplicate field "[0].path"', 'json patch unknown field "[0].x"']),
    ],
)
async def test_slips_in_patches(wire: Wire, media: str, body: bytes, slips: list[str]) -> None:
    before = await config_map(wire)
    refused = await wire("PATCH", f"{CONFIG_MAPS}/a?fieldValidation=Strict", body, media)
    assert refused.status == 422
    assert refused.message.endswith(f": strict decoding error: {', '.join(slips)}")
    assert (await wire("GET", f"{CONFIG_MAPS}/a")).body == before
    warned = await wire("PATCH", f"{CONFIG_MAPS}/a", body, media)
    assert warned.status == 200
    escaped = [slip.replace('"', '\\"') for slip in slips]
    assert warned.headers.getall("Warning") == [f'299 - "{slip}"' for slip in escaped]
    ignored = await wire("PATCH", f"{CONFIG_MAPS}/a?fieldValidation=Ignore", body, media)
    assert "Warning" not in ignored.headers


async def test_repeated_keys_in_what_is_applied(wire: Wire) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n  k: w\n"
    told = 'error converting YAML to JSON: yaml: unmarshal errors:\n  line 7: key "k" already set in map'
    url = f"{CONFIG_MAPS}/a?fieldManager=m"
    refused = await wire("PATCH", f"{url}&fieldValidation=Strict", text, "apply")
    assert refused.message == f"400 BadRequest: error strict decoding YAML: {told}"
    as_json = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v","k":"w"}}'
    assert (await wire("PATCH", f"{url}&fieldValidation=Strict", as_json, "apply")).status == 400
    assert (await wire("PATCH", url, text, "apply")).status == 201


async def test_force_is_for_apply_only_and_apply_needs_a_manager(wire: Wire) -> None:
    await config_map(wire)
    for value in ("true", "false"):
        refused = await wire("PATCH", f"{CONFIG_MAPS}/a?force={value}", {}, "merge")
        assert refused.message == (
            '422 Invalid: PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
        )
    refused = await wire("PATCH", f"{CONFIG_MAPS}/a", {}, "apply")
    assert refused.message == (
        '422 Invalid: PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


async def test_a_patch_that_changes_nothing_writes_nothing(wire: Wire) -> None:
    before = await config_map(wire)
    for media, body in (("merge", {}), ("strategic", {"data": {"k": "v"}}), ("json", [])):
        assert (await wire("PATCH", f"{CONFIG_MAPS}/a?fieldManager=other", body, media)).body == before


async def test_updates_name_their_object(wire: Wire) -> None:
    await config_map(wire)
    assert (await wire("PUT", f"{CONFIG_MAPS}/a", {"metadata": {}})).message == f"400 BadRequest: {NAMELESS}"
    refused = await wire("PUT", f"{CONFIG_MAPS}/a", {"metadata": {"name": "a", "uid": "x"}})
    assert refused.message.startswith(f"409 Conflict: {UNKNOWN_UID}")


async def test_deletes_with_preconditions(wire: Wire) -> None:
    made = await config_map(wire)
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    head = '409 Conflict: Operation cannot be fulfilled on ConfigMap "a": the'
    for given, told in (
        ({"uid": "x"}, f"{head} UID in the precondition (x) does not match the UID in record ({uid}). "
         "The object might have been deleted and then recreated"),
        ({"resourceVersion": "1"}, f"{head} ResourceVersion in the precondition (1) does not match the ResourceVersion in record "
         f"({version}). The object might have been modified"),
    ):  # fmt: skip
        assert (await wire("DELETE", f"{CONFIG_MAPS}/a", {"preconditions": given})).message == told
    policies = '"Foreground", "Background", "Orphan", "nil"'
    refused = await wire("DELETE", f"{CONFIG_MAPS}/a", {"propagationPolicy": "x"})
    assert refused.message == (
        '422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "x": '
        f"supported values: {policies}"
    )
    right = {"preconditions": {"uid": uid, "resourceVersion": version}}
    assert (await wire("DELETE", f"{CONFIG_MAPS}/a", right)).status == 200


async def test_options_of_writes_are_judged_together(wire: Wire) -> None:
    query = "fieldManager=a%01b&dryRun=x&dryRun=All&fieldValidation=q"
    refused = await wire("POST", f"{CONFIG_MAPS}?{query}", {"metadata": {"name": "a"}})
    assert refused.message == (
        '422 Invalid: CreateOptions.meta.k8s.io "" is invalid: [fieldManager: Invalid value: "a\\u0001b": '
        'invalid character U+0001 (at position 1), dryRun: Unsupported value: []string{"x", "All"}: supported values: "All", '
        'fieldValidation: Unsupported value: "q": supported values: "", "Ignore", "Strict", "Warn"]'
    )
    refused = await wire("POST", f"{CONFIG_MAPS}?fieldManager={'m' * 129}", {"metadata": {"name": "a"}})
    assert refused.message.endswith("fieldManager: Too long: may not be more than 128 bytes")


async def test_headers_of_every_answer(wire: Wire) -> None:
    answer = await wire("POST", CONFIG_MAPS, {"metadata": {"name": "a"}, "x": 1, "y": 2}, Audit_ID="mine")
    assert answer.headers.getall("Warning") == [
        '299 - "unknown field \\"x\\""',
        '299 - "unknown field \\"y\\""',
    ]
    assert (answer.headers["Audit-Id"], answer.headers["Cache-Control"]) == ("mine", "no-cache, private")
    missing = await wire("HEAD", f"{CONFIG_MAPS}/none")  # by way of aiohttp
    assert (missing.status, missing.headers["Cache-Control"]) == (404, "no-cache, private")
    first, second = missing.headers["Audit-Id"], (await wire("GET", "/version")).headers["Audit-Id"]
    assert first != second
    assert len(first) == len(second) == 36
