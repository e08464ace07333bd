"""Keras layers that are one thing early in training and another late: y = (1-g)·early + g·late.

The gate g belongs to a `Gate`, which layers may share. A gate computes g from its schedule and from one number that is
no trainable weight, the progress; so both are saved and restored with the model. In ``fit`` the callback `Progress`
advances the gates; in a loop of one's own, ``gate.progress.assign(step / steps)`` does, compiled or not.
"""

import warnings
from collections.abc import Iterator
from typing import Any, Self
from uuid import uuid4
from weakref import WeakValueDictionary

import keras
from keras import ops

from gradbook.errors import InputError
from gradbook.gradnets.gates import Constant, Schedule

ROUNDING = 1e-6
"""How far a gate in float32 may lie from its schedule in float64."""

register = keras.saving.register_keras_serializable("gradbook")


@register
class Gate(keras.Layer):
    """The gate g of one or more layers.

    Args:
        schedule: g as a function of progress, or a number in [0, 1] that it is held at.

    Raises:
        InputError: it is neither.

    >>> from gradbook.gradnets import Linear
    >>> gate = Gate(Linear(0, 0.5))
    >>> _ = gate.progress.assign(0.25)
    >>> float(gate.value)
    0.5
    """

    def __init__(self, schedule: Schedule | float, **options: Any) -> None:
        super().__init__(**options)
        self.schedule = schedule if isinstance(schedule, Schedule) else Constant(schedule)
        self.progress = self.add_weight(
            name="progress", initializer="zeros", trainable=False, dtype="float32", autocast=False
        )
        self.shared_id, self.restored_for = uuid4().hex, set()
        self.built = True

    @property
    def value(self) -> Any:
        """g, float32 []."""
        return self.schedule(ops.convert_to_tensor(self.progress))

    def get_config(self) -> dict[str, Any]:
        """Return the schedule; progress is saved as a weight."""
        return {**super().get_config(), "schedule": _serialized(self.schedule)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the gate that `get_config` describes."""
        return cls(**{**config, "schedule": keras.saving.deserialize_keras_object(config["schedule"])})

    def shared_config(self, holder: str) -> dict[str, Any]:
        """Return what each of its holders saves of it: they will share one again, known by its id.

        Args:
            holder: the id of the layer or the optimizer that holds it.
        """
        return {**_serialized(self), "shared_object_id": self.shared_id, "holder": holder}

    @classmethod
    def from_shared_config(cls, config: dict[str, Any]) -> Self:
        """Return the gate that `shared_config` describes: one for all holders that are restored together.

        Inside of ``load_model`` Keras sees to that. Elsewhere, as in ``clone_model``, a holder joins the gate that was
        restored last under that id, unless the same holder did before: then another restoration has begun.

        Args:
            config: of a gate.
        """
        gate, key = keras.saving.deserialize_keras_object(config), config["shared_object_id"]
        gate.shared_id = key
        if gate is keras.saving.deserialize_keras_object(config):  # Keras remembers what it has made
            return gate
        found = _RESTORED.get(key)
        if found is None or config["holder"] in found.restored_for or found.schedule != gate.schedule:
            _RESTORED[key] = found = gate
        found.restored_for.add(config["holder"])
        return found


_RESTORED: WeakValueDictionary[str, Gate] = WeakValueDictionary()  # id → the gate that was restored last


def _serialized(item: Any) -> dict[str, Any]:
    """Return an object as Keras serialises it, without the address that Keras gives to what it meets more than once."""
    config = keras.saving.serialize_keras_object(item)
    return {name: value for name, value in config.items() if name != "shared_object_id"}


class Gated(keras.Layer):
    """What the layers below share: a gate, the mixture by it, and how they are saved.

    Args:
        gate: a `Gate`, or what one is made from: a schedule, or a number in [0, 1].

    Attributes:
        saved: names of a subclass's own arguments, which are attributes too.
    """

    saved: tuple[str, ...] = ()

    def __init__(self, gate: Gate | Schedule | float, **options: Any) -> None:
        super().__init__(**options)
        self.gate, self.holder_id = gate if isinstance(gate, Gate) else Gate(gate), uuid4().hex

    def mix(self, early: Any, late: Any) -> Any:
        """Return (1-g)·early + g·late, in the layer's compute dtype."""
        g, early, late = (ops.cast(part, self.compute_dtype) for part in (self.gate.value, early, late))
        return (1 - g) * early + g * late

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the gate and the layer's own arguments, beside what every layer keeps."""
        own = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self.saved}
        return {**super().get_config(), "gate": self.gate.shared_config(self.holder_id), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the layer that `get_config` describes, layers inside it included."""
        gate = Gate.from_shared_config(config["gate"])
        layer = cls(**keras.saving.deserialize_keras_object({**config, "gate": None}) | {"gate": gate})
        layer.holder_id = config["gate"]["holder"]
        return layer


class Between(Gated):
    """A layer that turns from an ``early`` layer into a ``late`` one, which a subclass creates.

    Both are computed at every gate, closed or open, so both must be finite.

    Raises:
        InputError: when built on an input for which the two give unequal shapes.
    """

    def __init__(self, early: keras.Layer, late: keras.Layer, gate: Gate | Schedule | float, **options: Any) -> None:
        super().__init__(gate, **options)
        self.early, self.late = early, late
        self.supports_masking = early.supports_masking and late.supports_masking

    def build(self, input_shape: tuple) -> None:
        """Build both layers, and compare their shapes."""
        self.compute_output_shape(input_shape)
        for layer in (self.early, self.late):
            if not layer.built:
                layer.build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the mixture of both outputs."""
        return self.mix(self.early(inputs), self.late(inputs))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Return the shape that both give."""
        early, late = (tuple(layer.compute_output_shape(input_shape)) for layer in (self.early, self.late))
        if early != late:
            raise InputError(f"early and late must give one shape; for {input_shape} they give {early} and {late}.")
        return early

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask that the late layer gives."""
        return self.late.compute_mask(inputs, previous_mask)


@register
class Gradual(Between):
    """Any two layers of equal output shape (Almeida and Sauder 2015, section 2).

    Both are computed at every gate, closed or open, so both must be finite.

    Args:
        early, late: layers for one input; a layer gets no gradient while its weight in the mixture is 0.
        gate: see `Gated`.

    Raises:
        InputError: when built on an input for which the two give unequal shapes.

    >>> layer = Gradual(keras.layers.ReLU(), keras.layers.Activation("tanh"), gate=0.5)
    >>> float(layer(ops.array([[-1.0]]))[0, 0]) == 0.5 * float(ops.tanh(-1.0))
    True
    """

    saved = ("early", "late")


@register
class GradualReLU(Gated):
    """The gReLU, y = (1-g)·x + g·relu(x): a leaky ReLU whose slope below zero is 1-g.

    Args:
        gate: see `Gated`.
        max_value, negative_slope, threshold: of the ReLU, as in ``keras.layers.ReLU``.

    Raises:
        InputError: one of them is negative.

    >>> GradualReLU(0.75)(ops.array([-1.0, 2.0])).numpy().tolist()
    [-0.25, 2.0]
    """

    def __init__(
        self,
        gate: Gate | Schedule | float,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(gate, **options)
        self.relu = {"negative_slope": negative_slope, "max_value": max_value, "threshold": threshold}
        for name, value in self.relu.items():
            if value is not None and not value >= 0:
                raise InputError(f"{name} of a gated ReLU must be 0 or more; received {value}.")
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Return the mixture of the input and its rectified form."""
        return self.mix(inputs, keras.activations.relu(inputs, **self.relu))

    def get_config(self) -> dict[str, Any]:
        """Return the gate, and the settings of the ReLU."""
        return {**super().get_config(), **self.relu}


@register
class GradualDepth(Between):
    """A block that fades in, y = (1-g)·x + g·block(x): training starts without it.

    Args:
        block: a layer or model whose output has its input's shape.
        gate: see `Gated`.

    Raises:
        InputError: when built on an input whose shape the block changes.
    """

    def __init__(self, block: keras.Layer, gate: Gate | Schedule | float, **options: Any) -> None:
        super().__init__(keras.layers.Identity(dtype=options.get("dtype")), block, gate, **options)

    def get_config(self) -> dict[str, Any]:
        """Return the block and the gate."""
        return {**super().get_config(), "block": keras.saving.serialize_keras_object(self.late)}


@register
class GradualIdentity(Gated):
    """The identity that turns into a dense ReLU layer as wide as its input, y = (1-g)·x + g·relu(x W + b).

    Where a highway layer learns a gate for every unit (Srivastava et al. 2015), this one is given a single one.

    Args:
        gate: see `Gated`.
        kernel_initializer, kernel_regularizer: of W, as in ``keras.layers.Dense``.
    """

    saved = ("kernel_initializer", "kernel_regularizer")

    def __init__(
        self,
        gate: Gate | Schedule | float,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(gate, **options)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Create W [width, width] and b [width]."""
        width = input_shape[-1]
        self.kernel = self.add_weight(
            shape=(width, width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Return the mixture of the input and the dense layer's output."""
        return self.mix(inputs, ops.relu(ops.matmul(inputs, self.kernel) + self.bias))


@register
class GradualDropout(Gated):
    """Dropout at the rate g·rate: none early, all of it late. Without ``training`` the input passes.

    Args:
        rate: in [0, 1), the fraction of units that is dropped once the gate is open.
        gate: see `Gated`.
        seed: of the masks; None draws one.

    Raises:
        InputError: a rate out of its range.
    """

    saved = ("rate", "seed")

    def __init__(self, rate: float, gate: Gate | Schedule | float, seed: int | None = None, **options: Any) -> None:
        super().__init__(gate, **options)
        if not 0 <= rate < 1:
            raise InputError(f"rate must be in [0, 1); received {rate}.")
        self.rate, self.seed = rate, seed
        self.noise = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the units that are kept, scaled so that their expectation is the input."""
        if not training:
            return inputs
        drawn = _uniform(inputs, self.noise)
        rate = ops.cast(self.rate * self.gate.value, drawn.dtype)
        return ops.where(drawn >= rate, inputs / ops.cast(1 - rate, inputs.dtype), 0)


@register
class GradualBatchNormalization(Between):
    """Batch normalisation that fades out, y = (1-g)·BN(x) + g·x: it helps most early in training.

    The trained network then needs no batch statistics at test time.

    Args:
        gate: see `Gated`.
    """

    def __init__(self, gate: Gate | Schedule | float, **options: Any) -> None:
        kinds = keras.layers.BatchNormalization, keras.layers.Identity
        super().__init__(*(kind(dtype=options.get("dtype")) for kind in kinds), gate, **options)


@register
class GradualPooling(Between):
    """Pooling over squares of an image that starts as their average and becomes their maximum.

    Args:
        gate: see `Gated`.
        pool_size: side of the squares, ≥ 1.
    """

    saved = ("pool_size",)

    def __init__(self, gate: Gate | Schedule | float, pool_size: int = 2, **options: Any) -> None:
        kinds = keras.layers.AveragePooling2D, keras.layers.MaxPooling2D
        super().__init__(*(kind(pool_size, dtype=options.get("dtype")) for kind in kinds), gate, **options)
        self.pool_size = pool_size


@register
class GradualSampling(Gated):
    """Units that start deterministic and become stochastic: (1-g)·p + g·s with p = sigmoid(x) and s ~ Bernoulli(p).

    The gradient is that of p, whatever was drawn (straight through, Bengio et al. 2013). Without ``training`` the
    output is p.

    Args:
        gate: see `Gated`.
        seed: of the draws; None draws one.
    """

    saved = ("seed",)

    def __init__(self, gate: Gate | Schedule | float, seed: int | None = None, **options: Any) -> None:
        super().__init__(gate, **options)
        self.seed = seed
        self.noise = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the mixture of probability and sample."""
        p = ops.sigmoid(inputs)
        if not training:
            return p
        drawn = _uniform(p, self.noise)
        sample = ops.cast(drawn < ops.cast(p, drawn.dtype), p.dtype)
        return self.mix(p, p + ops.stop_gradient(sample - p))


def _uniform(like: Any, noise: keras.random.SeedGenerator) -> Any:
    """Draw from [0, 1) in a tensor's shape, in float32 or better: in 16 bits small probabilities would be missed."""
    kind = keras.backend.result_type("float32", like.dtype)
    return keras.random.uniform(ops.shape(like), dtype=kind, seed=noise)


class Progress(keras.callbacks.Callback):
    """A callback of ``fit`` that tells every gate of a model and of its optimizer which part of training is done.

    Epochs count from ``initial_epoch``, so that training which is taken up again goes on where it stopped. With
    ``steps_per_execution`` of k the gates move once in k batches.
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Find the gates.

        Raises:
            InputError: there are none, or the data do not say how many batches an epoch has.
        """
        layers = [layer for layer in self.model._flatten_layers() if isinstance(layer, Gate)]
        optimizers = [*_gradual(self.model.optimizer)]
        self.gates = {id(gate): gate for gate in (*layers, *(one.gate for one in optimizers))}
        self.moved = {id(one.progress): one.progress for one in (*self.gates.values(), *optimizers)}
        if not self.gates:
            raise InputError(f"model {self.model.name!r} has no gate to advance.")
        if self.params["steps"] is None:
            raise InputError("Progress needs to know the batches in an epoch; give fit steps_per_epoch.")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Note where the epoch starts.

        Raises:
            InputError: training starts over, and gates that have opened would close.
        """
        opened = [gate.name for gate in self.gates.values() if _number(gate.value) > gate.schedule(0.0) + ROUNDING]
        if epoch == 0 and opened:
            raise InputError(
                f"a second fit would close the gates {', '.join(opened)} again; leave Progress out of it, give it "
                "initial_epoch, or start over with gate.progress.assign(0.0)."
            )
        self.first = epoch * self.params["steps"]
        self._advance(self.first)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Advance the gates."""
        self._advance(self.first + min(batch + 1, self.params["steps"]))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Advance the gates to the end of the epoch; of several steps in one execution old versions name the first."""
        if not self.model.stop_training:
            self._advance((epoch + 1) * self.params["steps"])

    def on_train_end(self, logs: dict | None = None) -> None:
        """Warn of gates that would have opened further, as after EarlyStopping."""
        for gate in self.gates.values():
            if _number(gate.value) < gate.schedule(1.0) - ROUNDING:
                warnings.warn(
                    f"training ended at progress {_number(gate.progress):.2f}, with the gate {gate.name!r} at "
                    f"{_number(gate.value):.2f}, on its way to {gate.schedule(1.0):.2f}.",
                    stacklevel=2,
                )

    def _advance(self, step: int) -> None:
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # else the epoch goes on with the progress that it started with
        for progress in self.moved.values():
            progress.assign(step / (self.params["epochs"] * self.params["steps"]))


def _number(value: Any) -> float:
    return float(ops.convert_to_numpy(value))


def _gradual(optimizer: keras.Optimizer | None) -> Iterator[Any]:
    """Yield what has a gate of an optimizer and of those inside it, as mixed precision wraps one in another."""
    if getattr(optimizer, "gate", None):
        yield optimizer
    for name in ("inner_optimizer", "early", "late"):
        if inner := getattr(optimizer, name, None):
            yield from _gradual(inner)
