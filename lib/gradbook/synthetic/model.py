"""A Keras model cut into blocks that train on predicted gradients, with compile and fit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from gradbook.errors import InputError
from gradbook.optimizers import GradientDescent
from gradbook.synthetic.chain import Interface, cut, gives_probabilities, last_layer, squared_error
from gradbook.synthetic.settings import Settings, checked
from gradbook.synthetic.step import Move, Step
from gradbook.training import replicas

RATES = ("learning_rate", "predictor_learning_rate", "drops")
"""The settings that are the optimizers' here."""


@keras.saving.register_keras_serializable("gradbook")
class Decoupled(keras.Model):
    """Train a Keras network in blocks, each on a predicted gradient, on TensorFlow only.

    The network is cut after the named layers. At each cut a predictor learns the gradient that comes from above, and
    the block below follows the mixture of both: δ = λ Jᵀδ + (1 - λ) ĝ. Blocks share their weights with the network,
    whose outputs, ``evaluate`` and ``predict`` are unchanged; at λ = 1 ``fit`` does what it does on the network alone.

    Args:
        network: functional, or a Sequential that begins with `keras.Input`; one input, one output [n, width], float32.
        cuts: names of layers in the network's order; an `Interface` in place of a name brings its own predictor.
        conditional: whether predictors see the target; integer labels reach them one-hot.
        mixing: λ in [0, 1]; 0 is pure prediction, 1 backpropagation.
        settings: the other choices by name, such as ``Settings(update_probability=0.2)``, in place of the two before.
            Learning rates are the optimizers'. By default a predictor's error is not divided by the loss.

    Raises:
        InputError: a network or cuts that `cut` refuses, another precision than float32, outputs of more than one axis,
            settings out of their range or that say what optimizers say, or blocks in turn.

    >>> layers = [keras.layers.Dense(8, "relu", name="hidden"), keras.layers.Dense(3)]
    >>> network = keras.Sequential([keras.Input([4]), *layers])
    >>> model = Decoupled(network, ["hidden"])
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    >>> history = model.fit(ops.ones([6, 4]), ops.arange(6) % 3, verbose=0).history
    >>> sorted(history)
    ['accuracy', 'loss']

    Gradients are clipped and accumulated block by block, as each block has an optimizer. Under ``tf.distribute`` each
    replica predicts for its own part of a batch, and all blocks update at every step. Source: Jaderberg et al. 2016,
    arXiv 1608.05343.
    """

    def __init__(
        self,
        network: keras.Model,
        cuts: Sequence[str | Interface],
        *,
        conditional: bool = True,
        mixing: float = 0.0,
        settings: Settings | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise InputError(f"Decoupled needs TensorFlow; Keras runs on {keras.backend.backend()} here.")
        super().__init__(**{"dtype": "float32"} | options)
        self.network = network
        self.settings = _settings(settings, conditional, mixing)
        self.chain = _chain(network, cuts, self.settings)
        self.predictors = self.chain.parts.gradient_predictors
        self._drawn = keras.random.SeedGenerator(name="updates")
        self._taken = self.add_weight((), "zeros", "int64", trainable=False, name="steps")
        self._in_step = False
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the network's outputs."""
        return self.network(inputs, training=training)

    @property
    def losses(self) -> list[tf.Tensor]:
        """The layers' own losses, which a training step takes block by block."""
        return [] if self._in_step else super().losses

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, *, predictor_optimizer: Any = None, **options: Any
    ) -> None:
        """Configure the model as `keras.Model.compile` does.

        Args:
            optimizer: one, of which each block and each predictor gets a copy that follows its learning rate, changed
                by callbacks or not; or a list of one for each block.
            loss: as in Keras.
            predictor_optimizer: copied for each predictor; by default it is that of the block below.
            options: as in Keras.

        Raises:
            InputError: another number of optimizers than of blocks, an optimizer that averages weights, a loss that
                takes logits where the network gives probabilities, or the reverse, or under ``tf.distribute`` an
                update_probability below 1.
        """
        count = len(self.chain.blocks)
        given = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer] * count
        if len(given) != count:
            raise InputError(f"optimizer must be one, or a list of {count}, one for each block; received {len(given)}.")
        _check_loss(self.network, loss)
        super().compile(keras.optimizers.get(given[0]), loss, **options)
        teachers = given[:-1] if predictor_optimizer is None else [predictor_optimizer] * (count - 1)
        self.block_optimizers = [self.optimizer, *map(_copy, given[1:])]
        self.predictor_optimizers = list(map(_copy, teachers))
        self._follows = [] if isinstance(optimizer, list | tuple) else self.block_optimizers[1:]
        if predictor_optimizer is None and self._follows:
            self._follows = [*self._follows, *self.predictor_optimizers]
        self._given = {"optimizer": optimizer, "predictor_optimizer": predictor_optimizer}
        if replicas() > 1 and self.settings.update_probability < 1:
            raise InputError(
                "update_probability must be 1 under tf.distribute, where all replicas update together; "
                f"received {self.settings.update_probability}."
            )
        for one, layer in self._optimized():
            if getattr(one, "use_ema", False):
                raise InputError("optimizer must not average weights; received use_ema=True.")
            one.build(layer.trainable_variables)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step on a batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        predicted = []

        def loss(_: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
            predicted.append(outputs)
            return self.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=True)

        context = self._context(y)
        step = Step(replace(self.chain, loss=loss), self.settings.tensors())
        self._in_step = True
        try:
            passes = step.forward(self.chain.state(), x, context)
        finally:
            self._in_step = False
        messages = step.messages(passes, self._taken.value)
        for follower in self._follows:
            _follow(follower, self.optimizer)
        for k, mask in enumerate(self._masks()):
            for move in step.moves(k, passes, messages):
                self._apply(move, mask)
        self._taken.assign_add(1)
        own = [loss / replicas() for block in passes.blocks for loss in block.own_losses]
        return self._logs(x, y, predicted[0], sample_weight, tf.add_n([passes.blocks[-1].output, *own]))

    def _context(self, y: Any) -> tf.Tensor:
        """Return the targets as predictors see them, float32 [n, width of the outputs]."""
        if y is None:
            raise InputError("targets must be given to fit, beside the inputs; received None.")
        width = self.network.outputs[0].shape[-1]
        if width > 1 and (len(y.shape) == 1 or y.shape[-1] == 1):
            return tf.one_hot(tf.cast(tf.reshape(y, [-1]), "int32"), width)
        if len(y.shape) > 1 and y.shape[-1] != width:
            raise InputError(f"targets must have the width of the outputs, {width}; received {y.shape[-1]}.")
        return tf.reshape(tf.cast(y, "float32"), [-1, width])

    def _masks(self) -> list[tf.Tensor | None]:
        """Return for each block whether it updates at this step; None for always."""
        count = len(self.chain.blocks)
        if self.settings.update_probability == 1:
            return [None] * count
        return tf.unstack(keras.random.uniform([count], seed=self._drawn) < self.settings.update_probability)

    def _apply(self, move: Move, mask: tf.Tensor | None) -> None:
        """Update a layer by its optimizer, and keep the statistics of its pass, unless it is masked."""
        layer = getattr(self.chain.parts, move.part)[move.number]
        optimizers = {"blocks": self.block_optimizers, "gradient_predictors": self.predictor_optimizers}
        optimizer = optimizers[move.part][move.number]
        gradient = move.gradient
        if move.part == "gradient_predictors":
            gradient /= replicas()  # unlike losses, errors are not divided among replicas yet
        gradients = move.made.weight_gradients(gradient)

        def update() -> None:
            if gradients:
                optimizer.apply(gradients, layer.trainable_variables)
            for variable, value in zip(layer.non_trainable_variables, move.made.statistics, strict=True):
                variable.assign(value)

        if mask is None:
            update()
        else:
            tf.cond(mask, lambda: (update(), tf.constant(True))[1], lambda: tf.constant(False))

    def _optimized(self) -> list[tuple[keras.optimizers.Optimizer, keras.Layer]]:
        layers = [*self.chain.blocks, *self.predictors]
        return list(zip([*self.block_optimizers, *self.predictor_optimizers], layers, strict=True))

    def _logs(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, loss: tf.Tensor) -> dict[str, Any]:
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(replicas() * loss, sample_weight=ops.shape(x)[0])
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def get_compile_config(self) -> dict[str, Any]:
        """Return what compiles the model anew, the optimizers of its blocks included."""
        given = {name: keras.saving.serialize_keras_object(_object(one)) for name, one in self._given.items()}
        return super().get_compile_config() | given

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded model as it was when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def get_config(self) -> dict[str, Any]:
        """Return what makes the model anew, the network and the predictors included."""
        cuts = [
            {"after": one.after, "gradient_predictor": keras.saving.serialize_keras_object(one.gradient_predictor)}
            for one in self.chain.interfaces
        ]
        network = keras.saving.serialize_keras_object(self.network)
        settings = self.settings.model_dump(exclude=set(RATES))
        return super().get_config() | {"network": network, "cuts": cuts, "settings": settings}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Decoupled":
        """Make the model that a configuration describes."""
        made = {"network": keras.saving.deserialize_keras_object(config["network"], custom_objects)}
        made["cuts"] = [
            Interface(one["after"], keras.saving.deserialize_keras_object(one["gradient_predictor"], custom_objects))
            for one in config["cuts"]
        ]
        return cls(**config | made)


