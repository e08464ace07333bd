"""A Keras model whose auxiliary losses are censored against a main one, with compile and fit, on any backend.

One forward pass serves all losses, and each loss has one backward pass. Variables that the main task does not use, such
as an auxiliary task's own head, follow their own loss whatever the rule; where both use a variable, the rule decides.
Regularisation has a backward pass of its own. It belongs to the main gradient where there is one, and counts in full.
"""

from collections.abc import Mapping, Sequence
from functools import partial, reduce
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from gradbook.auxiliary.aggregation import AGGREGATORS, aggregate, require
from gradbook.auxiliary.rules import (
    RULES,
    AtZero,
    Products,
    Rule,
    Scope,
    censor,
    require_alpha,
    require_choices,
    require_weight,
    rule_of,
)
from gradbook.errors import InputError, unknown
from gradbook.training import replicas

DECAY = "weight_decay"
"""The name of the auxiliary task whose loss is ½‖θ‖² and whose gradient is the weights themselves."""

Tensor = Any
Gradients = list[Tensor | None]

# passes its input on without the gradient; a layer, so that a mask of Keras stays
_still = keras.layers.Activation(ops.stop_gradient, autocast=False, name="still")


@keras.saving.register_keras_serializable("gradbook")
class Censored(keras.Model):
    """A network with several outputs, trained on a main loss and on auxiliary ones that a rule censors.

    With v the main gradient and u an auxiliary one, the optimizer receives v + Σ λ kept(u, v). Give each output its own
    loss, as a dictionary or a list: gradients that were summed before cannot be told apart any more.

    Args:
        network: built and with two outputs or more, a flat list or dictionary; functional, or subclassed (not on JAX).
        main: name or number of the main task's output.
        rule: a name of ``gradbook.auxiliary.RULES``, a `Rule`, or one of these for each auxiliary output by name, with
            "projection" for those that are left out; or a name of ``gradbook.auxiliary.aggregation.AGGREGATORS``, which
            makes one direction of all weighted gradients and knows no main task.
        scope: "global" compares the gradients as one vector over the shared variables, "variable" one by one.
        weight: λ ≥ 0 of the auxiliary losses; or one for each, as a dictionary, with 1 for those that are left out, in
            which "weight_decay" adds the weights themselves as an auxiliary gradient. Weights given to ``compile``
            multiply the losses before.
        alpha: α in (0, 1]; below 1 the rule compares with a moving average of the main gradient, v ← v + α (g - v).
        together: censor the sum of the weighted auxiliary gradients, by one rule, instead of each on its own.
        at_zero: see `gradbook.auxiliary.censor`; no aggregator looks at it.
        rule_options: of an aggregator, such as ``{"c": 0.4}`` of "cagrad".
        measure: report the cosine, the fraction of conflicts and the norms of shared gradients as metrics of ``fit``.

    Raises:
        InputError: a network that is not built, or has nothing to train, one output, nested ones or an auxiliary one
            named "weight_decay"; an unknown name, a number out of its range, or what an aggregator does not take.

    With gradient accumulation each batch is censored before it is added up; under ``tf.distribute`` each replica
    censors the gradients of its own part. Gradients of embeddings are made dense.

    Source: Du et al. 2018, arXiv 1812.02224; see `gradbook.auxiliary.RULES` for the rules.
    """

    def __init__(
        self,
        network: keras.Model,
        main: str | int = 0,
        rule: str | Rule | Mapping[str, str | Rule] = "projection",
        *,
        scope: Scope = "global",
        weight: float | Mapping[str, float] = 1.0,
        alpha: float = 1.0,
        together: bool = False,
        at_zero: AtZero = "keep",
        rule_options: Mapping[str, float] | None = None,
        measure: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.network = network
        self.output_names = _output_names(network)
        self.main = _output(main, self.output_names)
        self.auxiliary = [name for name in self.output_names if name != self.main]
        self.rule, self.scope, self.weight, self.at_zero = rule, scope, weight, at_zero
        self.alpha, self.together, self.measure = alpha, together, measure
        self.rule_options = dict(rule_options or {})
        self._check()
        self._reached = _reached(network, self.output_names)
        self._without_losses = False
        tasks = [*self.auxiliary, *([DECAY] if DECAY in self._weights else [])]
        self._measured = {name: keras.metrics.Mean(name) for name in _metric_names(tasks)} if measure else {}
        averaged = network.trainable_variables if alpha < 1 else []
        self._averages = [
            self.add_weight(
                variable.shape, "zeros", "float32", trainable=False, aggregation="mean", name=f"average_{number}"
            )
            for number, variable in enumerate(averaged)
        ]
        self._average_of = {id(variable): number for number, variable in enumerate(averaged)}
        self.built = True

    def call(self, *inputs: Any, **options: Any) -> Any:
        """Return the network's outputs."""
        return self.network(*inputs, **options)

    def _check(self) -> None:
        require_alpha(self.alpha)
        require_choices(self.scope, self.at_zero)
        if DECAY in self.auxiliary:
            raise InputError(f"network must not name an auxiliary output {DECAY!r}, which stands for its weights.")
        known = [*self.auxiliary, DECAY]
        for given in (self.weight, self.rule):
            for name in given if isinstance(given, Mapping) else ():
                if name not in known:
                    raise unknown("auxiliary output", name, known)
        if self.together and isinstance(self.rule, Mapping):
            raise InputError("rule must be one for all where the auxiliary gradients are censored together.")
        given = dict(self.weight) if isinstance(self.weight, Mapping) else {}
        default = 1.0 if isinstance(self.weight, Mapping) else self.weight
        self._weights = {name: given.get(name, default) for name in self.auxiliary} | given
        for name, value in self._weights.items():
            require_weight(value, f"weight of {name!r}")
        self._aggregates = isinstance(self.rule, str) and self.rule not in RULES
        if self._aggregates:
            self._check_aggregator()
        elif self.rule_options:
            raise InputError(f"rule_options must be empty but for an aggregator; received {self.rule_options}.")
        rules = dict(self.rule) if isinstance(self.rule, Mapping) else dict.fromkeys(known, self.rule)
        self._rules = {} if self._aggregates else {name: rule_of(rules.get(name, "projection")) for name in known}

    def _check_aggregator(self) -> None:
        if self.rule not in AGGREGATORS:
            raise unknown("rule or aggregator", self.rule, [*RULES, *AGGREGATORS])
        require(self.rule, self.rule_options)
        for name, usual in (("alpha", 1), ("together", False), ("at_zero", "keep")):
            if (value := getattr(self, name)) != usual:
                raise InputError(f"{name} must be {usual!r} with the aggregator {self.rule!r}; received {value!r}.")
        self._random = np.random.default_rng(np.random.randint(2**31))  # `keras.utils.set_random_seed` decides it
        if keras.backend.backend() == "tensorflow":
            self.supports_jit = False  # XLA does not call back to the host

    @property
    def losses(self) -> list[Tensor]:
        """The regularisation losses, which no task's loss in training includes."""
        return [] if self._without_losses else super().losses

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Return the metrics of the losses and outputs; what the gradients were belongs to training alone."""
        return {name: value for name, value in super().get_metrics_result().items() if name not in self._measured}

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **options: Any) -> None:
        """Configure the model as `keras.Model.compile` does, with a loss for each task.

        Raises:
            InputError: the main output has no loss, no auxiliary one has, or an unknown one has; or, with α < 1, the
                network has trainable variables that it had not when this was made.
        """
        given = self._by_output(loss)
        for name in given:
            if name not in self.output_names:
                raise unknown("output", name, self.output_names)
        self._tasks = [name for name in [self.main, *self.auxiliary] if given.get(name) is not None]
        if self.main not in self._tasks:
            raise InputError(f"loss must have one for the main output {self.main!r}; received {loss!r}.")
        if len(self._tasks) == 1 and DECAY not in self._weights:
            raise InputError(f"loss must have one for an auxiliary output, one of {self.auxiliary}; received {loss!r}.")
        if self._averages and not {id(v) for v in self.network.trainable_variables} <= self._average_of.keys():
            raise InputError("network has trainable variables that it had not when Censored was made; make it anew.")
        super().compile(optimizer, loss, **options)

    def _by_output(self, loss: Any) -> dict[str, Any]:
        if isinstance(loss, Mapping):
            return dict(loss)
        if isinstance(loss, list | tuple):
            return dict(zip(self.output_names, loss, strict=False))
        return dict.fromkeys(self.output_names, loss)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded model as it was when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def train_step(self, *arguments: Any) -> Any:
        """Take one step on a batch; the arguments are those of the backend's trainer."""
        return {"tensorflow": self._tensorflow_step, "torch": self._torch_step, "jax": self._jax_step}[
            keras.backend.backend()
        ](*arguments)

    def _head_loss(self, task: str, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Tensor:
        """Return the loss as seen from a task's output: the same number for all, with the gradient of one head."""
        alone = _only(y_pred, self.output_names, task)
        self._without_losses = True
        try:
            return self.compute_loss(x=x, y=y, y_pred=alone, sample_weight=sample_weight, training=True)
        finally:
            self._without_losses = False

    def _penalty(self) -> Tensor:
        """Return the regularisation losses, added up, as a replica's part of them."""
        parts = [ops.cast(ops.sum(one), keras.config.floatx()) for one in self.losses]
        return sum(parts, ops.zeros(())) / replicas()

    def _combined(
        self, gradients: Sequence[Gradients], penalty: Gradients, variables: Sequence[Any], scale: Tensor
    ) -> Gradients:
        """Return the direction for the optimizer.

        Args:
            gradients: one for each task, the main one first.
            penalty: the gradient of regularisation: part of the main one, but for variables that this does not use.
            variables: of the network.
            scale: of the loss, by which all gradients are multiplied.
        """
        by_task = {task: self._used(one, task) for task, one in zip(self._tasks, gradients, strict=True)}
        main = by_task.pop(self.main)
        apart = [p if g is None else None for g, p in zip(main, penalty, strict=True)]
        main = [None if g is None else _sum([g, p]) for g, p in zip(main, penalty, strict=True)]
        direction = self._direction(by_task, main, variables, scale)
        return [_sum(parts) for parts in zip(direction, apart, strict=True)]

    def _direction(
        self, by_task: dict[str, Gradients], main: Gradients, variables: Sequence[Any], scale: Tensor
    ) -> Gradients:
        """Return what rules or an aggregator make of the auxiliary gradients and the main one."""
        share = scale / replicas()  # of a gradient that a replica is given; optimizers add up what replicas give
        if DECAY in self._weights:
            by_task[DECAY] = [ops.cast(ops.convert_to_tensor(v) * share, v.dtype) for v in variables]
        if self._aggregates:
            direction = self._aggregated([main, *by_task.values()], [1.0, *map(self._weights.get, by_task)], share)
            if self.measure:
                self._update_measured(by_task, main, share)
            return direction
        if self.together:
            summed = [
                _sum([_times(self._weights[task], one[i]) for task, one in by_task.items()]) for i in range(len(main))
            ]
            parts, weights = {self.auxiliary[0]: summed}, {self.auxiliary[0]: 1.0}
        else:
            parts, weights = by_task, self._weights
        compared = self._averaged(main, share)
        direction = list(main)
        for task, gradient in parts.items():
            shared = [i for i, (u, v) in enumerate(zip(gradient, main, strict=True)) if u is not None and v is not None]
            u, v = [gradient[i] for i in shared], [compared[i] for i in shared]
            kept, found = list(gradient), censor(u, v, self._rules[task], scope=self.scope, at_zero=self.at_zero)
            for i, part in zip(shared, found, strict=True):
                kept[i] = part
            direction = [_sum([d, _times(weights[task], k)]) for d, k in zip(direction, kept, strict=True)]
        if self.measure:
            self._update_measured(by_task, compared, share)
        return direction

    def _aggregated(self, gradients: Sequence[Gradients], weights: Sequence[float], share: Tensor) -> Gradients:
        """Return one direction; a variable that one task alone uses follows that task, whatever the aggregator."""
        weighted = [
            [None if g is None else g * ops.cast(weight / share, g.dtype) for g in one]
            for one, weight in zip(gradients, weights, strict=True)
        ]
        direction = [_sum(parts) for parts in zip(*weighted, strict=True)]
        shared = [i for i, parts in enumerate(zip(*weighted, strict=True)) if sum(g is not None for g in parts) > 1]
        for scope in [shared] if self.scope == "global" else [[i] for i in shared]:
            among = [[one[i] for i in scope] for one in weighted]
            found = aggregate(among, self.rule, random=self._random, **self.rule_options)
            for i, part in zip(scope, found, strict=True):
                direction[i] = part
        return [None if d is None else d * ops.cast(share, d.dtype) for d in direction]

    def _used(self, gradient: Gradients, task: str) -> Gradients:
        if self._reached is None:
            return gradient
        variables = self.network.trainable_variables
        return [g if id(v) in self._reached[task] else None for g, v in zip(gradient, variables, strict=True)]

    def _averaged(self, main: Gradients, share: Tensor) -> Gradients:
        """Return what the rules compare with: the main gradient, or its average, which an overflow leaves alone."""
        if self.alpha == 1:
            return main
        compared = []
        finite = reduce(ops.logical_and, (ops.all(ops.isfinite(g)) for g in main if g is not None), True)
        for variable, g in zip(self.network.trainable_variables, main, strict=True):
            if g is None:
                compared.append(None)
                continue
            average = self._averages[self._average_of[id(variable)]]
            size = ops.cast(share, average.dtype)
            before = ops.convert_to_tensor(average)
            moved = before + self.alpha * (ops.cast(g, average.dtype) / size - before)
            average.assign(ops.where(finite, moved, before))
            compared.append(ops.cast(average * size, g.dtype))
        return compared

    def _update_measured(self, by_task: Mapping[str, Gradients], main: Gradients, share: Tensor) -> None:
        squares = []
        for task, gradient in by_task.items():
            pairs = [(u, v) for u, v in zip(gradient, main, strict=True) if u is not None and v is not None]
            if not pairs:  # as where all that is shared is frozen
                continue
            over = Products([(ops.cast(u, "float32"), ops.cast(v, "float32")) for u, v in pairs])
            cosine = over.uv / ops.maximum(over.norms, 1e-30)
            size = ops.cast(share, "float32")
            values = {"cosine": cosine, "conflict_fraction": ops.cast(over.uv < 0, "float32")}
            values["norm"] = ops.sqrt(over.uu) / size
            for name, value in values.items():
                self._measured[f"{name}_{task}"].update_state(ops.where(ops.isfinite(value), value, 0.0))
            squares.append(ops.sqrt(over.vv) / size)
        for norm in squares[:1]:
            self._measured["norm_main"].update_state(ops.where(ops.isfinite(norm), norm, 0.0))

    def _logs(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, loss: Tensor) -> dict[str, Tensor]:
        size = ops.shape(next(one for one in tree.flatten(x) if one is not None))[0]
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(replicas() * loss, sample_weight=size)
        logs = self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
        return logs | {name: metric.result() for name, metric in self._measured.items()}

    def _tensorflow_step(self, data: Any) -> dict[str, Tensor]:
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.network.trainable_variables
        with tf.GradientTape(persistent=True) as tape:
            y_pred = self(x, training=True)
            losses = [*(self._head_loss(task, x, y, y_pred, sample_weight) for task in self._tasks), self._penalty()]
            scaled = [self.optimizer.scale_loss(loss) for loss in losses]
        *gradients, penalty = [
            [None if g is None else tf.convert_to_tensor(g) for g in tape.gradient(loss, [v.value for v in variables])]
            for loss in scaled
        ]
        scale = self.optimizer.scale_loss(tf.ones([]))
        direction = self._combined(gradients, penalty, variables, scale)
        self.optimizer.apply_gradients(zip(direction, variables, strict=True))
        return self._logs(x, y, y_pred, sample_weight, losses[0] + losses[-1])

    def _torch_step(self, data: Any) -> dict[str, Tensor]:
        import torch

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.network.trainable_variables
        y_pred = self(x, training=True)
        losses = [*(self._head_loss(task, x, y, y_pred, sample_weight) for task in self._tasks), self._penalty()]
        values = [v.value for v in variables]
        *gradients, penalty = [
            torch.autograd.grad(self.optimizer.scale_loss(loss), values, retain_graph=True, allow_unused=True)
            if loss.requires_grad
            else [None] * len(values)
            for loss in losses
        ]
        with torch.no_grad():
            scale = self.optimizer.scale_loss(ops.ones(()))
            self.optimizer.apply(self._combined(gradients, penalty, variables, scale), variables)
            return self._logs(x, y, y_pred, sample_weight, losses[0] + losses[-1])

    def _jax_step(self, state: Any, data: Any) -> tuple[dict[str, Tensor], Any]:
        import jax
        import jax.numpy as jnp

        if self._reached is None:
            raise InputError("network must be functional on JAX, where the variables that a loss uses are not known.")
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        trainable, non_trainable, optimizer_state, metrics = state

        def of_task(task: str | None, values: list) -> tuple:
            """Return a task's loss, or without a task the regularisation, and what else comes of a pass forward."""
            y_pred, changed, regularisation = self.stateless_call(
                values, non_trainable, x, training=True, return_losses=True
            )
            mapping = [
                *zip(self.trainable_variables, values, strict=True),
                *zip(self.metrics_variables, metrics, strict=True),
            ]
            if task is None:
                penalty = sum(map(ops.sum, regularisation), jnp.zeros(()))
                return penalty * scale, penalty
            with keras.StatelessScope(state_mapping=mapping) as scope:
                loss = self._head_loss(task, x, y, y_pred, sample_weight)
            seen = [scope.get_current_value(v) for v in self.metrics_variables]
            return loss * scale, (loss, y_pred, changed, seen)

        with keras.StatelessScope(state_mapping=[*zip(self.optimizer.variables, optimizer_state, strict=True)]):
            scale = self.optimizer.scale_loss(jnp.ones(()))
        # The passes forward are the same for all tasks, and the compiler makes one of them.
        found = [jax.grad(partial(of_task, task), has_aux=True)(trainable) for task in [*self._tasks, None]]
        *gradients, penalty = [gradient for gradient, _ in found]
        (loss, y_pred, non_trainable, seen), loss_of_layers = found[0][1], found[-1][1]
        metrics = [old if new is None else new for old, new in zip(metrics, seen, strict=True)]
        mapping = [
            *zip(self.non_trainable_variables, non_trainable, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            direction = self._combined(gradients, penalty, trainable, scale)
            logs = self._logs(x, y, y_pred, sample_weight, loss + loss_of_layers)
        now = [scope.get_current_value(v) for v in [*self.non_trainable_variables, *self.metrics_variables]]
        now = [old if new is None else new for old, new in zip([*non_trainable, *metrics], now, strict=True)]
        direction = [jnp.zeros_like(v) if d is None else d for d, v in zip(direction, trainable, strict=True)]
        trainable, optimizer_state = self.optimizer.stateless_apply(optimizer_state, direction, trainable)
        count = len(non_trainable)
        return logs, (trainable, now[:count], optimizer_state, now[count:])

    def get_config(self) -> dict[str, Any]:
        """Return what makes the model anew, the network included.

        Raises:
            InputError: a rule of one's own that is not registered.
        """
        for rule in self._rules.values():
            if rule not in RULES.values():
                raise InputError(
                    "rule must be one that gradbook.auxiliary.register was given before, so that it can be saved by "
                    f"its name; received {rule!r}."
                )
        names = ("main", "scope", "weight", "alpha", "together", "at_zero", "rule_options", "measure")
        choices = {name: getattr(self, name) for name in names}
        by_task = {task: rule.__name__ for task, rule in self._rules.items()}
        rule = by_task if isinstance(self.rule, Mapping) else getattr(self.rule, "__name__", self.rule)
        return (
            super().get_config()
            | choices
            | {"rule": rule, "network": keras.saving.serialize_keras_object(self.network)}
        )

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Censored":
        """Make the model that a configuration describes."""
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects)
        return cls(**config | {"network": network})


def _output_names(network: keras.Model) -> list[str]:
    if not getattr(network, "built", False):
        raise InputError(
            f"network must be built, so that its variables are known; call {network.name!r} on data first."
        )
    if not network.trainable_variables:
        raise InputError(f"network must have trainable variables; {network.name!r} has none.")
    if getattr(network, "outputs", None) is None and not hasattr(network, "output_names"):
        raise InputError(
            f"network must be functional, or have the attribute output_names; {network.name!r} is a subclass without."
        )
    names, output = list(getattr(network, "output_names", [])), getattr(network, "output", None)
    if any(len(path) > 1 for path, _ in tree.flatten_with_path(output)):
        raise InputError(f"network must give its outputs as a flat list or dictionary; {network.name!r} nests them.")
    if len(names) > 1 and isinstance(output, Mapping):
        names = list(output)
    if len(names) < 2:
        raise InputError(f"network must have two outputs or more, a main one and auxiliary ones; received {names}.")
    return names


def _output(given: str | int, names: Sequence[str]) -> str:
    if isinstance(given, int) and not isinstance(given, bool):
        if not 0 <= given < len(names):
            raise InputError(f"main must be from 0 to {len(names) - 1}, or a name of {list(names)}; received {given}.")
        return names[given]
    if given not in names:
        raise unknown("main output", given, names)
    return given


def _reached(network: keras.Model, names: Sequence[str]) -> dict[str, set[int]] | None:
    """Return the identities of the variables that each output uses, where the graph tells."""
    if getattr(network, "outputs", None) is None:
        return None
    outputs = network.output if isinstance(network.output, Mapping) else dict(zip(names, network.outputs, strict=True))
    return {name: {id(v) for v in keras.Model(network.inputs, outputs[name]).variables} for name in names}


def _only(y_pred: Any, names: Sequence[str], task: str) -> Any:
    """Return the outputs with the gradient of one of them."""
    if isinstance(y_pred, Mapping):
        return {name: value if name == task else _still(value) for name, value in y_pred.items()}
    pairs = zip(names, y_pred, strict=True)
    return type(y_pred)([value if name == task else _still(value) for name, value in pairs])


def _metric_names(tasks: Sequence[str]) -> list[str]:
    return [*(f"{kind}_{task}" for task in tasks for kind in ("cosine", "conflict_fraction", "norm")), "norm_main"]


def _times(weight: float, gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient if weight == 1 else ops.cast(weight, gradient.dtype) * gradient


def _sum(gradients: Sequence[Tensor | None]) -> Tensor | None:
    used = [gradient for gradient in gradients if gradient is not None]
    return sum(used[1:], used[0]) if used else None
