"""Exec, attach, port-forward, cp and logs byte for byte, with the kubectls that speak SPDY and those that speak WebSocket."""

import hashlib
import http.client
import os
import pty
import random
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest
from kubernetes import client, config
from kubernetes.stream import portforward, stream

from e2e_support import IMAGE, KUBECTLS, Space, pod, until

SERVER = "httpd -f -p 8080 -h /www & while true; do echo tick; sleep 0.2; done"
# 1.27 speaks SPDY; 1.31 brought WebSocket exec and tunnelled port-forward; 1.33 is the newest here
PROGRAMS = {**KUBECTLS, "pinnace": str(Path(sys.executable).with_name("pinnace"))}  # and our own
VERSIONS = [version for version in ("1.27", "1.31", "1.33", "pinnace") if version in PROGRAMS]


def binary(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture
def web(space: Space) -> Space:
    """A pod `web` that serves and logs, another container that reads, and one with a terminal."""
    one = pod("web", SERVER)
    image = one["spec"]["containers"][0]["image"]
    reader = {
        "name": "reader",
        "image": image,
        "stdin": True,
        "command": ["sh", "-c", "while read l; do echo got $l; done"],
    }
    terminal = {"name": "terminal", "image": image, "stdin": True, "tty": True, "command": ["sh"]}
    one["spec"]["containers"] += [reader, terminal]
    one["spec"]["terminationGracePeriodSeconds"] = 1
    space.apply(one)
    space.until_ready("web")
    return space


def raw(
    web: Space, version: str, *arguments: str, stdin: bytes | None = None
) -> "subprocess.CompletedProcess[bytes]":
    program = PROGRAMS.get(version, "kubectl")
    environment = {**os.environ, "KUBECONFIG": str(web.cluster.kubeconfig)}
    return subprocess.run(
        [program, "-n", web.name, *arguments], input=stdin, capture_output=True, check=False, env=environment, timeout=60
    )  # fmt: skip


def terminal(web: Space, version: str, *arguments: str) -> "pexpect.spawn[str]":
    # COLUMNS and LINES are those of whoever started the tests: the terminal's own size counts.
    environment = {
        **os.environ, "KUBECONFIG": str(web.cluster.kubeconfig), "TERM": "dumb", "COLUMNS": "80", "LINES": "24",
    }  # fmt: skip
    return pexpect.spawn(
        PROGRAMS.get(version, "kubectl"), ["-n", web.name, *arguments], timeout=60, encoding="utf-8", env=environment,
        dimensions=(33, 101),
    )  # fmt: skip


def untouched() -> list[Any]:
    """The modes of a terminal that nobody has changed."""
    ends = pty.openpty()
    modes = termios.tcgetattr(ends[0])
    for end in ends:
        os.close(end)
    return modes


def ended(child: "pexpect.spawn[str]") -> tuple[str, int]:
    """(the rest of what it shows, its exit code, less than 0 for a signal); its terminal must be as it was."""
    rest = child.read()
    modes = termios.tcgetattr(child.child_fd)
    child.close()
    assert modes == untouched()
    return rest, -child.signalstatus if child.signalstatus else child.exitstatus or 0


@pytest.mark.parametrize("version", VERSIONS)
def test_streams_of(web: Space, version: str, tmp_path: Path) -> None:
    data = binary(3_000_000)
    summed = raw(web, version, "exec", "-i", "web", "-c", "main", "--", "md5sum", stdin=data)
    assert summed.stdout.split()[0].decode() == hashlib.md5(data).hexdigest()
    back = raw(web, version, "exec", "-i", "web", "-c", "main", "--", "cat", stdin=data)
    assert back.stdout == data
    failed = raw(
        web, version, "exec", "web", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 7"
    )
    assert (failed.returncode, failed.stdout) == (7, b"out\n")
    assert failed.stderr.startswith(b"err\n")
    assert raw(web, version, "exec", "web", "-c", "main", "--", "nonesuch").returncode != 0
    (tmp_path / "up").write_bytes(data)
    assert raw(web, version, "cp", str(tmp_path / "up"), "web:/tmp/file", "-c", "main").returncode == 0
    assert raw(web, version, "cp", "web:/tmp/file", str(tmp_path / "back"), "-c", "main").returncode == 0
    assert (tmp_path / "back").read_bytes() == data
    attached = raw(web, version, "attach", "-i", "web", "-c", "reader", stdin=f"from {version}\n".encode())
    assert attached.returncode == 0
    until(lambda: f"got from {version}" in web.out("logs", "web", "-c", "reader"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_terminal_has_its_size_and_the_exit_code_comes_back(web: Space, version: str) -> None:
    child = terminal(web, version, "exec", "-it", "web", "-c", "main", "--", "sh")
    # The size goes its own way (as with kubectl) and may come after what is typed at once.
    child.sendline("until stty size | grep '33 101'; do :; done; echo done-$((1+1))")
    child.expect("33 101\r")
    child.expect("done-2")
    child.setwinsize(40, 120)
    child.sendline("until stty size | grep '40 120'; do :; done")
    child.expect("40 120\r")
    child.sendline("exit 9")
    assert ended(child)[1] == 9
    attached = terminal(web, version, "attach", "-it", "web", "-c", "terminal")
    attached.sendline("echo here-$((1+2))")
    attached.expect("here-3")
    attached.close(force=True)


def test_whoever_attaches_first_is_the_only_one_with_stdin_once(space: Space) -> None:
    """The container's input ends when he leaves."""
    once = {"stdin": True, "stdinOnce": True, "command": ["sh", "-c", "cat; echo end"]}
    space.apply(pod("once", container=once, restartPolicy="Never"))
    space.until_ready("once")
    attached = raw(space, "", "attach", "-q", "-i", "once", stdin=b"last words\n")
    assert attached.returncode == 0
    space.until_status("once", "Completed")
    assert space.out("logs", "once") == "last words\nend\n"


@contextmanager
def forwarded(web: Space, version: str) -> Iterator[int]:
    child = terminal(web, version, "port-forward", "pod/web", ":8080")
    try:
        child.expect(r"Forwarding from 127.0.0.1:(\d+) -> 8080")
        assert child.match
        yield int(child.match[1])
    finally:
        child.terminate(force=True)


def page(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    body = connection.getresponse().read()
    connection.close()
    return body


@pytest.mark.parametrize("version", VERSIONS)
def test_a_port_forward_carries_many_connections_at_once(web: Space, version: str) -> None:
    with forwarded(web, version) as port, ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: page(port), range(24)))
        assert all(b"Hello from Pinnace" in body for body in bodies)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as half_open:
            half_open.sendall(b"GET / HTTP/1.0\r\n\r\n")
            half_open.shutdown(socket.SHUT_WR)
            assert half_open.recv(15) == b"HTTP/1.1 200 OK"[:15]


def test_the_official_client_executes_with_stdin_and_forwards(web: Space) -> None:
    core = client.CoreV1Api(config.new_client_from_config(str(web.cluster.kubeconfig)))
    shell = stream(
        core.connect_get_namespaced_pod_exec, "web", web.name, container="main", command=["sh"],
        stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
    )  # fmt: skip
    shell.write_stdin("echo one; echo two >&2; exit 4\n")
    shell.run_forever(timeout=60)
    assert (shell.read_stdout(), shell.read_stderr(), shell.returncode) == ("one\n", "two\n", 4)
    forward = portforward(core.connect_get_namespaced_pod_portforward, "web", web.name, ports="8080")
    connection = forward.socket(8080)
    connection.setblocking(True)
    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
    received = b""
    while part := connection.recv(4096):
        received += part
    assert b"Hello from Pinnace" in received
    assert forward.error(8080) is None


def test_many_commands_at_once_do_not_mix(web: Space) -> None:
    def ask(number: int) -> bytes:
        return raw(
            web, "", "exec", "web", "-c", "main", "--", "sh", "-c", f"sleep 0.3; echo answer {number}"
        ).stdout

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(12))) == [f"answer {number}\n".encode() for number in range(12)]


