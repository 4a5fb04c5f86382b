import pytest

from pinnace.apimachinery import errors
from pinnace.apiserver.negotiation import (
    EVERY,
    PROTOBUF,
    TEXTS,
    Accepted,
    media_of,
    negotiate,
    require_body_type,
)

FORMS = frozenset(("Table", "PartialObjectMetadata"))
KUBECTL = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        ("application/json", Accepted()),
        ("application/yaml", Accepted("application/yaml")),
        (KUBECTL, Accepted(form="Table")),
        ("application/vnd.kubernetes.protobuf, application/json", Accepted()),
        (
            f"{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json",
            Accepted(PROTOBUF, "PartialObjectMetadata"),
        ),
        (f"{PROTOBUF};as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io,application/json", Accepted()),
        (f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,application/json", Accepted()),
        ("application/json;as=Unknown;v=v1;g=meta.k8s.io,application/json", Accepted()),
        ("application/json;q=0.5, application/yaml", Accepted("application/yaml")),
        (
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            Accepted(form="PartialObjectMetadata"),
        ),
    ],
)
def test_the_first_acceptable_clause_wins(accept: str, wanted: Accepted) -> None:
    assert negotiate(accept, forms=FORMS) == wanted


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/vnd.kubernetes.protobuf", "application/json;as=Table;v=v9;g=meta.k8s.io"],
)
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(errors.NotAcceptable):
        negotiate(accept, forms=FORMS)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        (PROTOBUF, Accepted(PROTOBUF)),
        (f"{PROTOBUF};stream=watch", Accepted(PROTOBUF)),
        (f"{PROTOBUF},application/json", Accepted(PROTOBUF)),
        (f"{PROTOBUF};q=0.5,application/json", Accepted()),
        (f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,{PROTOBUF}", Accepted(PROTOBUF)),
    ],
)
def test_protobuf_where_the_kind_has_a_message(accept: str, wanted: Accepted) -> None:
    assert negotiate(accept, forms=FORMS, offered=EVERY) == wanted


def test_only_kinds_with_a_message_are_offered_as_protobuf() -> None:
    assert media_of("apps/v1", "Deployment") == EVERY
    assert media_of("example.com/v1", "Widget") == TEXTS
    with pytest.raises(
        errors.NotAcceptable, match="are accepted: application/json, application/yaml, application/vnd"
    ):
        negotiate("text/html", offered=EVERY)


def test_body_types() -> None:
    assert require_body_type("application/json; charset=utf-8", ("application/json",)) == "application/json"
    with pytest.raises(errors.UnsupportedMediaType, match="accepted media types include: application/json"):
        require_body_type("text/plain", ("application/json",))
