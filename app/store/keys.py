"""The names of all Redis keys and channels. All start with one prefix.

The scripts compose the same names (`_lib.lua`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from app.domain.status import Kind, ScheduleStatus, Status, TaskType

PREFIX = "celeriac:"
#: kombu's Redis transport has one list per priority of a queue: NAME, NAME<sep>1 … NAME<sep>9; 0 is served first.
PRIORITY_SEPARATOR = "\x06\x16"
PRIORITIES = 10
#: What `task_index` and `schedule_index` take, for each index that there is.
TASK_INDEXES = tuple(product(Kind, TaskType, Status))
SCHEDULE_INDEXES = tuple(product(Kind, ScheduleStatus))


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names with `prefix`. Each docstring gives the type and content."""

    prefix: str = PREFIX

    @property
    def form(self) -> str:
        """STRING: the number of the form of all data (app/domain/form.py), `1>2` while it is changed from 1 to 2.

        `:work` behind it (HASH): the progress of such a change (app/store/form.py); `:lease` (STRING, expires): the
        process that works on it; `:newest`: see app/store/migrations/names.py.
        """
        return f"{self.prefix}form"

    def task(self, task_id: str) -> str:
        """HASH: the record of a task. Keys with the suffixes `:spec`, `:result`, `:stdout`, `:attempts` and `:history`
        hold its larger parts."""
        return f"{self.prefix}t:{task_id}"

    def program(self, program_hash: str) -> str:
        """HASH: the source of a program (`text`), and how many tasks and scheduled tasks have it (`uses`)."""
        return f"{self.prefix}program:{program_hash}"

    def task_index(self, kind: Kind, task_type: TaskType, status: Status) -> str:
        """ZSET id by seq: the index of tasks with this kind, type and status."""
        return f"{self.prefix}ix:{kind}:{task_type}:{status}"

    def tag(self, tag: str) -> str:
        """ZSET id by seq: tasks with this tag."""
        return f"{self.prefix}tag:{tag}"

    def created_by(self, schedule_id: str) -> str:
        """ZSET id by seq: tasks that a scheduled task created."""
        return f"{self.prefix}by:{schedule_id}"

    def finished_index(self, kind: Kind, task_type: TaskType, status: Status) -> str:
        """ZSET id by the seq of its finish: the index in which a finished task of these three sits."""
        return f"{self.prefix}fx:{kind}:{task_type}:{status}"

    def name(self, folded_name: str) -> str:
        """ZSET id by seq: the tasks with this name (app/domain/names.py)."""
        return f"{self.prefix}name:{folded_name}"

    @property
    def names(self) -> str:
        """ZSET of the folded names that tasks have, all with the score 0, so that they are sorted by their bytes."""
        return f"{self.prefix}names"

    @property
    def newest(self) -> str:
        """ZSET folded name by the seq of the newest task that ever had it: no task with the name has a higher one."""
        return f"{self.prefix}newest"

    def error_type(self, error_type: str) -> str:
        """ZSET id by seq: the failed tasks whose error has this type."""
        return f"{self.prefix}et:{error_type}"

    def fingerprint(self, fingerprint: str) -> str:
        """ZSET id by seq: the failed tasks with this fingerprint (app/domain/fingerprint.py)."""
        return f"{self.prefix}fp:{fingerprint}"

    @property
    def errors(self) -> str:
        """ZSET fingerprint by the ms of its last failure: the groups of failures."""
        return f"{self.prefix}errors"

    def error_group(self, fingerprint: str) -> str:
        """HASH, expires: what is known of the failures with a fingerprint. Behind it `:by`, ZSET schedule id by ms."""
        return f"{self.prefix}error:{fingerprint}"

    def schedule(self, schedule_id: str) -> str:
        """HASH: a scheduled task. The suffix `:spec` holds its body."""
        return f"{self.prefix}s:{schedule_id}"

    def firings(self, schedule_id: str) -> str:
        """ZSET "at:outcome:task" by ms: the newest firings of a scheduled task."""
        return f"{self.schedule(schedule_id)}:firings"

    def schedule_index(self, kind: Kind, status: ScheduleStatus) -> str:
        """ZSET id by seq: the index of scheduled tasks with this kind and status."""
        return f"{self.prefix}sx:{kind}:{status}"

    def keyed(self, key: str) -> str:
        """STRING: the id of the scheduled task with this key."""
        return f"{self.prefix}keyed:{key}"

    def idempotency(self, name: str) -> str:
        """STRING, expires after a day: the first request with an idempotency key, and the id that it created."""
        return f"{self.prefix}idem:{name}"

    def batch(self, batch_id: str) -> str:
        """HASH: a batch whose tasks are being created. The tasks of its chunk N are the STRING `:N` behind it, which
        expires until it is decided that they are created."""
        return f"{self.prefix}batch:{batch_id}"

    @property
    def batches(self) -> str:
        """ZSET batch id by ms: the batches that are to be completed."""
        return f"{self.prefix}batches"

    @property
    def promised(self) -> str:
        """STRING: how many tasks the batches in `batches` still lack."""
        return f"{self.prefix}promised"

    def call(self, name: str) -> str:
        """STRING, expires after a minute: the answer to a call, in case the client sends it again."""
        return f"{self.prefix}call:{name}"

    @property
    def cron(self) -> str:
        """ZSET schedule id by next firing, ms."""
        return f"{self.prefix}cron"

    @property
    def zones(self) -> str:
        """STRING: the version of the time zones (app/domain/cron/zone.py) by which all next firings were computed.

        Empty while they are computed anew."""
        return f"{self.prefix}zones"

    @property
    def due(self) -> str:
        """ZSET task id by due time, ms: waiting, message not sent yet."""
        return f"{self.prefix}due"

    @property
    def sent(self) -> str:
        """ZSET task id by due time, ms: waiting, message sent as a countdown."""
        return f"{self.prefix}sent"

    def queued(self, kind: str, priority: int) -> str:
        """ZSET task id by the time its message was sent, ms: the tasks of one list of messages."""
        return f"{self.prefix}queued:{kind}:{priority}"

    @property
    def leases(self) -> str:
        """ZSET task id by the time the lease of its attempt expires, ms."""
        return f"{self.prefix}leases"

    @property
    def expiring(self) -> str:
        """ZSET task id by the ms at which a task that has not started expires."""
        return f"{self.prefix}expiring"

    def bulk(self, bulk_id: str) -> str:
        """HASH: a bulk, its fields by their whole names. `:ids` behind it (LIST): what it has yet to act on."""
        return f"{self.prefix}bulk:{bulk_id}"

    @property
    def bulks(self) -> str:
        """ZSET bulk id by seq: the newest 100. Behind it `:lease` (STRING, expires): who works on bulks."""
        return f"{self.prefix}bulks"

    @property
    def running_bulks(self) -> str:
        """ZSET bulk id by seq: those that have not ended."""
        return f"{self.prefix}bulks:running"

    def minute(self, number: int) -> str:
        """HASH: counters of the minute `number` (ms // 60,000) that are not among the totals yet. The suffix `:past`
        holds those that are (HASH, expires)."""
        return f"{self.prefix}minute:{number}"

    @property
    def open_minutes(self) -> str:
        """SET of the minutes with counters that are not among the totals yet."""
        return f"{self.prefix}minute:open"

    @property
    def totals(self) -> str:
        """HASH: counters that only grow. Behind it: `:http` (HASH), those of requests; `:added:PROCESS` (STRING,
        expires), the number of the last call with which an API process added to them; `:tags` (STRING), the names in
        METRICS_TAGS, "," for none; `:values:NAME` (SET), the values of a tag that are counted."""
        return f"{self.prefix}totals"

    def worker(self, hostname: str) -> str:
        """STRING JSON, expires: the heartbeat of a worker."""
        return f"{self.prefix}worker:{hostname}"

    @property
    def nothing(self) -> str:
        """A key that never exists."""
        return f"{self.prefix}nothing"

    @property
    def workers(self) -> str:
        """ZSET worker hostname by last heartbeat, ms."""
        return f"{self.prefix}workers"

    @property
    def beats(self) -> str:
        """ZSET beat name by last tick, ms."""
        return f"{self.prefix}beats"

    @property
    def seq(self) -> str:
        """STRING: the last sequence number."""
        return f"{self.prefix}seq"

    def done(self, task_id: str) -> str:
        """Channel: the task, or the bulk, has finished (the message is its status); or the task was deleted."""
        return f"{self.prefix}done:{task_id}"

    def inbox(self, name: str) -> str:
        """Channel: ids of finished or deleted tasks that a process created and waits for."""
        return f"{self.prefix}inbox:{name}"

    def changed(self, task_id: str) -> str:
        """Channel: the status of an unfinished task has changed, or its program has printed something."""
        return f"{self.prefix}changed:{task_id}"

    @property
    def events(self) -> str:
        """STREAM, expires: status changes, newest last, kept while event streams are open. The channel of the same name
        carries them with their ids. The key with the suffix `:since` holds the time since when they are complete."""
        return f"{self.prefix}events"

    @property
    def stop(self) -> str:
        """Channel: ids of running tasks to stop."""
        return f"{self.prefix}stop"

    @property
    def beat(self) -> str:
        """Channel: a schedule was created or changed, or a bulk began. It wakes a sleeping beat."""
        return f"{self.prefix}beat"

    def queue(self, name: str, celery_priority: int = 0) -> str:
        """LIST of messages, named as in kombu's transport. Priority 0 is served first."""
        suffix = f"{PRIORITY_SEPARATOR}{celery_priority}" if celery_priority else ""
        return f"{self.prefix}{name}{suffix}"

    def delivery(self, delivery_id: str) -> str:
        """HASH: a delivery, its fields by their whole names. The suffix `:tries` holds its last tries (LIST of JSON);
        `:task`, `:result` and `:stdout` hold what a pending delivery needs of its task, which was removed."""
        return f"{self.prefix}d:{delivery_id}"

    @property
    def deliveries(self) -> str:
        """ZSET delivery id by seq: all. The channel of the same name announces that a delivery is due."""
        return f"{self.prefix}deliveries"

    def delivery_index(self, status: str) -> str:
        """ZSET delivery id by seq: those with this status."""
        return f"{self.prefix}deliveries:{status}"

    def deliveries_of(self, what: str, name: str) -> str:
        """ZSET delivery id by seq: those of one `task`, `schedule` or `channel`."""
        return f"{self.prefix}deliveries:{what}:{name}"

    @property
    def due_deliveries(self) -> str:
        """ZSET delivery id by the ms of its next try: pending, and not being tried. Behind it `:notices`, the same of
        those that go to a channel."""
        return f"{self.prefix}deliveries:due"

    @property
    def delivery_leases(self) -> str:
        """ZSET delivery id by the ms at which the lease of its current try expires."""
        return f"{self.prefix}deliveries:leases"

    @property
    def api_keys(self) -> str:
        """HASH name by digest: every stored key."""
        return f"{self.prefix}apikeys"

    def api_key(self, digest: str) -> str:
        """HASH: a stored key. Of a key in API_KEYS, only when it was last used (expires)."""
        return f"{self.prefix}apikey:{digest}"

    def rate(self, owner: str) -> str:
        """STRING, expires: the ms at which the quota of a caller is whole again. `owner`: `ACTION:key:NAME`,
        `ACTION:address:ADDRESS`; `channel:NAME`: the messages to a channel."""
        return f"{self.prefix}rate:{owner}"

    def alert(self, what: str) -> str:
        """What alert rules keep.

        `events` STREAM: what happened and was not dealt with yet. `schedules`, `flows`, `service` HASH: the states of
        watched schedules, channels, and troubles of the service. `due` ZSET s:SCHEDULE, c:CHANNEL by the ms of the next
        look. `late` ZSET task id by the ms at which it is late. `default` STRING: the rule of schedules without one,
        "" for none; `default_since` STRING: the ms at which it was set. `called` STRING, expires: HEARTBEAT_URL was
        called. `lease` STRING, expires: the process that does the rounds. `revision` STRING: counts the rounds that
        changed this, and the defaults.
        """
        return f"{self.prefix}alerts:{what}"

    @property
    def channels(self) -> str:
        """HASH name -> JSON: the channels that callers created, with their secrets."""
        return f"{self.prefix}channels"

    @property
    def audit(self) -> str:
        """STREAM: changes made by callers, the newest 10,000."""
        return f"{self.prefix}audit"
