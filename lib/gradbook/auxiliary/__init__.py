"""Part I: a helper task's gradient, and how much of it the main task lets through."""

from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from gradbook.auxiliary.rules import censor, coefficients, cosine

Rule = Literal[
    "single_task", "multitask", "unweighted_cosine", "weighted_cosine", "projection", "orthogonal", "parameterwise"
]
Scope = Literal["variable", "global"]
AtZero = Literal["keep", "zero"]

RULES: tuple[str, ...] = get_args(Rule)

__all__ = ["RULES", "AtZero", "Rule", "Scope", "censor", "coefficients", "cosine"]


def __getattr__(name: str) -> Any:
    """Names need no TensorFlow; the functions bring it along when first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gradbook.auxiliary import rules

    return getattr(rules, name)
