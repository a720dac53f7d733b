"""
What a user hands in and gets back: the request for a task, and the task as it stands.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from attrs import field, frozen

from azoth.clocks import (
    Instant,
    Microseconds,
    datetime_of,
    instant_of,
    microseconds_of,
    timedelta_of,
)
from azoth.events import NAME_BYTES_MAX, check_integer, check_name
from azoth_scheduler._times import check_times
from azoth_scheduler.errors import InvalidTask
from azoth_scheduler.events import CATEGORY, CatchUp, Options, Overlap
from azoth_scheduler.handlers import TaskRequest, check_task_type
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Schedule
from azoth_scheduler.settings import Settings, check_retries, positive
from azoth_scheduler.task import Definition, Status, TaskState, Totals, status_of

__all__ = [
    "PAYLOAD_BYTES_MAX",
    "PRIORITY_MAX",
    "REASON_CHARS_MAX",
    "TAGS_MAX",
    "ScheduleTaskRequest",
    "ScheduledTask",
    "check_payload",
    "check_reason",
    "check_text",
]

PAYLOAD_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of a task: base64 makes it a third longer, and the event that holds it has at most 16 MiB."""

PRIORITY_MAX: Final = 1_000_000
"""And its negative: far more steps than anybody orders by hand."""


_UNSAID: Final = Options()

REASON_CHARS_MAX: Final = 2_000
"""Of a pause or a cancel: it is shown in a table, and read in each fold."""

TAGS_MAX: Final = 100
"""Of a task: each is compared when tasks are listed by one."""


def _to_tags(tags: Iterable[str]) -> tuple[str, ...]:
    if isinstance(tags, str):
        raise InvalidTask(reason=f"tags is a sequence of words; write ({tags!r},)")
    try:
        return tuple(tags)
    except TypeError:
        raise InvalidTask(reason=f"tags is a sequence of words, not {tags!r}") from None


