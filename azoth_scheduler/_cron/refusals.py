"""
Why a cron text is refused, and the guess at what was meant.

Called once something is known to be wrong, so it may take its time; the parser is fast.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, NoReturn, TypeAlias

from azoth_scheduler._cron.vocabulary import (
    DAY,
    FIELDS,
    HOUR,
    MACROS,
    MINUTE,
    SECOND,
    WEEKDAY,
    FieldSpec,
)

Guess: TypeAlias = tuple[str, str | None]
"""A reason; and an item to write instead, a sentence with blanks, or None."""


class Refusal(Exception):
    """
    Carry a reason and a hint up to the parser, which makes an `InvalidSchedule` of them.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def refuse_text(expr: str) -> NoReturn:
    """
    Refuse a text that holds something else than printable ASCII, blanks and tabs.
    """
    odd = next(letter for letter in expr if not (" " <= letter <= "~" or letter == "\t"))
    if odd.isdigit() or odd.isdecimal():
        raise Refusal(f"{odd!r} is not an ASCII digit", "write digits as 0 to 9")
    if odd in "\u2010\u2011\u2012\u2013\u2014\u2212":  # dashes
        raise Refusal(f"{odd!a} is not the ASCII hyphen", "write ranges with '-'")
    raise Refusal(
        f"the character {odd!a} has no place in a cron expression",
        "write ASCII letters, digits and * , - / ? # separated by blanks, in one line",
    )


def refuse_macro(expr: str) -> NoReturn:
    """
    Refuse a word that begins with @ and is no macro.
    """
    word = expr.split(maxsplit=1)[0].lower()
    if word == "@every":
        hint = "write Interval(seconds)"
    elif word == "@reboot":
        hint = "write Immediate() and schedule it when the program starts"
    else:
        close = get_close_matches(word, MACROS, 1)
        hint = f"write {close[0]!r}" if close else "write one of " + ", ".join(MACROS)
    stands = "stands alone" if word in MACROS else "is not a macro"
    raise Refusal(f"{word} {stands}", hint)


def refuse_count(words: Sequence[str]) -> NoReturn:
    """
    Refuse any number of fields but five and six, show them, and guess.
    """
    names = [spec.name for spec in FIELDS]
    read = ", ".join(
        f"{names[place] if place < 6 else 'too many'}={word}"
        for place, word in enumerate(words[:12])
    )
    count = "1 field" if len(words) == 1 else f"{len(words)} fields"
    raise Refusal(
        f"{count} where six (seconds first) or five are meant: {read or 'none'}",
        _count_hint(words),
    )


def _count_hint(words: Sequence[str]) -> str:
    joined = _without_blanks(words)
    if joined is not None:
        return joined
    if len(words) == 1 and "@" + words[0].lower() in MACROS:
        return f"write '@{words[0].lower()}'"
    if len(words) == 7:
        return f"there is no year field: write {' '.join(words[:6])!r}"
    if 1 < len(words) < 5:
        return f"write {' '.join([*words, *'****'][:5])!r}"
    return "write such as '0 30 9 * * 1-5', or '@daily'"


def _without_blanks(words: Sequence[str]) -> str | None:
    """
    Return a hint if some word looks like a part of its neighbour's list, range or step.
    """
    joined = re.sub(r" *([,/-]) *", r"\1", " ".join(words)).split()
    loose = any(word[0] in ",/-" or word[-1] in ",/-" for word in joined)
    if len(joined) == len(words) or len(joined) not in {5, 6} or loose:
        return None
    return f"a field holds no blanks: write {' '.join(joined)!r}"


def refuse_item(item: str, field: int, texts: Sequence[str]) -> NoReturn:
    """
    Refuse one item of a field's list, with the expression as it was probably meant.

    Args:
        item: What stands between two commas of the field.
        field: Which of the six fields it is.
        texts: All six.
    """
    spec = FIELDS[field]
    reason, guess = _reason(item, spec)
    hint = f"{spec.name} takes {spec.low} to {spec.high}"
    if guess is not None:
        hint = guess if " " in guess else _corrected(item, guess, field, texts) or hint
    shown = _short(texts[field], 60)
    raise Refusal(f"{reason} (field {field + 1}, {spec.name}={shown})", hint)


def _corrected(item: str, guess: str, field: int, texts: Sequence[str]) -> str | None:
    blanks = None if item else _without_blanks(texts)
    if blanks is not None:
        return blanks
    items = [guess if part == item else part for part in texts[field].split(",")]
    text = ",".join(part for part in items if part)
    return f"write {' '.join([*texts[:field], text, *texts[field + 1 :]])!r}" if text else None


