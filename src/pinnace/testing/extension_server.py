"""A small HTTPS server behind a Service of the API server under test: admission and conversion webhooks, extension API servers."""

import base64
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Self

import orjson
from aiohttp import web

from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess

Object = dict[str, Any]
Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Decide = Callable[[Object], Object]


class ExtensionServer:
    """`async with ExtensionServer(api, "hook", handle) as server:` listens, and makes Service and EndpointSlice `hook`.

    The certificate is for `hook.NAMESPACE.svc`. The slice goes straight into the storage: the API takes no loopback address.
    With `client_ca` the server asks for client certificates of that authority.
    """

    def __init__(
        self, api: ApiServerInProcess, name: str, handle: Handle, *, namespace: str = "default", client_ca: str = ""
    ) -> None:  # fmt: skip
        self.api, self.name, self.namespace = api, name, namespace
        self._handle = handle
        pair = api.authority.server(f"{namespace}-{name}", (f"{name}.{namespace}.svc", "localhost"))
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(pair.certificate, pair.key)
        if client_ca:
            self._tls.load_verify_locations(client_ca)
            self._tls.verify_mode = ssl.CERT_OPTIONAL
        self._runner: web.ServerRunner | None = None
        self.port = 0

    @property
    def ca_bundle(self) -> str:
        return base64.b64encode(self.api.authority.ca.read_bytes()).decode()

    def client_config(self, path: str = "/") -> Object:
        service = {"namespace": self.namespace, "name": self.name, "path": path, "port": 443}
        return {"service": service, "caBundle": self.ca_bundle}

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        spec = {"ports": [{"port": 443, "targetPort": self.port}], "selector": {"app": self.name}}
        service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": self.name}, "spec": spec}
        await self.api.local_client().create(r.SERVICES, service, self.namespace)
        await self.api.server.services.registries.of(r.ENDPOINT_SLICES).storage.create(self._slice())
        return self

    def _slice(self) -> Object:
        metadata = {
            "name": f"{self.name}-test",
            "namespace": self.namespace,
            "uid": f"{self.name}-test",
            "labels": {"kubernetes.io/service-name": self.name},
        }
        return {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": metadata,
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
            "ports": [{"name": "", "port": self.port, "protocol": "TCP"}],
        }

    async def set_ready(self, ready: bool) -> None:
        """Take the endpoint out of the Service, or put it back."""
        storage = self.api.server.services.registries.of(r.ENDPOINT_SLICES).storage

        async def change(item: Any) -> Object:
            endpoints = [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}]
            return {**item.obj, "endpoints": endpoints}

        await storage.update(f"{self.name}-test", self.namespace, change)

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


def reviewer(decide: Decide, seen: list[Object] | None = None) -> Handle:
    """Answers an AdmissionReview or ConversionReview: `decide(request)` gives the response without its uid."""

    async def handle(http: web.BaseRequest) -> web.StreamResponse:
        review = await http.json()
        if seen is not None:
            seen.append(review)
        response = {"uid": review["request"]["uid"], **decide(review["request"])}
        body = {"kind": review["kind"], "apiVersion": review["apiVersion"], "response": response}
        return web.json_response(body)

    return handle


def patching(*operations: Object) -> Object:
    """The response of a mutating webhook that allows the request with this JSON patch."""
    encoded = base64.b64encode(orjson.dumps(list(operations))).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}
