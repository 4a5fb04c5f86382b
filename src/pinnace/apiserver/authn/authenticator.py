"""All ways of proving who one is, asked in turn: client certificate, static token, service-account token."""

from dataclasses import dataclass
from typing import Protocol

from pinnace.apiserver.authn.request_header import RequestHeaderAuthenticator
from pinnace.apiserver.authn.static_tokens import StaticTokens
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.authn.x509 import authenticate_certificate
from pinnace.apiserver.request import Request


class TokenReviewer(Protocol):
    async def review(
        self, token: str, audiences: tuple[str, ...] = ()
    ) -> tuple[User, tuple[str, ...]] | None:
        """The user and the audiences that the token is good for; None when it is not valid."""
        ...


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Whether requests without credentials go on as system:anonymous; `paths` limits them to some paths."""

    enabled: bool = True
    paths: frozenset[str] | None = None

    def allows(self, path: str) -> bool:
        return self.enabled and (self.paths is None or path in self.paths)


class Authenticator:
    def __init__(
        self,
        static: StaticTokens | None,
        reviewers: tuple[TokenReviewer, ...],
        anonymous: Anonymous | None = None,
    ) -> None:
        self._static, self._reviewers = static, reviewers
        self.anonymous = anonymous or Anonymous()
        self.front_proxy: RequestHeaderAuthenticator | None = None

    async def close(self) -> None:
        for reviewer in self._reviewers:
            if hasattr(reviewer, "close"):
                await reviewer.close()

    async def authenticate(self, request: Request) -> User | None:
        """None when the request proves nothing."""
        if not has_expired_certificate(request):
            user = self._vouched_for(request) or await self._certified(request)
            if user is not None:
                return user
        token = bearer_token(request)
        if not token:
            return None
        found = await self.review(token)
        return found[0] if found else None

    def _vouched_for(self, request: Request) -> User | None:
        return self.front_proxy.user_of(request) if self.front_proxy is not None else None

    async def _certified(self, request: Request) -> User | None:
        proxy, certificate = self.front_proxy, request.certificate
        if proxy is not None and certificate is not None and proxy.is_only_proxy(certificate):
            return None
        return await authenticate_certificate(request)

    async def review(
        self, token: str, audiences: tuple[str, ...] = ()
    ) -> tuple[User, tuple[str, ...]] | None:
        """Who a bearer token stands for, if it is good for one of `audiences` (those of this server when empty)."""
        if self._static is not None and (user := self._static.find(token)) is not None:
            return user, audiences
        for reviewer in self._reviewers:
            found = await reviewer.review(token, audiences)
            if found is not None:
                return found
        return None


def has_expired_certificate(request: Request) -> bool:
    """Connections last, certificates end."""
    certificate = request.certificate
    return certificate is not None and certificate.not_after < request.services.clock.now().timestamp()


def bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return _websocket_token(request)


_WEBSOCKET_PREFIX = "base64url.bearer.authorization.k8s.io."


def _websocket_token(request: Request) -> str:
    """Browsers cannot set headers on a WebSocket: the token comes as a subprotocol."""
    for protocol in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        name = protocol.strip()
        if name.startswith(_WEBSOCKET_PREFIX):
            from pinnace.apiserver.authn.jwt import InvalidToken, decode_segment

            try:
                return decode_segment(name[len(_WEBSOCKET_PREFIX) :]).decode()
            except (InvalidToken, UnicodeDecodeError):
                return ""
    return ""
