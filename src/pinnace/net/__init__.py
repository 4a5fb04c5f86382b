"""Bytes on sockets: HTTP client and server plumbing, WebSocket, SPDY, and the channels of exec, attach and port-forward.

Knows no kinds and no cluster state.
"""
