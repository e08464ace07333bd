"""Experiments: one module a study, named as the study, the only place where data, a method and a configuration meet.

Each has a ``Configuration``, a function ``train``, an ``EXPERIMENT`` and a ``STUDY``.
None is imported until it is asked for, so that names cost nothing.
"""

from importlib import import_module
from pkgutil import iter_modules

from gradbook.errors import InputError, unknown
from gradbook.studies.study import Study

STUDIES = tuple(sorted(module.name for module in iter_modules(__path__)))
"""The names of the book's studies."""


def study(name: str) -> Study:
    """Return a study of the book by its name, or one's own by where it is defined.

    Args:
        name: one of `STUDIES`, or ``module:ATTRIBUTE`` of a module that can be imported.

    Raises:
        InputError: there is no such study, or no such module.
    """
    module, colon, attribute = name.partition(":")
    if colon and not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"study must be module:ATTRIBUTE, without folders and suffix; received {name!r}.")
    if not colon and name not in STUDIES:
        raise unknown("study", name, [*STUDIES, "or module:ATTRIBUTE for one's own"])
    try:
        found = getattr(import_module(module if colon else f"{__name__}.{name}"), attribute or "STUDY")
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"study {name!r} cannot be imported: {error}.") from error
    if not isinstance(found, Study):
        raise InputError(f"{name} must be a gradbook.studies.study.Study; received {type(found).__name__}.")
    return found
