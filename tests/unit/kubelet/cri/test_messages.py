from pinnace.kubelet.cri.messages import TABLE, message_classes
from pinnace.net.grpc_messages import parse_table


def test_every_named_message_is_in_the_table() -> None:
    table = parse_table(TABLE)
    for name, fields in table.items():
        assert len({number for number, _, _ in fields}) == len(fields), name
        for _, _, kind in fields:
            bare = kind.lstrip("*")
            assert not bare[0].isupper() or bare in table, (name, bare)


def test_wire_format() -> None:
    metadata = message_classes()["PodSandboxMetadata"](name="a", uid="b", attempt=3)
    assert metadata.SerializeToString() == b"\x0a\x01a\x12\x01b\x20\x03"
    spec = message_classes()["ImageSpec"](image="i", annotations={"k": "v"}, user_specified_image="u")
    assert spec.SerializeToString(deterministic=True) == b"\x0a\x01i\x12\x06\x0a\x01k\x12\x01v\x92\x01\x01u"
