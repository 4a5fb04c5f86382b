"""The stations of a request before its handler: one file each, `async def name(inner, request) -> Answer`."""
