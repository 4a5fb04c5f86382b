"""What the tests of `pinnace why` share: a command line in this process against a simulated cluster, and objects to break."""

import asyncio
import io
import json
import re
import shlex
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery.gvk import GVR
from pinnace.cli import clock as cli_clock
from pinnace.cli.main import main
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]


class Told(NamedTuple):
    code: int
    text: str

    @property
    def findings(self) -> list[Object]:
        assert self.text.startswith("{"), self.text
        found: list[Object] = json.loads(self.text)["findings"]
        return found

    def cause(self, rule: str, name: str = "") -> str:
        """What the rule says first (of the object with this name, which may be the beginning of one); fails where it says nothing."""
        return str(self.finding(rule, name)["cause"])

    def finding(self, rule: str, name: str = "") -> Object:
        for one in self.findings:
            if one["rule"] == rule and one["object"]["name"].startswith(name):
                return one
        raise AssertionError(f"{rule} says nothing about {name or 'anything'}:\n{self.text}")

    def seen(self, rule: str, name: str = "") -> str:
        """All evidence that the rule gives about it, as text."""
        found = [
            one for one in self.findings if one["rule"] == rule and one["object"]["name"].startswith(name)
        ]
        return "\n".join(f"{seen['where']}: {seen['text']}" for one in found for seen in one["evidence"])


class Asked:
    """`await asked("pod/web")` runs `pinnace why pod/web -o json`."""

    def __init__(
        self, cluster: SimulatedCluster, cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:  # fmt: skip
        monkeypatch.setenv("KUBECONFIG", str(cluster.api.kubeconfig()))
        monkeypatch.setattr(cli_clock, "now", lambda: cluster.clock.now().timestamp())
        self._cache, self._capsys, self._monkeypatch = cache, capsys, monkeypatch

    async def plain(self, *words: str) -> Told:
        code = await asyncio.to_thread(main, ["why", *words, "--cache-dir", str(self._cache)])
        out, err = self._capsys.readouterr()
        return Told(code, out if "json" in words and out else out + err)

    async def __call__(self, *words: str) -> Told:
        return await self.plain(*words, "-o", "json")

    async def run(self, command: str, put: dict[str, str] | None = None) -> Told:
        """A command that `why` proposed, as a shell would read it: words, `echo ... |` and `> FILE`. Editors change nothing."""
        for placeholder, value in (put or {}).items():
            command = command.replace(placeholder, value)
        assert not re.search(r"\bYOUR_", command), f"nothing to put into {command}"
        lexer = shlex.shlex(command, posix=True, punctuation_chars="|>")
        lexer.whitespace_split, lexer.commenters = True, ""
        words, text, target = list(lexer), "", None
        if words[0] == "echo":
            assert words[2] == "|", words
            text, words = f"{words[1]}\n", words[3:]
        if ">" in words:
            target, words = Path(words[-1]), words[: words.index(">")]
        assert words[0] in ("kubectl", "pinnace"), words
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        self._monkeypatch.setenv("KUBE_EDITOR", "true")
        code = await asyncio.to_thread(main, [*words[1:], "--cache-dir", str(self._cache)])
        out, err = self._capsys.readouterr()
        if target is not None:
            target.write_text(out)
        return Told(code, out + err)


def workload(kind: str = "Deployment", name: str = "web", replicas: int = 1, **pod: Any) -> Object:
    """Its pods have the label `app=NAME`, and one container unless `pod` says otherwise."""
    labels = {"app": name, **pod.pop("labels", {})}
    made: Object = {
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container()], **pod}},
        },
    }  # fmt: skip
    if kind != "DaemonSet":
        made["spec"]["replicas"] = replicas
    if kind == "StatefulSet":
        made["spec"]["serviceName"] = name
    return made


def pod(name: str, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
            "spec": {"containers": [container()], **spec}}  # fmt: skip


def container(name: str = "main", requests: dict[str, str] | None = None, **more: Any) -> Object:
    found: Object = {"name": name, "image": "x", **more}
    return {**found, "resources": {"requests": requests}} if requests else found


def named(kind: str, name: str, api_version: str = "v1", **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


async def unscheduled(cluster: SimulatedCluster, app: str) -> list[Object]:
    """Pods of the app that the scheduler has refused; for `until`."""
    found = await cluster.list(r.PODS, labels=f"app={app}")
    return [
        one for one in found
        if any(c["type"] == "PodScheduled" and c["status"] == "False" for c in (one.get("status") or {}).get("conditions") or ())
    ]  # fmt: skip


async def bound_to(cluster: SimulatedCluster, app: str) -> list[str]:
    """The nodes of the app's pods, once each has one; for `until`."""
    names = [one["spec"].get("nodeName", "") for one in await cluster.list(r.PODS, labels=f"app={app}")]
    return names if all(names) else []


async def has_event(cluster: SimulatedCluster, text: str, namespace: str | None = "default") -> bool:
    return any(text in (one.get("message") or "") for one in await cluster.list(r.EVENTS, namespace))


async def has_condition(
    cluster: SimulatedCluster, resource: GVR, name: str, kind: str, status: str = "True"
) -> bool:
    obj = await cluster.get(resource, name)
    return any(
        one["type"] == kind and one["status"] == status
        for one in (obj.get("status") or {}).get("conditions") or ()
    )


def certificate(host: str, days: int = 3650) -> dict[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    end = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    signed = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True).sign(
        key, SHA256()
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "tls.crt": b64encode(signed.public_bytes(Encoding.PEM)).decode(),
        "tls.key": b64encode(secret).decode(),
    }


def request_of(name: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    )
    return b64encode(made.public_bytes(Encoding.PEM)).decode()
