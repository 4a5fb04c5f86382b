from pathlib import Path

from pinnace.cluster import cni_leftovers

ONE, OTHER = "a" * 64, "b" * 64


def test_results_of_the_own_network_go_and_those_of_others_stay(tmp_path: Path) -> None:
    names = [
        f"pinnace-a-{ONE}-eth0",
        f"cni-loopback-{ONE}-lo",
        f"pinnace-a-b-{OTHER}-eth0",
        f"cni-loopback-{OTHER}-lo",
    ]
    for name in names:
        (tmp_path / name).touch()
    (link,) = cni_leftovers.remove("pinnace-a", tmp_path)
    assert link.startswith("bwp")
    assert len(link) == 15  # the longest name of a link
    assert {entry.name for entry in tmp_path.iterdir()} == set(names[2:])
    assert list(cni_leftovers.remove("pinnace-a", tmp_path / "none")) == []
