"""The command line: a complete kubectl, and the door to the cluster commands.

Imports as little as a command needs, since it must start fast: no asyncio, no aiohttp; one file per family of commands
under `commands/`, imported when it is called. Talks to the API through `transport` only.
"""
