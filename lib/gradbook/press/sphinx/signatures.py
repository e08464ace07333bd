"""Signatures: the reference shows what a class of Keras takes, and says nothing that Python would."""

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import inspect


def readable(
    app: Sphinx, what: str, name: str, documented: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Return the signature that autodoc found, or that of ``__init__`` where Keras hides it behind another."""
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(documented.__init__, bound_method=True)
        signature = inspect.stringify_signature(own, unqualified_typehints=True)
    if signature:
        signature = re.sub(r"<class '(\w+)'>", r"\1", signature).replace("<factory>", "...")
    return signature, returns


def own_words(app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]) -> None:
    """Drop from an entry for data what Python says of their type: that a tuple is a tuple."""
    if what == "data" and lines and documented.__doc__ == type(documented).__doc__:
        lines.clear()
