"""Lists over the watch cache: which revision to show, pages over a consistent snapshot."""

from pinnace.apimachinery.errors import BadRequest, Cause, Timeout
from pinnace.apiserver.storage import continuation
from pinnace.apiserver.storage.continuation import ANY_REVISION, Continuation
from pinnace.apiserver.storage.item import Item, ItemReader
from pinnace.apiserver.storage.keys import KeySpace
from pinnace.apiserver.storage.options import ListOptions, ListResult
from pinnace.apiserver.storage.scope import NAME, Scope, select
from pinnace.apiserver.storage.watch_cache import FRESHNESS_TIMEOUT, WatchCache
from pinnace.component.clock import Clock
from pinnace.store.backend import Backend, Compacted, FutureRevision, prefix_end

MOST_DIGITS = 20  # of 2**64; Python refuses to read numbers of thousands of digits
PAGE_AT_REVISION = 500  # keys read at a time from an old revision while selectors look for matches


def parse_revision(text: str) -> int:
    """ "" is 0; raises BadRequest."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS or int(text) >= 2**64:
        why = "value out of range" if text.isdigit() else "invalid syntax"
        raise BadRequest(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {why}'
        )
    return int(text)


def too_large(requested: int, current: int) -> Timeout:
    return Timeout(
        f"Timeout: Too large resource version: {requested}, current: {current}",
        causes=(Cause("ResourceVersionTooLarge", "Too large resource version"),),
        retry_after_seconds=1,
    )


class ListCounts:
    """Lists, the objects that were looked at for them, and those that were returned."""

    __slots__ = ("evaluated", "lists", "returned")

    def __init__(self) -> None:
        self.lists = self.evaluated = self.returned = 0

    def count(self, evaluated: int, returned: int) -> None:
        self.lists += 1
        self.evaluated += evaluated
        self.returned += returned


class Reading:
    """The read side of one resource's storage. Raises API errors and StoreErrors, which the caller translates."""

    def __init__(
        self, backend: Backend, keys: KeySpace, cache: WatchCache, read_item: ItemReader, clock: Clock
    ) -> None:
        self._backend, self._keys, self._cache, self._read_item = backend, keys, cache, read_item
        self._clock = clock
        self.cache_lists, self.store_lists = ListCounts(), ListCounts()

    async def not_older_than(self, resource_version: str) -> None:
        """Bring the cache to what a read at this version may see: "" the newest, "0" anything, else at least that."""
        if not resource_version:
            await self._cache.catch_up()
            return
        wanted = parse_revision(resource_version)
        await self._cache.load()
        if wanted > self._cache.revision:
            try:
                await self._clock.wait_for(self._cache.wait_until(wanted), FRESHNESS_TIMEOUT)
            except TimeoutError:
                raise too_large(wanted, self._cache.revision) from None

    async def answer(self, options: ListOptions) -> ListResult:
        if options.continue_token:
            return await self._continue(options)
        if self._wants_exact(options):
            return await self._at(parse_revision(options.resource_version), None, options)
        await self.not_older_than(options.resource_version)
        return self._from_cache(self._cache.revision, "", options)

    def _wants_exact(self, options: ListOptions) -> bool:
        """A limit with a version is exact unless told otherwise: upstream's legacy rule."""
        if options.resource_version in ("", "0"):
            return False
        match = options.resource_version_match
        return match == "Exact" or (not match and options.limit > 0)

    async def _continue(self, options: ListOptions) -> ListResult:
        place = continuation.decode(options.continue_token)
        if options.resource_version not in ("", "0"):
            raise BadRequest("specifying resource version is not allowed when using continue")
        if place.revision != ANY_REVISION:
            return await self._at(place.revision, place, options)
        await self._cache.catch_up()
        return self._from_cache(self._cache.revision, place.start, options)

    async def _at(self, revision: int, place: Continuation | None, options: ListOptions) -> ListResult:
        """Exactly this revision: from the cache while nothing here has changed since, otherwise from the store."""
        await self.not_older_than(str(revision))
        start = place.start if place else ""
        try:
            if self._cache.history.floor <= revision and self._cache.changed_at <= revision:
                return self._from_cache(revision, start, options)
            return await self._from_store(revision, start, options)
        except Compacted:
            raise continuation.expired(place) from None
        except FutureRevision as error:
            raise too_large(error.requested, error.current) from None

    def _bounds(self, scope: Scope, start: str) -> tuple[str, str]:
        within = self._keys.scope(scope.namespace)
        return max(within, self._keys.prefix + start), prefix_end(within)

    def _from_cache(self, revision: int, start: str, options: ListOptions) -> ListResult:
        scope = options.scope
        name = scope.wanted_field(NAME)
        if name is not None and (scope.namespace or not self._keys.namespaced):
            item = self._cache.contents.get(self._keys.key(name, scope.namespace))
            first, _ = self._bounds(scope, start)
            found = select([item] if item is not None and item.key >= first else [], scope)
        else:
            found = self._cache.contents.find(*self._bounds(scope, start), scope)
        page = self._page(found, revision, options)
        self.cache_lists.count(len(found), len(page.items))
        return page

    async def _from_store(self, revision: int, start: str, options: ListOptions) -> ListResult:
        scope = options.scope
        first, end = self._bounds(scope, start)
        found: list[Item] = []
        evaluated = 0
        wanted = options.limit + 1 if options.limit else 0
        page = PAGE_AT_REVISION if scope.has_selectors else wanted
        while True:
            answer = await self._backend.range(first, end, limit=page, revision=revision)
            evaluated += len(answer.kvs)
            found += select(map(self._read_item, answer.kvs), scope)
            if not answer.more or (wanted and len(found) >= wanted):
                break
            first = answer.kvs[-1].key + "\0"
        left = 0 if scope.has_selectors else answer.total - len(answer.kvs)
        listed = self._page(found, revision, options, left=left)
        self.store_lists.count(evaluated, len(listed.items))
        return listed

    def _page(self, found: list[Item], revision: int, options: ListOptions, *, left: int = 0) -> ListResult:
        """`left` more items than `found` are known to match."""
        version = str(revision)
        if not options.limit or len(found) <= options.limit:
            return ListResult(found, version)
        page = found[: options.limit]
        start = page[-1].key[len(self._keys.prefix) :] + "\0"
        remaining = None if options.scope.has_selectors else len(found) - len(page) + left
        return ListResult(page, version, Continuation(revision, start).encode(), remaining)
