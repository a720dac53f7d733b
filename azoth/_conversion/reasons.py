"""
Why a value does not fit its class: by the path of each field that is wrong.
"""

from attrs import has
from cattrs import Converter, transform_error

__all__ = ["reason_of"]


def reason_of(detailed: Converter, data: object, cls: type, error: Exception) -> str:
    """
    Return a sentence for each field of *data* that does not fit *cls*: `data.address.zip: …`.

    The fast functions, which raised *error*, do not say which field it was: *detailed* is a
    converter that does, and looks again.
    """
    if has(cls) and not isinstance(data, dict):
        return f"its data is no JSON object but {data!r:.60}"
    try:
        detailed.structure(data, cls)
    except Exception as found:  # noqa: BLE001 - whatever a hook raises
        return "; ".join(transform_error(found, "data", _sentence))
    return str(error)


def _sentence(error: BaseException, _type: type | None) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
