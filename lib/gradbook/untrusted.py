"""Files that people write by hand, read without trusting them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as brief
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from gradbook.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 2**20
"""Bytes that a YAML file may have."""


@contextmanager
def reading(path: Path, damaged: str) -> Iterator[None]:
    """Refuse a file that cannot be read, in one sentence; a damaged one can break its reader in any way.

    Args:
        path: the file.
        damaged: what is said of a damaged one, such as "claims.yml is not YAML".

    Raises:
        InputError: whatever went wrong in the block; one that was raised there stays as it is.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if reason := getattr(error, "strerror", None):
            raise InputError(f"{path} cannot be read: {reason}.") from error
        reason = shorten(str(error), 300, placeholder=" …") or type(error).__name__
        raise InputError(f"{damaged}: {reason.rstrip('.')}.") from error


def read_yaml(path: Path, shape: Any) -> Any:
    """Read a YAML file.

    Args:
        path: the file.
        shape: the type that its content must have, such as ``dict[str, int]`` or a list of pydantic's models.

    Raises:
        InputError: the file is missing, too large, not YAML, tagged as more than plain values, or of another shape.
    """
    with reading(path, f"{path.name} is not YAML"):
        if (size := path.stat().st_size) > LARGEST:
            raise InputError(f"{path.name} has {size:,} bytes; at most {LARGEST:,} are allowed.")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return TypeAdapter(shape).validate_python(content)
    except ValidationError as error:
        raise InputError(f"{path.name}: {refusal(error)}") from None


def read_csv(path: Path, kinds: dict[str, type] | None = None) -> "pd.DataFrame":
    """Return the table of a CSV file, empty cells as missing.

    Args:
        path: the file.
        kinds: types of columns; those of others follow from what they hold.

    Raises:
        InputError: the file cannot be read, or is not such a table.
    """
    import pandas as pd

    with reading(path, f"{path.name} is not CSV"):
        return pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False, dtype=kinds)


def refusal(error: ValidationError, start: int = 0) -> str:
    """Return the first complaint of a validation in one sentence; however much was received, little of it is shown.

    Validators of our own say themselves what they received.

    Args:
        error: what pydantic raised.
        start: how many steps of the complaint's place to leave out.
    """
    first = error.errors()[0]
    complaint, steps = first["msg"], first["loc"][start:]
    if first["type"] == "value_error":
        sentence = complaint.removeprefix("Value error, ").rstrip(".")
    else:
        sentence = f"{complaint[:1].lower()}{complaint[1:]}; received {brief(first['input'])}"
    place = " ".join(".".join(map(str, steps)).split())  # a key may hold line breaks
    return f"{place}: {sentence}." if place else f"{sentence}."


def line_of(path: Path, steps: Iterable[str | int]) -> int:
    """Return the line, from 1, in which the part of a YAML file begins that keys and indices lead to.

    Steps that lead nowhere, such as the field that is missing or the name of a type, are passed over.
    """
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    line = node.start_mark.line
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(step):
                    line, node = key.start_mark.line, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
    return line + 1