def _reason(item: str, spec: FieldSpec) -> Guess:
    if not item:
        return "a list has an empty item", ""
    if "~" in item or re.fullmatch(r"[RH](\(.*\))?(/\d+)?", item):
        return (
            f"{item!r} asks for a random or hashed time, which no replay could repeat",
            "write a number, and give the task a jitter",
        )
    if "?" in item:
        return "'?' stands for '*' and only alone", item.replace("?", "*")
    if "#" in item or "L" in item or "W" in item:
        special = _special_reason(item, spec)
        if special is not None:
            return special
    return _numeric_reason(item, spec)


def _special_reason(item: str, spec: FieldSpec) -> Guess | None:
    weekday = re.fullmatch(r"(\w+)(?:#(\d+)|(?<=[0-7A-Z])L)", item)
    if item == "L" and spec is WEEKDAY:
        return "'L' alone says no weekday", "6L"
    if item in {"L", "LW"}:
        return f"{item!r} belongs in day-of-month", None
    if weekday and spec is not WEEKDAY:
        return f"{item!r} names a weekday and belongs in day-of-week", None
    if weekday and weekday[2] and spec.number(weekday[1]) in range(8):
        return (
            f"{item!r} is not the first to the fifth of a month",
            f"{weekday[1]}#{5 if int(weekday[2]) else 1}",
        )
    if weekday or "#" in item or item[0] == "L" or re.fullmatch(r"\d+W", item):
        allowed = "L and LW" if spec is DAY else "such as 5L and 1#2"
        return f"{item!r} is not understood", f"special forms here are {allowed}"
    return None


_PARTS: Final = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\w+))?", re.ASCII)


def _numeric_reason(item: str, spec: FieldSpec) -> Guess:
    parts = _PARTS.fullmatch(item)
    if parts is None:
        return f"{item!r} is not a number, a range, or one with a step", None
    first, last, step = parts.groups()
    for word in (first, last):
        wrong = None if word in {None, "*"} else _number_reason(item, word, spec)
        if wrong is not None:
            return wrong
    if step is not None and step.strip("0123456789"):
        return f"the step {_short(step)!r} is not a number", None
    if step is not None and int(step) == 0:
        return "a step of 0 goes nowhere", item.rpartition("/")[0]
    return _range_reason(item, first, last, step, spec)


def _range_reason(
    item: str, first: str, last: str | None, step: str | None, spec: FieldSpec
) -> Guess:
    if first == "*":
        return "'*' is a range already", "*" if step is None else f"*/{step}"
    if last is None:
        return f"{item!r} begins behind its end; Sunday is 0 here", f"0/{step}"
    return _wrapping_reason(item, first, last, spec)


def _number_reason(item: str, word: str, spec: FieldSpec) -> Guess | None:
    number = spec.number(word)
    if number is None:
        return _word_reason(item, word, spec)
    if spec.low <= number <= spec.high:
        return None
    # Hour 24 and minute 60 mean 0; a thirteenth month means nothing.
    wraps = spec in (SECOND, MINUTE, HOUR) and number == spec.high + 1 and word == item
    wrapped = "0" if wraps else None
    return f"{_short(word)} is not from {spec.low} to {spec.high}", wrapped


def _word_reason(item: str, word: str, spec: FieldSpec) -> Guess:
    if word[:3] in spec.names and word.isalpha():
        return f"names are three letters, not {_short(word)!r}", item.replace(word, word[:3])
    close = get_close_matches(word, spec.names, 1)
    guess = item.replace(word, close[0]) if close else None
    number = f"a number or name of {spec.name}" if spec.names else "a number"
    return f"{_short(word)!r} is not {number}", guess


def _wrapping_reason(item: str, first_word: str, last_word: str, spec: FieldSpec) -> Guess:
    first, last = spec.number(first_word), spec.number(last_word)
    assert first is not None, "checked by the caller"
    assert last is not None, "checked by the caller"
    step = item.partition("/")[2]
    reason = f"the range {item} runs backwards"
    if step:
        return reason, f"write two ranges: {first}-{spec.end} and {spec.low}-{last}"
    if spec is WEEKDAY:
        return reason, f"{first}-7" + ("" if last == 0 else ",1" if last == 1 else f",1-{last}")
    parts = [str(first) if first == spec.end else f"{first}-{spec.end}"]
    parts.append(str(last) if last == spec.low else f"{spec.low}-{last}")
    return reason, ",".join(parts)


def _short(word: str, length: int = 20) -> str:
    return word if len(word) <= length else f"{word[:length]}…"
