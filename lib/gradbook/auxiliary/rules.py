"""Censoring: the part of an auxiliary task's gradient that the main task lets through.

With u the auxiliary gradient and v the main one, every rule keeps ``a u + b v`` and chooses a and b from the products
u·v, ‖u‖² and ‖v‖² alone (`parameterwise` excepted, which looks at signs, entry by entry). Products are sums over
variables, so a rule for the whole parameter vector costs no more than one for each variable: nothing is concatenated.
Both gradients are read once for the products and once for the mixture. Gradients of half precision are computed with in
float32. Where products of float32 overflow or vanish, and only there, they are taken anew of gradients scaled to 1.

A rule is a formula (u, v, over) → (a, b) and whether it compares u with v at all. Where a rule's name is asked for, a
`Rule` of one's own may stand, or a plain function; `register` gives it a name.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from numbers import Real
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import AfterValidator

from gradbook import ops
from gradbook.errors import InputError, unknown

Tensor = Any
Gradients = Any
"""A tensor, None, or lists, tuples and dictionaries of these, in one another."""
Coefficient = float | Tensor
Mixture = tuple[Coefficient, Coefficient]
Scope = Literal["variable", "global"]
AtZero = Literal["keep", "zero"]


class Products:
    """The products of pairs (u, v), summed over the pairs, each computed when first asked for; of halves in float32."""

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        self.pairs = [(_single(u), _single(v)) for u, v in pairs]
        self._scaled: dict[tuple, Scaled] = {}

    @cached_property
    def uv(self) -> Tensor:
        """The scalar product u·v."""
        return _total([ops.vdot(u, v) for u, v in self.pairs])

    @cached_property
    def uu(self) -> Tensor:
        """The square ‖u‖²."""
        return _square([u for u, _ in self.pairs])

    @cached_property
    def vv(self) -> Tensor:
        """The square ‖v‖²."""
        return _square([v for _, v in self.pairs])

    @property
    def norms(self) -> Tensor:
        """The product of the norms, ‖u‖‖v‖."""
        return ops.sqrt(self.uu) * ops.sqrt(self.vv)

    def in_range(self, names: Iterable[str], *, apart: bool) -> "Scaled":
        """Return some of the products, of gradients scaled where one of these is out of float32's range.

        Args:
            names: of "uv", "uu" and "vv".
            apart: whether each gradient has a scale of its own.
        """
        key = tuple(name for name in SAFE if name in names), apart
        if key not in self._scaled:
            self._scaled[key] = Scaled(self, *key)
        return self._scaled[key]


SAFE = {"uv": (1e-28, 1e37), "uu": (1e-24, 1e37), "vv": (1e-24, 1e37)}
"""Where float32 products, by their size, hold what their terms were: of a hundred million terms those that vanish are
too few to matter.
"""


class Scaled:
    """Products of u / s and v / t, with s = t = 1 where the ones of u and v are safe, else their magnitudes.

    Attributes:
        uv, uu, vv: those of them that were asked for.
        ratio: s / t.
    """

    def __init__(self, plain: Products, names: Sequence[str], apart: bool) -> None:
        values = [getattr(plain, name) for name in names]
        one = ops.ones_like(values[0])

        def scaled() -> list[Tensor]:
            s, t = (magnitude([pair[side] for pair in plain.pairs]) for side in (0, 1))
            if not apart:
                s = t = ops.maximum(s, t)
            again = Products([(u / s, v / t) for u, v in plain.pairs])
            return [*(getattr(again, name) for name in names), s / t]

        *values, self.ratio = ops.cond(_safe(names, values), lambda: [*values, one], scaled)
        vars(self).update(zip(names, values, strict=True))

    @property
    def norms(self) -> Tensor:
        """The product of the norms, ‖u‖‖v‖."""
        return ops.sqrt(self.uu) * ops.sqrt(self.vv)


class Asked:
    """Products that remember which of them a formula looked at."""

    def __init__(self, over: Products | None) -> None:
        self.over, self.names = over, set()

    def __getattr__(self, name: str) -> Any:
        self.names |= {"uu", "vv"} if name == "norms" else {name} & SAFE.keys()
        return getattr(self.over, name)


def _safe(names: Sequence[str], values: Sequence[Tensor]) -> Tensor:
    sizes = [(ops.abs(value), *SAFE[name]) for name, value in zip(names, values, strict=True)]
    within = [ops.logical_and(size > least, size < most) for size, least, most in sizes]
    return functools.reduce(ops.logical_and, within)


def magnitude(tensors: Sequence[Tensor]) -> Tensor:
    """Return a power of two within a factor of 2¹⁶ of the largest size of an entry, 1 where all are zero.

    To divide by it rounds nothing, so that an exact tie u·v = 0 stays one.
    """
    sizes = [ops.max(ops.abs(x)) for x in tensors if 0 not in x.shape] or [ops.sum(tensors[0])]
    size = functools.reduce(ops.maximum, sizes)
    scale = ops.ones_like(size)
    for factor in (2.0**64, 2.0**32, 2.0**16):
        scale = ops.where(size / scale >= factor, scale * factor, scale)
        scale = ops.where(size / scale <= 1 / factor, scale / factor, scale)
    return ops.where(size > 0, scale, ops.ones_like(size))


def _single(x: Tensor | None) -> Tensor | None:
    """Return half precision as float32, anything else as it is."""
    return x if x is None or _dtype(x) not in HALF else ops.cast(x, "float32")


def _dtype(x: Tensor) -> str:
    """Return the name of a tensor's dtype, the same in all frameworks."""
    return getattr(x.dtype, "name", str(x.dtype).rpartition(".")[2])


