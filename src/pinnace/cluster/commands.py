"""The cluster commands of the one program: `up`, `down`, `status`, `server`, `image`, `agent`, `token`, ...

The CLI dispatches to these functions by name; each takes the arguments after its own name and returns the exit code.
Imports are inside the functions: `status` must not pay for what `server` needs.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pinnace.cluster.config import DEFAULT_NAME, ClusterConfig, cluster_directory, from_args
from pinnace.cluster.errors import ImageError, UsageError
from pinnace.cluster.flags import add_flags
from pinnace.cluster.state import RunState, known_clusters

if TYPE_CHECKING:
    from pinnace.cluster.agent_flags import AgentConfig


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


Command = Callable[[list[str]], int]


def _told(command: Command) -> Command:
    """What is the user's to mend becomes one line on standard error and exit code 1."""

    def run(argv: list[str]) -> int:
        try:
            return command(argv)
        except (UsageError, ImageError) as error:
            return _fail(str(error))

    return update_wrapper(run, command)


@_told
def up(argv: list[str]) -> int:
    """Start a cluster in the background (or here, with --foreground) and wait until it is ready."""
    parser = _Parser(prog="pinnace up", description="Start a cluster.")
    add_flags(parser)
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground until interrupted")
    args = parser.parse_args(argv)
    foreground = args.foreground
    del args.foreground
    config = from_args(args)
    if foreground:
        return _serve(config, in_foreground=True)
    from pinnace.cluster.launch import launch

    return launch(config)


@_told
def server(argv: list[str]) -> int:
    """Run a cluster in the foreground, for systemd."""
    return _run_server(argv, in_foreground=True)


def _run_server(argv: list[str], *, in_foreground: bool) -> int:
    parser = _Parser(prog="pinnace server", description="Run a cluster in the foreground.")
    add_flags(parser)
    return _serve(from_args(parser.parse_args(argv)), in_foreground=in_foreground)


def _serve(config: ClusterConfig, *, in_foreground: bool) -> int:
    from pinnace.cluster import libraries

    libraries.prepare(at_once=config.has_real_node)
    from pinnace.cluster.serve import serve

    return serve(config, in_foreground=in_foreground)


@_told
def agent(argv: list[str]) -> int:
    """Join a cluster as a node, and be that node, in the foreground; `agent down` ends it, `agent status` shows it."""
    from pinnace.cluster import agent_flags

    if argv[:1] in (["down"], ["status"]):
        given = (
            argv[1:]
            if any(word.startswith(("--name", "--data-dir")) for word in argv)
            else [*argv[1:], "--name", agent_flags.DEFAULT_AGENT_NAME]
        )
        return (down if argv[0] == "down" else status)(given)
    parser = _Parser(prog="pinnace agent", description="Be a node of a cluster on another machine.")
    agent_flags.add_flags(parser)
    parser.add_argument(
        "--background", action="store_true", help="go to the background, and return when the node is Ready"
    )
    args = parser.parse_args(argv)
    config = agent_flags.from_args(args)
    if args.background:
        from pinnace.cluster.launch import launch

        rest = [word for word in argv if word != "--background"]
        return launch(config.node, ["agent", *rest])
    return _run_agent(config, in_foreground=True)


def _run_agent(config: "AgentConfig", *, in_foreground: bool) -> int:
    from pinnace.cluster import libraries

    libraries.prepare(at_once=True)
    from pinnace.cluster.serve import serve_agent

    return serve_agent(config, in_foreground=in_foreground)


def _which(parser: argparse.ArgumentParser, argv: list[str]) -> tuple[argparse.Namespace, Path]:
    parser.add_argument("--name", default=DEFAULT_NAME)
    parser.add_argument("--data-dir", default="")
    args = parser.parse_args(argv)
    return args, cluster_directory(args.name, args.data_dir)


@_told
def down(argv: list[str]) -> int:
    """Stop a cluster and its containers; --purge deletes its data too."""
    parser = _Parser(prog="pinnace down", description="Stop a cluster and its containers.")
    parser.add_argument(
        "--purge", action="store_true", help="delete the cluster's data and its kubeconfig entries"
    )
    args, directory = _which(parser, argv)
    from pinnace.cluster.teardown import teardown

    return teardown(args.name, directory, purge=args.purge)


@_told
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


@_told
def token(argv: list[str]) -> int:
    """Print the admin bearer token; or bootstrap tokens, with which machines join: create, list, delete, generate."""
    if argv and not argv[0].startswith("-"):
        return _bootstrap_tokens(argv)
    parser = _Parser(
        prog="pinnace token",
        description="Print the admin bearer token. `pinnace token create|list|delete|generate` are about tokens for new nodes.",
    )
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


def _bootstrap_tokens(argv: list[str]) -> int:
    from pinnace.cluster import joining, tokens

    parser = _Parser(prog="pinnace token", description="Tokens with which machines join a cluster.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="create|list|delete|generate")
    create = commands.add_parser("create", help="make a token on the cluster")
    create.add_argument(
        "token", nargs="?", default="", help="[a-z0-9]{6}.[a-z0-9]{16} (default: a random one)"
    )
    create.add_argument("--ttl", default="24h", help="how long it is good (default 24h; 0: for ever)")
    create.add_argument("--description", default="", help="what it is for")
    create.add_argument("--usages", default="signing,authentication")
    create.add_argument("--groups", default=joining.BOOTSTRAPPERS, help="groups that it gives")
    create.add_argument(
        "--print-join-command", action="store_true", help="print what to type on the new machine"
    )
    listing = commands.add_parser("list", help="show all")
    listing.add_argument("-o", "--output", choices=["text", "json"], default="text")
    delete = commands.add_parser("delete", help="delete some, by token or by the part before the dot")
    delete.add_argument("token", nargs="+")
    commands.add_parser("generate", help="print a random token, and change nothing")
    for command in commands.choices.values():
        command.add_argument("--name", default=DEFAULT_NAME)
        command.add_argument("--data-dir", default="")
    args = parser.parse_args(argv)
    return tokens.command(args, cluster_directory(args.name, args.data_dir), args.name)


@_told
def demo(argv: list[str]) -> int:
    """A Deployment, a Service and an Ingress that answer, from an image made on this machine."""
    parser = _Parser(
        prog="pinnace demo", description="Deploy a small web application and say how to reach it."
    )
    add_flags(
        parser
    )  # those of `up`, so that `./dev up FLAGS` can pass them on; they tell which cluster is meant
    from pinnace.cluster import demo as application

    config = from_args(parser.parse_args(argv))
    try:
        return application.run(config.name, config.directory)
    except (RuntimeError, OSError) as error:
        return _fail(str(error))


@_told
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
    directory = cluster_directory(args.name, args.data_dir)
    from pinnace.cluster import images

    return images.command(args, directory)


def _agent_in_background(argv: list[str]) -> int:
    from pinnace.cluster import agent_flags

    parser = _Parser(prog="pinnace agent")
    agent_flags.add_flags(parser)
    return _run_agent(agent_flags.from_args(parser.parse_args(argv)), in_foreground=False)


def main() -> int:
    """`python -m pinnace.cluster FLAGS`: how the launcher starts the server, without the CLI's dispatch."""
    os.umask(0o022)
    if sys.argv[1:2] == ["agent"]:
        return _told(_agent_in_background)(sys.argv[2:])
    return _told(partial(_run_server, in_foreground=False))(sys.argv[1:])
