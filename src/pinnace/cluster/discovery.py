"""How a machine that knows a URL and a token comes to trust a cluster: kubeadm's token discovery.

The ConfigMap kube-public/cluster-info is read without trusting anybody; it counts when it is signed with the token, and when
the CA in it has the pinned hash (if one was given). Then it is read again over TLS that this CA verifies.
"""

import base64
import contextlib
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from pinnace.api.core import bootstrap_tokens
from pinnace.apimachinery.errors import StatusError, from_status
from pinnace.cluster import joining
from pinnace.cluster.errors import UsageError
from pinnace.component.clock import Clock

CLUSTER_INFO = f"/api/v1/namespaces/{joining.PUBLIC}/configmaps/{joining.CLUSTER_INFO}"
LARGEST_SKEW = 300.0  # seconds; certificates are backdated by as much
SIGNER_SECONDS = 5.0  # until a token that was just made has signed
NEW_TOKEN = "make a new one with `pinnace token create --print-join-command` on the server"


class JoinError(UsageError):
    """Nothing that trying again would mend; the text says what to type."""


@dataclass(frozen=True, slots=True)
class Discovery:
    server: str
    token: str
    ca_hashes: tuple[str, ...] = ()


async def find_ca(wish: Discovery, clock: Clock) -> str:
    """The cluster's CA (PEM). Raises JoinError; ConnectionError or TimeoutError while the server is away."""
    identity, _, key = wish.token.partition(".")
    begun = clock.monotonic()
    while True:
        info = await _fetch(wish.server, _no_verification(), clock)
        content = (info.get("data") or {}).get("kubeconfig", "")
        jws = (info.get("data") or {}).get(f"jws-kubeconfig-{identity}", "")
        if jws:
            break
        if clock.monotonic() - begun > SIGNER_SECONDS:
            raise JoinError(
                f"the cluster at {wish.server} knows no token {identity!r} (wrong, expired or deleted): {NEW_TOKEN}"
            )
        await clock.sleep(0.5)
    if not bootstrap_tokens.is_signed(content, jws, key):
        raise JoinError(
            f"what {wish.server} says about its cluster is not signed with this token: the part after the dot is wrong, or somebody "
            f"else answers at this address: {NEW_TOKEN}"
        )
    ca = _ca_of(content, wish.server)
    check_pin(ca, wish.ca_hashes)
    again = await _fetch(wish.server, ssl.create_default_context(cadata=ca), clock)
    if (again.get("data") or {}).get("kubeconfig") != content:
        raise JoinError(
            f"{wish.server} says one thing to strangers and another to those who verify it: somebody sits between"
        )
    return ca


async def find_ca_at_any(wishes: Sequence[Discovery], clock: Clock) -> str:
    """From the first server that answers. What one answers holds: who is refused does not ask the next one."""
    *first, last = wishes
    for wish in first:
        with contextlib.suppress(ConnectionError, TimeoutError):
            return await find_ca(wish, clock)
    return await find_ca(last, clock)


def check_pin(ca: str, hashes: tuple[str, ...]) -> None:
    """Raises JoinError unless the CA has one of the hashes; none given means that the token's signature is enough."""
    if hashes and (found := joining.ca_hash(ca)) not in hashes:
        raise JoinError(
            f"the cluster's CA has the hash {found}, not {' or '.join(hashes)}: this is another cluster, or "
            "--discovery-token-ca-cert-hash is wrong (`pinnace token create --print-join-command` on the server prints it)"
        )


def _ca_of(content: str, server: str) -> str:
    try:
        clusters = _parsed(content)["clusters"]
        ca = base64.b64decode(clusters[0]["cluster"]["certificate-authority-data"]).decode()
        ssl.create_default_context(cadata=ca)
    except (ValueError, KeyError, IndexError, TypeError, ssl.SSLError) as error:
        raise JoinError(f"cluster-info of {server} cannot be used: {error}") from error
    return ca


def _parsed(content: str) -> dict[str, Any]:
    """Ours is JSON, kubeadm's is YAML."""
    if content.lstrip().startswith("{"):
        return dict(json.loads(content))
    from pinnace.client.kubeconfig import parse

    return parse(content)


def _no_verification() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _fetch(server: str, tls: ssl.SSLContext, clock: Clock) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=20, sock_connect=10)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(server + CLUSTER_INFO, ssl=tls) as answer,
        ):
            check_clock(answer.headers.get("Date", ""), clock.now())
            body = await answer.read()
            if answer.status != 200:
                raise _refusal(server, answer.status, body)
            found: dict[str, Any] = json.loads(body)
            return found
    except aiohttp.ClientConnectorCertificateError as error:
        raise JoinError(certificate_problem(server, error.certificate_error)) from error
    except aiohttp.ClientConnectorSSLError as error:
        raise JoinError(
            f"{server} does not speak HTTPS: give the URL of the cluster's API server ({error.os_error})"
        ) from error
    except aiohttp.InvalidURL as error:
        raise JoinError(f"--server {server}: not a URL") from error
    except (TimeoutError, aiohttp.ClientError) as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    except ValueError as error:
        raise JoinError(f"{server} does not answer as an API server: {error}") from error


def _refusal(server: str, status: int, body: bytes) -> Exception:
    if status in (403, 404):
        return JoinError(
            f"the cluster at {server} has made no tokens yet: {NEW_TOKEN.replace('a new one', 'one')}"
        )
    if status == 401:
        return JoinError(
            f"{server} refuses requests without credentials (--anonymous-auth=false): a machine cannot find out there whom to trust"
        )
    try:
        error: StatusError = from_status(json.loads(body))
    except (ValueError, KeyError, TypeError):
        return ConnectionError(f"{server} answered {status}")
    return ConnectionError(str(error))


def certificate_problem(server: str, error: Exception) -> str:
    """What is wrong with the server's certificate, in words for the user."""
    code, text = getattr(error, "verify_code", 0), getattr(error, "verify_message", "") or str(error)
    if code in (9, 10):  # X509_V_ERR_CERT_NOT_YET_VALID, ..._HAS_EXPIRED
        return f"the certificate of {server}: {text}: compare the clocks of this machine and of the server (`date -u`)"
    if code in (62, 64):  # ..._HOSTNAME_MISMATCH, ..._IP_ADDRESS_MISMATCH
        return f"{text}: use another URL of the server, or start it with `pinnace up --tls-san HOST`"
    return f"the certificate of {server} is not of the cluster's CA: {text}"


def check_clock(date: str, now: datetime) -> None:
    """Raises JoinError when the server's clock, as its answer has it, is far from ours."""
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return
    apart = abs((theirs - now).total_seconds())
    if apart > LARGEST_SKEW:
        raise JoinError(
            f"the clock of this machine ({now:%Y-%m-%d %H:%M:%S} UTC) and the server's ({theirs:%Y-%m-%d %H:%M:%S} UTC) are {apart / 60:.0f} minutes "
            "apart, so that no certificate can be verified: set them first (`timedatectl set-ntp true`)"
        )
