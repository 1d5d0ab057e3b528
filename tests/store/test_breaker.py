"""An unresponsive Redis is tried by one call at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from app.domain.errors import Unavailable
from app.store.breaker import Breaker


class Clock:
    """A clock that advances at each reading."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def failing(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def silence(breaker: Breaker, call: Callable[[], None] | None = None) -> None:
    with pytest.raises(TimeoutError):
        breaker.run(call or failing(TimeoutError("no answer")))


def refuses_others(breaker: Breaker) -> bool:
    """Whether a second call is refused while a first call is trying."""
    began, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        began.set()
        go_on.wait(5)
        raise TimeoutError

    thread = threading.Thread(target=silence, args=(breaker, slow))
    thread.start()
    began.wait(5)
    try:
        breaker.run(lambda: None)
    except Unavailable:
        return True
    finally:
        go_on.set()
        thread.join(5)
    return False


def test_after_a_timeout_one_call_tries_and_others_are_refused() -> None:
    breaker = Breaker(Clock())
    assert not refuses_others(breaker), "no call has timed out yet"
    silence(breaker)
    assert refuses_others(breaker)
    assert refuses_others(breaker), "Redis is still unresponsive"


@pytest.mark.parametrize("answer", [lambda: None, failing(ResponseError("an error reply is a reply"))])
def test_the_first_reply_ends_the_refusals(answer: Callable[[], None]) -> None:
    breaker = Breaker(Clock())
    silence(breaker)
    with contextlib.suppress(ResponseError):
        breaker.run(answer)
    assert not refuses_others(breaker)


def test_a_slow_command_among_others_with_replies_refuses_none() -> None:
    breaker = Breaker(Clock())

    def slow() -> None:
        breaker.run(lambda: None)  # another call gets a reply meanwhile
        raise TimeoutError

    with pytest.raises(TimeoutError):
        breaker.run(slow)
    assert not refuses_others(breaker)


def test_a_refused_connection_refuses_no_other_calls() -> None:
    breaker = Breaker(Clock())
    with pytest.raises(ConnectionError):
        breaker.run(failing(ConnectionError("refused")))
    assert not refuses_others(breaker)