@frozen
class ScheduleTaskRequest(TaskRequest):
    """
    Ask for a task.

    What is left out is taken from the handler, then from the scheduler, each time a run is
    claimed; so a later change of those defaults needs no new request.

    Attributes:
        task_id: Names the task; the same id with another definition edits it in place.
        task_type: Names the handler.
        schedule: `Cron`, `Interval`, `OneTime` or `Immediate`.
        payload: Handed to the handler; at most `PAYLOAD_BYTES_MAX`.
        max_retries: Failures that exhaust a run: 3 means three attempts; 0 and 1 both mean one.
        retry: The same in full, with the waits between attempts; give one of the two.
        timeout: Seconds, or a timedelta, that an attempt may take.
        priority: Lower numbers start first.
        queue: Schedulers serve all queues, or those they name.
        tags: Free words to list tasks by.
        start: The first time that may be named, an aware datetime; an interval is counted from it.
            `"now"` fires an interval at once.
        end: The last time that may be named.
        max_runs: How many runs the schedule starts; retries and triggers do not count.
        jitter: Seconds, or a timedelta: each occurrence is due up to so much later, drawn by hash
            of the task and the occurrence, and always before the next one.
        expires_after: Seconds, or a timedelta: a run that has not begun by then is left out.
        catch_up: What is run of occurrences that fell due while nothing could start: the
            `"latest"`, the `"earliest"`, `"all"` within the window and limit, or `"skip"`: nothing
            that is later than the grace.
        catch_up_window: How far back `"all"` reaches.
        catch_up_limit: How many `"all"` runs at most, the newest.
        grace: How late `"skip"` still runs.
        overlap: What becomes of occurrences while a run is open: `"skip"`, `"buffer_one"` keeps the
            first, `"buffer_all"` the first `buffer_limit`, `"cancel_other"` asks the run to stop,
            `"allow"` starts another beside it.
        buffer_limit: How many `"buffer_all"` keeps at most.

    Raises:
        InvalidTask: A field is out of its range; said before anything is written.
    """

    task_id: str
    task_type: str
    schedule: Schedule
    payload: bytes = b""
    max_retries: int | None = field(default=None, kw_only=True)
    retry: RetryPolicy | None = field(default=None, kw_only=True)
    timeout: timedelta | float | None = field(default=None, kw_only=True)
    priority: int = field(default=0, kw_only=True)
    queue: str = field(default="default", kw_only=True)
    tags: tuple[str, ...] = field(default=(), kw_only=True, converter=_to_tags)
    start: datetime | Literal["now"] | None = field(default=None, kw_only=True)
    end: datetime | None = field(default=None, kw_only=True)
    max_runs: int | None = field(default=None, kw_only=True)
    jitter: timedelta | float = field(default=0, kw_only=True)
    expires_after: timedelta | float | None = field(default=None, kw_only=True)
    catch_up: CatchUp = field(default="latest", kw_only=True)
    catch_up_window: timedelta | float = field(default=_UNSAID.catch_up_window / 1e6, kw_only=True)
    catch_up_limit: int = field(default=_UNSAID.catch_up_limit, kw_only=True)
    grace: timedelta | float = field(default=_UNSAID.grace / 1e6, kw_only=True)
    overlap: Overlap = field(default="skip", kw_only=True)
    buffer_limit: int = field(default=_UNSAID.buffer_limit, kw_only=True)

    def __attrs_post_init__(self) -> None:
        try:
            self._check_names()
            self._check_values()
        except (TypeError, ValueError) as error:
            raise InvalidTask(task_id=str(self.task_id), reason=str(error)) from None

    def _check_names(self) -> None:
        check_name(self.task_id, "task id")
        check_task_type(self.task_type)
        check_name(self.queue, "queue")
        for tag in self.tags:
            check_name(tag, "tag")
        if len(self.tags) > TAGS_MAX:
            raise ValueError(f"there are {len(self.tags)} tags; the limit is {TAGS_MAX}")
        size = len(self.task_id.encode())
        longest = max(len(CATEGORY), len(self.task_type.encode())) + 1 + size
        if longest > NAME_BYTES_MAX:
            raise ValueError(
                f"the id has {size} bytes and '<task type>-<id>' {longest}; it names the stream of "
                f"the task's events, which has at most {NAME_BYTES_MAX}: shorten the id"
            )

    def _check_values(self) -> None:
        if not isinstance(self.schedule, get_args(Schedule)):
            raise TypeError(
                f"schedule is Cron, Interval, OneTime or Immediate, not {self.schedule!r}"
            )
        check_payload(self.task_id, self.payload)
        check_retries(self.max_retries, self.retry)
        if self.timeout is not None:
            positive(self.timeout, "timeout")
        check_integer(self.priority, "priority", low=-PRIORITY_MAX, high=PRIORITY_MAX)
        check_times(self.schedule, self._options())

    @property
    def definition(self) -> Definition:
        """
        Return the task's definition, with what the caller wrote and nothing filled in.
        """
        return Definition(
            task_type=self.task_type,
            schedule=self.schedule,
            payload=self.payload,
            options=self._options(),
        )

    def _options(self) -> Options:
        starts_now = self.start == "now"
        return Options(
            max_retries=self.max_retries,
            retry=self.retry,
            timeout=_micros(self.timeout, "timeout"),
            priority=self.priority,
            queue=self.queue,
            tags=self.tags,
            start=None if starts_now else _instant(self.start, "start"),
            start_now=starts_now,
            end=_instant(self.end, "end"),
            max_runs=self.max_runs,
            jitter=microseconds_of(self.jitter, "jitter"),
            expires_after=_micros(self.expires_after, "expires_after"),
            catch_up=self.catch_up,
            catch_up_window=microseconds_of(self.catch_up_window, "catch_up_window"),
            catch_up_limit=self.catch_up_limit,
            grace=microseconds_of(self.grace, "grace"),
            overlap=self.overlap,
            buffer_limit=self.buffer_limit,
        )


def _micros(duration: timedelta | float | None, what: str) -> Microseconds | None:
    return None if duration is None else microseconds_of(duration, what)


def _instant(moment: object, what: str) -> Instant | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        extra = ", or 'now'" if what == "start" else ""
        raise TypeError(f"{what} is an aware datetime{extra}, not {moment!r}")
    try:
        return instant_of(moment)
    except ValueError as error:
        raise ValueError(f"{what} is {moment}: {error}") from None


def check_payload(task_id: str, payload: bytes) -> None:
    """
    Refuse what is no payload.

    Raises:
        InvalidTask: It is not bytes, or has more than `PAYLOAD_BYTES_MAX`.
    """
    if type(payload) is not bytes:
        reason = f"payload is bytes, not {type(payload).__name__}; encode it first"
        raise InvalidTask(task_id=task_id, reason=reason)
    if len(payload) > PAYLOAD_BYTES_MAX:
        reason = (
            f"payload has {len(payload)} bytes; the limit is {PAYLOAD_BYTES_MAX}: keep large "
            "things elsewhere and hand over a reference"
        )
        raise InvalidTask(task_id=task_id, reason=reason)


