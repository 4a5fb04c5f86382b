"""Makes a container's image be there: pull policy, credentials, back-off, and upstream's events and reasons."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, NoReturn

from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.component.tracing import Span, happened, step
from pinnace.kubelet.backoff import Backoff
from pinnace.kubelet.cri.runtime import ContainerRuntime, CriError, Image
from pinnace.kubelet.image_credentials import Credential, credentials_for
from pinnace.kubelet.image_records import ImageRecords
from pinnace.kubelet.image_reference import InvalidReference, normalise
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
        records: ImageRecords,
        *,
        parallel_pulls: int = 5,
    ) -> None:
        self._records = records
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
        credentials = credentials_for(reference, secrets)
        if (
            policy != "Always"
            and present is not None
            and not self._records.must_pull(reference, present.id, credentials)
        ):
            return self._use_present(pod, wanted, where, present)
        if policy == "Never":
            raise self._never(pod, wanted, where)
        return await self._pull(pod, wanted, reference, where, credentials)

    async def _inspect(self, pod: Object, wanted: str, where: str) -> Image | None:
        try:
            return await self._runtime.image_status(wanted)
        except CriError as error:
            message = f'Failed to inspect image "{wanted}": {error}'
            self._recorder.event(pod, "Warning", "InspectFailed", message, field_path=where)
            raise StartError("ImageInspectError", message, 5.0) from error

    def _use_present(self, pod: Object, wanted: str, where: str, present: Image) -> Image:
        message = f'Container image "{wanted}" already present on machine and can be accessed by the pod'
        happened("image present", image=wanted, bytes=present.size)
        self._recorder.event(pod, "Normal", "Pulled", message, field_path=where)
        return present

    def _never(self, pod: Object, wanted: str, where: str) -> StartError:
        message = f'Container image "{wanted}" is not present with pull policy of Never'
        self._recorder.event(pod, "Warning", "ErrImageNeverPull", message, field_path=where)
        return StartError("ErrImageNeverPull", message, 10.0)

    async def _pull(
        self, pod: Object, wanted: str, reference: str, where: str, credentials: list[Credential]
    ) -> Image:
        key = f"{pod['metadata'].get('uid', '')}_{wanted}"
        now = self._clock.monotonic()
        if remaining := self._backoff.remaining(key, self._backoff.updated(key), now):
            self._raise_back_off(pod, wanted, where, remaining)
        self._recorder.event(pod, "Normal", "Pulling", f'Pulling image "{wanted}"', field_path=where)
        with step("pull image", image=wanted) as span:
            async with self._slots:
                begun = self._clock.monotonic()
                error = await self._try_pull(wanted, reference, credentials)
            if error is not None and isinstance(span, Span):
                span.facts = {"image": wanted, "error": str(error)}
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
        if isinstance(span, Span):
            span.facts = {"image": wanted, "bytes": image.size}
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

    async def _try_pull(self, wanted: str, reference: str, credentials: list[Credential]) -> CriError | None:
        """Try each credential until one works; the last error otherwise."""
        failure: CriError | None = None
        self._records.begin(reference)
        image_id, worked = "", None
        try:
            for credential in credentials:
                try:
                    await self._runtime.pull_image(wanted, credential.auth)
                    image = await self._runtime.image_status(wanted)
                except CriError as error:
                    failure = error
                else:
                    image_id, worked = image.id if image else "", credential
                    return None
        finally:
            self._records.end(reference, image_id, worked)
        return failure


def _go_duration(seconds: float) -> str:
    """As Go prints a duration rounded to milliseconds: `812ms`, `1.2s`, `1m2.5s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    text = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{text}s" if minutes else f"{text}s"
