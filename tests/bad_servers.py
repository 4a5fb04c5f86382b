"""Servers on loopback that answer as no API server should: for what a command line says of them.

The first segment of the path of an address chooses how everything is answered (`BEHAVIOURS`). Where a behaviour begins with `get-`, discovery
works, and only what comes after it goes wrong. Beside it there are servers with certificates that are not to be trusted.
"""

import contextlib
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

JSON, HTML, TEXT = "application/json", "text/html; charset=utf-8", "text/plain; charset=utf-8"


class Reply(NamedTuple):
    code: int
    body: str = ""
    kind: str = JSON
    claimed: int = 0  # more bytes than there are
    headers: tuple[tuple[str, str], ...] = ()


def status(code: int, reason: str, message: str) -> str:
    found = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "code": code,
    }
    return json.dumps({**found, "reason": reason} if reason else found)


PAGE = "<html><head><title>Sign in</title></head><body>Sign in, please</body></html>\n"
POD = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"one","namespace":"default","uid":"u","resourceVersion":"1"},"spec":{"containers":[{"name":"c","image":"i"}]},"status":{}}'
BEHAVIOURS = {
    "html": Reply(200, PAGE, HTML),
    "html401": Reply(401, PAGE, HTML),
    "html403": Reply(403, PAGE, HTML),
    "html404": Reply(404, PAGE, HTML),
    "html502": Reply(502, PAGE, HTML),
    "empty": Reply(200),
    "nothing": Reply(404, "404 page not found\n", TEXT),
    "forbidden": Reply(403, status(403, "Forbidden", 'forbidden: User "jane" cannot get path "/"')),
    "unauthorized": Reply(401, status(401, "Unauthorized", "Unauthorized")),
    "broken": Reply(500, status(500, "InternalError", "Internal error occurred: disk on fire")),
    "text500": Reply(500, "out of memory\n", TEXT),
    "unavailable": Reply(503, status(503, "ServiceUnavailable", "apiserver is shutting down")),
    "array": Reply(200, "[]"),
    "number": Reply(200, "1"),
    "closed": Reply(0),
    "get-html": Reply(200, PAGE, HTML),
    "get-html404": Reply(404, PAGE, HTML),
    "get-html502": Reply(502, PAGE, HTML),
    "get-empty": Reply(200),
    "get-null": Reply(200, "null"),
    "get-object": Reply(200, "{}"),
    "get-array": Reply(200, "[]"),
    "get-text": Reply(200, "hello\n", TEXT),
    "get-half": Reply(200, '{"kind":"Pod",'),
    "get-short": Reply(200, POD, claimed=9999),
    "get-closed": Reply(0),
    "get-302": Reply(302, headers=(("Location", "/elsewhere"),)),
    "get-401": Reply(401, "Unauthorized\n", TEXT),
    "get-403": Reply(403, "no entry\n", TEXT),
    "get-404": Reply(404, "404 page not found\n", TEXT),
    "get-405": Reply(405, "405 method not allowed\n", TEXT),
    "get-409": Reply(409, "conflict\n", TEXT),
    "get-429": Reply(429, "slow down\n", TEXT),
    "get-500": Reply(500, "out of memory\n", TEXT),
    "get-502": Reply(502, "", TEXT),
    "get-503": Reply(503, "shutting down\n", TEXT),
    "get-504": Reply(504, "too late\n", TEXT),
    "get-status-bare": Reply(500, status(500, "", "something is wrong")),
    "get-status-odd": Reply(418, status(418, "Teapot", "short and stout")),
    "get-status-200": Reply(200, status(500, "InternalError", "said with 200")),
    "get-status-forbidden": Reply(403, status(403, "Forbidden", 'pods is forbidden: User "jane" cannot do it')),
    "get-status-gone": Reply(410, status(410, "Expired", "too old resource version")),
    "get-status-timeout": Reply(504, status(504, "Timeout", "request did not complete within the allotted timeout")),
    "get-status-many": Reply(429, status(429, "TooManyRequests", "too many requests, please try again later")),
    "get-status-null": Reply(500, status(500, "InternalError", "")),
    "get-pod": Reply(200, POD),
    "get-kind": Reply(200, '{"kind":"Nope","apiVersion":"nope/v1","metadata":{"name":"n"}}'),
    "get-table-short": Reply(200, '{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":[{"name":"Name","type":"string"},{"name":"B","type":"string"}],"rows":[{"cells":["x"]}]}'),
    "get-table-empty": Reply(200, '{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":[],"rows":null}'),
    "get-list-null": Reply(200, '{"kind":"PodList","apiVersion":"v1","metadata":{},"items":null}'),
}  # fmt: skip

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
_DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": name,
                "singularName": kind.lower(),
                "namespaced": True,
                "kind": kind,
                "verbs": _VERBS,
                **more,
            }
            for name, kind, more in (
                ("configmaps", "ConfigMap", {"shortNames": ["cm"]}),
                ("pods", "Pod", {"shortNames": ["po"]}),
                ("services", "Service", {}),
                ("namespaces", "Namespace", {"namespaced": False}),
            )
        ],
    },
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        if length := int(self.headers.get("Content-Length") or 0):
            self.rfile.read(length)
        _, name, *rest = self.path.split("?")[0].split("/")
        path = "/" + "/".join(rest)
        reply = BEHAVIOURS.get(name, BEHAVIOURS["nothing"])
        if name.startswith("get-") and path in _DISCOVERY:
            reply = Reply(200, json.dumps(_DISCOVERY[path]))
        if not reply.code:
            self.close_connection = True
            return
        body = reply.body.encode()
        self.send_response_only(reply.code)
        if body:
            self.send_header("Content-Type", reply.kind)
        for header, value in reply.headers:
            self.send_header(header, value)
        self.send_header("Content-Length", str(reply.claimed or len(body)))
        if reply.claimed:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = bool(reply.claimed)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 (what the library calls)

    def log_message(self, *arguments: object) -> None:
        pass


