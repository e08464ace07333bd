"""Files that people write by hand, read without trusting them."""

from pathlib import Path
from reprlib import repr as brief
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from gradbook.errors import InputError

LARGEST = 2**20
"""Bytes that a YAML file may have."""


def read_yaml(path: Path, shape: Any) -> Any:
    """What a YAML file holds.

    Args:
        path: the file.
        shape: the type that its content must have, such as ``dict[str, int]`` or a list of pydantic's models.

    Raises:
        InputError: the file is missing, too large, not YAML, tagged as more than plain values, or of another shape.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise InputError(f"{path.name} has {size:,} bytes; at most {LARGEST:,} are allowed.")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except Exception as error:  # a malformed file can break its reader in any way
        raise InputError(f"{path.name} is not YAML: {' '.join(str(error).split())}.") from None
    try:
        return TypeAdapter(shape).validate_python(content)
    except ValidationError as error:
        raise InputError(f"{path.name}: {refusal(error)}") from None


def refusal(error: ValidationError) -> str:
    """The first complaint of a validation, in one sentence; however much was received, little of it is shown."""
    first = error.errors()[0]
    complaint = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"{complaint}."
    place = " ".join(".".join(map(str, first["loc"])).split())  # a key may hold line breaks
    return f"{place}: {complaint.lower()}; received {brief(first['input'])}."
