"""Flags as kubectl takes them."""

import pytest

from pinnace.cli.errors import CliError, UsageError
from pinnace.cli.flags import Flag, duration, parse

FLAGS = (
    Flag("namespace", "n"),
    Flag("all", "A", kind="bool"),
    Flag("stdin", "i", kind="bool"),
    Flag("tty", "t", kind="bool"),
    Flag("label-columns", "L", kind="list"),
    Flag("env", kind="repeat"),
    Flag("replicas", kind="int"),
    Flag("dry-run", default="none", bare="unchanged"),
    Flag("timeout", kind="duration", default=30.0),
)


def test_flags_may_stand_before_and_after_arguments() -> None:
    values, rest = parse(["-n", "web", "pods", "--all", "-Lapp,tier", "x", "-L=zone"], FLAGS, "kubectl get")
    assert (values["namespace"], values["all"], values["label-columns"]) == (
        "web",
        True,
        ["app", "tier", "zone"],
    )
    assert rest == ["pods", "x"]


def test_short_flags_may_be_joined_and_two_dashes_end_them() -> None:
    values, rest = parse(["-it", "pod", "--", "sh", "-c", "ls"], FLAGS, "kubectl exec")
    assert (values["stdin"], values["tty"], values["--"]) == (True, True, 1)
    assert rest == ["pod", "sh", "-c", "ls"]


def test_a_flag_with_an_optional_value_takes_it_only_after_an_equals_sign() -> None:
    assert parse(["--dry-run", "x"], FLAGS, "c")[0]["dry-run"] == "unchanged"
    assert parse(["--dry-run=server"], FLAGS, "c")[0]["dry-run"] == "server"


def test_repeated_values_keep_their_commas() -> None:
    assert parse(["--env", "A=1,2", "--env=B=3"], FLAGS, "c")[0]["env"] == ["A=1,2", "B=3"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["-xz"], "unknown shorthand flag: 'x' in -xz"),
        (["--namespace"], "flag needs an argument: --namespace"),
        (["-n"], "flag needs an argument: 'n' in -n"),
    ],
)
def test_wrong_flags_point_to_the_help(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(argv, FLAGS, "kubectl get")
    assert caught.value.text() == f"error: {message}\nSee 'kubectl get --help' for usage."


def test_wrong_values_are_refused_in_the_words_of_go() -> None:
    with pytest.raises(CliError, match=r"strconv\.ParseInt: parsing"):
        parse(["--replicas=x"], FLAGS, "c")


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h30m", 5400), ("10s", 10), ("500ms", 0.5), ("0", 0), ("-1s", -1)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "1 h", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(|10|s|1 h|1d)$"):
        duration(text)
