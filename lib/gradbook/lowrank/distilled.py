"""A network of one's own that learns from another one."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from gradbook.errors import InputError, unknown
from gradbook.lowrank.distill import (
    Distillation,
    attention_transfer,
    require_channels_last,
    require_classes,
    soft_targets,
)
from gradbook.training import replicas

Tensor = Any


class Distilled(keras.Model):
    """A network that learns from labels and from a teacher, with the ``compile`` and ``fit`` of Keras.

    The loss is (1 − α)·loss of ``compile`` + α·soft targets + β·attention transfer in training, and the loss of
    ``compile`` in evaluation. Any loss, metric and form of labels will do. Weights of samples and of classes count for
    the labels; the teacher's parts are means over all examples. The teacher is never trained, and stays as trainable as
    it was. Save ``network``, which is what is trained; the teacher does not belong to it.

    Args:
        network: functional or sequential, such as :func:`~gradbook.lowrank.compression.compress` makes.
        teacher: a network with the same inputs.
        alpha: α in [0, 1]. Above 0, both networks have one output, of logits or of a softmax, with equally many
            classes, two or more.
        beta: β ≥ 0. At 0 no taps are needed. For images of 32×32 1,000 is usual, for smaller ones less.
        temperature: T > 0 of the soft targets.
        taps: layers whose attention is compared: names that both networks have, or the student's → the teacher's. None:
            the layers whose names begin with "tap", or else the last layer of each height and width by a name that both
            have.
        from_logits: whether the outputs are logits, not probabilities; None: as the last layer says, if it has an
            activation of its own that is softmax or linear.

    Raises:
        InputError: a number out of its range, an unknown layer, taps of different sizes, none at all or channels that
            come first with β > 0, or outputs of different classes, or of which nothing says what they are, with α > 0.
    """

    def __init__(
        self,
        network: keras.Model,
        teacher: keras.Model,
        *,
        alpha: float = 0.0,
        beta: float = 0.0,
        temperature: float = 4.0,
        taps: Sequence[str] | Mapping[str, str] | None = None,
        from_logits: bool | None = None,
    ):
        super().__init__()
        self.distillation = Distillation(alpha, beta, temperature, reduction="examples")
        for role, model in (("network", network), ("teacher", teacher)):
            if not isinstance(model, keras.Sequential | keras.Function) or not model.built:
                raise InputError(f"{role} must be functional or sequential, with weights; received {model.name!r}.")
        self.network = network
        pairs = _taps(network, teacher, taps) if beta else {}
        if beta and not pairs:
            raise InputError("beta needs taps, layers of an image's form by the same name in both networks; name some.")
        if beta:
            require_channels_last(network, teacher)
        if alpha:
            self._to_logits = [_to_logits(model, from_logits) for model in (network, teacher)]
            require_classes(_output(network), _output(teacher))
        self._with_taps = _tapped(network, pairs)
        lesson = _tapped(teacher, pairs.values())
        self._teach = lambda images: lesson(images, training=False)  # a function, so that Keras does not train it
        self.built = True

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return self.network(inputs, training=False)
        return self._with_taps(inputs, training=True)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        how, own = self.distillation, y_pred
        loss = super().compute_loss(x, y, own["output"], sample_weight, training)
        lesson = keras.tree.map_structure(ops.stop_gradient, self._teach(x))
        if how.alpha:
            penalties = sum(map(ops.sum, self.losses)) / replicas()
            student, teacher = (to(one["output"]) for to, one in zip(self._to_logits, (own, lesson), strict=True))
            soft = soft_targets(student, teacher, how.temperature, how.reduction)
            loss = (
                (1 - how.alpha) * (loss - penalties) + penalties + how.alpha / replicas() * ops.cast(soft, loss.dtype)
            )
        if how.beta:
            transfer = attention_transfer(own["taps"], lesson["taps"])
            loss += how.beta / replicas() * ops.cast(transfer, loss.dtype)
        return loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        outputs = y_pred["output"] if isinstance(y_pred, dict) and {*y_pred} == {"output", "taps"} else y_pred
        return super().compute_metrics(x, y, outputs, sample_weight)


def _tapped(network: keras.Model, names: Any) -> keras.Model:
    taps = [network.get_layer(name).output for name in names]
    inputs = network.inputs if isinstance(network, keras.Sequential) else network.input
    return keras.Model(inputs, {"output": _output(network), "taps": taps})


def _output(network: keras.Model) -> Any:
    """Return the output; that of a Sequential is kept as one of its outputs alone."""
    return network.outputs[0] if isinstance(network, keras.Sequential) else network.output


def _images(network: keras.Model) -> dict[str, tuple[int | None, ...]]:
    """Return height and width of the layers that give images, by name."""
    return {
        layer.name: layer.output.shape[1:3]
        for layer in network.layers
        if not isinstance(layer, layers.InputLayer)
        and isinstance(getattr(layer, "output", None), keras.KerasTensor)
        and len(layer.output.shape) == 4
    }


def _taps(network: keras.Model, teacher: keras.Model, given: Any) -> dict[str, str]:
    """Return the teacher's tap for each of the network's."""
    own, others = _images(network), _images(teacher)
    if given is None:
        both = [name for name, size in own.items() if others.get(name) == size]
        named = [name for name in both if name.startswith("tap")]
        given = named or [*{own[name]: name for name in both if own[name] != (1, 1)}.values()]
    pairs = dict(given) if isinstance(given, Mapping) else {name: name for name in given}
    for mine, theirs in pairs.items():
        for name, known in ((mine, own), (theirs, others)):
            if name not in known:
                raise unknown("tap", name, known)
        if own[mine] != others[theirs]:
            raise InputError(f"taps must be of equal sizes; received {own[mine]} of {mine} and {others[theirs]}.")
    return pairs


def _to_logits(network: keras.Model, from_logits: bool | None) -> Any:
    """Return what makes logits of a network's output."""
    if not isinstance(_output(network), keras.KerasTensor):
        raise InputError(f"alpha above 0 needs networks with one output; received {network.name!r} with several.")
    last = _output(network)._keras_history.operation
    while isinstance(last, keras.Sequential | keras.Function):
        last = last.layers[-1]
    activation = getattr(last, "activation", getattr(getattr(last, "convolution", None), "activation", None))
    softmax = isinstance(last, layers.Softmax) or activation is keras.activations.softmax
    linear = activation is keras.activations.linear and not isinstance(last, layers.Activation)
    if from_logits is None and not (softmax or linear):
        raise InputError(
            f"from_logits must say whether {network.name!r} gives logits or probabilities; only a layer with its own "
            f"softmax, or with none after its weights, says it; received one that ends in {last.name!r}."
        )
    if from_logits or (from_logits is None and not softmax):
        return lambda outputs: outputs
    return lambda outputs: ops.log(ops.maximum(ops.cast(outputs, "float32"), 1e-7))
