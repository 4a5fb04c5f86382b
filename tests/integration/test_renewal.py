"""A whole control plane whose certificates live for seconds: what listens and what connects changes over while it runs."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from cryptography import x509

from pinnace.api.resources import NAMESPACES
from pinnace.client.rest import RestClient
from pinnace.cluster import pki
from pinnace.cluster.cluster import Cluster
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.decide import settle
from pinnace.cluster.progress import Progress
from pinnace.cluster.state import RunState
from pinnace.component.clock import RealClock
from pinnace.testing.wait import eventually

RENEWED_SECONDS = 3.0


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Cluster, None]:
    monkeypatch.setattr(pki, "DAYS_LEAF", pki.RENEW_BEFORE.days + RENEWED_SECONDS / 86400)
    config = ClusterConfig(
        name="renewed", data_dir=str(tmp_path / "data"), kubeconfig=str(tmp_path / "kubeconfig"), port=0,
        bind_address="127.0.0.1", nodes="none", store="memory", controllers="-*", disable_scheduler=True,
    )  # fmt: skip
    settle(config)
    state = RunState(config.directory)
    made = Cluster(config, RealClock(), state=state, progress=Progress(state.progress_file), notes=[])
    running = asyncio.create_task(made.run())
    try:
        await eventually(lambda: running.done() or made._record.get("ready"), within=60)
        assert not running.done()
        yield made
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def shown(port: int, authority: Path) -> int:
    """The serial number of the certificate that is shown there; it is verified."""
    tls = ssl.create_default_context(cafile=str(authority))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        return x509.load_der_x509_certificate(
            writer.get_extra_info("ssl_object").getpeercert(True)
        ).serial_number
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_certificates_change_over_while_the_cluster_runs(cluster: Cluster, tmp_path: Path) -> None:
    """The API server's, the kubelet's two, and the administrator's in the kubeconfig; what is connected goes on."""
    authority, server = cluster._pki.ca, cluster._server
    assert server is not None

    visitors: list[bytes] = []

    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append(writer.get_extra_info("ssl_object").getpeercert(True) or b"")
        writer.close()

    kubelet = await asyncio.start_server(hello, "127.0.0.1", 0, ssl=await cluster._kubelet_tls())
    ports = [server.port, kubelet.sockets[0].getsockname()[1]]
    to_kubelets = server.services.kubelets.tls
    shown_first = certificate(cluster._pki.cert("apiserver-kubelet-client"))
    first, access = [await shown(port, authority) for port in ports], (tmp_path / "kubeconfig").read_text()
    begun = cluster._pki.cert("kubelet-client").read_bytes()
    client = from_kubeconfig(tmp_path, authority)
    assert await client.get(NAMESPACES, "default")
    for index, port in enumerate(ports):
        await eventually(lambda i=index, p=port: _differs(p, authority, first[i]), within=60)
    await eventually(lambda: (tmp_path / "kubeconfig").read_text() != access, within=60)
    assert cluster._pki.cert("kubelet-client").read_bytes() != begun

    async def comes_with_the_new_one() -> bool:
        """The API server, to a kubelet."""
        visitors.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", ports[1], ssl=to_kubelets)
        await eventually(lambda: visitors)
        writer.close()
        return visitors[0] == certificate(cluster._pki.cert("apiserver-kubelet-client")) != shown_first

    await eventually(comes_with_the_new_one, within=60)
    new = from_kubeconfig(tmp_path, authority)
    for one in (client, new):
        assert await one.get(NAMESPACES, "default")
        await one.close()
    kubelet.close()


def certificate(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


async def _differs(port: int, authority: Path, before: int) -> bool:
    return await shown(port, authority) != before


def from_kubeconfig(directory: Path, authority: Path) -> RestClient:
    content = yaml.safe_load((directory / "kubeconfig").read_text())
    user = content["users"][0]["user"]
    pair = directory / "pair.pem"
    pair.write_bytes(
        base64.b64decode(user["client-key-data"]) + base64.b64decode(user["client-certificate-data"])
    )
    tls = ssl.create_default_context(cafile=str(authority))
    tls.load_cert_chain(pair)
    return RestClient(content["clusters"][0]["cluster"]["server"], tls=tls)