HALF = ("float16", "bfloat16")


# Of what was measured over five million entries on a processor, TensorFlow's own operations are the fastest by far.


def _total(terms: list[Tensor]) -> Tensor:
    if ops.framework(terms[0]) != "tensorflow":
        return sum(terms)
    import tensorflow as tf

    return tf.add_n(terms)


def _square(tensors: list[Tensor]) -> Tensor:
    if ops.framework(tensors[0]) != "tensorflow":
        return sum(ops.vdot(x, x) for x in tensors)
    import tensorflow as tf

    return 2 * tf.add_n([tf.nn.l2_loss(x) for x in tensors])


Formula = Callable[[Tensor, Tensor, Products], Mixture]


class Rule:
    """What is kept of an auxiliary gradient: a formula, and what becomes of u without a main gradient.

    A rule is called like its formula, and has its name and its docstring.

    Args:
        formula: (u, v, over) → (a, b) with two tensors of one shape and their `Products` over the scope; a and b are
            numbers, or tensors like u. Constants 0.0 and 1.0 cost nothing. Where products leave float32's range, it
            is given those of gradients scaled alike; what it makes of them should depend on their ratios alone.
        compares: whether the formula looks at v. If it does, it has nothing to go by where v is None, and u is kept;
            nor where v is zero over the scope, and u is kept or dropped as the caller of `censor` chooses. If it does
            not, its a holds there as anywhere else.
        by_angle: whether the norm of v does not matter, and what is kept grows with u. Then each gradient may be
            scaled by itself, so that the rule is right however far their norms lie apart.
    """

    def __init__(self, formula: Formula, *, compares: bool = True, by_angle: bool = False) -> None:
        functools.update_wrapper(self, formula)
        self.formula, self.compares, self.by_angle = formula, compares, by_angle

    def __call__(self, u: Tensor, v: Tensor, over: Products) -> Mixture:
        """Return what the formula does."""
        return self.formula(u, v, over)

    def __repr__(self) -> str:
        return f"Rule({self.formula!r}, compares={self.compares})"

    def coefficients(self, u: Tensor, v: Tensor | None, over: Products | None, *, at_zero: AtZero = "keep") -> Mixture:
        """Return a and b for one variable, to build ``a u + b v`` into a fused update.

        Args:
            u, v: auxiliary and main gradient of one variable, of one shape and dtype; v is None where there is none.
            over: the products over the scope, ``Products([(u, v)])`` for the variable alone; unused where v is None.
            at_zero: see `censor`.

        Returns:
            a, b: Python floats where they are constants 0.0 and 1.0; scalars otherwise, or tensors like u.

        Raises:
            InputError: the formula does not return a pair.
        """
        if v is None and self.compares:
            return 1.0, 0.0
        asked = Asked(over)
        a, b = self._pair(u, v, asked)
        if v is None:
            return a, 0.0
        without_main = 1.0 if at_zero == "keep" else 0.0
        nothing_to_compare = self.compares and not _is(a, without_main)
        names = asked.names | ({"vv"} if nothing_to_compare else set())
        if names and _dtype(u) != "float64":
            over = over.in_range(names, apart=self.by_angle)
            if asked.names:
                a, b = self._pair(u, v, over)
                b = b if isinstance(b, float) else ops.cast(b * over.ratio, u.dtype)
        if nothing_to_compare:
            a = ops.where(over.vv > 0, ops.cast(a, u.dtype), ops.cast(without_main, u.dtype))
        return a, b

    def _pair(self, u: Tensor, v: Tensor | None, over: Products | Scaled | Asked) -> Mixture:
        mixing = self.formula(u, v, over)
        if not (isinstance(mixing, tuple) and len(mixing) == 2):
            raise InputError(f"a rule must return the pair (a, b) of a u + b v; received {mixing!r}.")
        return mixing


