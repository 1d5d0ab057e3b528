"""Does the plan's harm, and mends it. All in one thread, the main one: what is due next comes out of a heap."""

from __future__ import annotations

import contextlib
import heapq
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count

from app.launch.child import ORPHAN_GRACE_SECONDS
from tests.system import start_time
from tests.system.chaos.cluster import Cluster, Life, Member, now_ms
from tests.system.chaos.findings import Finding
from tests.system.chaos.plan import API, EVERYBODY, SLOW_SECONDS, Blow, Harm

#: How long who was asked to end may take, before that is a finding.
END_SECONDS = 40.0
TICK_SECONDS = 0.05
#: How long a sandbox may outlive a worker that was killed.
ORPHAN_SECONDS = 2.0
#: The same for an API, whose programs are only compiled. It ends the calls that it is answering first.
API_ORPHAN_SECONDS = ORPHAN_SECONDS + ORPHAN_GRACE_SECONDS

Act = Callable[[], None]


class Monkey:
    """`run` does everything in the plan. `did` counts what was done; `findings` are ends that nobody caused.

    What it writes down of a harm begins before the harm and ends after it, however long this process stands still.
    """

    def __init__(self, cluster: Cluster, blows: tuple[Blow, ...]) -> None:
        self.did = Counter[str]()
        self.findings: list[Finding] = []
        self._cluster = cluster
        self._blows = blows
        self._agenda: list[tuple[float, int, Act]] = []
        self._order = count()
        self._harmed: set[str] = set()
        self._began = 0.0

    def run(self, seconds: float) -> None:
        """Returns when the time is over and everybody lives, unharmed."""
        self._began = time.monotonic()
        for blow in self._blows:
            self._at(blow.at_seconds, partial(self._strike, blow))
        while self._agenda or self._elapsed < seconds:
            while self._agenda and self._agenda[0][0] <= self._elapsed:
                heapq.heappop(self._agenda)[2]()
            self.look_after()
            time.sleep(TICK_SECONDS)

    def look_after(self) -> None:
        """Who has died of himself is started again, and that is a finding."""
        for member in self._cluster.members.values():
            if member.name not in self._harmed and not member.life.is_running:
                status = member.life.process.process.poll()
                sentence = f"{member.name} ended by itself with status {status}; its log: {member.life.log}"
                self.findings.append(Finding("nobody ends unasked", sentence))
                self._revive(member)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _at(self, at_seconds: float, act: Act) -> None:
        heapq.heappush(self._agenda, (at_seconds, next(self._order), act))

    def _in(self, seconds: float, act: Act) -> None:
        self._at(self._elapsed + seconds, act)

    def _strike(self, blow: Blow) -> None:
        names = list(self._cluster.members) if blow.victim == EVERYBODY else [blow.victim]
        for name in names:
            if name in self._harmed or not self._cluster.may_suffer(name):
                continue  # it has enough already
            self.did[f"{blow.harm} {name.split('-')[0]}"] += 1
            self._harmed.add(name)
            STRIKES[blow.harm](self, self._cluster[name], blow.for_seconds)

    # --- one harm each --------------------------------------------------------------------------------

    def _kill(self, member: Member, seconds: float) -> None:
        """The main process alone: what it has started has to notice by itself, until the new start."""
        sandboxes = member.sandboxes()
        member.signal(signal.SIGKILL)
        member.life.ended_ms = now_ms()  # it does nothing from now on; that it has ended may be heard much later
        member.life.process.process.wait(10)
        self._in(seconds, partial(self._revive, member))
        limit = API_ORPHAN_SECONDS if member.name.startswith(API) else ORPHAN_SECONDS
        self._in(limit, partial(self._look_for, sandboxes, member.life, limit))

    def _look_for(self, sandboxes: set[tuple[int, str]], life: Life, limit: float) -> None:
        """Programs must not run on when nobody is there to hear them, or to stop them."""
        alive = [pid for pid, started in sandboxes if start_time(pid) == started]
        if alive:
            sentence = f"{len(alive)} processes of its sandbox run {limit:g} s after the kill; its log: {life.log}"
            self.findings.append(Finding("programs end with their worker", sentence))

    def _freeze(self, member: Member, seconds: float) -> None:
        since_ms = now_ms()
        member.signal(signal.SIGSTOP)
        self._in(seconds, partial(self._thaw, member, since_ms))

    def _thaw(self, member: Member, since_ms: float) -> None:
        member.signal(signal.SIGCONT)
        member.life.frozen.append((since_ms, now_ms()))
        self._mended(member)

    def _terminate(self, member: Member, seconds: float) -> None:
        member.signal(signal.SIGTERM)
        self._await_end(member, seconds, time.monotonic() + END_SECONDS)

    def _await_end(self, member: Member, seconds: float, deadline: float) -> None:
        if member.life.is_running and time.monotonic() < deadline:
            self._in(TICK_SECONDS, partial(self._await_end, member, seconds, deadline))
            return
        if member.life.is_running:
            sentence = f"{member.name} ran on {END_SECONDS:g} s after SIGTERM; its log: {member.life.log}"
            self.findings.append(Finding("SIGTERM ends", sentence))
        self._in(seconds, partial(self._revive, member))

    def _kill_sandbox(self, member: Member, seconds: float) -> None:
        for pid in member.zygotes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._mended(member)

    def _reset(self, member: Member, seconds: float) -> None:
        assert member.link is not None
        member.link.reset()
        self._mended(member)

    def _cut_off(self, member: Member, seconds: float) -> None:
        assert member.link is not None
        since_ms = now_ms()
        member.link.cut_off()
        self._in(seconds, partial(self._join, member, since_ms))

    def _join(self, member: Member, since_ms: float) -> None:
        assert member.link is not None
        member.link.mend()
        member.life.cut_off.append((since_ms, now_ms()))
        if member.link.is_whole_host:
            member.life.isolated.append((since_ms, now_ms()))
        self._mended(member)

    def _slow_down(self, member: Member, seconds: float) -> None:
        assert member.link is not None
        member.link.slow_down(SLOW_SECONDS)
        self._in(seconds, partial(self._speed_up, member))

    def _speed_up(self, member: Member) -> None:
        assert member.link is not None
        member.link.mend()
        self._mended(member)

    def _revive(self, member: Member) -> None:
        member.bury()
        member.start()
        self._mended(member)

    def _mended(self, member: Member) -> None:
        self._harmed.discard(member.name)


STRIKES: dict[Harm, Callable[[Monkey, Member, float], None]] = {
    Harm.KILL: Monkey._kill,
    Harm.FREEZE: Monkey._freeze,
    Harm.TERMINATE: Monkey._terminate,
    Harm.KILL_SANDBOX: Monkey._kill_sandbox,
    Harm.RESET: Monkey._reset,
    Harm.CUT_OFF: Monkey._cut_off,
    Harm.SLOW: Monkey._slow_down,
}
