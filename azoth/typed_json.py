"""
One class, and its instances as JSON: for what is no event, such as the payload of a task.
"""

from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from attrs import has
from cattrs import Converter
from cattrs.errors import StructureHandlerNotFoundError

from azoth._conversion import make_converter, reason_of
from azoth.json_format import STDLIB

__all__ = ["TypedJson"]

T = TypeVar("T")


class TypedJson(Generic[T]):
    """
    Turn instances of a class into bytes and back.

    Equal instances have equal bytes, whatever JSON library is installed and in whatever order a
    mapping was filled: keys are sorted. Fields that equal their default are left out.

    Args:
        cls: An attrs class, or another type that a `Registry` takes for a field.
        converter: One with hooks of your own, such as `registry.converter`.

    Raises:
        TypeError: A field has a type that JSON cannot hold.

    Example:
        >>> from attrs import frozen
        >>> @frozen
        ... class Email:
        ...     to: str
        ...     copies: int = 1
        >>> emails = TypedJson(Email)
        >>> emails.encode(Email("ada@example.org"))
        b'{"to":"ada@example.org"}'
        >>> emails.decode(b'{"to":"ada@example.org"}')
        Email(to='ada@example.org', copies=1)
        >>> emails.decode(b'{"to":7}')
        Traceback (most recent call last):
        ValueError: ... @ data.to
    """

    def __init__(self, cls: type[T], *, converter: Converter | None = None) -> None:
        self._cls = cls
        self._converter = make_converter() if converter is None else converter
        # Generated at once: a type that JSON cannot hold is refused here, and threads may share it.
        try:
            self._unstructure = self._converter.get_unstructure_hook(cls)
            self._structure = self._converter.get_structure_hook(cls)
        except StructureHandlerNotFoundError as error:
            raise TypeError(str(error)) from error

    def encode(self, value: T) -> bytes:
        """
        Return *value* as its one sequence of bytes.

        Raises:
            TypeError: It is no instance of the class.
            ValueError: A field holds what its type does not allow, or what JSON cannot hold.
        """
        if has(self._cls) and not isinstance(value, self._cls):
            raise TypeError(f"{value!r:.60} is no {self._cls.__qualname__}")
        try:
            data = STDLIB.dumps(_sorted(self._unstructure(value)))
        except Exception as error:
            raise ValueError(f"{value!r:.200} cannot be encoded: {error}") from error
        # What would be refused when it is read is refused while somebody can mend it.
        self.decode(data)
        return data

    def decode(self, data: bytes) -> T:
        """
        Return the instance that *data* was encoded from.

        Raises:
            ValueError: It does not fit; each field that is wrong is named with its path.
        """
        tree = STDLIB.loads(data)
        try:
            return cast("T", self._structure(tree, self._cls))
        except Exception as error:
            raise ValueError(reason_of(self._detailed, tree, self._cls, error)) from error

    @cached_property
    def _detailed(self) -> Converter:
        return self._converter.copy(detailed_validation=True)


def _sorted(tree: Any) -> Any:  # noqa: ANN401 - what JSON holds
    match tree:
        case dict():
            fields = cast("dict[str, Any]", tree)
            return {key: _sorted(fields[key]) for key in sorted(fields)}
        case list() | tuple():
            return [_sorted(item) for item in cast("list[Any]", tree)]
        case _:
            return tree