RULES: dict[str, Rule] = {}
"""The rules by name."""


def register(formula: Formula | None = None, *, compares: bool = True, by_angle: bool = False) -> Any:
    """Make a rule of a formula and enter it into `RULES` under its name, as a decorator with or without arguments.

    Args:
        formula, compares, by_angle: see `Rule`.
    """
    if formula is None:
        return functools.partial(register, compares=compares, by_angle=by_angle)
    RULES[formula.__name__] = rule = Rule(formula, compares=compares, by_angle=by_angle)
    return rule


def rule_of(rule: str | Rule | Formula) -> Rule:
    """Return the rule of that name, or one that a function makes; a rule stays what it is.

    Raises:
        InputError: an unknown name, with the nearest.
    """
    if isinstance(rule, Rule):
        return rule
    if callable(rule):
        return Rule(rule)
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    return RULES[rule]


def _known(name: str) -> str:
    rule_of(name)
    return name


RuleName = Annotated[str, AfterValidator(_known)]
"""A field of a configuration that holds the name of a rule."""


@register(compares=False)
def single_task(u: Tensor, v: Tensor, over: Products) -> Mixture:
    """Keep 0: the auxiliary gradient is not used."""
    return 0.0, 0.0


@register(compares=False)
def multitask(u: Tensor, v: Tensor, over: Products) -> Mixture:
    """Keep u: the auxiliary gradient is used in full, whatever the main one."""
    return 1.0, 0.0


@register(by_angle=True)
def unweighted_cosine(u: Tensor, v: Tensor, over: Products) -> Mixture:
    """Keep u where u·v > 0, else 0. An exact tie u·v = 0 drops u.

    Du et al. 2018, arXiv 1812.02224.
    """
    return ops.cast(over.uv > 0, u.dtype), 0.0


@register(by_angle=True)
def weighted_cosine(u: Tensor, v: Tensor, over: Products) -> Mixture:
    """Keep max(u·v, 0) u / (‖u‖‖v‖), that is max(cosine, 0) u.

    Du et al. 2018, arXiv 1812.02224.
    """
    return ops.divide_no_nan(ops.relu(over.uv), over.norms), 0.0


@register(by_angle=True)
def projection(u: Tensor, v: Tensor, over: Products) -> Mixture:
    """Keep u - min(u·v, 0) v/‖v‖²: only the part against v goes.

    vivien000 2019; PCGrad, Yu et al. 2020, arXiv 2001.06782.
    """
    return 1.0, ops.divide_no_nan(ops.relu(-over.uv), over.vv)


@register(by_angle=True)
def orthogonal(u: Tensor, v: Tensor, over: Products) -> Mixture:
    """Keep u - (u·v) v/‖v‖²: all that is parallel to v goes.

    Zhang, Lemoine and Mitchell 2018, arXiv 1801.07593.
    """
    return 1.0, ops.divide_no_nan(-over.uv, over.vv)


@register(by_angle=True)
def parameterwise(u: Tensor, v: Tensor, over: Products) -> Mixture:
    """Keep u ⊙ (sign(u ⊙ v) + 1)/2: entries of equal sign, half of ties.

    vivien000 2019.
    """
    return (ops.sign(u) * ops.sign(v) + 1) / 2, 0.0


def require_choices(scope: str, at_zero: str = "keep") -> None:
    """Require what `censor` knows.

    Raises:
        InputError: an unknown name, with the nearest.
    """
    for kind, value, known in (("scope", scope, get_args(Scope)), ("at_zero", at_zero, get_args(AtZero))):
        if value not in known:
            raise unknown(kind, value, known)