def _settings(given: Settings | Mapping[str, Any] | None, conditional: bool, mixing: float) -> Settings:
    chosen = given.model_dump(exclude_unset=True) if isinstance(given, Settings) else dict(given or {})
    for name in set(RATES) & set(chosen):
        raise InputError(f"settings must leave {name} to the optimizers of compile; received {chosen[name]}.")
    if chosen.get("in_turn"):
        raise InputError("settings must leave in_turn False, since blocks here update from one pass; received True.")
    own = {"conditional": conditional, "mixing": mixing, "divide_by_loss": False}
    return checked(**own | chosen)


def _chain(network: keras.Model, cuts: Sequence[str | Interface], settings: Settings) -> Any:
    if not cuts or isinstance(cuts, str):
        raise InputError(f"cuts must be a list of names of layers, at least one; received {cuts!r}.")
    for layer in network._flatten_layers():
        if layer.compute_dtype != "float32" and layer.weights:
            raise InputError(f"network must be float32 throughout; received {layer.compute_dtype} in {layer.name!r}.")
    chain = cut(
        network, cuts, loss=squared_error, context=None if settings.conditional else 0, optimizer=GradientDescent()
    )
    if len(network.outputs[0].shape) != 2:
        raise InputError(f"network must give vectors, [n, width]; received outputs {network.outputs[0].shape}.")
    if chain.parts.input_predictors:
        raise InputError("cuts must not bring predictors of inputs; gradbook.synthetic.train takes these.")
    return chain


