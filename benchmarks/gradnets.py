"""Fifty layers on MNIST: iterations of the library beside a graph session that is fed batch by batch from Python.

The session builds one graph of fifty layers with a variable for every matrix, and is given each batch, the gate and the
keep probability as Python values, as code was written in 2015; beside it, idiomatic PyTorch and JAX. All start from the
same weights and see the same batches; what is compared before anything is timed goes without dropout, half open.
"""

from functools import cache, partial

import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._sides import Side, Together, adam_step, agree, compare
from gradbook.experiments.gradnets import OPTIMIZERS, Configuration, batches, compiled, images
from gradbook.seeds import generator

CONFIGURATION = Configuration(dataset="mnist")
CHECKED = CONFIGURATION.model_copy(update={"gate": 0.5, "keep": 1.0})
ITERATIONS, STEPS, ROUNDS, SEEDS = 22_000, 50, 7, 10


@cache
def start(configuration: Configuration) -> list[tf.Tensor]:
    """Return the first weights of all loops."""
    draw = generator(0, "weights")
    return images("mnist").network(configuration).initial_weights(configuration.initializer, configuration.bias, draw)


@cache
def order() -> np.ndarray:
    """Return the images of each iteration of a round."""
    return batches(CONFIGURATION, len(images("mnist").labels), generator(0, "batches"))[:STEPS]


