"""Models that Keras saved, rebuilt to be counted, without their weights and without trusting the file."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from gradbook.errors import InputError
from gradbook.lowrank.count import weightless
from gradbook.untrusted import reading

LARGEST = 2**26
"""Bytes that the description of a model may have."""

TRUSTED = (
    *("keras", "keras.layers", "keras.src.layers", "keras.models", "keras.src.models", "keras.src.ops"),
    *("keras.initializers", "keras.regularizers", "keras.constraints", "keras.activations", "keras.random"),
    "gradbook",
)
"""Modules, but for "keras" with all below them, from which a file may ask for classes."""

REFUSED = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
"""Layers that hold code, or fetch it."""

READING = {"StringLookup", "IntegerLookup", "TextVectorization"}
"""Layers that may read other files."""


def read_model(path: Path) -> keras.Model:
    """Rebuild a saved model without its weights; no code in the file is executed.

    Args:
        path: a file ``NAME.keras``.

    Raises:
        InputError: the file is missing, damaged or of another kind, or asks for what is neither Keras' nor gradbook's.
    """
    description = _description(Path(path))
    with reading(path, f"{path} cannot be rebuilt"):
        for part in _parts(description):
            _require_harmless(path, part)
            part.pop("compile_config", None)
        return weightless(lambda: keras.saving.deserialize_keras_object(description, safe_mode=True))


def _description(path: Path) -> Any:
    if path.suffix != ".keras":
        raise InputError(f"a saved model must be a file NAME.keras, as model.save writes it; received {path}.")
    with reading(path, f"{path} is damaged, or no model that Keras saved"), zipfile.ZipFile(path) as archive:
        if (size := archive.getinfo("config.json").file_size) > LARGEST:
            raise InputError(f"{path} describes its model in {size:,} bytes; at most {LARGEST:,} are allowed.")
        return json.loads(archive.read("config.json"))


def _parts(description: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a description."""
    if isinstance(description, dict):
        yield description
    if isinstance(description, dict | list):
        for part in description.values() if isinstance(description, dict) else description:
            yield from _parts(part)


def _require_harmless(path: Path, part: dict[str, Any]) -> None:
    kind, module = part.get("class_name"), part.get("module")
    if kind in REFUSED | READING:
        raise InputError(f"{path} holds a {kind}, which runs code or reads files, and is not rebuilt.")
    trusted = (module == one or (one != "keras" and module.startswith(f"{one}.")) for one in TRUSTED)
    if isinstance(module, str) and not any(trusted):
        raise InputError(f"{path} asks for {module}.{kind}; only layers of Keras and gradbook are rebuilt.")
