"""What is going to happen: a plan made of a seed, and of nothing else. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

WORKERS = ("worker-1", "worker-2")
BEATS = ("beat-1", "beat-2")
REDIS = "redis"
API = "api"
EVERYBODY = "everybody"

#: Workers' leases, in seconds. Short, so that many are lost in a minute.
LEASE_SECONDS = 2.0
HORIZON_SECONDS = 1.0
#: What attempts have when their worker is told to end; slow ones take longer, and are given back.
GRACE_SECONDS = 1.0
TASKS_PER_SECOND = 8.0
#: From one harm to the next.
PAUSE_SECONDS = (0.3, 3.0)
#: How much later a packet of a slow host arrives, each way.
SLOW_SECONDS = 0.1


class Harm(StrEnum):
    """What is done to a process."""

    KILL = "kill"  # SIGKILL; it is started again after a while
    FREEZE = "freeze"  # SIGSTOP; SIGCONT after a while
    TERMINATE = "terminate"  # SIGTERM; it has to end by itself, and is started again
    KILL_SANDBOX = "kill sandbox of"  # SIGKILL of the zygote, which all its programs die with
    RESET = "reset"  # its connections to Redis break; new ones work
    SLOW = "slow down"  # each packet of its host arrives late
    CUT_OFF = "cut off"  # nothing passes between it and Redis for a while, and nobody says so


@dataclass(frozen=True, slots=True)
class Blow:
    """One harm: to whom, when (from the start of the run), for how long."""

    at_seconds: float
    harm: Harm
    victim: str
    for_seconds: float


class Then(StrEnum):
    """What the caller does with a task soon after its creation."""

    NOTHING = "nothing"
    CHANGE = "change"
    STOP = "stop"
    DELETE = "delete"
    BULK_STOP = "bulk stop"
    BULK_DELETE = "bulk delete"
    BULK_RETRY = "bulk retry"


#: What a CHANGE makes of a waiting task.
CHANGED: dict[str, Any] = {"tags": ["changed"], "delay_seconds": 1.5 * HORIZON_SECONDS}


def retry_name(name: str) -> str:
    """The name of the task that a BULK_RETRY of this order creates."""
    return f"{name}-retry"


class Ending(StrEnum):
    """How a task has to end when nobody stops it and its workers live."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Order:
    """One task to create: its body as it is sent (`api_url` and `callback_url` are paths of the target).

    is_keyed: it has an idempotency key, so the caller asks again until he is answered; is_repeated: and once more.
    """

    at_seconds: float
    name: str
    body: dict[str, Any]
    ending: Ending
    is_keyed: bool = False
    is_repeated: bool = False
    then: Then = Then.NOTHING
    then_after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A run."""

    seed: int
    seconds: float
    orders: tuple[Order, ...] = field(repr=False)
    blows: tuple[Blow, ...] = field(repr=False)


def make_plan(
    seed: int, seconds: float, harms: Harms | None = None, tasks_per_second: float = TASKS_PER_SECOND
) -> Plan:
    """The plan of a seed. Orders and blows draw from chances of their own: a change of one leaves the other."""
    return Plan(
        seed,
        seconds,
        tuple(_orders(random.Random(f"orders {seed}"), seconds, tasks_per_second)),
        tuple(_blows(random.Random(f"blows {seed}"), seconds, harms or HARMS)),
    )


# --- harm --------------------------------------------------------------------------------------------

#: (weight, harm, victims, shortest and longest time in seconds).
Harms = tuple[tuple[int, Harm, tuple[str, ...], tuple[float, float]], ...]
HARMS: Harms = (
    (8, Harm.KILL, WORKERS, (0.0, 4.0)),
    (4, Harm.KILL, BEATS, (0.0, 3.0)),
    (2, Harm.KILL, (API,), (0.0, 1.0)),
    (2, Harm.KILL, (REDIS,), (0.0, 4.0)),
    (6, Harm.FREEZE, WORKERS, (0.5, 3 * LEASE_SECONDS)),
    (2, Harm.FREEZE, BEATS, (0.5, 3 * LEASE_SECONDS)),
    (1, Harm.FREEZE, (API,), (0.5, 3.0)),
    (1, Harm.FREEZE, (REDIS,), (0.5, 2 * LEASE_SECONDS)),
    (5, Harm.TERMINATE, WORKERS, (0.0, 1.0)),
    (2, Harm.TERMINATE, (*BEATS, API), (0.0, 1.0)),
    (1, Harm.TERMINATE, (REDIS,), (0.0, 2.0)),
    (2, Harm.KILL_SANDBOX, (*WORKERS, *WORKERS, API), (0.0, 0.0)),
    (4, Harm.RESET, (*WORKERS, *BEATS, API), (0.0, 0.0)),
    (4, Harm.CUT_OFF, WORKERS, (0.5, 3 * LEASE_SECONDS)),
    (1, Harm.CUT_OFF, (*BEATS, API), (0.5, 2 * LEASE_SECONDS)),
    (1, Harm.KILL, (EVERYBODY,), (0.0, 1.0)),
    (1, Harm.TERMINATE, (EVERYBODY,), (0.0, 1.0)),
)


def _blows(chance: random.Random, seconds: float, harms: Harms) -> Iterator[Blow]:
    weights = [weight for weight, *_ in harms]
    at_seconds = chance.uniform(*PAUSE_SECONDS)
    while at_seconds < seconds:
        _, harm, victims, (shortest, longest) = chance.choices(harms, weights)[0]
        yield Blow(at_seconds, harm, chance.choice(victims), chance.uniform(shortest, longest))
        at_seconds += chance.uniform(*PAUSE_SECONDS)


# --- load --------------------------------------------------------------------------------------------

PROGRAM = """
import time

