"""A Keras network cut at interfaces into blocks, without being rewritten."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

import keras
import tensorflow as tf

from gradbook.errors import InputError, unknown
from gradbook.optimizers import Adam, Optimizer, Tensors
from gradbook.synthetic.predictors import Shape, SyntheticGradient, SyntheticInput

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Part = TypeVar("Part")


@dataclass(frozen=True)
class Interface:
    """Where a network is cut, and what stands there.

    Attributes:
        after: name of the layer whose output is the last of the block below.
        gradient_predictor: predicts the gradient at that output.
        input_predictor: predicts that output itself from the network's input; needed only where inputs are predicted.
    """

    after: str
    gradient_predictor: SyntheticGradient
    input_predictor: SyntheticInput | None = None


class Parts(NamedTuple, Generic[Part]):
    """Whatever belongs to each part of a chain: its layer, what it has learnt, or a pass through it.

    Attributes:
        blocks: of the blocks, K.
        gradient_predictors: of the predictors of gradients at the interfaces, K - 1.
        input_predictors: of the predictors of inputs there, K - 1, or none where inputs are not predicted.
    """

    blocks: list[Part]
    gradient_predictors: list[Part]
    input_predictors: list[Part]


class Learner(NamedTuple):
    """What an optimizer and a forward pass change: tensors of one block, or of one predictor."""

    weights: Tensors
    statistics: Tensors
    optimizer_state: Any


State = Parts[Learner]
"""Everything that training changes, as tensors."""


@dataclass(frozen=True)
class Chain:
    """Blocks that share their weights with the network they were cut from, and the interfaces between them.

    Attributes:
        blocks: Keras models; the output of one is the input of the next.
        interfaces: one fewer.
        loss: (targets, outputs of the last block) → scalar.
        optimizer: updates each block and each predictor, each with a state of its own.
    """

    blocks: tuple[keras.Model, ...]
    interfaces: tuple[Interface, ...]
    loss: Loss
    optimizer: Optimizer

    @property
    def parts(self) -> Parts[keras.Layer]:
        """The layers of all parts."""
        return Parts(
            list(self.blocks),
            [interface.gradient_predictor for interface in self.interfaces],
            [interface.input_predictor for interface in self.interfaces if interface.input_predictor],
        )

    def state(self) -> State:
        """Return the present weights, and fresh states of the optimizer."""
        return State(*([self._learner(layer) for layer in layers] for layers in self.parts))

    def assign(self, state: State) -> None:
        """Put the weights of a state into the network and the predictors."""
        for layer, learner in zip(itertools.chain(*self.parts), itertools.chain(*state), strict=True):
            for variable, value in zip(variables(layer), [*learner.weights, *learner.statistics], strict=True):
                variable.assign(value)

    def outputs(self, state: State, x: tf.Tensor) -> list[tf.Tensor]:
        """Return each block's output for network inputs, in inference mode."""
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
    context: int | None = None,
    predict_inputs: bool = False,
    optimizer: Optimizer | None = None,
) -> Chain:
    """Cut a network after the named layers.

    Args:
        model: a built Sequential, or a functional model in which every path runs through the named layers; with one
            input and one output, and float32 at its cuts and at its end. A nested model counts as one layer.
        after: names in the network's order; an `Interface` in place of a name brings its own predictor, a name alone
            gets a linear one with weights of zero.
        loss: (targets [n, …], outputs [n, …]) → scalar.
        context: width of the context that conditioned predictors see, that of the outputs by default; 0 for none.
        predict_inputs: put a `SyntheticInput` at every interface that brings none.
        optimizer: Adam by default.

    Raises:
        InputError: a model that is not built or has several inputs or outputs, no such layer, no cut there (a path
            leads around it, or it is the last layer), layers out of order, weights shared across a cut, features or
            predictors in another precision than float32, predictors of inputs at some interfaces only, a last layer of
            probabilities under `cross_entropy`, or a loss or an optimizer of Keras, which `Decoupled` takes.

    >>> layers = [keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)]
    >>> chain = cut(keras.Sequential([keras.Input([3]), *layers]), ["hidden"], loss=squared_error, context=2)
    >>> [block.count_params() for block in chain.blocks], chain.interfaces[0].gradient_predictor.count_params()
    ([16, 10], 28)
    """
    _check(model, loss, optimizer)
    interfaces = [one if isinstance(one, Interface) else Interface(one, SyntheticGradient()) for one in after]
    ends = [*(_output(model, interface.after) for interface in interfaces), model.outputs[0]]
    context = model.outputs[0].shape[-1] if context is None else context
    blocks = [_block(start, end, model) for start, end in itertools.pairwise([model.inputs[0], *ends])]
    owned = [variable for block in blocks for variable in block.variables]
    if len({id(variable) for variable in owned}) < len(owned):
        raise InputError(f"after={[one.after for one in interfaces]} divides weights that layers share; cut elsewhere.")
    if predict_inputs:
        interfaces = [
            replace(one, input_predictor=one.input_predictor or SyntheticInput(features.shape[1:]))
            for one, features in zip(interfaces, ends[:-1], strict=True)
        ]
    for interface, features in zip(interfaces, ends[:-1], strict=True):
        _build(interface, features.shape, model.inputs[0].shape, context)
    chain = Chain(tuple(blocks), tuple(interfaces), loss, optimizer or Adam())
    if len(chain.parts.input_predictors) not in (0, len(interfaces)):
        some = [one.after for one in interfaces if one.input_predictor]
        raise InputError(
            f"inputs must be predicted at all interfaces or at none; received predictors after {some} only, "
            "and predict_inputs=True adds the others."
        )
    _require_float32(chain, ends)
    return chain


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the mean over the batch of -Σ y log softmax(z), in nats; both float [n, classes]."""
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))


def squared_error(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the sum over the batch of ½‖z - y‖²; both float [n, width]."""
    return tf.reduce_sum(tf.math.squared_difference(targets, outputs)) / 2


