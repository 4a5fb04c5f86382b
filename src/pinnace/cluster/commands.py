"""The cluster commands of the one program: `up`, `down`, `status`, `server`, `image`, `agent`, `token`, ...

The CLI dispatches to these functions by name; each takes the arguments after its own name and returns the exit code.
Imports are inside the functions: `status` must not pay for what `server` needs.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from pinnace.cluster.config import DEFAULT_NAME, ClusterConfig, UsageError, add_flags, data_root, from_args
from pinnace.cluster.image_archive import ImageError
from pinnace.cluster.state import RunState, known_clusters


class _Parser(argparse.ArgumentParser):
    """argparse with kubectl's manners: `error: ...` on standard error and exit code 1."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"error: {message}\nSee '{self.prog} --help' for usage.\n")
        raise SystemExit(1)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _fail(text: str) -> int:
    sys.stderr.write(f"error: {text}\n")
    return 1


def up(argv: list[str]) -> int:
    """Start a cluster in the background (or here, with --foreground) and wait until it is ready."""
    parser = _Parser(prog="pinnace up", description="Start a cluster.")
    add_flags(parser)
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground until interrupted")
    args = parser.parse_args(argv)
    foreground = args.foreground
    del args.foreground
    try:
        config = from_args(args)
    except UsageError as error:
        return _fail(str(error))
    if foreground:
        return _serve(config)
    from pinnace.cluster.launch import launch

    return launch(config)


def server(argv: list[str]) -> int:
    """Run a cluster in the foreground, for systemd."""
    parser = _Parser(prog="pinnace server", description="Run a cluster in the foreground.")
    add_flags(parser)
    try:
        return _serve(from_args(parser.parse_args(argv)))
    except UsageError as error:
        return _fail(str(error))


def _serve(config: ClusterConfig) -> int:
    from pinnace.cluster.serve import serve

    return serve(config)


def _which(parser: argparse.ArgumentParser, argv: list[str]) -> tuple[argparse.Namespace, Path]:
    parser.add_argument("--name", default=DEFAULT_NAME)
    parser.add_argument("--data-dir", default="")
    args = parser.parse_args(argv)
    return args, Path(args.data_dir) if args.data_dir else data_root() / args.name


def down(argv: list[str]) -> int:
    """Stop a cluster and its containers; --purge deletes its data too."""
    parser = _Parser(prog="pinnace down", description="Stop a cluster and its containers.")
    parser.add_argument(
        "--purge", action="store_true", help="delete the cluster's data and its kubeconfig entries"
    )
    args, directory = _which(parser, argv)
    from pinnace.cluster.teardown import teardown

    return teardown(args.name, directory, purge=args.purge)


def status(argv: list[str]) -> int:
    """Say what runs; -o json for programs."""
    parser = _Parser(prog="pinnace status", description="Show what runs.")
    parser.add_argument("-o", "--output", choices=["json", "text"], default="text")
    args, directory = _which(parser, argv)
    from pinnace.cluster.status import current

    found = current(args.name, directory)
    if args.output == "json":
        _say(json.dumps(found, indent=2))
        return 0 if found["processes"] else 1
    if not found["processes"]:
        others = [name for name, other in known_clusters() if RunState(other).is_running()]
        hint = f" (running: {', '.join(others)})" if others else ""
        _say(f"Cluster {args.name!r} is not running{hint}: start it with `pinnace up`.")
        return 1
    _say(f"Cluster {found['name']!r} {'is ready' if found['ready'] else 'is starting'}: {found['server']}")
    _say(
        f"  version     {found['version']}\n  data        {found['dataDirectory']}\n  kubeconfig  {found['kubeconfig']}"
    )
    for process in found["processes"]:
        _say(f"  {process['name']:<11} pid {process['pid']}")
    for note in found["notes"]:
        _say(f"  note        {note}")
    return 0


def token(argv: list[str]) -> int:
    """Print the admin bearer token."""
    parser = _Parser(prog="pinnace token", description="Print the admin bearer token.")
    _, directory = _which(parser, argv)
    try:
        _say((directory / "token").read_text().strip())
    except FileNotFoundError:
        return _fail(f"there is no cluster in {directory}: start one with `pinnace up`")
    except PermissionError:
        return _fail(
            f"{directory}/token is readable by its owner only: run this as the user that started the cluster"
        )
    return 0


def demo(argv: list[str]) -> int:
    """A Deployment, a Service and an Ingress that answer, from an image made on this machine."""
    parser = _Parser(
        prog="pinnace demo", description="Deploy a small web application and say how to reach it."
    )
    args, directory = _which(parser, argv)
    from pinnace.cluster import demo as application

    try:
        return application.run(args.name, directory)
    except (RuntimeError, OSError, ImageError) as error:
        return _fail(str(error))


def image(argv: list[str]) -> int:
    """Images of the nodes: load PATH --tag REF, ls, rm REF."""
    parser = _Parser(prog="pinnace image", description="Images on the nodes of a cluster.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="load|ls|rm")
    load = commands.add_parser(
        "load", help="an OCI layout, a docker or OCI archive, or a plain root directory"
    )
    load.add_argument("path")
    load.add_argument("--tag", required=True, help="the reference that pods use, e.g. example.com/web:1")
    load.add_argument("--entrypoint", help="for a root directory: JSON list or words")
    load.add_argument("--cmd", help="for a root directory: JSON list or words")
    load.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    remove = commands.add_parser("rm", help="remove an image")
    remove.add_argument("reference", nargs="+")
    listing = commands.add_parser("ls", help="list images")
    for command in (load, remove, listing):
        command.add_argument("--name", default=DEFAULT_NAME)
        command.add_argument("--data-dir", default="")
        command.add_argument("--node", action="append", default=[], help="only these nodes")
    args = parser.parse_args(argv)
    directory = Path(args.data_dir) if args.data_dir else data_root() / args.name
    from pinnace.cluster import images

    try:
        return images.command(args, directory)
    except images.ImageError as error:
        return _fail(str(error))


COMMANDS: dict[str, Any] = {
    "up": up,
    "down": down,
    "status": status,
    "server": server,
    "token": token,
    "image": image,
    "demo": demo,
}


def main() -> int:
    """`python -m pinnace.cluster COMMAND ...`: how the launcher starts the server, without the CLI's dispatch."""
    os.umask(0o022)
    return int(COMMANDS[sys.argv[1]](sys.argv[2:]))
