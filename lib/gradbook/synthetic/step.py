"""One step of training on one batch: a forward pass, messages at the interfaces, and updates that need nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import keras
import tensorflow as tf

from gradbook.errors import InputError
from gradbook.synthetic.chain import Chain, Learner, Parts, State
from gradbook.synthetic.messages import Messages, predictor_loss, propagate
from gradbook.synthetic.settings import TensorSettings
from gradbook.training import replicas


class Pass(NamedTuple):
    """One forward pass of a block or a predictor: what went in and came out, and the tape between them.

    Attributes:
        own_losses: what the layers themselves add to the loss (regularisers, ``add_loss``), scalars.
    """

    name: str
    inputs: tf.Tensor
    output: tf.Tensor
    weights: list[tf.Tensor]
    statistics: list[tf.Tensor]
    own_losses: list[tf.Tensor]
    tape: tf.GradientTape

    def vjp(self, gradient: tf.Tensor) -> tf.Tensor:
        """Return the gradient at the inputs, given that at the output."""
        return self._gradients([self.inputs], gradient)[0]

    def weight_gradients(self, gradient: tf.Tensor) -> list[tf.Tensor]:
        """Return the gradients of the weights, given that at the output."""
        return self._gradients(self.weights, gradient)

    def _gradients(self, sources: list[tf.Tensor], gradient: tf.Tensor) -> list[tf.Tensor]:
        ends = [self.output, *self.own_losses]
        shares = [tf.ones_like(loss) / replicas() for loss in self.own_losses]
        gradients = self.tape.gradient(ends, sources, [gradient, *shares])
        if any(gradient is None for gradient in gradients):
            raise InputError(
                f"loss gives the block that ends in {self.name!r} a gradient of None; "
                "it must depend, differentiably, on the inputs and on all weights of every block."
            )
        return [tf.convert_to_tensor(gradient) for gradient in gradients]


class Move(NamedTuple):
    """What one part of a chain follows: a block the message that it received, a predictor the gradient of its error.

    Attributes:
        part: the field of `Parts` in which the layer is.
        number: its place there.
        made: the layer's pass.
        gradient: at the pass's output.
        learning_rate: of the settings.
    """

    part: Literal["blocks", "gradient_predictors", "input_predictors"]
    number: int
    made: Pass
    gradient: tf.Tensor
    learning_rate: tf.Tensor


@dataclass(frozen=True)
class Step:
    """A step of training: update blocks and predictors, all from the weights at the step's start or each in its turn.

    Attributes:
        chain: what is trained.
        settings: how, as `Settings.tensors` gives them.
    """

    chain: Chain
    settings: TensorSettings

    def __call__(
        self, state: State, x: tf.Tensor, y: tf.Tensor, mask: tf.Tensor, time: tf.Tensor | int = 0
    ) -> tuple[State, Parts[Pass], Messages]:
        """Return the state after the step, and what it followed from.

        Args:
            state: at the step's start.
            x, y: a batch of inputs and of targets, which are the context too; float32 [n, …].
            mask: 1 for each block that updates and 0 for the others, float32 [K].
            time: steps taken so far, an integer.
        """
        passes = self.forward(state, x, y)
        messages = self.messages(passes, time)
        for k in range(len(self.chain.blocks)):
            if self.settings.in_turn:
                state = tf.cond(mask[k] > 0, partial(self._turn, state, k, x, y, time), lambda state=state: state)
            else:
                state = self.update(state, k, passes, messages, mask[k])
        return state, passes, messages

    def _turn(self, state: State, k: int, x: tf.Tensor, y: tf.Tensor, time: tf.Tensor | int) -> State:
        passes = self.forward(state, x, y)
        return self.update(state, k, passes, self.messages(passes, time))

    def forward(self, state: State, x: tf.Tensor, y: tf.Tensor) -> Parts[Pass]:
        """Run all blocks and predictors on a batch; the last block's output is the loss.

        A block works on the output of the one below it or, where inputs are predicted, on the prediction.
        """
        parts = self.chain.parts
        input_predictors = [
            _record(layer, learner, x)
            for layer, learner in zip(parts.input_predictors, state.input_predictors, strict=True)
        ]

        blocks, last = [], len(parts.blocks) - 1
        for k, (block, learner) in enumerate(zip(parts.blocks, state.blocks, strict=True)):
            below = x if k == 0 else (input_predictors or blocks)[k - 1].output
            loss = (lambda output: self.chain.loss(y, output)) if k == last else None
            blocks.append(_record(block, learner, below, loss=loss, training=True))

        context = self.settings.conditional * y
        gradient_predictors = [
            _record(predictor, learner, block.output, *([context] if predictor.context_width else []))
            for predictor, learner, block in zip(
                parts.gradient_predictors, state.gradient_predictors, blocks[:-1], strict=True
            )
        ]
        return Parts(blocks, gradient_predictors, input_predictors)

    def messages(self, passes: Parts[Pass], time: tf.Tensor | int = 0) -> Messages:
        """Send messages down the chain, with λ = 1 in the warm-up."""
        mixing = tf.where(tf.cast(time, tf.float32) < self.settings.warm_up, 1.0, self.settings.mixing)
        synthetic = [predictor.output for predictor in passes.gradient_predictors]
        return propagate(synthetic, [block.vjp for block in passes.blocks], mixing)

    def update(
        self, state: State, k: int, passes: Parts[Pass], messages: Messages, mask: tf.Tensor | float = 1.0
    ) -> State:
        """Return the state after updating block k, the predictor of the gradient below it, and that of the input above.

        The block follows the gradient it received; the predictors learn what the block propagates, and what it puts
        out. Of the state nothing else is read, so that blocks can be updated in any order, or at once, or elsewhere.

        Args:
            state: that other blocks may have updated already.
            k: number of the block.
            passes: of `forward`.
            messages: of `messages`.
            mask: 1, or 0 for no update.
        """
        parts = {name: list(learners) for name, learners in state._asdict().items()}
        for part, number, made, gradient, learning_rate in self.moves(k, passes, messages):
            learner = parts[part][number]
            weights, optimizer_state = self.chain.optimizer.update(
                learner.weights, made.weight_gradients(gradient), learner.optimizer_state, learning_rate, mask
            )
            pairs = zip(made.statistics, learner.statistics, strict=True)
            statistics = [tf.where(mask > 0, new, old) for new, old in pairs]
            parts[part][number] = Learner(weights, statistics, optimizer_state)
        return State(**parts)

    def moves(self, k: int, passes: Parts[Pass], messages: Messages) -> Iterator[Move]:
        """Yield what moves with block k: the block, the predictor of the gradient below it, that of the input above."""
        received = messages.received[k] if k < len(messages.received) else tf.ones([])
        yield Move("blocks", k, passes.blocks[k], received, self.settings.learning_rate)
        targets = messages.propagated if self.settings.target == "bootstrapped" else messages.true
        taught = []
        if k > 0:
            taught.append(("gradient_predictors", k - 1, targets[k - 1]))
        if k < len(passes.input_predictors):
            taught.append(("input_predictors", k, passes.blocks[k].output))
        for part, number, target in taught:
            made = getattr(passes, part)[number]
            gradient = self._error_gradient(made.output, target, loss=passes.blocks[-1].output)
            yield Move(part, number, made, gradient, self.settings.predictor_learning_rate)

    def _error_gradient(self, prediction: tf.Tensor, target: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
        """Differentiate `predictor_loss` with respect to the prediction."""
        how = {"reduction": self.settings.reduction, "divide_by_loss": self.settings.divide_by_loss}
        with tf.GradientTape() as tape:
            tape.watch(prediction)
            error = predictor_loss(prediction, target, loss, **how)
        return tape.gradient(error, prediction)


def _record(layer: keras.Layer, learner: Learner, *inputs: tf.Tensor, loss: Callable | None = None, **options) -> Pass:
    """Run a layer on the learner's weights, under a tape that watches these and the first of the inputs."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([one for one in (inputs[0], *learner.weights) if one.dtype.is_floating])
        output, statistics, own_losses = layer.stateless_call(
            learner.weights, learner.statistics, *inputs, return_losses=True, **options
        )
        output = loss(output) if loss else output
    return Pass(layer.name, inputs[0], output, learner.weights, statistics, own_losses, tape)
