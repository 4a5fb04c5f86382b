"""What a volume of the local-path provisioner is called."""

from pathlib import Path

from pinnace.controllers.volumes.local_path_volumes import directory_of


def test_a_directory_has_a_name_that_file_systems_take_however_long_the_claims_is() -> None:
    def claim(name: str, uid: str) -> dict:
        return {"metadata": {"name": name, "namespace": "n" * 63, "uid": uid * 36}}

    usual = directory_of(claim("data", "1"), Path("/d"))
    assert usual == Path(f"/d/pvc-{'1' * 36}_{'n' * 63}_data")
    long, other = (directory_of(claim("c" * 253, uid), Path("/d")) for uid in "12")
    assert len(long.name) == len(other.name) == 255
    assert long != other
