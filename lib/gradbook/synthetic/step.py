"""One step of training on one batch: a forward pass, messages at the interfaces, and updates that need nothing else."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from gradbook.errors import InputError
from gradbook.synthetic import Reduction, Target
from gradbook.synthetic.chain import Chain, Learner, State
from gradbook.synthetic.messages import messages, predictor_loss
from gradbook.synthetic.settings import Policy


class Choices(NamedTuple):
    """The numbers of a `Policy`, as scalar tensors: one compiled step serves all of them."""

    mixing: tf.Tensor
    conditional: tf.Tensor
    warm_up: tf.Tensor
    learning_rate: tf.Tensor
    predictor_learning_rate: tf.Tensor

    @classmethod
    def of(cls, policy: Policy) -> "Choices":
        """The numbers of a policy, float32."""
        rate = policy.predictor_learning_rate
        values = policy.model_dump() | {"predictor_learning_rate": policy.learning_rate if rate is None else rate}
        return cls(*(tf.constant(float(values[name])) for name in cls._fields))

    def slowed(self, factor: float) -> "Choices":
        """The same with both rates multiplied."""
        rates = {name: factor * getattr(self, name) for name in ("learning_rate", "predictor_learning_rate")}
        return self._replace(**rates)


class Form(NamedTuple):
    """The rest of a `Policy`, which decides what is compiled."""

    target: Target
    reduction: Reduction
    divide_by_loss: bool

    @classmethod
    def of(cls, policy: Policy) -> "Form":
        """The words of a policy."""
        return cls(*(getattr(policy, name) for name in cls._fields))

    @property
    def error(self) -> dict[str, Reduction | bool]:
        """Keywords of `predictor_loss`."""
        return {"reduction": self.reduction, "divide_by_loss": self.divide_by_loss}


class Pass(NamedTuple):
    """One forward pass of a block or a predictor: what went in and came out, and the tape between them."""

    name: str
    inputs: tf.Tensor
    output: tf.Tensor
    weights: list[tf.Tensor]
    statistics: list[tf.Tensor]
    tape: tf.GradientTape

    def back(self, gradient: tf.Tensor) -> tf.Tensor:
        """The gradient at the inputs, given that at the output."""
        return self._given([self.tape.gradient(self.output, self.inputs, gradient)])[0]

    def gradients(self, gradient: tf.Tensor) -> list[tf.Tensor]:
        """The gradients of the weights, given that at the output."""
        return self._given(self.tape.gradient(self.output, self.weights, gradient))

    def _given(self, gradients: list[tf.Tensor | None]) -> list[tf.Tensor]:
        if any(gradient is None for gradient in gradients):
            raise InputError(
                f"loss gives the block that ends in {self.name!r} a gradient of None; "
                "it must depend, differentiably, on the inputs and on all weights of every block."
            )
        return gradients


class Forward(NamedTuple):
    """What a step knows before anything is updated: passes of the blocks, and of the predictors."""

    blocks: list[Pass]
    gradients: list[Pass]
    inputs: list[Pass]

    @property
    def loss(self) -> tf.Tensor:
        """The network's loss on the batch: the last block's output."""
        return self.blocks[-1].output


class Letters(NamedTuple):
    """What the interfaces say: δ, the same before prediction is mixed in, and the gradient of full backpropagation."""

    heard: list[tf.Tensor]
    carried: list[tf.Tensor]
    true: list[tf.Tensor]


def forward(chain: Chain, state: State, x: tf.Tensor, y: tf.Tensor, choices: Choices) -> Forward:
    """Run all blocks and predictors on a batch.

    A block works on the output of the one below it or, where inputs are predicted, on the prediction.
    """
    guesses = chain.layers[2]
    predicted = [_record(layer, learner, x) for layer, learner in zip(guesses, state.inputs, strict=True)]

    blocks, last = [], len(chain.blocks) - 1
    for k, (block, learner) in enumerate(zip(chain.blocks, state.blocks, strict=True)):
        below = x if k == 0 else (predicted or blocks)[k - 1].output
        loss = (lambda output: chain.loss(y, output)) if k == last else None
        blocks.append(_record(block, learner, below, loss=loss, training=True))

    context = choices.conditional * y
    gradients = [
        _record(interface.gradient, learner, block.output, *([context] if interface.gradient.context_width else []))
        for interface, learner, block in zip(chain.interfaces, state.gradients, blocks, strict=False)
    ]
    return Forward(blocks, gradients, predicted)


def letters(passes: Forward, choices: Choices, time: tf.Tensor) -> Letters:
    """The step's `messages`, with λ = 1 in the warm-up."""
    mixing = tf.where(tf.cast(time, tf.float32) < choices.warm_up, 1.0, choices.mixing)
    return Letters(*messages([p.output for p in passes.gradients], [p.back for p in passes.blocks], mixing))


