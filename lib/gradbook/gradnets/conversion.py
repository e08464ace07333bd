"""A Keras model of one's own whose ReLUs are gated, and the way back to one without gates; on any backend."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from gradbook.errors import InputError
from gradbook.gradnets.gates import Schedule
from gradbook.gradnets.layers import ROUNDING, Gate, Gated, GradualReLU
from gradbook.gradnets.networks import PUBLISHED

RELUS = {"relu": None, "relu6": 6.0}
"""The activations by name that are gated, and the largest value of each."""


def gradual(network: keras.Model, gate: Gate | Schedule | float = PUBLISHED) -> keras.Model:
    """Copy a network, its weights included, with a gate at every ReLU: linear at g = 0, the network's own at g = 1.

    ReLUs are found as ``activation="relu"`` or ``"relu6"`` of any layer, wrapped ones and nested models included; as
    layers ``ReLU``, with their largest value, slope and threshold; and as ``keras.ops.relu`` and ``relu6``. All share
    one gate, which `Progress` advances in ``fit``. A report is printed of what was gated and of what was left.

    The copy is not compiled. Its gate's progress is a weight of its own, so ``get_weights`` has one entry more than the
    network's; `late_form` gives a model with the network's weights and no other. A layer with a vocabulary is shared.

    Args:
        network: functional or Sequential, and built.
        gate: a `Gate`, or what one is made from: a schedule, or a number in [0, 1].

    Raises:
        InputError: a network that is subclassed or not built, or one in which no ReLU is found.

    Source: the gReLU of Almeida and Sauder 2015, arXiv 1511.06827.
    """
    gate = gate if isinstance(gate, Gate) else Gate(gate)
    gated, left = [], []

    def convert(layer: Any) -> Any:
        policy, before = getattr(layer, "dtype_policy", None), len(gated)

        def gate_at(given: Any) -> Any:
            if not (isinstance(given, str) and given in RELUS):
                return given
            gated.append(layer.name)
            name = f"{layer.name}_gated_{len(gated) - before}"
            return GradualReLU(gate, max_value=RELUS[given], name=name, dtype=policy)

        if (settings := _settings(layer)) is not None:
            gated.append(layer.name)
            return GradualReLU(gate, name=layer.name, dtype=policy, **settings)
        config = _replaced(layer.get_config(), gate_at)
        if len(gated) == before and (reason := _unseen(layer)):
            left.append(f"{layer.name} ({reason})")
        return type(layer).from_config(config)

    copy = _copied(network, convert)
    if not gated:
        raise InputError(
            f"network must have a ReLU; {network.name!r} has none that can be seen. Left: {_listed(left)}."
        )
    print(f"{len(gated)} gated: {_listed(gated)}")
    print(f"{len(left)} left: {_listed(left)}")
    return copy


def late_form(network: keras.Model) -> keras.Model:
    """Copy a network that `gradual` made, its weights included, with a plain ReLU for every gated one.

    Args:
        network: functional or Sequential, with its gates open.

    Raises:
        InputError: a network that is subclassed or not built, a gate that is not open, or a gated layer that is no
            ReLU.
    """
    for part in network._flatten_layers():
        if isinstance(part, Gated) and not isinstance(part, GradualReLU):
            raise InputError(f"late_form takes gated ReLUs only; {part.name!r} is a {type(part).__name__}.")
        if isinstance(part, Gate) and (g := float(ops.convert_to_numpy(part.value))) < 1 - ROUNDING:
            raise InputError(
                f"the gate {part.name!r} is at {g:.2f}, where the late form computes something else; train until it is "
                "open, or open it with gate.progress.assign(1.0)."
            )

    def plain(given: Any) -> Any:
        if not isinstance(given, dict) or given.get("class_name") != "GradualReLU":
            return given
        settings = {name: given["config"][name] for name in ("max_value", "negative_slope", "threshold")}
        for name, most in RELUS.items():
            if settings == {"max_value": most, "negative_slope": 0.0, "threshold": 0.0}:
                return name
        return keras.layers.ReLU(**settings)

    def convert(layer: Any) -> Any:
        if isinstance(layer, GradualReLU):
            return keras.layers.ReLU(name=layer.name, dtype=layer.dtype_policy, **layer.relu)
        return type(layer).from_config(_replaced(layer.get_config(), plain))

    return _copied(network, convert)


def _copied(network: keras.Model, convert: Callable[[Any], Any]) -> keras.Model:
    """Return a copy with layers and operations converted, nested models included, and the weights of those."""
    if not network.built or getattr(network, "inputs", None) is None:
        raise InputError(
            f"network must be functional or Sequential, and built, so that its ReLUs can be seen; {network.name!r} is "
            f"a {type(network).__name__}{'' if network.built else ' that is not built'}."
        )
    pairs = []

    def converted(layer: Any) -> Any:
        pairs.append((layer, layer if hasattr(layer, "get_vocabulary") else convert(layer)))
        return pairs[-1][1]

    compiled = [part for part in network._flatten_layers() if getattr(part, "compiled", False)]
    for part in compiled:
        part.compiled = False  # a loss of one's own cannot always be copied
    try:
        copy = keras.models.clone_model(network, clone_function=converted, recursive=True)
    finally:
        for part in compiled:
            part.compiled = True
    for old, new in pairs:
        for source, target in zip(_weights(old), _weights(new), strict=True):
            target.assign(ops.convert_to_numpy(source))  # JAX would share it, and training delete it
    for part in copy._flatten_layers():
        if isinstance(part, keras.layers.Normalization):
            part.finalize_state()  # it computes with a second copy of its weights
    return copy


def _weights(layer: Any) -> list[Any]:
    """Return the weights of a layer without the progress of gates; operations have none."""
    if not isinstance(layer, keras.Layer):
        return []
    gates = {id(part.progress) for part in layer._flatten_layers() if isinstance(part, Gate)}
    return [weight for weight in layer.weights if id(weight) not in gates]


def _settings(layer: Any) -> dict[str, Any] | None:
    """Return largest value, slope and threshold of a layer or an operation that is a ReLU and nothing else."""
    if type(layer) is keras.layers.ReLU or (type(layer).__name__ == "ReLU" and not isinstance(layer, keras.Layer)):
        return {name: getattr(layer, name) for name in ("max_value", "negative_slope", "threshold")}
    if not isinstance(layer, keras.Layer) and (name := type(layer).__name__.lower()) in RELUS:
        return {"max_value": RELUS[name]}
    return None


def _replaced(config: Any, change: Callable[[Any], Any]) -> Any:
    """Return a configuration with every activation in it changed."""
    if isinstance(config, dict):
        return {
            name: change(value) if name.endswith("activation") else _replaced(value, change)
            for name, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_replaced(value, change) for value in config)
    return config


def _unseen(layer: Any) -> str:
    """Return what may be another activation in a layer, or a hidden ReLU; nothing where there is none."""
    kind, module = type(layer).__name__, type(layer).__module__
    if not module.startswith("keras."):
        return f"{kind}, whose inside is not known"
    if isinstance(layer, keras.layers.Wrapper) and isinstance(layer.layer, keras.Model):
        return f"a model in {kind}"
    if module.startswith("keras.src.layers.activations") and not isinstance(layer, keras.layers.Activation):
        return kind
    if not isinstance(layer, keras.Layer) and hasattr(keras.activations, _snake(kind)):
        return kind
    given = getattr(layer, "activation", None)
    name = getattr(given, "__name__", type(given).__name__)
    return "" if given is None or name == "linear" else name


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
