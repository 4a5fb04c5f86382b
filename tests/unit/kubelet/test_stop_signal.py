import pytest

from pinnace.kubelet.termination import stop_signal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGUSR1", 10),
        ("SIGTERM", 15),
        ("SIGRTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("SIGRTMAX-2", 62),
        ("SIGRTMAX", 64),
    ],
)
def test_signals_have_the_numbers_of_linux(text: str, number: int) -> None:
    pod = {"spec": {"containers": [{"name": "c", "lifecycle": {"stopSignal": text}}]}}
    assert stop_signal(pod, "c") == number


def test_without_one_there_is_none() -> None:
    assert stop_signal({"spec": {"containers": [{"name": "c"}]}}, "c") == 0
    assert stop_signal(None, "c") == 0
