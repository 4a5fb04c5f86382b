"""The keys that leave a container's terminal without ending what runs in it (`--detach-keys`, as Docker has them)."""

from pinnace.cli.errors import CliError

DEFAULT = "ctrl-p,ctrl-q"
_CONTROLS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parsed(text: str) -> bytes:
    """`ctrl-p,ctrl-q` as bytes; nothing stands for the default."""
    found = bytearray()
    for word in (text or DEFAULT).split(","):
        _, control, letter = word.partition("ctrl-")
        if len(word) == 1:
            found += word.encode()
        elif control and len(letter) == 1 and (code := _control(letter)) >= 0:
            found.append(code)
        else:
            raise CliError(f"could not bind detach keys: Unknown character: '{word}'")
    return bytes(found)


def _control(letter: str) -> int:
    lower = letter.lower()
    return ord(lower) - ord("a") + 1 if "a" <= lower <= "z" else _CONTROLS.get(letter, -1)


class Detacher:
    """Watches what is typed for the keys; what only began like them goes on to the container."""

    def __init__(self, keys: bytes) -> None:
        self._keys, self._held = keys, b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """(what goes on, whether the keys were typed)."""
        out = bytearray()
        for at in range(len(data)):
            self._held += data[at : at + 1]
            while not self._keys.startswith(self._held):
                out += self._held[:1]
                self._held = self._held[1:]
            if self._keys and self._held == self._keys:
                return bytes(out), True
        return bytes(out), False
