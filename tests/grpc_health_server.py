"""A program: the standard health service of gRPC on a port, answering SERVING. Run inside containers by end-to-end tests."""

import asyncio
import sys

import grpc


async def serve(port: int) -> None:
    async def check(request: bytes, context: object) -> bytes:
        return b"\x08\x01"  # status: SERVING

    server = grpc.aio.server()
    methods = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)])
    server.add_insecure_port(f"0.0.0.0:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
