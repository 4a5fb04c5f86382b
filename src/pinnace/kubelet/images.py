"""Makes a container's image be there: pull policy, credentials, back-off, and upstream's events and reasons."""

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Iterable
from typing import Any, NoReturn

from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.kubelet.backoff import Backoff
from pinnace.kubelet.cri.runtime import Config, ContainerRuntime, CriError, Image
from pinnace.kubelet.image_reference import InvalidReference, normalise, split_domain
from pinnace.kubelet.pod_record import field_path

log = logging.getLogger(__name__)

SHOWN_SECONDS = 2.0  # how long a failed pull is ErrImagePull before it becomes ImagePullBackOff


class StartError(Exception):
    """A container cannot start: `reason` is the waiting reason, `retry_after` when to look again (None: the usual),
    `is_news` whether an event shall tell it."""

    def __init__(
        self, reason: str, message: str, retry_after: float | None = None, *, is_news: bool = True
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry_after, self.is_news = reason, message, retry_after, is_news


class Images:
    def __init__(
        self,
        runtime: ContainerRuntime,
        recorder: EventRecorder,
        clock: Clock,
        *,
        parallel_pulls: int = 5,
    ) -> None:
        self._runtime, self._recorder, self._clock = runtime, recorder, clock
        self._backoff = Backoff()
        self._slots = asyncio.Semaphore(parallel_pulls)
        self._last_error: dict[str, str] = {}

    def forget(self, uid: str) -> None:
        self._backoff.forget(f"{uid}_")
        for key in [key for key in self._last_error if key.startswith(f"{uid}_")]:
            del self._last_error[key]

    async def ensure(self, pod: Object, container: dict[str, Any], secrets: Iterable[Object]) -> Image:
        """The image, pulled if the policy says so; raises StartError."""
        wanted = container.get("image", "")
        where = field_path(pod, container["name"])
        try:
            reference = normalise(wanted)
        except InvalidReference as error:
            message = f'Failed to apply default image tag "{wanted}": couldn\'t parse image name "{wanted}": {error}'
            self._recorder.event(pod, "Warning", "InspectFailed", message, field_path=where)
            raise StartError("InvalidImageName", message, 10.0) from error
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        present = await self._inspect(pod, wanted, where)
        if policy == "Never" or (policy == "IfNotPresent" and present is not None):
            return self._use_present(pod, wanted, where, present)
        return await self._pull(pod, wanted, reference, where, auth_candidates(reference, secrets))

    async def _inspect(self, pod: Object, wanted: str, where: str) -> Image | None:
        try:
            return await self._runtime.image_status(wanted)
        except CriError as error:
            message = f'Failed to inspect image "{wanted}": {error}'
            self._recorder.event(pod, "Warning", "InspectFailed", message, field_path=where)
            raise StartError("ImageInspectError", message, 5.0) from error

    def _use_present(self, pod: Object, wanted: str, where: str, present: Image | None) -> Image:
        if present is None:
            message = f'Container image "{wanted}" is not present with pull policy of Never'
            self._recorder.event(pod, "Warning", "ErrImageNeverPull", message, field_path=where)
            raise StartError("ErrImageNeverPull", message, 10.0)
        message = f'Container image "{wanted}" already present on machine'
        self._recorder.event(pod, "Normal", "Pulled", message, field_path=where)
        return present

    async def _pull(
        self, pod: Object, wanted: str, reference: str, where: str, auths: list[Config | None]
    ) -> Image:
        key = f"{pod['metadata'].get('uid', '')}_{wanted}"
        now = self._clock.monotonic()
        if remaining := self._backoff.remaining(key, self._backoff.updated(key), now):
            self._raise_back_off(pod, wanted, where, remaining)
        self._recorder.event(pod, "Normal", "Pulling", f'Pulling image "{wanted}"', field_path=where)
        async with self._slots:
            begun = self._clock.monotonic()
            error = await self._try_pull(wanted, auths)
        ended = self._clock.monotonic()
        if error is not None:
            self._backoff.next(key, ended)
            text = f'Failed to pull image "{wanted}": {error}'
            self._recorder.event(pod, "Warning", "Failed", text, field_path=where)
            self._last_error[key] = str(error)
            raise StartError("ErrImagePull", str(error), SHOWN_SECONDS)
        image = await self._runtime.image_status(wanted)
        if image is None:
            raise StartError(
                "ImageInspectError", f'Failed to inspect image "{wanted}": it vanished after the pull'
            )
        self._backoff.forget(key)
        spent, whole = _go_duration(ended - begun), _go_duration(ended - now)
        text = (
            f'Successfully pulled image "{wanted}" in {spent} ({whole} including waiting).'
            f" Image size: {image.size} bytes."
        )
        self._recorder.event(pod, "Normal", "Pulled", text, field_path=where)
        log.debug("pulled %s", reference)
        return image

    def _raise_back_off(self, pod: Object, wanted: str, where: str, remaining: float) -> NoReturn:
        """A failure stays ErrImagePull for a moment, so that whoever looks sees it, whatever else woke the pod."""
        key = f"{pod['metadata'].get('uid', '')}_{wanted}"
        last, age = self._last_error.get(key, ""), self._clock.monotonic() - self._backoff.updated(key)
        if age < SHOWN_SECONDS:
            raise StartError("ErrImagePull", last, SHOWN_SECONDS - age, is_news=False)
        message = f'Back-off pulling image "{wanted}"'
        self._recorder.event(pod, "Normal", "BackOff", message, field_path=where)
        raise StartError(
            "ImagePullBackOff", f"{message}: ErrImagePull: {last}" if last else message, remaining
        )

    async def _try_pull(self, wanted: str, auths: list[Config | None]) -> CriError | None:
        """Try each credential until one works; the last error otherwise."""
        failure: CriError | None = None
        for auth in auths:
            try:
                await self._runtime.pull_image(wanted, auth)
                return None
            except CriError as error:
                failure = error
        return failure


def auth_candidates(reference: str, secrets: Iterable[Object]) -> list[Config | None]:
    """CRI AuthConfigs of the pull secrets that name the image's registry; [None] (anonymous) when none does."""
    domain, path = split_domain(reference)
    found: list[tuple[int, Config]] = []
    for secret in secrets:
        for server, entry in _docker_auths(secret).items():
            host, _, prefix = _bare(server).partition("/")
            if host in {"index.docker.io", "registry-1.docker.io"}:
                host, prefix = "docker.io", ""
            if host == domain and (not prefix or path.startswith(prefix)):
                found.append((len(prefix), _auth_config(server, entry)))
    found.sort(key=lambda pair: -pair[0])
    return [config for _, config in found] or [None]


def _bare(server: str) -> str:
    bare = server.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare.removesuffix("/v1").removesuffix("/v2")


def _docker_auths(secret: Object) -> dict[str, dict[str, Any]]:
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            return json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {}
        if ".dockercfg" in data:
            return json.loads(base64.b64decode(data[".dockercfg"]))
    except (binascii.Error, ValueError) as error:
        log.warning("pull secret %s is not readable: %s", secret["metadata"]["name"], error)
    return {}


def _auth_config(server: str, entry: dict[str, Any]) -> Config:
    username, password = entry.get("username", ""), entry.get("password", "")
    if not username and entry.get("auth"):
        username, _, password = base64.b64decode(entry["auth"]).decode(errors="replace").partition(":")
    return {
        "username": username,
        "password": password,
        "identity_token": entry.get("identitytoken", ""),
        "registry_token": entry.get("registrytoken", ""),
        "server_address": server,
    }


def _go_duration(seconds: float) -> str:
    """As Go prints a duration rounded to milliseconds: `812ms`, `1.2s`, `1m2.5s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    text = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{text}s" if minutes else f"{text}s"
