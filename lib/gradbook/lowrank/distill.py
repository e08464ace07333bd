"""What a network learns from: labels, a teacher, and a weight decay that knows which weights stand for many."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
from keras import ops

from gradbook.errors import InputError
from gradbook.lowrank.convs.base import Convolution, precise
from gradbook.training import replicas

AUXILIARY = 0.4  # weight of the auxiliary head's cross-entropy (Liu, Simonyan and Yang 2019)

Tensor = Any


def soft_targets(logits: Tensor, teacher_logits: Tensor, temperature: float, reduction: str) -> Tensor:
    """Return T² · KL(teacher ‖ student) of the softmaxes at temperature T (Hinton, Vinyals and Dean 2015, sec. 2).

    Args:
        logits: of the student, [batch, classes].
        teacher_logits: of the teacher, [batch, classes].
        temperature: T > 0.
        reduction: "examples" sums over classes and averages over examples, as the formula has it; "elements" averages
            over both and doubles, as the code of the research log does, which is classes / 2 times weaker.

    Raises:
        InputError: another reduction.

    >>> import numpy as np
    >>> one, other = np.array([[0.0, 2.0]]), np.array([[1.0, 0.0]])
    >>> [round(float(soft_targets(one, other, 4.0, how)), 4) for how in ("examples", "elements")]
    [1.1163, 1.1163]
    """
    _require_reduction(reduction)
    student, teacher = (ops.log_softmax(precise(one) / temperature) for one in (logits, teacher_logits))
    divergence = ops.exp(teacher) * (teacher - student)
    reduced = ops.mean(ops.sum(divergence, -1)) if reduction == "examples" else 2 * ops.mean(divergence)
    return temperature**2 * reduced


def _require_reduction(reduction: str) -> None:
    if reduction not in ("examples", "elements"):
        raise InputError(f"reduction must be 'examples' or 'elements'; received {reduction!r}.")


def attention(activations: Tensor) -> Tensor:
    """Return where a layer looks: the mean of the squared channels, one vector of norm 1 per example.

    [batch, height, width, channels] → [batch, height · width] (Zagoruyko and Komodakis 2017, sec. 3.1, F²), in float32
    or better: squares of float16 would overflow. Of activations that are all below about 10⁻⁴ the norm is less.
    """
    squares = ops.mean(ops.square(precise(activations)), -1)
    squares = ops.reshape(squares, (ops.shape(squares)[0], -1))
    # bounded within the root, whose gradient at 0 is infinite
    return squares * ops.rsqrt(ops.maximum(ops.sum(ops.square(squares), -1, keepdims=True), 1e-14))


def attention_transfer(taps: list[Tensor], teacher_taps: list[Tensor]) -> Tensor:
    """Return the mean squared difference of the attention, summed over taps and scaled as if there were three of them.

    The research log's form of Zagoruyko and Komodakis (2017, eq. 2): a mean over pixels, so that β = 1,000 suits it.
    """
    pairs = zip(taps, teacher_taps, strict=True)
    return 3 / len(taps) * sum(ops.mean(ops.square(attention(one) - attention(other))) for one, other in pairs)


def require_channels_last(*networks: keras.Model) -> None:
    """Require networks whose attention is found along the last axis.

    Raises:
        InputError: a layer has its channels first.
    """
    for layer in (one for network in networks for one in network._flatten_layers()):
        if getattr(layer, "data_format", None) == "channels_first":
            raise InputError(
                f"networks must have their channels last where attention is compared; received {layer.name!r} with its "
                "channels first."
            )


def require_classes(logits: Tensor, teacher_logits: Tensor) -> None:
    """Require outputs that soft targets can compare; those of one logit would say nothing.

    Raises:
        InputError: different numbers of classes, or a single one.
    """
    own, theirs = logits.shape[-1], teacher_logits.shape[-1]
    if own != theirs or own == 1:
        raise InputError(
            f"alpha above 0 needs networks with equally many classes, 2 or more; received {own} and {theirs}."
        )


@dataclass(frozen=True)
class Distillation:
    """How much of a teacher goes into the loss (1 − α)·cross-entropy + α·soft targets + β·attention transfer.

    Attributes:
        alpha: α, in [0, 1].
        beta: β ≥ 0.
        temperature: T > 0 of the soft targets.
        reduction: of the soft targets, see `soft_targets`.

    Raises:
        InputError: a number out of its range.
    """

    alpha: float = 0.0
    beta: float = 1e3
    temperature: float = 4.0
    reduction: Literal["examples", "elements"] = "elements"

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha must lie in [0, 1]; received {self.alpha!r}.")
        if self.beta < 0 or self.temperature <= 0:
            raise InputError(
                f"beta must not be negative and temperature above 0; received {self.beta!r} and {self.temperature!r}."
            )
        _require_reduction(self.reduction)


class Learner(keras.Model):
    """A network with everything it learns from, so that ``compile`` and ``fit`` train it on any backend.

    In training the loss is the network's cross-entropy, the teacher's part, the auxiliary head's, and
    ½λ·(‖other weights‖² + ratio·‖shared weights‖²); in evaluation it is the cross-entropy alone. With Frobenius decay
    (Khodak et al. 2021) the last term is the squared norm of the kernels that the shared weights stand for.

    Args:
        network: from images to logits, or to logits and auxiliary logits, with taps as in
            :mod:`gradbook.lowrank.networks`.
        teacher: a network with as many taps of the same sizes and, with α > 0, as many classes, two or more; it is
            frozen. None: no teacher.
        distillation: how the teacher's part is made.
        weight_decay: λ ≥ 0.
        ratio: of the decay on weights that each stand for several, usually the network's parameters over those of the
            dense one: the log's way to keep the prior's total variance.
        frobenius: whether the decay on shared weights is Frobenius decay; `ratio` then has no effect.

    Raises:
        InputError: a negative `weight_decay`; taps of network and teacher do not match, or there are none with β > 0,
            or channels come first; classes do not match with α > 0; or a layer's kernel is not known with Frobenius
            decay.
    """

    def __init__(
        self,
        network: keras.Model,
        teacher: keras.Model | None = None,
        distillation: Distillation | None = None,
        weight_decay: float = 0.0,
        ratio: float = 1.0,
        frobenius: bool = False,
    ):
        super().__init__()
        if weight_decay < 0:
            raise InputError(f"weight_decay must not be negative; received {weight_decay!r}.")
        self.weight_decay, self.frobenius = weight_decay, frobenius
        self.network = tapped(network)
        self.teacher = None if teacher is None else tapped(teacher)
        self.distillation = distillation or Distillation()
        self.accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
        families = [one for one in network._flatten_layers() if isinstance(one, Convolution) and one.shared_weights]
        shared = {id(one) for layer in families for one in layer.shared_weights}
        shared_decay = 0.0 if frobenius else weight_decay * ratio
        self.decays = [(one, shared_decay if id(one) in shared else weight_decay) for one in network.trainable_weights]
        norms = [_squared_norm(layer) for layer in families] if frobenius else []
        self.kernel_decay = lambda: 0.5 * weight_decay * sum(norm() for norm in norms)
        if self.teacher is not None:
            self.teacher.trainable = False
            self._require_comparable()
        self.build(network.input_shape)

    def _require_comparable(self) -> None:
        """Require what the teacher's part of the loss compares to be of equal sizes.

        Raises:
            InputError: it is not, or not there.
        """
        outputs = [one.output for one in (self.network, self.teacher)]
        sizes = [[tap.shape[1:3] for tap in one["taps"]] for one in outputs]
        if sizes[0] != sizes[1]:
            raise InputError(f"the teacher's taps must be of the network's sizes, {sizes[0]}; received {sizes[1]}.")
        if self.distillation.beta and not sizes[0]:
            raise InputError("beta above 0 needs layers whose names begin with 'tap' in both networks; found none.")
        if self.distillation.beta:
            require_channels_last(self.network, self.teacher)
        if self.distillation.alpha:
            require_classes(*(one["logits"] for one in outputs))

    def build(self, input_shape: Any) -> None:
        self.built = True

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **options: Any) -> None:
        """Compile as Keras does, but without a loss.

        Raises:
            InputError: a loss is given.
        """
        if loss is not None:
            raise InputError(f"loss must be left out, a Learner has its own; received {loss!r}; Distilled takes any.")
        super().compile(optimizer, **options)

    def call(self, images: Tensor, training: bool = False) -> dict[str, Any]:
        return self.network(images, training=training)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: dict[str, Any] | None = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        if sample_weight is not None:
            raise InputError("weights of samples and classes must be left out of Learner; Distilled takes them.")
        return self._loss(x, y, y_pred, training) / replicas()

    def _loss(self, x: Tensor, y: Tensor, y_pred: dict[str, Any], training: bool) -> Tensor:
        """Return the loss of a batch, or of a replica's part of it."""
        loss = cross_entropy(y, y_pred["logits"])
        if not training:
            return loss
        if self.teacher is not None:
            how, lesson = self.distillation, self.teacher(x, training=False)
            soft = soft_targets(y_pred["logits"], lesson["logits"], how.temperature, how.reduction)
            loss = (1 - how.alpha) * loss + how.alpha * soft
            if how.beta:
                loss += how.beta * attention_transfer(y_pred["taps"], lesson["taps"])
        if "auxiliary" in y_pred:
            loss += AUXILIARY * cross_entropy(y, y_pred["auxiliary"])
        loss += sum(0.5 * decay * ops.sum(ops.square(weight)) for weight, decay in self.decays if decay)
        return loss + self.kernel_decay()

    def compute_metrics(self, x: Tensor, y: Tensor, y_pred: dict[str, Any], sample_weight: Tensor = None) -> dict:
        self.accuracy.update_state(y, y_pred["logits"])
        return self.get_metrics_result()

    def score(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """Return the network's cross-entropy (nats) as ``loss`` and its ``accuracy`` on labelled images."""
        return self.evaluate(images, labels, batch_size=500, verbose=0, return_dict=True)


def _squared_norm(layer: Convolution) -> Callable[[], Tensor]:
    """Return what computes the squared norm of the kernel that a layer stands for.

    Raises:
        InputError: the layer stands for none.
    """
    base, kind = Convolution, type(layer)
    if kind.dense_kernel is base.dense_kernel and kind.squared_norm is base.squared_norm:
        raise InputError(
            f"frobenius must be False where a layer stands for no single kernel; received {layer.name!r}, a "
            f"{kind.__name__}."
        )
    return layer.squared_norm


def tapped(network: keras.Model) -> keras.Model:
    """Return the same network with its taps among its outputs: logits, taps and, where there is one, auxiliary."""
    names = ("logits", "auxiliary")
    outputs = dict(zip(names, keras.tree.flatten(network.output), strict=False))
    taps = [layer.output for layer in network.layers if layer.name.startswith("tap")]
    return keras.Model(network.input, outputs | {"taps": taps}, name=network.name)


def cross_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats."""
    return ops.mean(ops.sparse_categorical_crossentropy(labels, precise(logits), from_logits=True))
