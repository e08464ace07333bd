"""A Keras network cut at interfaces into blocks, without being rewritten."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import keras
import tensorflow as tf

from gradbook.errors import InputError, unknown
from gradbook.optimizers import Adam, Optimizer, Tensors
from gradbook.synthetic.predictors import SyntheticGradient, SyntheticInput

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Interface:
    """Where a network is cut, and what stands there.

    Attributes:
        after: name of the layer whose output is the last of the block below.
        gradient: predicts the gradient at that output.
        inputs: predicts that output itself from the network's input; needed only where inputs are predicted.
    """

    after: str
    gradient: SyntheticGradient
    inputs: SyntheticInput | None = None


class Learner(NamedTuple):
    """What an optimiser and a forward pass change: tensors of one block, or of one predictor."""

    weights: Tensors
    statistics: Tensors
    slots: Tensors


class State(NamedTuple):
    """Everything that training changes, as tensors: learners of the blocks, and of the predictors at the interfaces."""

    blocks: list[Learner]
    gradients: list[Learner]
    inputs: list[Learner]


@dataclass(frozen=True)
class Chain:
    """Blocks that share their weights with the network they were cut from, and the interfaces between them.

    Attributes:
        blocks: Keras models; the output of one is the input of the next.
        interfaces: one fewer.
        loss: (targets, outputs of the last block) → scalar.
        optimizer: updates each block and each predictor, each with slots of its own.
    """

    blocks: tuple[keras.Model, ...]
    interfaces: tuple[Interface, ...]
    loss: Loss
    optimizer: Optimizer

    @property
    def layers(self) -> tuple[list[keras.Layer], list[keras.Layer], list[keras.Layer]]:
        """Blocks, predictors of gradients, predictors of inputs, as in a `State`."""
        inputs = [interface.inputs for interface in self.interfaces if interface.inputs]
        return list(self.blocks), [interface.gradient for interface in self.interfaces], inputs

    def state(self) -> State:
        """The present weights, and fresh slots."""
        return State(*([self._learner(layer) for layer in layers] for layers in self.layers))

    def assign(self, state: State) -> None:
        """Put the weights of a state into the network and the predictors."""
        for layer, learner in zip(itertools.chain(*self.layers), itertools.chain(*state), strict=True):
            for variable, value in zip(variables(layer), [*learner.weights, *learner.statistics], strict=True):
                variable.assign(value)

    def outputs(self, state: State, x: tf.Tensor) -> list[tf.Tensor]:
        """Each block's output for network inputs, in inference mode."""
        outputs = []
        for block, learner in zip(self.blocks, state.blocks, strict=True):
            x, _ = block.stateless_call(learner.weights, learner.statistics, x, training=False)
            outputs.append(x)
        return outputs

    def _learner(self, layer: keras.Layer) -> Learner:
        weights = [tf.convert_to_tensor(v.value) for v in layer.trainable_variables]
        statistics = [tf.convert_to_tensor(v.value) for v in layer.non_trainable_variables]
        return Learner(weights, statistics, self.optimizer.init(weights))


def cut(
    model: keras.Model,
    after: Sequence[str | Interface],
    *,
    loss: Loss,
    context: int = 0,
    predict_inputs: bool = False,
    optimizer: Optimizer | None = None,
) -> Chain:
    """Cut a network after the named layers.

    Args:
        model: a built Sequential, or a functional model in which every path runs through the named layers.
        after: names in the network's order; an `Interface` in place of a name brings its own predictor, a name alone
            gets a linear one with a zero kernel.
        loss: (targets [n, …], outputs [n, …]) → scalar.
        context: width of the context that conditional predictors see; 0 for none.
        predict_inputs: put a `SyntheticInput` at every interface that brings none.
        optimizer: Adam by default.

    Raises:
        InputError: no such layer, no cut there (a path leads around it, or it is the last layer), layers out of order,
            or weights shared across a cut.

    >>> layers = [keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)]
    >>> chain = cut(keras.Sequential([keras.Input([3]), *layers]), ["hidden"], loss=squared_error, context=2)
    >>> [block.count_params() for block in chain.blocks], chain.interfaces[0].gradient.count_params()
    ([16, 10], 28)
    """
    interfaces = [one if isinstance(one, Interface) else Interface(one, SyntheticGradient()) for one in after]
    names = [layer.name for layer in model.layers]
    for interface in interfaces:
        if interface.after not in names:
            raise unknown("layer", interface.after, names)
    ends = [*(model.get_layer(interface.after).output for interface in interfaces), model.outputs[0]]
    blocks = [_block(start, end, model) for start, end in itertools.pairwise([model.inputs[0], *ends])]
    variables = [variable for block in blocks for variable in block.variables]
    if len({id(variable) for variable in variables}) < len(variables):
        raise InputError(f"after={[one.after for one in interfaces]} divides weights that layers share; cut elsewhere.")
    for interface, features in zip(interfaces, ends, strict=False):
        if not interface.gradient.built:
            interface.gradient.build(features.shape, (None, context) if context else None)
    if predict_inputs:
        interfaces = [_with_inputs(interface, end, model) for interface, end in zip(interfaces, ends, strict=False)]
    return Chain(tuple(blocks), tuple(interfaces), loss, optimizer or Adam())


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The mean over the batch of -Σ y log softmax(z), in nats; both float [n, classes]."""
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))


def squared_error(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The sum over the batch of ½‖z - y‖²; both float [n, width]."""
    return tf.reduce_sum(tf.math.squared_difference(targets, outputs)) / 2


def variables(layer: keras.Layer) -> list[keras.Variable]:
    """A layer's variables in the order of a `Learner`: trainable ones first."""
    return [*layer.trainable_variables, *layer.non_trainable_variables]


def _block(start: keras.KerasTensor, end: keras.KerasTensor, model: keras.Model) -> keras.Model:
    """The part of a model from one of its tensors to another."""
    layer = end._keras_history.operation.name
    if start is end:
        raise InputError(f"after={layer!r} leaves an empty block; name a layer between two others.")
    try:
        return keras.Model(start, end)
    except ValueError as error:
        raise InputError(
            f"the path to {layer!r} does not lead through the cut before it; "
            f"cut {model.name!r} where every path meets, in the network's order."
        ) from error


def _with_inputs(interface: Interface, features: keras.KerasTensor, model: keras.Model) -> Interface:
    layer = interface.inputs or SyntheticInput(features.shape[1:])
    if not layer.built:
        layer.build(model.inputs[0].shape)
    return replace(interface, inputs=layer)
