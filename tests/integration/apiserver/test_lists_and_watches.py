"""Upstream's table of resourceVersion, resourceVersionMatch, limit and continue, and the rules of watches, each cell a test.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

import pytest

from integration.conftest import Answered, Wire

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
FIELD = "resourceVersionMatch"
NO_VERSION = f"{FIELD}: Forbidden: {FIELD} is forbidden unless resourceVersion is provided"
NO_CONTINUE = f"{FIELD}: Forbidden: {FIELD} is forbidden when continue is provided"
NO_ZERO = f'{FIELD}: Forbidden: {FIELD} "exact" is forbidden for resourceVersion "0"'
NO_INITIAL = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
VERSION_AND_CONTINUE = "400 BadRequest: specifying resource version is not allowed when using continue"


async def filled(wire: Wire) -> list[str]:
    """Five objects, c0 to c4; the resource version of each."""
    made = [
        await wire("POST", CONFIG_MAPS, {"metadata": {"name": f"c{n}", "labels": {"n": str(n)}}})
        for n in range(5)
    ]
    return [answer.body["metadata"]["resourceVersion"] for answer in made]


def names(answer: Answered) -> str:
    return " ".join(item["metadata"]["name"] for item in answer.body["items"])


def invalid(*found: str) -> str:
    told = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
    return f'422 Invalid: ListOptions.meta.k8s.io "" is invalid: {told}'


@pytest.mark.parametrize("version", ["", "0", "middle"])
@pytest.mark.parametrize("match", ["", "Exact", "NotOlderThan"])
@pytest.mark.parametrize("paging", ["", "limit", "continue"])
async def test_each_cell_of_the_table(wire: Wire, version: str, match: str, paging: str) -> None:
    versions = await filled(wire)
    token = (await wire("GET", f"{CONFIG_MAPS}?limit=2")).body["metadata"]["continue"]
    asked = versions[2] if version == "middle" else version
    query = {"": "", "limit": "&limit=2", "continue": f"&continue={token}"}[paging]
    answer = await wire("GET", f"{CONFIG_MAPS}?resourceVersion={asked}&{FIELD}={match}{query}")

    found = [
        *([NO_VERSION] if match and not version else []),
        *([NO_CONTINUE] if match and paging == "continue" else []),
        *([NO_ZERO] if match == "Exact" and version == "0" else []),
    ]
    if found:
        assert answer.message == invalid(*found)
    elif paging == "continue":
        if version == "middle":
            assert answer.message == VERSION_AND_CONTINUE
        else:
            assert names(answer) == "c2 c3 c4"
    else:
        is_exact = version == "middle" and (match == "Exact" or (not match and paging == "limit"))
        shown = "c0 c1 c2" if is_exact else "c0 c1 c2 c3 c4"
        assert answer.body["metadata"]["resourceVersion"] == versions[2 if is_exact else 4]
        assert names(answer) == (shown[:5] if paging else shown)
        if paging:
            assert answer.body["metadata"]["remainingItemCount"] == len(shown.split()) - 2


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("sendInitialEvents=true", invalid(NO_INITIAL)),
        (f"{FIELD}=Foo&resourceVersion=1", invalid(f'{FIELD}: Unsupported value: "Foo": supported values: "Exact", "NotOlderThan", ""')),
        ("limit=1_0", '400 BadRequest: strconv.ParseInt: parsing "1_0": invalid syntax'),
        ("limit=99999999999999999999", '400 BadRequest: strconv.ParseInt: parsing "99999999999999999999": value out of range'),
        ("continue=*", "400 BadRequest: continue key is not valid: illegal base64 data at input byte 0"),
        ("labelSelector=a%3D%3D%3Db", "400 BadRequest: unable to parse requirement: found '=', expected: identifier"),
        ("fieldSelector=metadata.name%3D%3D%3Da", "400 BadRequest: invalid field selector: unescaped character in value: ="),
        (f"watch=1&{FIELD}=NotOlderThan", invalid(f"{FIELD}: Forbidden: {FIELD} is forbidden for watch unless sendInitialEvents is provided")),
        ("watch=1&sendInitialEvents=true", invalid(f"{FIELD}: Forbidden: sendInitialEvents requires setting {FIELD} to NotOlderThan")),
        (f"watch=1&sendInitialEvents=true&{FIELD}=Exact&continue=x", invalid(
            f"{FIELD}: Forbidden: sendInitialEvents requires setting {FIELD} to NotOlderThan",
            f'{FIELD}: Unsupported value: "Exact": supported values: "NotOlderThan"', NO_CONTINUE)),
    ],
)  # fmt: skip
async def test_refused_queries(wire: Wire, query: str, told: str) -> None:
    assert (await wire("GET", f"{CONFIG_MAPS}?{query}")).message == told


WATCH = f"{CONFIG_MAPS}?timeoutSeconds=1&allowWatchBookmarks=1&watch="


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("1", "c0 c1 c2 c3 c4"),
        ("anything&resourceVersion=0", "c0 c1 c2 c3 c4"),  # true is what is not "false" or "0"
        ("1&resourceVersion=middle", "c3 c4"),
        ("1&resourceVersion=middle&continue=x&limit=1", "c3 c4"),  # of no meaning to a watch
        ("1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", "c0 c1 c2 c3 c4 END"),
        (
            "1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=middle&labelSelector=n%3D3",
            "c3 END",
        ),
        ("1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", ""),
        ("1&fieldSelector=metadata.name%3Dc1", "c1"),
        ("1&labelSelector=n+notin+(1,2,3)", "c0 c4"),
    ],
)
async def test_what_a_watch_begins_with(wire: Wire, query: str, shown: str) -> None:
    versions = await filled(wire)
    events = await wire.events(WATCH + query.replace("middle", versions[2]))
    found = []
    for event in events:
        metadata = event["object"]["metadata"]
        if event["type"] == "BOOKMARK":
            assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
            assert metadata["resourceVersion"] == versions[4]
        else:
            assert event["type"] == "ADDED"
        found.append("END" if event["type"] == "BOOKMARK" else metadata["name"])
    assert " ".join(found) == shown


async def test_deleting_collections(wire: Wire) -> None:
    await filled(wire)
    rehearsed = await wire("DELETE", f"{CONFIG_MAPS}?labelSelector=n+in+(1,2)&dryRun=All")
    assert names(rehearsed) == "c1 c2"
    assert names(await wire("GET", CONFIG_MAPS)) == "c0 c1 c2 c3 c4"
    assert names(await wire("DELETE", f"{CONFIG_MAPS}?labelSelector=n+in+(1,2)")) == "c1 c2"
    refused = await wire("DELETE", f"{CONFIG_MAPS}?labelSelector=(")
    assert refused.message == "400 BadRequest: found '(', expected: !, identifier, or 'end of string'"
    assert names(await wire("GET", CONFIG_MAPS)) == "c0 c3 c4"
