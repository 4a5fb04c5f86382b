"""Our own plugin's fixtures, also where Pinnace is not installed and its entry point therefore not there."""

from pinnace.testing.fixtures import api_server, fake_clock, local_client, rest_client

__all__ = ["api_server", "fake_clock", "local_client", "rest_client"]
