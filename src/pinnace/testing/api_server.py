"""A real API server in this process on a free port, with the memory store: what integration tests talk to."""

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.local_client import LocalClient
from pinnace.apiserver.server import ApiServer
from pinnace.client.rest import RestClient
from pinnace.component.clock import Clock, RealClock
from pinnace.store.backend import Backend
from pinnace.store.memory import MemoryBackend
from pinnace.testing.certificates import Pair, TestAuthority

ADMIN, MASTERS = "kubernetes-admin", ("system:masters",)


class ApiServerInProcess:
    """`async with ApiServerInProcess(directory) as api:`; keyword arguments change fields of the configuration."""

    def __init__(
        self, directory: Path, *, backend: Backend | None = None, clock: Clock | None = None, **changes: Any
    ) -> None:
        self.authority = TestAuthority(directory)
        self.proxy_authority = TestAuthority(directory / "proxy", "pinnace-test-front-proxy-ca")
        proxy = self.proxy_authority.client("front-proxy-client")
        serving, kubelet = (
            self.authority.server(),
            self.authority.client("kube-apiserver-kubelet-client", MASTERS),
        )
        config = ApiServerConfig(
            tls_cert_file=serving.certificate,
            tls_private_key_file=serving.key,
            client_ca_file=self.authority.ca,
            service_account_key_file=self.authority.account_key,
            bind_address="127.0.0.1",
            port=0,
            kubelet_client_certificate=kubelet.certificate,
            kubelet_client_key=kubelet.key,
            requestheader_client_ca_file=self.proxy_authority.ca,
            proxy_client_cert_file=proxy.certificate,
            proxy_client_key_file=proxy.key,
            shutdown_grace_seconds=0.5,
        )
        self.config = replace(config, **changes)
        self.server = ApiServer(self.config, backend or MemoryBackend(), clock or RealClock())
        self._clients: list[RestClient] = []

    async def __aenter__(self) -> "ApiServerInProcess":
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.close()
        await self.server.stop()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    def local_client(self, user: str = ADMIN, groups: tuple[str, ...] = MASTERS) -> LocalClient:
        return self.server.local_client(user, groups)

    def tls(self, pair: Pair | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def rest_client(
        self, user: str = ADMIN, groups: tuple[str, ...] = MASTERS, *, token: str = ""
    ) -> RestClient:
        """Closed together with the server; with a token there is no client certificate."""
        tls = self.tls(None if token else self.authority.client(user, groups))
        client = RestClient(self.url, tls=tls, token=token)
        self._clients.append(client)
        return client

    def kubeconfig(self, user: str = ADMIN, groups: tuple[str, ...] = MASTERS) -> Path:
        """A kubeconfig file with a client certificate of this user."""
        pair = self.authority.client(user, groups)
        cluster = {"server": self.url, "certificate-authority": str(self.authority.ca)}
        credentials = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        config = {
            "kind": "Config",
            "apiVersion": "v1",
            "current-context": "pinnace-test",
            "clusters": [{"name": "pinnace-test", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "pinnace-test", "context": {"cluster": "pinnace-test", "user": user}}],
        }
        path = self.authority.directory / f"kubeconfig-{user.replace(':', '-')}"
        path.write_text(yaml.safe_dump(config))
        return path
