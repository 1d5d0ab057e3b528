"""Sends the plan's orders when they are due, and stops or deletes some of them."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

from app.domain.status import FINISHED
from tests.system.chaos.client import Answer, Caller
from tests.system.chaos.ledger import Entry, Ledger
from tests.system.chaos.plan import CHANGED, Order, Plan, Then, retry_name

CALLERS = 48
#: Who has a key asks again after this pause, and up to this long after the last harm.
PAUSE_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
#: How each is asked for, and what it may answer beside nothing (0) and 503. 404 is found to be wrong later.
CREATE_ANSWERS = (201,)
THENS: dict[Then, tuple[str, str, object, tuple[int, ...]]] = {
    Then.CHANGE: ("PATCH", "", CHANGED, (200, 404, 409)),  # 409: it is queued already
    Then.STOP: ("POST", "/stop", None, (200, 404, 409)),  # 409: it was finished
    Then.DELETE: ("DELETE", "", None, (204, 404, 409)),  # 409: it keeps starting again
}
#: Each with what it may have done to the task.
BULKS: dict[Then, tuple[str, Then]] = {
    Then.BULK_STOP: ("stop", Then.STOP),
    Then.BULK_DELETE: ("delete", Then.DELETE),
    Then.BULK_RETRY: ("retry", Then.NOTHING),
}
BULK_ANSWERS = (202,)
LOOK_ANSWERS = (200, 404)


class Load:
    """A context manager: the orders go out in threads from its start on; its end waits for the last answer."""

    def __init__(self, plan: Plan, caller: Caller, ledger: Ledger, target_url: str) -> None:
        self._plan, self._caller, self._ledger, self._target_url = plan, caller, ledger, target_url
        self._pool = ThreadPoolExecutor(CALLERS, thread_name_prefix="load")
        self._orders: list[Future[None]] = []

    def __enter__(self) -> Load:
        began = time.monotonic()
        self._orders = [self._pool.submit(self._run, orders, began) for orders in self._shares()]
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for future in self._orders:
            future.result()

    def _shares(self) -> list[tuple[Order, ...]]:
        """A caller that waits for a frozen API must not hold back the others."""
        return [self._plan.orders[start::CALLERS] for start in range(CALLERS)]

    def _run(self, orders: tuple[Order, ...], began: float) -> None:
        for order in orders:
            time.sleep(max(0.0, began + order.at_seconds - time.monotonic()))
            entry = self._ledger.open(order)
            self._create(entry, began)
            if entry.task_id is not None:
                time.sleep(order.then_after_seconds)
                self._follow_up(entry, entry.task_id, began)
                if order.is_repeated:
                    self._repeat(entry, entry.task_id)

    def _create(self, entry: Entry, began: float) -> None:
        """Ask once; with an idempotency key again and again, as a careful caller does."""
        deadline = began + self._plan.seconds + PATIENCE_SECONDS
        answer = self._ask(entry.order)
        while entry.order.is_keyed and answer.is_unsure and time.monotonic() < deadline:
            time.sleep(PAUSE_SECONDS)
            answer = self._ask(entry.order)
        if answer.status == 201:
            entry.task_id = answer.body["id"]
        entry.is_refused = answer.says_nothing_was_done and not entry.order.is_keyed

    def _ask(self, order: Order) -> Answer:
        body = dict(order.body)
        body |= {name: self._target_url + body[name] for name in ("api_url", "callback_url") if name in body}
        headers = {"Idempotency-Key": f"{self._plan.seed}-{order.name}"} if order.is_keyed else {}
        return self._call(CREATE_ANSWERS, "POST", "/api/tasks", body, **headers)

    def _repeat(self, entry: Entry, task_id: str) -> None:
        """The same request again, whatever has become of its task: the first answer."""
        answer = self._ask(entry.order)
        if answer.status == 201 and answer.body["id"] != task_id:
            sentence = f"{entry.order.name} was {task_id}, and by the same key {answer.body['id']}"
            self._ledger.find("a key creates once", sentence, task_id)

    def _follow_up(self, entry: Entry, task_id: str, began: float) -> None:
        then = entry.order.then
        if then in BULKS:
            self._begin_bulk(entry, task_id, began)
            return
        if then is Then.NOTHING:
            self._look(entry, task_id)
            return
        method, path, body, expected = THENS[then]
        answer = self._call(expected, method, f"/api/tasks/{task_id}{path}", body)
        if answer.is_unsure or answer.status == 409:
            entry.unsure = then
        elif answer.status in (200, 204) or (answer.status == 404 and then is Then.DELETE):
            entry.done = then  # a delete whose reply from Redis was lost is made again, and finds nothing
        else:
            self._ledger.find("what was accepted is there", f"404 from {method} of an accepted task", task_id)

    def _begin_bulk(self, entry: Entry, task_id: str, began: float) -> None:
        """Ask again and again until it is answered, with a key."""
        name = entry.order.name
        action, entry.unsure = BULKS[entry.order.then]
        body: dict[str, object] = {"action": action, "ids": [task_id]}
        if action == "retry":
            body["changes"] = {"name": retry_name(name)}
        deadline = began + self._plan.seconds + PATIENCE_SECONDS
        headers = {"Idempotency-Key": f"{self._plan.seed}-{name}-bulk"}
        answer = self._call(BULK_ANSWERS, "POST", "/api/bulk", body, **headers)
        while answer.is_unsure and time.monotonic() < deadline:
            time.sleep(PAUSE_SECONDS)
            answer = self._call(BULK_ANSWERS, "POST", "/api/bulk", body, **headers)
        if answer.status == 202:
            entry.bulk_id = answer.body["id"]

    def _look(self, entry: Entry, task_id: str) -> None:
        """Remember the task if it is finished: it must never change again."""
        answer = self._call(LOOK_ANSWERS, "GET", f"/api/tasks/{task_id}")
        if answer.status == 200 and answer.body["status"] in FINISHED:
            entry.final = answer.body
        elif answer.status == 404:
            self._ledger.find("what was accepted is there", "404 from GET of an accepted task", task_id)

    def _call(self, expected: tuple[int, ...], method: str, path: str, body: object = None, **headers: str) -> Answer:
        answer = self._caller.call(method, path, body, **headers)
        if answer.status not in expected and not answer.is_unsure:
            sentence = f"{method} {path} answered {answer.status}: {answer.body}"
            self._ledger.find("the API answers as the contract says", sentence)
        return answer
