import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.net.channels import REMOTE_COMMAND, choose


@given(st.sampled_from(sorted(REMOTE_COMMAND)), st.integers(0, 4), st.binary(max_size=100))
def test_a_message_comes_back_as_it_was(name: str, channel: int, data: bytes) -> None:
    protocol = REMOTE_COMMAND[name]
    assert protocol.decode(protocol.encode(channel, data)) == (channel, data)


def test_the_base64_variant_is_text_with_the_digit_of_the_channel() -> None:
    assert REMOTE_COMMAND["v4.base64.channel.k8s.io"].encode(1, b"hi\n") == "1aGkK"


def test_only_v5_closes_single_channels() -> None:
    assert [name for name, protocol in REMOTE_COMMAND.items() if protocol.has_close] == ["v5.channel.k8s.io"]
    assert REMOTE_COMMAND["v5.channel.k8s.io"].close_signal(0) == b"\xff\x00"


@pytest.mark.parametrize("message", ["", "x", "1???", b""])
def test_what_is_no_message_is_a_value_error(message: bytes | str) -> None:
    with pytest.raises(ValueError):
        REMOTE_COMMAND["base64.channel.k8s.io"].decode(message)


def test_the_clients_first_known_choice_wins_and_none_means_the_oldest() -> None:
    chosen = choose(["v9", "v5.channel.k8s.io", "v4.channel.k8s.io"])
    assert chosen is REMOTE_COMMAND["v5.channel.k8s.io"]
    assert choose([]) is REMOTE_COMMAND[""]
    assert choose(["v9"]) is None
