"""Files that are not what a build expects: one line of error, never a traceback."""

from pathlib import Path

import pytest

from pinnace.cli.kustomize.build import build
from pinnace.cli.kustomize.errors import BuildError

HEAD = "apiVersion: v1\nkind: ConfigMap\n"


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        ("\udcff\udcfe: x", "", "invalid leading UTF-8 octet in File: a.yaml"),
        (f"{HEAD}metadata: hello", "", r"missing metadata.name in object \{\{v1 ConfigMap\}"),
        (f"{HEAD}metadata: {{name: a}}\ndata: {{? [1, 2] : 3}}", "", "line 4: invalid map key"),
        (f"{HEAD}metadata: {{name: a}}\ndata: {'[' * 3000}{']' * 3000}", "", "nested too deeply|max depth"),
        (f"{HEAD}metadata: {{name: a, labels: 5}}", "commonLabels: {a: b}", "does not have the form"),
    ],
    ids=["not UTF-8", "metadata", "key", "deep", "labels"],
)
def test_objects_that_are_none(tmp_path: Path, content: str, more: str, message: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content.encode(errors="surrogateescape"))
    (tmp_path / "kustomization.yaml").write_text(f"resources: [a.yaml]\n{more}\n")
    with pytest.raises(BuildError, match=message):
        build(str(tmp_path))


def test_a_kustomization_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_bytes(b"\xff")
    with pytest.raises(BuildError, match="invalid Kustomization: yaml: invalid leading UTF-8 octet"):
        build(str(tmp_path))
