"""
The small domain that the tests of the core share: accounts, and who owes what.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from attrs import frozen

from azoth import (
    ANY,
    CodecError,
    Decider,
    Event,
    EventStore,
    MemoryProjection,
    NewEvent,
    Query,
    Registry,
    Write,
)

registry: Final = Registry()


@registry.event("Deposited")
@frozen
class Deposited:
    """
    Money came in.
    """

    amount: int


@registry.event("Withdrawn")
@frozen
class Withdrawn:
    """
    Money went out.
    """

    amount: int


Money: TypeAlias = Deposited | Withdrawn


def decide(balance: int, command: int) -> Sequence[Money]:
    """
    Deposit a positive amount, withdraw a negative one that is there, and ignore 0.
    """
    if balance + command < 0:
        raise ValueError(f"the balance is {balance}")
    if command == 0:
        return ()
    return (Deposited(command),) if command > 0 else (Withdrawn(-command),)


def evolve(balance: int, event: Money) -> int:
    """
    Return the balance after *event*.
    """
    match event:
        case Deposited(amount):
            return balance + amount
        case Withdrawn(amount):
            return balance - amount


account: Final = Decider(initial=0, decide=decide, evolve=evolve)


class Balances(MemoryProjection[int]):
    """
    The balance of each account.
    """

    name = "balances"
    query = Query(category="account")

    def fold(self, event: Event) -> None:
        try:
            money = registry.decode(event)
        except CodecError:
            return
        self.put(event.stream, evolve(self.get(event.stream, 0), money))


def deposit(store: EventStore, stream: str, *amounts: int) -> int:
    """
    Append a deposit of each amount and return the last position.
    """
    events = [registry.encode(Deposited(amount)) for amount in amounts]
    return store.append(Write(stream, events, ANY)).last


def noise(store: EventStore, count: int, type: str = "Noise") -> int:
    """
    Append events that nobody in these tests wants, and return the last position.
    """
    return store.append(Write("noise-1", [NewEvent(type, b"{}")] * count, ANY)).last
