"""An image registry on loopback that answers as it is told: each repository has a fault, until it is healed."""

import base64
import gzip
import hashlib
import io
import json
import secrets
import tarfile
import tempfile
import threading
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pinnace.cluster import demo
from pinnace.cluster.image_archive import architecture

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
USER, PASSWORD = "reader", "letmein"


def digest_of(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


class FaultyRegistry:
    """`faults[REPOSITORY]`: a status (int), or one of text, other-manifest, other-layer, cut-layer, hang, login. Any repository
    that nobody mentioned is whole. Every one holds an image of its own, of which no node knows a layer but busybox's."""

    def __init__(self) -> None:
        self.faults: dict[str, int | str] = {}
        self.asked: list[str] = []  # paths, in their order
        self.released = threading.Event()  # lets go of what hangs
        self.sizes: dict[str, int] = {}  # of a repository's own layer
        self._images: dict[str, dict[str, bytes]] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.registry = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def image(self, repository: str, fault: int | str = "") -> str:
        """The reference of that repository's image, which is there from now on."""
        if fault:
            self.faults[repository] = fault
        return f"{self.host}/{repository}:1"

    def heal(self) -> None:
        self.faults.clear()
        self.released.set()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @cached_property
    def _busybox(self) -> bytes:
        with tempfile.TemporaryDirectory() as scratch, io.BytesIO() as buffer:
            demo.root_directory(Path(scratch))
            with tarfile.open(fileobj=buffer, mode="w") as archive:
                archive.add(scratch, arcname=".")
            return gzip.compress(buffer.getvalue(), 1)

    def blobs(self, repository: str) -> dict[str, bytes]:
        """By digest; the manifest also as `1`, the layer that is this repository's alone also as `layer`."""
        with self._lock:
            if repository not in self._images:
                self._images[repository] = self._make(self.sizes.get(repository, 200_000))
            return self._images[repository]

    def _make(self, size: int) -> dict[str, bytes]:
        with io.BytesIO() as buffer:
            with tarfile.open(fileobj=buffer, mode="w") as archive:
                content = secrets.token_bytes(size)
                entry = tarfile.TarInfo("own")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            own = gzip.compress(buffer.getvalue(), 0)  # random bytes
        layers = [self._busybox, own]
        config = {
            "architecture": architecture(), "os": "linux", "config": {"Cmd": ["sleep", "3600"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(one)) for one in layers]},
        }  # fmt: skip
        config_blob = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config_blob),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", one) for one in layers],
        }  # fmt: skip
        manifest_blob = json.dumps(manifest).encode()
        found = {digest_of(one): one for one in (*layers, config_blob, manifest_blob)}
        return {**found, "1": manifest_blob, "layer": own}


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(blob), "size": len(blob)}


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Clients that go away are no failure of a test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """The tests look at `asked`."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        registry: FaultyRegistry = self.server.registry  # type: ignore[attr-defined]
        registry.asked.append(self.path)
        repository, _, what = self.path.removeprefix("/v2/").partition("/")
        kind, _, wanted = what.partition("/")
        fault = registry.faults.get(repository, "")
        if fault == "hang":
            registry.released.wait(60)
        if isinstance(fault, int):
            return self._refuse(fault)
        if fault == "login" and not self._is_known():
            return self._refuse(401, {"WWW-Authenticate": 'Basic realm="tests"'})
        blobs = registry.blobs(repository)
        blob = blobs.get("1" if (kind, fault) == ("manifests", "text") else wanted)
        if blob is None:
            return self._refuse(404)
        length = len(blob)
        if kind == "manifests":
            if fault == "text":
                blob = b"<html>not a registry</html>"
                length = len(blob)
            name = digest_of(blob) if wanted == "1" else wanted
            if fault == "other-manifest" and self.command == "GET":
                blob = blob.replace(b"schemaVersion", b"SchemaVersion")
            return self._send(blob, length, {"Content-Type": MANIFEST, "Docker-Content-Digest": name})
        if blob == blobs["layer"]:
            if fault == "other-layer":
                blob = blob[:-1] + bytes([blob[-1] ^ 1])
            elif fault == "cut-layer":
                blob = blob[: length // 2]
                self.close_connection = True
        return self._send(blob, length, {"Content-Type": "application/octet-stream"})

    def _is_known(self) -> bool:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {login}"

    def _refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"errors": [{"code": "DENIED", "message": "as told"}]}).encode()
        self._send(body, len(body), {"Content-Type": "application/json", **(headers or {})}, status)

    def _send(self, body: bytes, length: int, headers: dict[str, str], status: int = 200) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the client went away