class Session:
    """A graph, fed."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration, v1 = configuration, tf.compat.v1
        mnist = images("mnist")
        self.data = mnist.images.numpy(), np.eye(10, dtype=np.float32)[mnist.labels.numpy()]
        first, first_bias, hidden, hidden_biases, last, last_bias = (p.numpy() for p in start(configuration))
        graph = tf.Graph()
        with graph.as_default():
            self.x, self.truth = v1.placeholder(tf.float32, [None, 784]), v1.placeholder(tf.float32, [None, 10])
            self.gate, self.keep = v1.placeholder(tf.float32), v1.placeholder(tf.float32)
            count = tf.Variable(10.0, trainable=False)
            self.matrices = [tf.Variable(w) for w in (first, *hidden, last)]
            biases = [tf.Variable(b) for b in (first_bias, *hidden_biases, last_bias)]
            y = v1.nn.dropout(tf.nn.relu(self.x @ self.matrices[0] + biases[0]), rate=1 - self.keep)
            for w, b in zip(self.matrices[1:-1], biases[1:-1], strict=True):
                y = self.gate * tf.nn.relu(y @ w + b) + (1 - self.gate) * y
                y = v1.nn.dropout(y, rate=1 - self.keep)
            likelihoods = tf.nn.softmax(y @ self.matrices[-1] + biases[-1])
            loss = -tf.reduce_sum(self.truth * tf.math.log(likelihoods + 1e-9))
            loss += 50 * tf.reduce_mean(tf.abs(tf.concat(self.matrices[1:-1], 0)))
            rate = v1.train.exponential_decay(1e-3, count, 1000, 0.8)
            self.train = v1.train.AdamOptimizer(rate).minimize(loss, global_step=count)
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def __call__(self, number: int) -> None:
        """Make a round of iterations."""
        rows, labels = self.data
        for step, batch in enumerate(order()):
            feed = {self.x: rows[batch], self.truth: labels[batch], self.keep: self.configuration.keep}
            self.session.run(self.train, {**feed, self.gate: self.configuration.schedule(step / ITERATIONS)})

    def weights(self) -> list[np.ndarray]:
        """All matrices, first to last."""
        return self.session.run(self.matrices)


class TorchLoop:
    """PyTorch, a module a layer."""

    def __init__(self, configuration: Configuration) -> None:
        import torch
        from torch import nn

        self.torch, self.configuration, self.steps = torch, configuration, 0
        mnist = images("mnist")
        self.data = tuple(torch.from_numpy(part.numpy()) for part in (mnist.images, mnist.labels))
        first, first_bias, hidden, hidden_biases, last, last_bias = (p.numpy() for p in start(configuration))
        layers = [(first, first_bias), *zip(hidden, hidden_biases, strict=True), (last, last_bias)]
        self.layers = nn.ModuleList(nn.Linear(*kernel.shape) for kernel, _ in layers)
        with torch.no_grad():
            for layer, (kernel, bias) in zip(self.layers, layers, strict=True):
                layer.weight.copy_(torch.from_numpy(kernel.T))
                layer.bias.copy_(torch.from_numpy(bias))
        self.optimizer = torch.optim.Adam(self.layers.parameters())

    def __call__(self, number: int) -> None:
        """Make a round of iterations."""
        for step, batch in enumerate(self.torch.from_numpy(order()).long()):
            gate = float(self.configuration.schedule(step / ITERATIONS))
            self.step(*(part[batch] for part in self.data), gate)

    def step(self, x, labels, gate: float) -> None:
        """One iteration."""
        first, *hidden, last = self.layers
        dropout = partial(self.torch.nn.functional.dropout, p=1 - self.configuration.keep)
        y = dropout(first(x).relu())
        for layer in hidden:
            y = dropout(gate * layer(y).relu() + (1 - gate) * y)
        likelihoods = last(y).softmax(1).gather(1, labels.long()[:, None])
        penalty = self.torch.stack([layer.weight for layer in hidden]).abs().mean()
        loss = 50 * penalty - (likelihoods + 1e-9).log().sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.param_groups[0]["lr"] = self.configuration.learning_rate_after(self.steps)
        adam_step(self.optimizer, self.steps, 1e-8)
        self.steps += 1

    def weights(self) -> list[np.ndarray]:
        """All matrices, first to last."""
        return [layer.weight.detach().numpy().T for layer in self.layers]


class JaxLoop:
    """JAX: a round is a scan over iterations, an iteration a scan over stacked layers, and the state is donated."""

    def __init__(self, configuration: Configuration) -> None:
        import jax
        from jax import numpy as jnp

        self.jax, self.configuration, mnist = jax, configuration, images("mnist")
        self.data = [jnp.asarray(part.numpy()) for part in (mnist.images, mnist.labels)]
        weights = [jnp.asarray(part.numpy()) for part in start(configuration)]
        moments = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
        self.state = weights, *moments, jnp.zeros(()), jax.random.key(0)
        self.gates = jnp.asarray([configuration.schedule(step / ITERATIONS) for step in range(STEPS)], jnp.float32)
        self.advance = jax.jit(self.steps, donate_argnums=0)

    def __call__(self, number: int) -> None:
        """Make a round of iterations."""
        self.state = self.advance(self.state, *self.data, order(), self.gates)
        self.state[0][2].block_until_ready()

    def steps(self, state, images, labels, order, gates):
        """Make all iterations of a round."""

        def step(state, now):
            batch, gate = now
            return self.step(state, images[batch], labels[batch], gate), None

        return self.jax.lax.scan(step, state, (order, gates))[0]

    def step(self, state, x, labels, gate):
        """One iteration: Adam on the loss, its learning rate and moments as TensorFlow 1 has them."""
        jnp, (weights, means, squares, count, key) = self.jax.numpy, state
        key, own = self.jax.random.split(key)
        gradients = self.jax.grad(self.loss)(weights, x, labels, gate, own)
        rate = self.configuration.learning_rate_after(count)
        count = count + 1
        rate = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        means = [m + 0.1 * (g - m) for m, g in zip(means, gradients, strict=True)]
        squares = [s + 0.001 * (g * g - s) for s, g in zip(squares, gradients, strict=True)]
        weights = [w - rate * m / (jnp.sqrt(s) + 1e-8) for w, m, s in zip(weights, means, squares, strict=True)]
        return weights, means, squares, count, key

    def loss(self, weights, x, labels, gate, key):
        """Return the loss of a batch, with dropout."""
        jax, jnp, keep = self.jax, self.jax.numpy, self.configuration.keep
        first, first_bias, hidden, hidden_biases, last, last_bias = weights
        kept = self.masks(key, (len(hidden) + 1, len(x), first.shape[1]))
        y = jnp.where(kept[0], jax.nn.relu(x @ first + first_bias) / keep, 0)

        def layer(y, own):
            matrix, bias, kept = own
            z = gate * jax.nn.relu(y @ matrix + bias) + (1 - gate) * y
            return jnp.where(kept, z / keep, 0), None

        y, _ = jax.lax.scan(layer, y, (hidden, hidden_biases, kept[1:]))
        likelihoods = jnp.take_along_axis(jax.nn.softmax(y @ last + last_bias), labels[:, None], 1)
        return 50 * jnp.abs(hidden).mean() - jnp.log(likelihoods + 1e-9).sum()

    def masks(self, key, shape):
        """Return where units are kept, by 16 random bits each; the generator draws 32 at a time."""
        keep, jax, jnp = self.configuration.keep, self.jax, self.jax.numpy
        if keep == 1:
            return jnp.ones(shape, bool)
        halves = jax.lax.bitcast_convert_type(jax.random.bits(key, int(np.prod(shape)) // 2), jnp.uint16)
        return halves.reshape(shape) < round(keep * 2**16)

    def weights(self) -> list[np.ndarray]:
        """All matrices, first to last."""
        first, _, hidden, _, last, _ = map(np.asarray, self.state[0])
        return [first, *hidden, last]


class Seed:
    """Ours: one seed, advanced by the compiled loop."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration, self.parameters = configuration, start(configuration)
        self.network = images("mnist").network(configuration)
        self.state = OPTIMIZERS[configuration.optimizer].init(self.parameters)
        self.program = compiled(configuration, self.network, ITERATIONS)
        self.noise = generator(0, "dropout").bit_generator

    def __call__(self, number: int) -> None:
        """Make a round of iterations, masks included."""
        mnist, batch = images("mnist"), self.configuration.batch_size
        bits = self.network.random_bits(STEPS, batch, self.noise)
        data = mnist.images, mnist.labels, order(), bits, tf.constant(0)
        self.parameters, self.state = self.program.advance(self.parameters, self.state, *data)
        self.parameters[2].numpy()

    def weights(self) -> list[np.ndarray]:
        """All matrices, first to last."""
        first, _, hidden, _, last, _ = (p.numpy() for p in self.parameters)
        return [first, *hidden, last]


SIDES = {
    "session": Side(partial(Session, CONFIGURATION), STEPS),
    "PyTorch": Side(partial(TorchLoop, CONFIGURATION), STEPS, needs="torch"),
    "JAX, scan": Side(partial(JaxLoop, CONFIGURATION), STEPS, needs="jax"),
    "gradbook": Side(partial(Seed, CONFIGURATION), STEPS),
    f"gradbook, {SEEDS} seeds": Side(lambda: Together([Seed(CONFIGURATION) for _ in range(SEEDS)]), STEPS, SEEDS),
}


def measure() -> pd.DataFrame:
    """One row per side, after all have moved the same weights alike."""
    sides = {
        "session": Side(partial(Session, CHECKED)),
        "PyTorch": Side(partial(TorchLoop, CHECKED), needs="torch"),
        "JAX, scan": Side(partial(JaxLoop, CHECKED), needs="jax"),
        "gradbook": Side(partial(Seed, CHECKED)),
    }
    agree(sides, 1, 1e-3)
    return compare(__name__, ROUNDS)
