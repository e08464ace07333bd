"""censor takes and returns the tensors of any framework, whatever the backend of Keras; what is missing is named."""

import collections
import importlib.util
import itertools
import subprocess
import sys

import numpy as np
import pytest

from gradbook import ops
from gradbook.auxiliary import RULES, censor, cosine
from gradbook.errors import InputError

FRAMEWORKS = ("numpy", "tensorflow", "jax", "torch")
U = [np.array([[1.0, -2.0], [3.0, 0.5]]), np.array([4.0, 0.0, -1.0]), np.array(2.0)]
V = [np.array([[-1.0, 1.0], [-0.5, 2.0]]), np.array([0.0, 3.0, -1.0]), np.array(-3.0)]


def made(framework):
    """Return what makes a tensor of NumPy's, and of a dtype's name, in a framework; skip where that is missing."""
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"needs {framework}, which is not installed")
    if framework == "tensorflow":
        import tensorflow as tf

        return lambda x, dtype="float32": tf.constant(x, dtype)
    if framework == "jax":
        import jax.numpy as jnp

        return lambda x, dtype="float32": jnp.asarray(x, dtype)
    if framework == "torch":
        import torch

        return lambda x, dtype="float32": torch.tensor(x, dtype=getattr(torch, dtype))
    return lambda x, dtype="float32": np.asarray(x, dtype)


def known(tensor):
    """Return a tensor as an array of float64."""
    if type(tensor).__module__.startswith("torch"):
        return tensor.detach().double().numpy()
    return np.asarray(tensor).astype(float)


@pytest.mark.parametrize(("rule", "scope"), [*itertools.product(RULES, ("variable", "global"))])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_native_tensors_come_back_as_they_were_given(framework, rule, scope):
    make = made(framework)
    u, v = ([make(x) for x in given] for given in (U, V))
    for kept, expected, given in zip(censor(u, v, rule, scope=scope), censor(U, V, rule, scope=scope), u, strict=True):
        assert kept.dtype == given.dtype and tuple(kept.shape) == tuple(given.shape)
        assert isinstance(kept, np.generic | np.ndarray if framework == "numpy" else type(given))
        np.testing.assert_allclose(known(kept), expected, atol=1e-6)
    assert float(cosine(u, v)) == pytest.approx(float(cosine(U, V)), abs=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_halves_come_back_as_halves(framework, dtype):
    if framework == "numpy" and dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="needs ml_dtypes, which gives NumPy bfloat16")
    make = made(framework)
    u, v = (make(1e4 * x[0], dtype) for x in (U, V))
    kept = censor(u, v, "projection", scope="global")
    assert kept.dtype == u.dtype
    expected = censor(known(u), known(v), "projection", scope="global")
    np.testing.assert_allclose(known(kept), expected, rtol=1e-2)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_norms_beyond_float32_s_squares_are_right_everywhere(framework, scale):
    make = made(framework)
    kept = censor(make(U[0] * scale), make(V[0]), "projection", scope="global")
    expected = censor(U[0], V[0], "projection", scope="global")
    np.testing.assert_allclose(known(kept) / scale, expected, rtol=1e-5)


Pair = collections.namedtuple("Pair", "kernel bias")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_structures_and_variables_that_a_task_does_not_use_come_back(framework):
    make = made(framework)
    u = {"dense": Pair(make(U[0]), make(U[1])), "rest": (make(U[2]), [None, make(U[1]), None])}
    v = {"rest": (make(V[2]), [make(V[1]), None, None]), "dense": Pair(make(V[0]), make(V[1]))}
    kept = censor(u, v, "orthogonal", scope="global")
    flat = censor(U, V, "orthogonal", scope="global")
    assert list(kept) == ["dense", "rest"] and isinstance(kept["dense"], Pair) and isinstance(kept["rest"], tuple)
    for one, other in zip([*kept["dense"], kept["rest"][0]], flat, strict=True):
        np.testing.assert_allclose(known(one), other, atol=1e-6)
    unused, alone, neither = kept["rest"][1]
    assert not known(unused).any() and np.array_equal(known(alone), U[1]) and neither is None


@pytest.mark.parametrize("rule", RULES)
def test_inside_jax_s_jit_and_grad_the_same_comes_out(rule):
    make = made("jax")
    import jax

    u, v = ({"a": make(x[0]), "b": make(x[1])} for x in (U, V))
    plain = censor(u, v, rule, scope="global")
    compiled = jax.jit(lambda u, v: censor(u, v, rule, scope="global"))(u, v)
    for name in u:
        assert isinstance(compiled[name], jax.Array)
        np.testing.assert_allclose(compiled[name], plain[name], atol=1e-6)
    slope = jax.grad(lambda u: censor(u, v["b"], rule, scope="global").sum())(u["b"])
    assert np.isfinite(slope).all()
    both = jax.vmap(lambda u, v: censor(u, v, rule, scope="global"))(*(jax.numpy.stack([x["a"]] * 2) for x in (u, v)))
    np.testing.assert_allclose(both[1], censor(u["a"], v["a"], rule, scope="global"), atol=1e-6)


def test_pytorch_differentiates_what_is_kept():
    make = made("torch")
    import torch

    u, v = (make(x[0]).requires_grad_() for x in (U, V))
    kept = censor(u, v, "projection", scope="global")
    kept.sum().backward()
    # kept = u - (u·v/v·v) v, so that d Σkept / du = 1 - (Σv/v·v) v
    np.testing.assert_allclose(u.grad, 1 - V[0].sum() / (V[0] ** 2).sum() * V[0], atol=1e-6)
    with torch.no_grad():
        assert not censor(u, v, "projection", scope="global").requires_grad


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axis": 0, "keepdims": True}])
def test_the_largest_is_numpy_s(framework, options):
    np.testing.assert_array_equal(known(ops.max(made(framework)(U[0]), **options)), np.max(U[0], **options))


def test_two_frameworks_at_once_are_refused_in_one_sentence():
    make = made("torch")
    with pytest.raises(InputError, match=r"one framework, dtype and shape; .* of torch and float32\(2, 2\) of numpy"):
        censor(make(U[0]), V[0].astype("float32"), "projection", scope="global")
    with pytest.raises(InputError, match=r"\['a'\] in all; received \['b'\] gradients"):
        censor({"a": U[0]}, {"b": U[0]}, "projection", scope="global")
    with pytest.raises(InputError, match="main must be a single tensor, as auxiliary is; received 3 gradients"):
        censor(U[0], V, "projection", scope="global")


@pytest.mark.parametrize("framework", ["numpy", "jax", "torch"])
def test_keras_is_not_needed(framework):
    made(framework)
    ones = {"jax": "jax.numpy"}.get(framework, framework)
    code = (
        f"import sys; from {ones} import ones; from gradbook.auxiliary import censor;"
        "censor(ones(2), -ones(2), 'projection', scope='global'); assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
