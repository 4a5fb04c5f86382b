"""HTTP/2 and gRPC to the backends, over TLS from the client."""

import shutil
from pathlib import Path

import grpc
import pytest

from pinnace.ingress import routes
from pinnace.ingress.model import SecretProblem, Sources
from pinnace.testing.certificates import TestAuthority
from pinnace.testing.wait import eventually

from .support import CLASS, free_port, front, ingress, service, slices


def no_secret(namespace: str, name: str) -> bytes:
    raise SecretProblem("not found")


def test_the_port_of_a_service_can_ask_for_http2() -> None:
    asked = {"spec": {"ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c"}]}}
    sources = Sources(lambda namespace, name: asked, lambda namespace, name: [], no_secret, no_secret)  # type: ignore[arg-type]
    (backend,) = routes.build([ingress("i", ("a", "/", "Prefix", "s"))], [CLASS], sources).backends
    assert backend.options.protocol == "GRPC"


def test_ipv6_endpoints_serve_where_there_are_no_others() -> None:
    found = {"addressType": "IPv6", "ports": [{"port": 8080}], "endpoints": [{"addresses": ["fd00::5"]}]}
    plain = {"spec": {"ports": [{"port": 80}]}}
    sources = Sources(lambda namespace, name: plain, lambda namespace, name: [found], no_secret, no_secret)  # type: ignore[arg-type]
    (backend,) = routes.build([ingress("i", ("a", "/", "Prefix", "s"))], [CLASS], sources).backends
    assert backend.addresses == ("[fd00::5]:8080",)


@pytest.mark.skipif(not shutil.which("haproxy", path="/usr/sbin:/usr/bin"), reason="haproxy is not installed")
async def test_grpc_through_tls(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "pki")
    default = authority.server("a.test", ("a.test",))
    (tmp_path / "default.pem").write_bytes(default.certificate.read_bytes() + default.key.read_bytes())

    async def greet(asked: bytes, context: grpc.aio.ServicerContext) -> bytes:  # type: ignore[type-arg]
        return b"hello " + asked

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "Greeter", {"Greet": grpc.unary_unary_rpc_method_handler(greet)}
            ),
        )
    )
    port, https_port = server.add_insecure_port("127.0.0.1:0"), free_port()
    await server.start()
    wanted = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
    objects = [
        service("s"),
        *slices("s", [f"127.0.0.1:{port}"]),
        ingress("i", ("a.test", "/", "Prefix", "s"), annotations=wanted),
    ]
    credentials = grpc.ssl_channel_credentials(default.certificate.read_bytes())
    async with front(tmp_path, objects, https_port=https_port) as running:

        async def serving() -> bool:
            return (await running.get("a.test")).status not in (0, 404)

        await eventually(serving)
        async with grpc.aio.secure_channel(
            f"127.0.0.1:{https_port}", credentials,
            options=[("grpc.ssl_target_name_override", "a.test"), ("grpc.default_authority", "a.test")],
        ) as channel:  # fmt: skip
            try:
                assert await channel.unary_unary("/Greeter/Greet")(b"you") == b"hello you"
            finally:
                await server.stop(None)