def require_weight(weight: object, name: str = "weight") -> None:
    """Require the λ ≥ 0 of an auxiliary task.

    Raises:
        InputError: it is none.
    """
    if not (isinstance(weight, Real) and weight >= 0):
        raise InputError(f"{name} must be a number, 0 or more; received {weight!r}.")


def require_alpha(alpha: object) -> None:
    """Require the α in (0, 1] of a moving average.

    Raises:
        InputError: it is none.
    """
    if not (isinstance(alpha, Real) and 0 < alpha <= 1):
        raise InputError(f"alpha must be above 0 and at most 1; received {alpha!r}.")


@np.errstate(over="ignore", invalid="ignore")
def censor(
    auxiliary: Gradients,
    main: Gradients,
    rule: str | Rule | Formula,
    *,
    scope: Scope,
    at_zero: AtZero = "keep",
) -> Gradients:
    """Keep the part of the auxiliary gradient that a rule allows, to be weighted and added to the main one.

    Works eagerly and inside compiled functions, such as those of `tf.function`, `jax.jit` and `torch.compile`, and
    whatever Keras' own backend is. PyTorch can differentiate what is kept.

    Args:
        auxiliary: u, a floating tensor of TensorFlow, JAX or PyTorch or an array of NumPy; or a list, tuple or
            dictionary with one for each variable, or of such. None counts as a gradient of zero.
            Sparse gradients, as embeddings have them, are made dense. Halves are computed with in float32.
        main: v, of the same structure, shapes and dtypes. None says that the main task does not use a variable:
            the auxiliary gradient is kept whole there (`single_task` drops it), and takes no part in the products.
        rule: one of ``gradbook.auxiliary.RULES``, whose docstring has its formula and source; a `Rule`; or a function
            (u, v, over) → (a, b), of which a rule that compares is made.
        scope: "variable" compares the gradients of each variable on their own, "global" the whole vectors.
        at_zero: what a main gradient of zero over the scope means to rules that compare it with u: "keep" leaves u as
            it is (the choice of vivien000, 2019), "zero" drops it.
            An auxiliary gradient of zero stays zero under every rule of the book.

    Returns:
        The kept part, in the structure and dtypes of ``auxiliary``; None only where both gradients are None. Norms may
        be anything that float32 holds, and under a rule `by_angle` up to 1e38 times each other.

    Raises:
        InputError: an unknown name, gradients that do not match or are not of a floating type, or a formula that does
            not return a pair.

    >>> censor(np.array([1.0, -1.0]), np.array([0.0, 2.0]), "projection", scope="variable").tolist()
    [1.0, 0.0]
    """
    rule = rule_of(rule)
    require_choices(scope, at_zero)
    given = _pairs(auxiliary, main)
    pairs = [(_single(u), _single(v)) for u, v in given]
    whole = Products([(u, v) for u, v in pairs if u is not None and v is not None])

    def keep(u: Tensor | None, v: Tensor | None) -> Tensor | None:
        if u is None:
            return None if v is None else ops.zeros_like(v)
        over = whole if scope == "global" else Products([(u, v)])
        return mixture(u, v, *rule.coefficients(u, v, over, at_zero=at_zero))

    return _like(auxiliary, (_in_dtype(keep(*pair), *before) for pair, before in zip(pairs, given, strict=True)))


def _in_dtype(kept: Tensor | None, u: Tensor | None, v: Tensor | None) -> Tensor | None:
    return None if kept is None else ops.cast(kept, (v if u is None else u).dtype)


def mixture(u: Tensor, v: Tensor | None, a: Coefficient, b: Coefficient) -> Tensor:
    """Return ``a u + b v``, without a pass over the entries for a constant 0 or 1."""
    kept = u if _is(a, 1.0) else ops.zeros_like(u) if _is(a, 0.0) else a * u
    return kept if _is(b, 0.0) else kept + b * v


def _is(coefficient: Coefficient, constant: float) -> bool:
    return isinstance(coefficient, float) and coefficient == constant


