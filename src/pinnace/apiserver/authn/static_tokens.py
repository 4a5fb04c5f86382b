"""`--token-auth-file`: lines of `token,user,uid,"group1,group2"`, as kube-apiserver reads them."""

import csv
import hashlib
from pathlib import Path

from pinnace.apiserver.authn.user import User


class StaticTokens:
    """Tokens are looked up by digest, so that the comparison's timing tells nothing about them."""

    def __init__(self, users: dict[str, User]) -> None:
        self._users = {_digest(token): user for token, user in users.items()}

    @classmethod
    def load(cls, path: Path) -> "StaticTokens":
        """Raises ValueError naming the line when a line has fewer than three columns or an empty token."""
        users: dict[str, User] = {}
        with path.open(newline="") as lines:
            for number, row in enumerate(csv.reader(lines, skipinitialspace=True), 1):
                if not row:
                    continue
                if len(row) < 3 or not row[0]:
                    raise ValueError(f"{path}:{number}: need a token, a user name and a user uid")
                groups = tuple(g.strip() for g in row[3].split(",") if g.strip()) if len(row) > 3 else ()
                users[row[0]] = User(row[1], groups, row[2])
        return cls(users)

    def find(self, token: str) -> User | None:
        return self._users.get(_digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