def test_a_command_that_cannot_be_found_says_so(web: Space) -> None:
    done = raw(web, "", "exec", "web", "-c", "main", "--", "nonesuch")
    assert b"nonesuch" in done.stderr
    assert b"executable file not found" in done.stderr


def test_logs_of_a_pod_that_goes_end_with_its_last_words(web: Space) -> None:
    environment = {**os.environ, "KUBECONFIG": str(web.cluster.kubeconfig)}
    command = ["kubectl", "-n", web.name, "logs", "-f", "web", "-c", "main", "--tail=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"tick\n"
        web.kubectl("delete", "pod", "web", "--wait=false")
        assert follower.wait(timeout=60) == 0


def test_a_debug_container_sees_the_processes_of_its_target_and_a_terminal_is_left_with_keys(
    web: Space,
) -> None:
    script = "until read -t 1 line; do echo waiting; done; echo got-$line; grep -h httpd /proc/[0-9]*/comm"
    child = terminal(
        web, "pinnace", "debug", "-it", "web", f"--image={IMAGE}", "--target=main", "--profile=general", "-c", "helper",
        "--", "sh", "-c", script,
    )  # fmt: skip
    child.expect("try pressing enter.", timeout=60)
    child.expect("waiting", timeout=60)
    child.sendline("hello")
    child.expect("got-hello", timeout=60)
    child.expect("httpd", timeout=60)
    child.expect("Session ended, the ephemeral container will not be restarted", timeout=60)
    child.expect(pexpect.EOF, timeout=60)
    attached = terminal(web, "pinnace", "attach", "-it", "web", "-c", "terminal")
    attached.expect("try pressing enter.", timeout=60)
    attached.sendline("echo here-$((1+2))")
    attached.expect("here-3", timeout=60)
    attached.send("\x10\x11")
    attached.expect("Session ended, resume using 'pinnace attach web -c terminal", timeout=60)
    assert ended(attached)[1] == 0
    states = web.json("get", "pod", "web")["status"]
    assert next(s for s in states["containerStatuses"] if s["name"] == "terminal")["state"].get("running")


@pytest.mark.parametrize("version", [version for version in ("1.33", "pinnace") if version in PROGRAMS])
def test_run_gives_the_exit_code_of_the_container_and_removes_the_pod(space: Space, version: str) -> None:
    done = raw(
        space, version, "run", "once", f"--image={IMAGE}", "-i", "--rm", "--restart=Never", "--",
        "sh", "-c", "read a; echo got $a; exit 3", stdin=b"it\n",
    )  # fmt: skip
    assert b"got it\n" in done.stdout
    assert b'pod "once" deleted' in done.stdout
    assert f"pod {space.name}/once terminated (Error)\n".encode() in done.stderr
    assert done.returncode == 3
    until(lambda: "once" not in space.out("get", "pods"), within=60)


AT_TERMINALS = [version for version in ("1.33", "pinnace") if version in PROGRAMS]


@pytest.mark.parametrize("version", AT_TERMINALS)
def test_ctrl_c_belongs_to_the_program_in_the_container_or_ends_the_client(web: Space, version: str) -> None:
    script = "trap 'echo trapped-$((1+1)); exit 5' INT; echo ready-$((1+1)); while :; do sleep 0.1; done"
    inside = terminal(web, version, "exec", "-it", "web", "-c", "main", "--", "sh", "-c", script)
    inside.expect("ready-2")
    inside.sendcontrol("c")
    inside.expect("trapped-2")
    assert ended(inside)[1] == 5
    following = terminal(web, version, "logs", "-f", "web", "-c", "main", "--tail=1")
    following.expect("tick")
    following.sendcontrol("c")
    assert ended(following)[1] == 1
    forwarding = terminal(web, version, "port-forward", "pod/web", ":8080")
    forwarding.expect(r"Forwarding from 127.0.0.1:(\d+) -> 8080")
    assert forwarding.match
    assert b"Hello from Pinnace" in page(int(forwarding.match[1]))
    forwarding.sendcontrol("c")
    rest, code = ended(forwarding)
    assert (code, "Traceback" in rest) == (0, False)


@pytest.mark.parametrize("version", AT_TERMINALS)
def test_run_at_a_terminal_types_into_the_container_and_leaves_no_pod(space: Space, version: str) -> None:
    child = terminal(
        space, version, "run", "shell", f"--image={IMAGE}", "-it", "--rm", "--restart=Never", "--",
        "sh", "-c", "until read -t 1 word; do echo waiting-$((1+1)); done; until stty size | grep '33 101'; do :; done; echo got-$word; exit 3",
    )  # fmt: skip  # the size may come after what is typed
    child.expect("waiting-2")
    child.sendline("it")
    child.expect("33 101\r")
    child.expect("got-it")
    rest, code = ended(child)
    assert 'pod "shell" deleted' in rest
    assert code == 3
    until(lambda: "shell" not in space.out("get", "pods"), within=60)
