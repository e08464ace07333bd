"""Censoring: the part of a helper's gradient that the main task lets through.

With u the helper's gradient and v the main task's, every rule keeps ``a u + b v`` and chooses a and b from the
products u·v, ‖u‖² and ‖v‖² alone (`parameterwise` excepted, which looks at signs, entry by entry). Products are sums
over variables, so a rule for the whole parameter vector costs no more than one for each variable: nothing is
concatenated. Both gradients are read once for the products and once for the mixture, and no number leaves the device.

A rule takes ``(u, v, over)``, two tensors of one shape and their products over the scope, and returns ``(a, b)``.
Where its name is asked for, a function of one's own may stand.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import get_args

import tensorflow as tf

from gradbook.auxiliary import AtZero, Rule, Scope
from gradbook.errors import InputError, unknown

Gradients = tf.Tensor | None | Sequence[tf.Tensor | None]
Coefficient = float | tf.Tensor
Mixture = tuple[Coefficient, Coefficient]


class Products:
    """The products of pairs (u, v), summed over the pairs; each is computed when first asked for.

    Of what was measured over five million entries on a processor, these two operations are the fastest by far.
    """

    def __init__(self, pairs: Sequence[tuple[tf.Tensor, tf.Tensor]]) -> None:
        self.pairs = pairs

    @cached_property
    def uv(self) -> tf.Tensor:
        """u·v."""
        return tf.add_n([tf.reduce_sum(u * v) for u, v in self.pairs])

    @cached_property
    def uu(self) -> tf.Tensor:
        """‖u‖²."""
        return 2 * tf.add_n([tf.nn.l2_loss(u) for u, _ in self.pairs])

    @cached_property
    def vv(self) -> tf.Tensor:
        """‖v‖²."""
        return 2 * tf.add_n([tf.nn.l2_loss(v) for _, v in self.pairs])

    @property
    def norms(self) -> tf.Tensor:
        """‖u‖‖v‖."""
        return tf.sqrt(self.uu) * tf.sqrt(self.vv)


RuleFunction = Callable[[tf.Tensor, tf.Tensor, Products], Mixture]


def single_task(u: tf.Tensor, v: tf.Tensor, over: Products) -> Mixture:
    """Keep 0: the helper is not heard."""
    return 0.0, 0.0


def multitask(u: tf.Tensor, v: tf.Tensor, over: Products) -> Mixture:
    """Keep u: the helper is heard in full, whatever the main task says."""
    return 1.0, 0.0


def unweighted_cosine(u: tf.Tensor, v: tf.Tensor, over: Products) -> Mixture:
    """Keep u where u·v > 0, else 0. An exact tie u·v = 0 drops u.

    Du et al. 2018, arXiv 1812.02224.
    """
    return tf.cast(over.uv > 0, u.dtype), 0.0


def weighted_cosine(u: tf.Tensor, v: tf.Tensor, over: Products) -> Mixture:
    """Keep max(u·v, 0) u / (‖u‖‖v‖), that is max(cosine, 0) u.

    Du et al. 2018, arXiv 1812.02224.
    """
    return tf.math.divide_no_nan(tf.nn.relu(over.uv), over.norms), 0.0


def projection(u: tf.Tensor, v: tf.Tensor, over: Products) -> Mixture:
    """Keep u - min(u·v, 0) v/‖v‖²: only the part against v goes.

    vivien000 2019; PCGrad, Yu et al. 2020, arXiv 2001.06782.
    """
    return 1.0, tf.math.divide_no_nan(tf.nn.relu(-over.uv), over.vv)


def orthogonal(u: tf.Tensor, v: tf.Tensor, over: Products) -> Mixture:
    """Keep u - (u·v) v/‖v‖²: all that is parallel to v goes.

    Zhang, Lemoine and Mitchell 2018, arXiv 1801.07593.
    """
    return 1.0, tf.math.divide_no_nan(-over.uv, over.vv)


def parameterwise(u: tf.Tensor, v: tf.Tensor, over: Products) -> Mixture:
    """Keep u ⊙ (sign(u ⊙ v) + 1)/2: entries of equal sign, half of ties.

    vivien000 2019.
    """
    return (tf.sign(u) * tf.sign(v) + 1) / 2, 0.0


_RULES: dict[str, RuleFunction] = {
    function.__name__: function
    for function in (
        single_task, multitask, unweighted_cosine, weighted_cosine, projection, orthogonal, parameterwise
    )
}  # fmt: skip


def function_of(rule: Rule | RuleFunction) -> RuleFunction:
    """The function of a rule's name; a function stays what it is.

    Raises:
        InputError: an unknown name, with the nearest.
    """
    if not callable(rule) and rule not in _RULES:
        raise unknown("rule", rule, _RULES)
    return rule if callable(rule) else _RULES[rule]


def coefficients(
    u: tf.Tensor, v: tf.Tensor, over: Products, rule: Rule | RuleFunction, *, at_zero: AtZero = "keep"
) -> Mixture:
    """The a and b of one variable, to build ``a u + b v`` into a fused update.

    Args:
        u, v: helper and main gradient of one variable, of one shape and dtype.
        over: the products over the scope the rule is to look at, ``Products([(u, v)])`` for the variable alone.
        rule, at_zero: see `censor`.

    Returns:
        a, b: Python floats where they are the constants 0.0 and 1.0; scalars otherwise, or a tensor like u.

    Raises:
        InputError: an unknown name, or a rule of one's own that does not return a pair.
    """
    function = function_of(rule)
    mixing = function(u, v, over)
    if not (isinstance(mixing, tuple) and len(mixing) == 2):
        raise InputError(f"rule must return the pair (a, b) of a u + b v; got {mixing!r}.")
    a, b = mixing
    without_main = 1.0 if at_zero == "keep" else 0.0
    if function not in (single_task, multitask) and not _is(a, without_main):
        a = tf.where(over.vv > 0, tf.cast(a, u.dtype), tf.cast(without_main, u.dtype))
    return a, b


def censor(
    auxiliary: Gradients,
    main: Gradients,
    rule: Rule | RuleFunction,
    *,
    scope: Scope,
    at_zero: AtZero = "keep",
) -> Gradients:
    """The part of the helper's gradient that a rule keeps, to be weighted and added to the main one.

    Works eagerly and inside `tf.function`.

    Args:
        auxiliary: u, a float32 or float64 tensor, or a list with one a variable. None counts as a gradient of zero.
        main: v, of the same structure, shapes and dtypes. None says that the main task does not use a variable:
            the helper's gradient is kept whole there (`single_task` drops it), and takes no part in the products.
        rule: one of ``gradbook.auxiliary.RULES``; see the function of that name for its formula and source. Or a
            function (u, v, over) → (a, b) of one's own, which is called for each variable: with `Products` over the
            scope it returns two numbers, or tensors like u, of which ``a u + b v`` is kept.
        scope: "variable" compares the gradients of each variable on their own, "global" the whole vectors.
        at_zero: what a main gradient of zero over the scope means, where all rules but the first two would compare u
            with nothing: "keep" leaves u as it is (the choice of vivien000, 2019), "zero" drops it. A norm is the
            root of a sum of squares, so that a float32 gradient with all entries below 1e-19 counts as zero.
            A helper's gradient of zero stays zero under every rule.

    Returns:
        The kept part, in the structure of ``auxiliary``; None only where both gradients are None.

    Raises:
        InputError: for an unknown name, gradients that do not match, or a function that does not return a pair.

    >>> censor(tf.constant([1.0, -1.0]), tf.constant([0.0, 2.0]), "projection", scope="variable").numpy()
    array([1., 0.], dtype=float32)
    """
    function = function_of(rule)
    for kind, value, known in (("scope", scope, get_args(Scope)), ("at_zero", at_zero, get_args(AtZero))):
        if value not in known:
            raise unknown(kind, value, known)
    if not isinstance(auxiliary, list | tuple):
        return censor([auxiliary], [main], rule, scope=scope, at_zero=at_zero)[0]

    pairs = _pairs(auxiliary, main)
    whole = Products([(u, v) for u, v in pairs if u is not None and v is not None])

    def keep(u: tf.Tensor | None, v: tf.Tensor | None) -> tf.Tensor | None:
        if u is None:
            return None if v is None else tf.zeros_like(v)
        if v is None:
            return tf.zeros_like(u) if function is single_task else u
        over = whole if scope == "global" else Products([(u, v)])
        return mixture(u, v, *coefficients(u, v, over, function, at_zero=at_zero))

    return [keep(u, v) for u, v in pairs]


def mixture(u: tf.Tensor, v: tf.Tensor, a: Coefficient, b: Coefficient) -> tf.Tensor:
    """``a u + b v``, without a pass over the entries for a constant 0 or 1."""
    kept = u if _is(a, 1.0) else tf.zeros_like(u) if _is(a, 0.0) else a * u
    return kept if _is(b, 0.0) else kept + b * v


def _is(coefficient: Coefficient, constant: float) -> bool:
    return isinstance(coefficient, float) and coefficient == constant


def cosine(auxiliary: Gradients, main: Gradients) -> tf.Tensor:
    """The cosine u·v/(‖u‖‖v‖) of two gradients over all variables that both have; 0 where either norm is zero.

    >>> float(cosine(tf.constant([1.0, 0.0]), tf.constant([3.0, 4.0])))
    0.6000000238418579
    """
    if not isinstance(auxiliary, list | tuple):
        auxiliary, main = [auxiliary], [main]
    over = Products([(u, v) for u, v in _pairs(auxiliary, main) if u is not None and v is not None])
    return tf.math.divide_no_nan(over.uv, over.norms)


def _pairs(
    auxiliary: Sequence[tf.Tensor | None], main: Sequence[tf.Tensor | None]
) -> list[tuple[tf.Tensor | None, tf.Tensor | None]]:
    """(u, v) a variable, as tensors, once numbers, shapes and dtypes are known to agree."""
    if not isinstance(main, list | tuple) or len(main) != len(auxiliary):
        came = f"{len(main)} gradients" if isinstance(main, list | tuple) else "a single tensor"
        raise InputError(f"main must hold one gradient a variable like auxiliary, {len(auxiliary)} in all; got {came}.")
    pairs = []
    for index, (u, v) in enumerate(zip(auxiliary, main, strict=True)):
        u, v = (None if x is None else tf.convert_to_tensor(x) for x in (u, v))
        for x in (u, v):
            if x is not None and not x.dtype.is_floating:
                raise InputError(f"gradient {index} must be of a floating type; got {x.dtype.name}.")
        if u is not None and v is not None and not (u.dtype == v.dtype and u.shape.is_compatible_with(v.shape)):
            raise InputError(
                f"gradient {index}: auxiliary is {u.dtype.name}{u.shape} and main {v.dtype.name}{v.shape}; "
                "both must be of one dtype and shape."
            )
        pairs.append((u, v))
    return pairs