# --- certificates


def _certificate(
    folder: Path, name: str, hosts: list[str], days: tuple[int, int], authority: str = ""
) -> str:
    """Writes NAME.crt and NAME.key, signed by itself or by another one in the folder; the name."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer = key
    if authority:
        signer = serialization.load_pem_private_key((folder / f"{authority}.key").read_bytes(), None)  # type: ignore[assignment]
        issuer = x509.load_pem_x509_certificate((folder / f"{authority}.crt").read_bytes()).subject
    begin, end = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in days)
    names: list[x509.GeneralName] = [
        x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts
    ]
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=not authority, path_length=None), critical=True)
    )  # fmt: skip
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(signer, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return name


LONG = (0, 36500)
CERTIFICATES = {
    "good": (["127.0.0.1", "localhost"], LONG),
    "expired": (["127.0.0.1"], (0, 30)),
    "early": (["127.0.0.1"], (30000, 36500)),
    "wrong-ip": (["10.9.8.7", "10.9.8.6"], LONG),
    "wrong-name": (["a.example", "b.example"], LONG),
    "nameless": ([], LONG),
}


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Name -> address: `plain` for all behaviours, one for each certificate, and `refused`. The folder gets the certificates."""
    import socket

    folder.mkdir(parents=True, exist_ok=True)
    _certificate(folder, "ca", [], LONG)
    _certificate(folder, "other-ca", [], LONG)
    servers: dict[str, http.server.ThreadingHTTPServer] = {"plain": _server(None)}
    for name, (hosts, days) in CERTIFICATES.items():
        _certificate(folder, name, hosts, days, "ca")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        servers[name] = _server(context)
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        for server in servers.values()
    ]
    for thread in threads:
        thread.start()
    with socket.socket() as taken:  # bound and never listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        yield {
            **{
                name: f"http{'' if name == 'plain' else 's'}://127.0.0.1:{server.server_port}"
                for name, server in servers.items()
            },
            "refused": f"https://127.0.0.1:{taken.getsockname()[1]}",
        }
    for server in servers.values():
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: object, client_address: object) -> None:
        if (
            self.context is not None
        ):  # in the thread of the request, so that a client that says nothing keeps nobody else waiting
            request = self.context.wrap_socket(request, server_side=True)  # type: ignore[arg-type]
        super().finish_request(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that do not trust the certificate


def _server(context: ssl.SSLContext | None) -> _Server:
    made = _Server(("127.0.0.1", 0), Handler)
    made.context = context
    return made
