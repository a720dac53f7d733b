"""
Cron texts that are refused: each with its reason, and with a guess that would be accepted.
"""

import pickle
import re
import tracemalloc
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azoth_scheduler.cron import DstPolicy
from azoth_scheduler.errors import InvalidSchedule
from azoth_scheduler.schedules import Cron

# Each text, a part of the reason, and a part of the hint.
REFUSED: Final = [
    ("", "0 fields", "@daily"),
    ("   ", "0 fields", "@daily"),
    ("x", "1 field where", "@daily"),
    ("daily", "1 field where", "'@daily'"),
    ("* * * *", "4 fields where six (seconds first) or five are meant: second=*", "'* * * * *'"),
    ("0 0 12 * * * 2030", "too many=2030", "no year field: write '0 0 12 * * *'"),
    ("* * * * * * * *", "8 fields", "'0 30 9 * * 1-5'"),
    ("0 0 1, 2 * * *", "7 fields", "no blanks: write '0 0 1,2 * * *'"),
    ("0 0 1 - 5 * * *", "8 fields", "write '0 0 1-5 * * *'"),
    ("0 0 1, 2 * *", "empty item", "write '0 0 1,2 * *'"),
    ("1,,2 * * * * *", "empty item", "write '1,2 * * * * *'"),
    (", * * * * *", "empty item", "second takes 0 to 59"),
    ("5-1 * * * * *", "runs backwards", "write '5-59,0-1 * * * * *'"),
    ("0 0 22-4 * * *", "runs backwards", "write '0 0 22-23,0-4 * * *'"),
    ("0 0 22-4/2 * * *", "runs backwards", "22-23 and 0-4"),
    ("0 0 0 * * FRI-SUN", "range FRI-SUN runs backwards", "write '0 0 0 * * 5-7'"),
    ("0 0 0 * * 5-1", "runs backwards", "write '0 0 0 * * 5-7,1'"),
    ("0 0 0 * * SAT-TUE", "runs backwards", "write '0 0 0 * * 6-7,1-2'"),
    ("0 0 0 1 NOV-FEB *", "runs backwards", "write '0 0 0 1 11-12,1-2 *'"),
    ("0 0-99999999 * * * *", "99999999 is not from 0 to 59", "minute takes 0 to 59"),
    ("9" * 900 + " * * * * *", "is not from 0 to 59", "second takes"),
    ("60 * * * * *", "60 is not from 0 to 59", "write '0 * * * * *'"),
    ("0 0 24 * * *", "24 is not from 0 to 23", "write '0 0 0 * * *'"),
    ("0 0 0 0 * *", "0 is not from 1 to 31", "day-of-month takes 1 to 31"),
    ("0 0 0 32 * *", "32 is not from 1 to 31", "day-of-month takes"),
    ("0 0 0 1 0 *", "0 is not from 1 to 12", "month takes"),
    ("0 0 0 1 13 *", "13 is not from 1 to 12", "month takes"),
    ("0 0 0 * * 8", "8 is not from 0 to 7", "day-of-week takes"),
    ("*/0 * * * * *", "step of 0", "write '* * * * * *'"),
    ("1-5/0 * * * * *", "step of 0", "write '1-5 * * * * *'"),
    ("*/a * * * * *", "step 'A' is not a number", ""),
    ("*/ * * * * *", "not a number, a range", ""),
    ("/5 * * * * *", "not a number, a range", ""),
    ("1/ * * * * *", "not a number, a range", ""),
    ("1//2 * * * * *", "not a number, a range", ""),
    ("1-2-3 * * * * *", "not a number, a range", ""),
    ("1- * * * * *", "not a number, a range", ""),
    ("*-5 * * * * *", "'*' is a range already", "write '* * * * * *'"),
    ("*-5/2 * * * * *", "'*' is a range already", "write '*/2 * * * * *'"),
    ("** * * * * *", "not a number, a range", ""),
    ("0 0 0 * * 7/2", "Sunday is 0 here", "write '0 0 0 * * 0/2'"),
    ("-1 * * * * *", "not a number, a range", "second takes 0 to 59"),
    ("+1 * * * * *", "not a number, a range", "second takes 0 to 59"),
    ("1.5 * * * * *", "not a number, a range", ""),
    ("1_0 * * * * *", "'1_0' is not a number", ""),
    ("0x1 * * * * *", "'0X1' is not a number", ""),
    ("R * * * * *", "random or hashed", "jitter"),
    ("R(0-5) * * * * *", "random or hashed", "jitter"),
    ("0 R/5 * * * *", "random or hashed", "jitter"),
    ("H H * * * *", "random or hashed", "jitter"),
    ("0 H(0-9)/3 * * * *", "random or hashed", "jitter"),
    ("0 0~5 * * * *", "random or hashed", "jitter"),
    ("0 ~ * * * *", "random or hashed", "jitter"),
    ("?/5 * * * * *", "'?' stands for '*' and only alone", "write '*/5 * * * * *'"),
    ("?,1 * * * * *", "'?' stands for '*' and only alone", "write '*,1 * * * * *'"),
    ("0 0 0 * * 1#6", "not the first to the fifth", "write '0 0 0 * * 1#5'"),
    ("0 0 0 * * mon#0", "not the first to the fifth", "write '0 0 0 * * MON#1'"),
    ("0 0 0 * * 1#", "not understood", "5L and 1#2"),
    ("0 0 0 * * 1-5#2", "not understood", "5L and 1#2"),
    ("0 0 0 * * 1#2/2", "not understood", "5L and 1#2"),
    ("0 0 0 * * 8#1", "not understood", "5L and 1#2"),
    ("0 0 0 * * ABC#2", "not understood", "5L and 1#2"),
    ("0 0 0 * * ABCL", "not understood", "5L and 1#2"),
    ("0 0 0 * * 5L-6", "is not a number or name", ""),
    ("0 0 0 * * 5L/3", "is not a number or name", ""),
    ("0 0 0 * * 5L#1", "not understood", ""),
    ("0 0 0 * * L", "says no weekday", "write '0 0 0 * * 6L'"),
    ("0 0 0 * * LW", "belongs in day-of-month", ""),
    ("0 0 0 * L *", "belongs in day-of-month", ""),
    ("0 0 0 1#2 * *", "belongs in day-of-week", ""),
    ("0 0 0 5L * *", "belongs in day-of-week", ""),
    ("0 0 0 15W * *", "not understood", "L and LW"),
    ("0 0 0 L-3 * *", "not understood", "L and LW"),
    ("0 0 0 L/2 * *", "not understood", "L and LW"),
    ("0 0 0 * * MONDAY", "three letters", "write '0 0 0 * * MON'"),
    ("0 0 0 * JANUARY-MARCH *", "three letters", "write '0 0 0 * JAN-MARCH *'"),
    ("0 0 0 * JNE *", "not a number or name of month", "write '0 0 0 * JUN *'"),
    ("0 0 0 * QQQ *", "not a number or name of month", "month takes"),
    ("0 0 MON * * *", "'MON' is not a number", "hour takes 0 to 23"),
    ("1\u0661 * * * * *", "not an ASCII digit", "0 to 9"),
    ("\u00b9 * * * * *", "not an ASCII digit", "0 to 9"),
    ("0 0 1\u20135 * * *", "not the ASCII hyphen", "'-'"),
    ("\udc80 * * * * *", "'\\udc80' has no place", "one line"),
    ("0 0\n0 * * *", "'\\n' has no place", "one line"),
    ("0 0 0 * * *\n", "'\\n' has no place", "one line"),
    ("0\u00a00 0 * * *", "'\\xa0' has no place", "one line"),
    ("0 0 0 * * *\x00", "'\\x00' has no place", "one line"),
    ("* " * 600, "1,200 characters are too long", "ranges and steps"),
    ("@reboot", "@reboot is not a macro", "Immediate()"),
    ("@every 5m", "@every is not a macro", "Interval"),
    ("@dayly", "@dayly is not a macro", "write '@daily'"),
    ("@", "@ is not a macro", "@hourly"),
    ("@daily 5", "@daily stands alone", "write '@daily'"),
    ("0 0 0 30 2 *", "no day of 400 years matches", "day or month fields"),
    ("0 0 0 31 4,6,9,11 *", "no day of 400 years matches", "day or month fields"),
    ("0 0 0 */100 * MON#4", "no day of 400 years matches", "day or month fields"),
]


