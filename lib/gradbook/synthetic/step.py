"""One step of training on one batch: a forward pass, messages at the interfaces, and updates that need nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import keras
import tensorflow as tf

from gradbook.errors import InputError
from gradbook.synthetic.chain import Chain, Learner, Parts, State
from gradbook.synthetic.messages import Messages, predictor_loss, propagate
from gradbook.synthetic.settings import TensorSettings


class Pass(NamedTuple):
    """One forward pass of a block or a predictor: what went in and came out, and the tape between them."""

    name: str
    inputs: tf.Tensor
    output: tf.Tensor
    weights: list[tf.Tensor]
    statistics: list[tf.Tensor]
    tape: tf.GradientTape

    def vjp(self, gradient: tf.Tensor) -> tf.Tensor:
        """Return the gradient at the inputs, given that at the output."""
        return self._dense([self.tape.gradient(self.output, self.inputs, gradient)])[0]

    def weight_gradients(self, gradient: tf.Tensor) -> list[tf.Tensor]:
        """Return the gradients of the weights, given that at the output."""
        return self._dense(self.tape.gradient(self.output, self.weights, gradient))

    def _dense(self, gradients: list[tf.Tensor | tf.IndexedSlices | None]) -> list[tf.Tensor]:
        if any(gradient is None for gradient in gradients):
            raise InputError(
                f"loss gives the block that ends in {self.name!r} a gradient of None; "
                "it must depend, differentiably, on the inputs and on all weights of every block."
            )
        return [tf.convert_to_tensor(gradient) for gradient in gradients]


@dataclass(frozen=True)
class Step:
    """A step of training: update blocks and predictors, all from the weights at the step's start.

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
            state = self.update(state, k, passes, messages, mask[k])
        return state, passes, messages

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
        blocks, gradient_predictors, input_predictors = (list(learners) for learners in state)
        received = messages.received[k] if k < len(messages.received) else tf.ones([])
        targets = messages.propagated if self.settings.target == "bootstrapped" else messages.true

        def moved(learner: Learner, made: Pass, gradient: tf.Tensor, learning_rate: tf.Tensor) -> Learner:
            weights, optimizer_state = self.chain.optimizer.update(
                learner.weights, made.weight_gradients(gradient), learner.optimizer_state, learning_rate, mask
            )
            pairs = zip(made.statistics, learner.statistics, strict=True)
            return Learner(weights, [tf.where(mask > 0, new, old) for new, old in pairs], optimizer_state)

        def taught(learner: Learner, made: Pass, target: tf.Tensor) -> Learner:
            gradient = self._error_gradient(made.output, target, loss=passes.blocks[-1].output)
            return moved(learner, made, gradient, self.settings.predictor_learning_rate)

        blocks[k] = moved(blocks[k], passes.blocks[k], received, self.settings.learning_rate)
        if k > 0:
            below = k - 1
            gradient_predictors[below] = taught(
                gradient_predictors[below], passes.gradient_predictors[below], targets[below]
            )
        if k < len(input_predictors):
            input_predictors[k] = taught(input_predictors[k], passes.input_predictors[k], passes.blocks[k].output)
        return State(blocks, gradient_predictors, input_predictors)

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
        output, statistics = layer.stateless_call(learner.weights, learner.statistics, *inputs, **options)
        output = loss(output) if loss else output
    return Pass(layer.name, inputs[0], output, learner.weights, statistics, tape)