def check_reason(task_id: str, reason: str) -> str:
    """
    Return *reason* if it can be kept in the log.

    Raises:
        InvalidTask: It is no text, has a lone surrogate, or more than `REASON_CHARS_MAX`.
    """
    try:
        check_text(reason, "reason")
    except (TypeError, ValueError) as error:
        raise InvalidTask(task_id=task_id, reason=str(error)) from None
    if len(reason) > REASON_CHARS_MAX:
        said = f"the reason has {len(reason)} characters; the limit is {REASON_CHARS_MAX}"
        raise InvalidTask(task_id=task_id, reason=said)
    return reason


def check_text(text: str, what: str) -> str:
    """
    Return *text* if UTF-8 can write it.

    Raises:
        TypeError: It is no text.
        ValueError: It has a lone surrogate.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is text, not {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        said = f"{what} {text[:40]!r} has a lone surrogate; use text that UTF-8 can write"
        raise ValueError(said) from None
    return text


@frozen(kw_only=True)
class ScheduledTask:
    """
    Show a task as it stands, the scheduler's defaults filled in.

    Attributes:
        status: The first that holds of cancelled, disabled, paused, running, retrying, completed
            and scheduled.
        enabled: Whether it is scheduled, running or retrying.
        reason: Of the latest pause, disable, resume or cancel.
        generation: The number of its definition.
        version: The version of its stream.
        next_run_time: When its next occurrence is due; None if nothing follows.
        next_nominal_time: The time that its schedule names for it.
        retry_at: When the run that failed is tried again; None if none waits.
        retry_count: Failures of the latest run.
        last_error: What the latest attempt raised; None if it raised nothing.
        last_error_type: The dotted name of its class.
        running: The execution ids of the attempts that run.
        buffered: Nominal times that were kept to run, in order, before anything new.
        waiting: How many runs were triggered or backfilled and have not begun.
        runs_started: How many runs its schedule started in this generation.
        options: What its caller wrote.
        totals: Attempts by outcome, those lost, and occurrences left out.
    """

    task_id: str
    task_type: str
    schedule: Schedule
    payload: bytes
    status: Status
    enabled: bool
    reason: str
    generation: int
    version: int
    next_run_time: datetime | None
    next_nominal_time: datetime | None
    retry_at: datetime | None
    last_run_time: datetime | None
    last_execution_id: str | None
    last_outcome: str | None
    last_error: str | None
    last_error_type: str | None
    last_completed_at: datetime | None
    retry_count: int
    max_retries: int
    timeout: timedelta
    priority: int
    queue: str
    tags: tuple[str, ...]
    running: tuple[str, ...]
    buffered: tuple[datetime, ...]
    waiting: int
    runs_started: int
    options: Options
    totals: Totals
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, state: TaskState, settings: Settings) -> "ScheduledTask":
        """
        Return a task's state as its user sees it.
        """
        status, definition = status_of(state), state.definition
        enabled = status in ("scheduled", "running", "retrying")
        timeout: Microseconds = settings.timeout_of(definition)
        return cls(
            task_id=state.task_id,
            task_type=definition.task_type,
            schedule=definition.schedule,
            payload=definition.payload,
            status=status,
            enabled=enabled,
            reason=state.reason,
            generation=state.generation,
            version=state.version,
            next_run_time=_shown(state.next_run_at) if enabled else None,
            next_nominal_time=_shown(state.next_nominal_at) if enabled else None,
            retry_at=_shown(_retry_at(state)),
            last_run_time=_shown(state.last_run_at),
            last_execution_id=state.last_execution_id,
            last_outcome=state.last_outcome,
            last_error=state.last_error,
            last_error_type=state.last_error_type,
            last_completed_at=_shown(state.last_completed_at),
            retry_count=state.retry_count,
            max_retries=settings.policy_of(definition).max_attempts,
            timeout=timedelta_of(timeout),
            priority=definition.options.priority,
            queue=definition.options.queue,
            tags=definition.options.tags,
            running=tuple(run.execution_id for run in state.active),
            buffered=tuple(datetime_of(at) for at in state.buffered),
            waiting=sum(run.triggered and not run.attempt for run in state.runs),
            runs_started=state.runs_started,
            options=definition.options,
            totals=state.totals,
            created_at=datetime_of(state.created_at),
            updated_at=datetime_of(state.updated_at),
        )


def _shown(instant: Instant | None) -> datetime | None:
    return None if instant is None else datetime_of(instant)


def _retry_at(state: TaskState) -> Instant | None:
    return min((run.retry_at for run in state.runs if run.retry_at is not None), default=None)
