"""What a request's headers say about an upgrade. Pure, and free of any HTTP library."""

from collections.abc import Mapping


def asks_for_websocket(headers: Mapping[str, str]) -> bool:
    tokens = {token.strip().lower() for token in headers.get("Connection", "").split(",")}
    return "upgrade" in tokens and headers.get("Upgrade", "").lower() == "websocket"
