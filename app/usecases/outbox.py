"""Gathers the notices of one round of alert work, within the bounds of each channel."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.alerts.storm import Flow, admit, summed_up
from app.domain.channels.notice import Notice, NoticeType, summary_line
from app.store.alerts import AlertPlan, AlertStore
from app.store.deliveries import NewDelivery


class Outbox:
    """Adds deliveries to the plan of a round. `round_id`: identifies the round, so that each event has an id."""

    def __init__(self, store: AlertStore, plan: AlertPlan, round_id: str, now_ms: int) -> None:
        self._store = store
        self._plan = plan
        self._round_id = round_id
        self._now_ms = now_ms
        self._flows: dict[str, Flow] = {}
        self._notices = 0

    def tell(self, channels: Iterable[str], notice: Notice) -> None:
        """Send a notice to each channel, or count it there if there were many of late."""
        self._notices += 1
        for name in channels:
            flow, passes = admit(self._flow(name), self._now_ms, summary_line(notice))
            self._flows[name] = flow
            if passes:
                self._send(name, notice)

    def sum_up(self, name: str) -> None:
        """Send the summary of what was held back, if its time has come; forget the flow if nothing was."""
        flow = self._flow(name)
        if flow.ends_ms > self._now_ms:
            return
        if flow.held:
            self._notices += 1
            lines = [*flow.lines, *(["…"] if flow.held > len(flow.lines) else [])]
            self._send(name, Notice(NoticeType.SUMMARY, str(flow.held), self._now_ms, reason="\n".join(lines)))
            self._flows[name] = summed_up(self._now_ms)
        else:
            self._flows[name] = Flow()

    def close(self) -> None:
        """Add the states of the channels to the plan."""
        for name, flow in self._flows.items():
            self._plan.flows[name] = flow if flow.passed else None
            self._plan.due[f"c:{name}"] = flow.ends_ms if flow.passed else None

    def _flow(self, name: str) -> Flow:
        if name not in self._flows:
            self._flows |= self._store.flows([name])
        return self._flows[name]

    def _send(self, channel: str, notice: Notice) -> None:
        self._plan.deliveries.append(
            NewDelivery(
                type=notice.event_type,
                channel=channel,
                event_id=f"msg_alert_{self._round_id}_{self._notices}",
                task_id=notice.task_id,
                scheduled_task_id=notice.scheduled_task_id,
                data=notice.as_json(),
            )
        )
