"""
Stores are opened by URL, found by entry point, and refused with a sentence.
"""

from importlib.metadata import EntryPoint

import pytest

from azoth import urls
from azoth.errors import StoreError, StoreNotInstalled, UnknownStore
from azoth.testing import ManualClock
from azoth.urls import StoreUrl, open_store, parse_url
from azoth_memory.store import MemoryStore


@pytest.mark.parametrize(
    ("url", "parts", "options"),
    [
        ("memory://", StoreUrl("memory"), {}),
        ("sqlite:///data/azoth.db", StoreUrl("sqlite", "data/azoth.db"), {}),
        ("sqlite:////data/azoth.db", StoreUrl("sqlite", "/data/azoth.db"), {}),
        ("SQLite:///a%20b#c.db", StoreUrl("sqlite", "a%20b#c.db"), {}),
        (
            "pg://me:pw@host:5/db?a=1&b=%20",
            StoreUrl("pg", "db", "me:pw@host:5"),
            {"a": "1", "b": " "},
        ),
        ("x://h?flag=", StoreUrl("x", "", "h"), {"flag": ""}),
    ],
)
def test_a_url_has_a_scheme_a_place_and_options(
    url: str, parts: StoreUrl, options: dict[str, str]
) -> None:
    """
    Three slashes begin a relative path and four an absolute one; the path stays as it stands.
    """
    assert parse_url(url) == (parts, options)
    assert parse_url(str(parts))[0] == parts


@pytest.mark.parametrize("url", ["", "log.db", "sqlite:log.db", "://x", "x://h?a", "x://h?a=1&a=2"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """
    A path, an empty scheme, an option without a value or given twice.
    """
    with pytest.raises(ValueError, match=r"URL|twice|query"):
        open_store(url)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    """
    It is another error than a store that is known and not installed.
    """
    with pytest.raises(UnknownStore) as unknown:
        open_store("mysql://host/db")

    assert unknown.value.scheme == "mysql"
    assert {"memory", "sqlite"} <= set(unknown.value.known)


@pytest.mark.parametrize(
    ("scheme", "command"),
    [
        ("lmdb", "pip install 'azoth-scheduler[lmdb]'"),
        ("postgresql", "pip install 'azoth-scheduler[postgres]'"),
        ("theirs", "pip install a_module_that_is_not_there"),
    ],
)
@pytest.mark.parametrize("registered", [True, False])
def test_a_store_that_is_not_installed_names_the_command(
    monkeypatch: pytest.MonkeyPatch, scheme: str, command: str, registered: bool
) -> None:
    """
    Whether its package is missing or what the package needs.
    """
    value = "a_module_that_is_not_there:open_store"
    entry = EntryPoint(name=scheme, value=value, group=urls.STORES)
    monkeypatch.setattr(urls, "entry_points", lambda group: [entry] if registered else [])
    # Another test may have opened one.
    urls._factory.cache_clear()

    with pytest.raises(StoreError) as missing:
        open_store(f"{scheme}:///data")

    if scheme == "theirs" and not registered:
        assert isinstance(missing.value, UnknownStore)
    else:
        assert isinstance(missing.value, StoreNotInstalled)
        assert str(missing.value) == f"the {scheme!r} store is not installed; run: {command}"


def test_a_third_party_store_is_opened_as_ours_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Its factory gets the parts of the URL, the clock, the query and the keywords, which win.
    """
    got: dict[str, object] = {}

    def factory(url: StoreUrl, **options: object) -> MemoryStore:
        got.update(options, url=url)
        return MemoryStore(ManualClock())

    monkeypatch.setattr(urls, "_factory", lambda _: factory)
    clock = ManualClock()
    open_store("theirs://host/place?a=1&b=2", clock=clock, b=3, c=4)

    url = StoreUrl("theirs", "place", "host")
    assert got == {"url": url, "clock": clock, "a": "1", "b": 3, "c": 4}


def test_a_memory_store_has_no_place_and_no_options() -> None:
    """
    Each `memory://` is a new store; what it cannot honour it refuses.
    """
    with open_store("memory://") as one, open_store("memory://") as other:
        assert one is not other
    for url in ("memory:///place", "memory://host"):
        with pytest.raises(ValueError, match="no"):
            open_store(url)
    with pytest.raises(ValueError, match="no option 'durability'; it has none"):
        open_store("memory://?durability=full")
    with pytest.raises(
        ValueError, match="no option 'durable'; it has mode, durability, busy_timeout"
    ):
        open_store("sqlite:///log.db", durable=True)