@np.errstate(over="ignore", invalid="ignore")
def cosine(auxiliary: Gradients, main: Gradients) -> Tensor:
    """Return the cosine u·v/(‖u‖‖v‖) of two gradients over all variables that both have; 0 where a norm is zero.

    In the framework and dtype of the gradients; halves are computed with in float32. Norms may be anything that float32
    holds.

    Raises:
        InputError: gradients that do not match, or are not of a floating type.

    >>> float(cosine(np.array([1.0, 0.0]), np.array([3.0, 4.0])))
    0.6
    """
    given = _pairs(auxiliary, main)
    pairs = [(u, v) for u, v in given if u is not None and v is not None]
    if not pairs:
        return next((0 * ops.sum(x) for pair in given for x in pair if x is not None), 0.0)
    (u, _), over = pairs[0], Products(pairs)
    if _dtype(u) != "float64":
        over = over.in_range(SAFE, apart=True)
    return ops.cast(ops.divide_no_nan(over.uv, over.norms), u.dtype)


def _pairs(auxiliary: Gradients, main: Gradients) -> list[tuple[Tensor | None, Tensor | None]]:
    """Return (u, v) for each variable, as tensors, once structure, framework, dtype and shape are known to agree."""
    pairs = []
    for index, pair in enumerate(_side_by_side(auxiliary, main)):
        pair = tuple(None if x is None else dense(x) for x in pair)
        kinds = [(ops.framework(x), _dtype(x), tuple(x.shape)) for x in pair if x is not None]
        for x in pair:
            require_floating(f"gradient {index}", x)
        if len(kinds) == 2 and not _agree(*kinds):
            of_u, of_v = (f"{dtype}{shape} of {framework}" for framework, dtype, shape in kinds)
            raise InputError(
                "auxiliary and main must be of one framework, dtype and shape; "
                f"received gradient {index} as {of_u} and {of_v}."
            )
        pairs.append(pair)
    return pairs


def require_floating(name: str, x: Tensor | None) -> None:
    """Require a tensor of a floating type, or none.

    Raises:
        InputError: it is of another type.
    """
    if x is not None and "float" not in _dtype(x):
        raise InputError(f"{name} must be of a floating type; received {_dtype(x)}.")


def _side_by_side(auxiliary: Gradients, main: Gradients) -> Iterator[tuple[Tensor | None, Tensor | None]]:
    """Yield both gradients of each variable."""
    if not isinstance(auxiliary, list | tuple | Mapping):
        if isinstance(main, list | tuple | Mapping):
            raise InputError(f"main must be a single tensor, as auxiliary is; received {len(main)} gradients.")
        yield auxiliary, main
        return
    named = isinstance(auxiliary, Mapping)
    alike = isinstance(main, Mapping) == named and isinstance(main, list | tuple | Mapping)
    if not alike or (set(main) != set(auxiliary) if named else len(main) != len(auxiliary)):
        several = isinstance(main, list | tuple | Mapping)
        held = f"{list(main) if isinstance(main, Mapping) else len(main)} gradients" if several else "a single tensor"
        raise InputError(
            "main must hold one gradient for each variable, as auxiliary does, "
            f"{list(auxiliary) if named else len(auxiliary)} in all; received {held}."
        )
    for key in auxiliary if named else range(len(auxiliary)):
        yield from _side_by_side(auxiliary[key], main[key])


def _like(structure: Gradients, tensors: Iterator[Tensor | None]) -> Gradients:
    """Return the tensors in the order of `_side_by_side`, held as in a structure."""
    if isinstance(structure, Mapping):
        return type(structure)({name: _like(part, tensors) for name, part in structure.items()})
    if isinstance(structure, list | tuple):
        parts = [_like(part, tensors) for part in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)
    return next(tensors)


def dense(gradient: Tensor) -> Tensor:
    """Return a gradient as a dense tensor of its framework, whatever that makes of an embedding's; numbers by NumPy."""
    if hasattr(gradient, "dense_shape"):
        import tensorflow as tf

        return tf.convert_to_tensor(gradient)
    if getattr(gradient, "is_sparse", False):
        return gradient.to_dense()
    if ops.framework(gradient):
        return gradient
    return gradient.value if hasattr(gradient, "value") else np.asarray(gradient)


def _agree(one: tuple[str | None, str, tuple], other: tuple[str | None, str, tuple]) -> bool:
    """Return whether framework, dtype and shape agree, as far as sizes are known while a function is compiled."""
    *kind, shape = one
    *other_kind, other_shape = other
    return kind == other_kind and of_one_shape(shape, other_shape)


def of_one_shape(shape: Sequence[int | None], other: Sequence[int | None]) -> bool:
    """Return whether shapes agree, as far as sizes are known while a function is compiled."""
    sizes = zip(shape, other, strict=False)
    return len(shape) == len(other) and all(m == n for m, n in sizes if None not in (m, n))