@pytest.mark.rule("S-47")
@pytest.mark.parametrize(
    ("expr", "reason", "hint"), REFUSED, ids=[ascii(row[0])[:30] for row in REFUSED]
)
def test_a_text_is_refused_with_its_reason(expr: str, reason: str, hint: str) -> None:
    """
    What was given, why it is refused, and what to write.
    """
    with pytest.raises(InvalidSchedule) as caught:
        Cron(expr)

    error = caught.value
    assert reason in error.reason
    assert hint in error.hint
    assert error.given in str(error)
    str(error).encode()


@pytest.mark.parametrize("expr", [row[0] for row in REFUSED], ids=lambda expr: ascii(expr)[:30])
def test_a_guess_is_an_expression(expr: str) -> None:
    """
    What a hint says to write is accepted, or at least a step nearer: it is another text.
    """
    with pytest.raises(InvalidSchedule) as caught:
        Cron(expr)

    for guess in re.findall(r"write '(.*?)'", caught.value.hint):
        if guess != "-" and "MARCH" not in guess:
            Cron(guess)


@pytest.mark.parametrize(
    ("fields", "given", "hint"),
    [
        ({"tz": "Europe/Berln"}, "tz='Europe/Berln'", "Europe/Berlin"),
        ({"tz": "europe/berlin"}, "tz='europe/berlin'", "Europe/Berlin"),
        ({"tz": "new york"}, "tz='new york'", "America/New_York"),
        ({"tz": "Europe"}, "tz='Europe'", ""),
        ({"tz": ""}, "tz=''", "Europe/Berlin"),
        ({"tz": "../../etc/passwd"}, "tz='../../etc/passwd'", ""),
        ({"tz": "/etc/localtime"}, "tz='/etc/localtime'", ""),
        ({"tz": "localtime"}, "tz='localtime'", ""),
        ({"tz": "right/UTC"}, "tz='right/UTC'", "UTC"),
        ({"tz": "a\x00b"}, r"tz='a\x00b'", ""),
        ({"tz": "\udc80"}, r"tz='\udc80'", ""),
        ({"tz": "x" * 10_000}, "tz='xxx", ""),
        ({"dst": "skip"}, "dst='skip'", "skip_once"),
        ({"dst": ""}, "dst=''", ""),
        ({"day_match": "xor"}, "day_match='xor'", "or"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_an_option_is_refused_with_the_closest_one(
    fields: dict[str, Any], given: str, hint: str
) -> None:
    """
    An unknown zone or word is named, with what is near it.
    """
    with pytest.raises(InvalidSchedule) as caught:
        Cron("0 0 0 * * *", **fields)

    assert given in caught.value.given
    assert hint in caught.value.hint
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["expr", "tz", "dst"])
@pytest.mark.parametrize("value", [None, 5, b"0 0 0 * * *", ["*"] * 6])
def test_what_is_not_text_is_a_type_error(name: str, value: object) -> None:
    """
    A value of another type is a programmer's error.
    """
    fields: dict[str, Any] = {"expr": "0 0 0 * * *", name: value}

    with pytest.raises(TypeError, match=f"{name} is text"):
        Cron(**fields)


@pytest.mark.parametrize(
    ("expr", "dst"),
    [("0 30 2 * 3 0L", "skip_once"), ("0 30 2 * 3 0L", "literal"), ("0 * 2 * 3 0L", "cron")],
)
def test_a_schedule_that_clocks_always_skip_is_refused(expr: str, dst: DstPolicy) -> None:
    """
    02:30 on the last Sunday of March exists nowhere in the European Union since 1981.
    """
    with pytest.raises(InvalidSchedule, match="skipped by a change of the clock in Europe/Paris"):
        Cron(expr, tz="Europe/Paris", dst=dst)

    assert Cron("0 30 2 * 3 0L", tz="Europe/Paris").next_run_time(datetime(2024, 1, 1, tzinfo=UTC))


def test_a_huge_number_takes_no_memory() -> None:
    """
    Numbers are compared before a range is expanded.
    """
    tracemalloc.start()
    with pytest.raises(InvalidSchedule):
        Cron("0-99999999 * * * * *")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1_000_000


def test_a_refusal_survives_pickling() -> None:
    """
    Errors cross from a worker process with their fields.
    """
    with pytest.raises(InvalidSchedule) as caught:
        Cron("0 0 0 * * FRI-SUN")

    copy = pickle.loads(pickle.dumps(caught.value))

    assert (copy.given, copy.reason, copy.hint) == (
        caught.value.given,
        caught.value.reason,
        caught.value.hint,
    )


@given(st.text(max_size=40) | st.text("0123456789*/,-?#LWRH~@ MONSUJAFEB", max_size=30))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    """
    No text raises anything but `InvalidSchedule`, and the sentence can be printed.
    """
    try:
        Cron(text)
    except InvalidSchedule as error:
        str(error).encode()


@given(
    st.lists(
        st.text("0123456789*/,-?#LW", min_size=1, max_size=7) | st.just("*"),
        min_size=6,
        max_size=6,
    )
)
def test_any_six_fields_are_a_schedule_or_refused(fields: list[str]) -> None:
    """
    The same for texts that come closer.
    """
    try:
        Cron(" ".join(fields))
    except InvalidSchedule as error:
        str(error).encode()
