"""A Redis that answers nobody is tried by one call at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from app.domain.errors import Unavailable
from app.store.breaker import Breaker


class Clock:
    """Each look at it is a moment later."""

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
    """Whether a second call is refused while a first one tries."""
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


def test_after_a_silence_one_tries_and_the_others_are_refused() -> None:
    breaker = Breaker(Clock())
    assert not refuses_others(breaker), "nothing is known yet"
    silence(breaker)
    assert refuses_others(breaker)
    assert refuses_others(breaker), "it is still silent"


@pytest.mark.parametrize("answer", [lambda: None, failing(ResponseError("a wrong command is an answer"))])
def test_the_first_answer_ends_it(answer: Callable[[], None]) -> None:
    breaker = Breaker(Clock())
    silence(breaker)
    with contextlib.suppress(ResponseError):
        breaker.run(answer)
    assert not refuses_others(breaker)


def test_one_slow_command_among_others_that_are_answered_is_no_silence() -> None:
    breaker = Breaker(Clock())

    def slow() -> None:
        breaker.run(lambda: None)  # somebody else is answered meanwhile
        raise TimeoutError

    with pytest.raises(TimeoutError):
        breaker.run(slow)
    assert not refuses_others(breaker)


def test_a_refused_connection_is_no_silence() -> None:
    breaker = Breaker(Clock())
    with pytest.raises(ConnectionError):
        breaker.run(failing(ConnectionError("refused")))
    assert not refuses_others(breaker)