def answer(token):
    return token

def work(token, seconds):
    print("begins", token)
    time.sleep(seconds)
    print("ends", token)
    return token

def refuse(token):
    raise ValueError(token)
"""


def _orders(chance: random.Random, seconds: float, tasks_per_second: float) -> Iterator[Order]:
    at_seconds, number = 0.0, 0
    while at_seconds < seconds:
        number += 1
        yield _order(chance, at_seconds, f"order-{number}")
        at_seconds += chance.expovariate(tasks_per_second)


def _order(chance: random.Random, at_seconds: float, name: str) -> Order:
    body, ending = chance.choices(BODIES, BODY_WEIGHTS)[0](chance, name)
    body |= {"name": name, "priority": chance.choice([1, 5, 5, 5, 9])}
    body |= {"tags": chance.sample(["red", "green", "blue"], chance.randint(0, 2))}
    if chance.random() < 0.3:
        body |= {"task_type": "delayed", "delay_seconds": round(chance.uniform(0.05, 6 * HORIZON_SECONDS), 3)}
    if chance.random() < 0.6:
        query = chance.choices(["", f"?ms={chance.randint(1, 1_500)}", "?times=1"], [60, 30, 10])[0]
        body |= {"callback_url": f"/told{query}"}
    if chance.random() < 0.4:
        body |= {"alert": {"channels": [CHANNEL]}}
    then = chance.choices(list(Then), [70, 10, 12, 8, 4, 4, 10])[0]
    is_keyed = chance.random() < 0.6
    is_repeated = is_keyed and chance.random() < 0.3
    return Order(at_seconds, name, body, ending, is_keyed, is_repeated, then, chance.uniform(0.0, 3.0))


Body = tuple[dict[str, Any], Ending]


def _code(function: str, *args: Any, **more: Any) -> dict[str, Any]:
    return {"function_code": PROGRAM, "function_name": function, "args": list(args), **more}


def _quick(chance: random.Random, name: str) -> Body:
    return _code("answer", name), Ending.SUCCEEDED


def _slow(chance: random.Random, name: str) -> Body:
    return _code("work", name, round(chance.uniform(0.1, 1.5 * LEASE_SECONDS), 2)), Ending.SUCCEEDED


def _failing(chance: random.Random, name: str) -> Body:
    return _code("refuse", name, max_retries=chance.randint(0, 3), retry_delay=0.3), Ending.FAILED


def _call(chance: random.Random, name: str) -> Body:
    return {"api_url": "/ok", "method": chance.choice(["GET", "POST"])}, Ending.SUCCEEDED


def _slow_call(chance: random.Random, name: str) -> Body:
    ms = chance.randint(100, round(2_000 * LEASE_SECONDS))
    return {"api_url": f"/ok?ms={ms}", "method": "POST", "data": {"order": name}}, Ending.SUCCEEDED


def _retried_call(chance: random.Random, name: str) -> Body:
    path = chance.choice(["busy", "broken"])
    # POST: a GET on a kept connection that breaks is sent once more by the client itself.
    url = f"/{path}?times={chance.randint(1, 3)}"
    return {"api_url": url, "method": "POST", "max_retries": 10, "retry_delay": 0.3}, Ending.SUCCEEDED


def _refused_call(chance: random.Random, name: str) -> Body:
    return {"api_url": "/refused", "max_retries": 3}, Ending.FAILED


BODIES = (_quick, _slow, _failing, _call, _slow_call, _retried_call, _refused_call)
BODY_WEIGHTS = (30, 20, 10, 15, 15, 10, 5)


# --- schedules ----------------------------------------------------------------------------------------

#: Made before the first blow, by key.
#: The channel that is told of failed tasks.
CHANNEL = "chaos"
SCHEDULES: dict[str, dict[str, Any]] = {
    "all": {**_code("answer", "all"), "cron_expression": "* * * * * *", "catch_up": "all"},
    "latest": {"api_url": "/ok", "cron_expression": "*/2 * * * * *", "catch_up": "latest"},
    "none": {
        **_code("answer", "none"),
        "cron_expression": "*/3 * * * * *",
        "catch_up": "none",
        "callback_url": "/told",
    },
    "skip": {**_code("work", "skip", 1.5), "cron_expression": "*/2 * * * * *", "overlap": "skip"},
    "stop": {
        "api_url": "/ok?ms=3000",
        "method": "POST",
        "cron_expression": "*/2 * * * * *",
        "overlap": "stop_previous",
        "callback_url": "/told",
    },
}