def _check_loss(network: keras.Model, loss: Any) -> None:
    """Refuse logits where a loss takes probabilities, and the reverse; for Keras' cross entropies."""
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    function = getattr(loss, "fn", loss)
    if "crossentropy" not in getattr(function, "__name__", "") or not function.__module__.startswith("keras."):
        return
    options = getattr(loss, "_fn_kwargs", {})
    from_logits = options.get("from_logits", False)
    last = last_layer(network)
    if from_logits and gives_probabilities(network):
        raise InputError(
            f"loss takes logits, but {last.name!r} gives probabilities; leave from_logits or the activation."
        )
    if not from_logits and getattr(last, "activation", None) is keras.activations.linear:
        raise InputError(f"loss takes probabilities, but {last.name!r} gives logits; set from_logits=True in the loss.")


def _object(optimizer: Any) -> Any:
    """Return optimizers for their names, so that they can be serialised."""
    return (
        [keras.optimizers.get(one) for one in optimizer]
        if isinstance(optimizer, list | tuple)
        else (optimizer if optimizer is None else keras.optimizers.get(optimizer))
    )


def _copy(optimizer: Any) -> keras.optimizers.Optimizer:
    made = keras.optimizers.get(optimizer)
    return made.__class__.from_config(made.get_config())


def _follow(follower: keras.optimizers.Optimizer, leader: keras.optimizers.Optimizer) -> None:
    """Give an optimizer the learning rate of another one, unless that follows a schedule, which both have."""
    if isinstance(leader._learning_rate, keras.Variable):
        follower._learning_rate.assign(leader._learning_rate)