def update(
    chain: Chain,
    state: State,
    k: int,
    passes: Forward,
    post: Letters,
    choices: Choices,
    form: Form,
    drawn: tf.Tensor | float = 1.0,
) -> State:
    """The state after block k and the predictors of the gradient below it and of the input above it were updated.

    The block follows the gradient it heard; the predictor learns what the block sends down, or what it puts out.
    Of the state nothing else is read, so that blocks can be updated in any order, or at once, or elsewhere.

    Args:
        drawn: 1, or 0 for no update.
    """
    heard = post.heard[k] if k < len(post.heard) else tf.ones([])
    blocks, gradients, inputs = (list(learners) for learners in state)
    targets = post.carried if form.target == "bootstrapped" else post.true

    def moved(learner: Learner, made: Pass, gradient: tf.Tensor, rate: tf.Tensor) -> Learner:
        weights, slots = chain.optimizer.update(learner.weights, made.gradients(gradient), learner.slots, rate, drawn)
        statistics = [
            tf.where(drawn > 0, new, old) for new, old in zip(made.statistics, learner.statistics, strict=True)
        ]
        return Learner(weights, statistics, slots)

    def taught(learner: Learner, made: Pass, target: tf.Tensor) -> Learner:
        return moved(learner, made, _error(made.output, target, passes.loss, form), choices.predictor_learning_rate)

    blocks[k] = moved(blocks[k], passes.blocks[k], heard, choices.learning_rate)
    if k > 0:
        gradients[k - 1] = taught(gradients[k - 1], passes.gradients[k - 1], targets[k - 1])
    if k < len(inputs):
        inputs[k] = taught(inputs[k], passes.inputs[k], passes.blocks[k].output)
    return State(blocks, gradients, inputs)


def step(
    chain: Chain,
    state: State,
    x: tf.Tensor,
    y: tf.Tensor,
    drawn: tf.Tensor,
    choices: Choices,
    form: Form,
    time: tf.Tensor,
) -> tuple[State, Forward, Letters]:
    """Update the blocks that were drawn, all from the weights at the step's start.

    Args:
        x, y: a batch of inputs and of targets, which are the context too; float32 [n, …].
        drawn: 1 for each block that updates and 0 for the others, float32 [K].
        time: steps taken so far, integer.

    Returns:
        The state after the step, and what it followed from.
    """
    passes = forward(chain, state, x, y, choices)
    post = letters(passes, choices, time)
    for k in range(len(chain.blocks)):
        state = update(chain, state, k, passes, post, choices, form, drawn[k])
    return state, passes, post


def _record(layer: keras.Layer, learner: Learner, *inputs: tf.Tensor, loss: Callable | None = None, **options) -> Pass:
    """Run a layer on the learner's weights, under a tape that watches these and the first of the inputs."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([inputs[0], *learner.weights])
        output, statistics = layer.stateless_call(learner.weights, learner.statistics, *inputs, **options)
        output = loss(output) if loss else output
    return Pass(layer.name, inputs[0], output, learner.weights, statistics, tape)


def _error(prediction: tf.Tensor, target: tf.Tensor, loss: tf.Tensor, form: Form) -> tf.Tensor:
    """The gradient of `predictor_loss` with respect to the prediction."""
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        error = predictor_loss(prediction, target, loss, **form.error)
    return tape.gradient(error, prediction)