def variables(layer: keras.Layer) -> list[keras.Variable]:
    """Return a layer's variables in the order of a `Learner`: trainable ones first."""
    return [*layer.trainable_variables, *layer.non_trainable_variables]


def last_layer(model: keras.Model) -> keras.Layer:
    """Return the last layer, within nested models the innermost."""
    last = model.layers[-1]
    return last_layer(last) if getattr(last, "layers", None) else last


def gives_probabilities(model: keras.Model) -> bool:
    """Return whether a model ends in a softmax or a sigmoid, as far as its last layer says."""
    last = last_layer(model)
    softmax, sigmoid = keras.activations.softmax, keras.activations.sigmoid
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) in (softmax, sigmoid)


def _check(model: keras.Model, loss: Loss, optimizer: Optimizer | None) -> None:
    if not getattr(model, "inputs", None):
        raise InputError(
            f"{model.name!r} must be a functional model, or a Sequential that begins with keras.Input, "
            "so that its layers' shapes are known."
        )
    if len(model.inputs) > 1 or len(model.outputs) > 1:
        counts = f"{len(model.inputs)} and {len(model.outputs)}"
        raise InputError(f"{model.name!r} must have one input and one output; received {counts}.")
    if not callable(loss):
        raise InputError(
            f"loss must be a function of targets and outputs; received {loss!r}. "
            "gradbook.synthetic.Decoupled takes losses and optimizers as Keras does."
        )
    if optimizer is not None and not callable(getattr(optimizer, "init", None)):
        raise InputError(
            f"optimizer must be one of gradbook.optimizers; received {optimizer!r}. "
            "gradbook.synthetic.Decoupled takes losses and optimizers as Keras does."
        )
    if loss is cross_entropy and gives_probabilities(model):
        raise InputError(f"{model.name!r} must end in logits for cross_entropy; leave the last activation out.")


def _output(model: keras.Model, name: str) -> keras.KerasTensor:
    """Return what a layer puts out in the model; a nested model's own ``output`` is that of its inside."""
    names = [layer.name for layer in model.layers]
    if name not in names:
        for inner in model.layers:
            if isinstance(inner, keras.Model) and name in [layer.name for layer in inner.layers]:
                raise InputError(
                    f"{name!r} stands inside the nested model {inner.name!r}; cut after that, or without it."
                )
        raise unknown("layer", name, names)
    layer = model.get_layer(name)
    graph = model._functional if isinstance(model, keras.Sequential) else model
    nodes = itertools.chain(*graph._nodes_by_depth.values())
    found = [node.output_tensors[0] for node in nodes if node.operation is layer]
    if len(found) != 1:
        raise InputError(f"{name!r} is applied {len(found)} times; cut after a layer that is applied once.")
    return found[0]


def _block(start: keras.KerasTensor, end: keras.KerasTensor, model: keras.Model) -> keras.Model:
    """Return the part of a model from one of its tensors to another."""
    layer = end._keras_history.operation.name
    if start is end:
        raise InputError(f"after={layer!r} leaves an empty block; name a layer between two others.")
    if _leads_around(start, end):
        raise InputError(
            f"the path to {layer!r} does not lead through the cut before it; "
            f"cut {model.name!r} where every path meets, in the network's order."
        )
    return keras.Model(start, end)


def _leads_around(start: keras.KerasTensor, end: keras.KerasTensor) -> bool:
    """Return whether a path from an input of the network to a tensor avoids another; not every Keras refuses that."""
    behind, seen = [end], {id(start)}
    while behind:
        tensor = behind.pop()
        if id(tensor) not in seen:
            seen.add(id(tensor))
            node = tensor._keras_history.operation._inbound_nodes[tensor._keras_history.node_index]
            if node.is_input:
                return True
            behind += node.input_tensors
    return False


def _build(interface: Interface, features: Shape, inputs: Shape, context: int) -> None:
    """Make the weights of predictors that have none yet."""
    if not interface.gradient_predictor.built:
        interface.gradient_predictor.build(features, (None, context) if context else None)
    if interface.input_predictor and not interface.input_predictor.built:
        interface.input_predictor.build(inputs)


def _require_float32(chain: Chain, ends: list[keras.KerasTensor]) -> None:
    """Refuse what has another precision: messages and settings are float32."""
    found = {f"the output of {end._keras_history.operation.name!r}": end.dtype for end in ends}
    for layer in (*chain.parts.gradient_predictors, *chain.parts.input_predictors):
        found[f"the predictor {layer.name!r}"] = layer.compute_dtype
    for what, dtype in found.items():
        if dtype != "float32":
            raise InputError(f"{what} must be float32; received {dtype}; build that layer with dtype='float32'.")
