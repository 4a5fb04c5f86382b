from pinnace.kubelet.backoff import Backoff


def test_doubles_up_to_the_longest() -> None:
    backoff = Backoff()
    waits = []
    for at in range(0, 800, 100):
        backoff.next("k", at)
        waits.append(backoff.wait_of("k"))
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


def test_counts_from_the_event() -> None:
    backoff = Backoff()
    assert backoff.remaining("k", since=0, now=1) == 0
    backoff.next("k", 0)
    assert backoff.remaining("k", since=5, now=8) == 7
    assert backoff.remaining("k", since=5, now=20) == 0


def test_starts_over_after_a_quiet_time() -> None:
    backoff = Backoff()
    backoff.next("k", 0)
    backoff.next("k", 10)
    assert backoff.remaining("k", since=1000, now=1001) == 0
    backoff.next("k", 1000)
    assert backoff.wait_of("k") == 10


def test_a_short_longest_wait_is_also_the_first() -> None:
    backoff = Backoff(longest=2)
    for at in range(3):
        backoff.next("k", at)
        assert backoff.wait_of("k") == 2


def test_a_short_longest_wait_is_not_forgotten_sooner() -> None:
    backoff = Backoff(longest=40)
    backoff.next("k", 0)
    backoff.next("k", 590)
    assert backoff.wait_of("k") == 20


def test_forgets_by_prefix() -> None:
    backoff = Backoff()
    backoff.next("pod_a", 0)
    backoff.next("other", 0)
    backoff.forget("pod_")
    assert (backoff.wait_of("pod_a"), backoff.wait_of("other")) == (0, 10)


def test_a_clock_that_was_set_back_holds_nobody() -> None:
    backoff = Backoff()
    backoff.next("k", 10_000)
    assert backoff.remaining("k", since=10_005, now=6_400) == 0
    backoff.next("k", 6_400)
    assert backoff.remaining("k", since=6_400, now=6_405) == 15


def test_a_clock_that_was_set_forward_ends_the_wait() -> None:
    backoff = Backoff()
    backoff.next("k", 0)
    assert backoff.remaining("k", since=5, now=3_605) == 0
