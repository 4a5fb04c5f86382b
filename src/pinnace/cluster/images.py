"""`pinnace image load | ls | rm` on the containerd of a running cluster, through containerd's own `ctr`."""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from pinnace.cluster.errors import ImageError
from pinnace.cluster.image_archive import ImageSettings, write_archive
from pinnace.cluster.preflight import find_program
from pinnace.cluster.state import RunState
from pinnace.kubelet.image_reference import InvalidReference, normalise

__all__ = ["ImageError", "command", "load", "names", "normalised"]


def command(args: argparse.Namespace, directory: Path) -> int:
    socket = _socket(directory, args.node)
    if args.command == "load":
        if wrong := next((entry for entry in args.env if not entry.partition("=")[1]), None):
            raise ImageError(f"--env {wrong}: must be NAME=VALUE")
        settings = ImageSettings(_words(args.entrypoint), _words(args.cmd), tuple(args.env))
        reference = load(socket, Path(args.path), args.tag, settings)
        sys.stdout.write(f"Loaded {reference}\n")
    elif args.command == "rm":
        for reference in args.reference:
            remove(socket, reference)
            sys.stdout.write(f"Removed {normalised(reference)}\n")
    else:
        rows = names(socket)
        width = max([len(name) for name, _, _ in rows] + [5])
        sys.stdout.write(f"{'IMAGE'.ljust(width)}   {'DIGEST'.ljust(19)}   SIZE\n")
        for name, digest, size in rows:
            sys.stdout.write(f"{name.ljust(width)}   {digest[:19]}   {size}\n")
    return 0


def _socket(directory: Path, nodes: list[str]) -> str:
    state = RunState(directory)
    record = state.read()
    if not state.is_running():
        raise ImageError("the cluster is not running: start it with `pinnace up`")
    if unknown := [node for node in nodes if node != record.get("nodeName")]:
        raise ImageError(f'node "{unknown[0]}" has no container runtime on this machine')
    if not record.get("containerdSocket"):
        raise ImageError(
            "this cluster has no real node (--nodes none or sim:N), so there is nowhere to load images"
        )
    return str(record["containerdSocket"])


def _words(text: str | None) -> tuple[str, ...]:
    """`["a", "b c"]` as JSON, or shell words."""
    if not text:
        return ()
    if text.lstrip().startswith("["):
        try:
            return tuple(str(word) for word in json.loads(text))
        except json.JSONDecodeError as error:
            raise ImageError(f"{text}: not a JSON list: {error}") from error
    return tuple(shlex.split(text))


def normalised(reference: str) -> str:
    """The full name that the kubelet asks for: `web` -> `docker.io/library/web:latest`."""
    try:
        return normalise(reference)
    except InvalidReference as error:
        raise ImageError(f'"{reference}" is not an image reference: {error}') from None


def load(socket: str, source: Path, tag: str, settings: ImageSettings) -> str:
    """Import an image into the node's containerd; returns its full name."""
    reference = normalised(tag)
    with tempfile.NamedTemporaryFile(prefix="pinnace-image-", suffix=".tar") as archive:
        write_archive(source, reference, settings, archive)
        archive.flush()
        _ctr(socket, "images", "import", archive.name)
    return reference


def remove(socket: str, reference: str) -> None:
    name = normalised(reference)
    if name not in {row[0] for row in names(socket)}:
        raise ImageError(f'image "{name}" is not on the node: `pinnace image ls` lists what is')
    _ctr(socket, "images", "rm", "--sync", name)


def names(socket: str) -> list[tuple[str, str, str]]:
    """(name, digest, size) of every image that has a name."""
    rows = [line.split() for line in _ctr(socket, "images", "ls").splitlines()[1:]]
    return sorted(
        (row[0], row[2], " ".join(row[3:5]))
        for row in rows
        if len(row) > 4 and not row[0].startswith("sha256:")
    )


def _ctr(socket: str, *arguments: str) -> str:
    program = find_program("ctr")
    if not program:
        raise ImageError("ctr is not installed: run `apt-get install -y containerd`")
    done = subprocess.run(
        [program, "--address", socket, "--namespace", "k8s.io", *arguments],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if done.returncode != 0:
        raise ImageError(f"containerd refused: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
