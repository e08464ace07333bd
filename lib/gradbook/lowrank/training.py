"""Training that can be stopped at any moment and goes on as if it had not been."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from gradbook.data.dataset import checksum
from gradbook.errors import InputError
from gradbook.files import atomic_write
from gradbook.lowrank.distill import Learner
from gradbook.lowrank.protocol import Batches, DropPathRamp, Protocol
from gradbook.training import finite_loss
from gradbook.untrusted import reading

FORMAT = 2
"""Of the files that a training keeps; it is raised where earlier ones can no longer be read."""


def train(
    learner: Learner,
    images: np.ndarray,
    labels: np.ndarray,
    protocol: Protocol,
    *,
    seed: int = 0,
    folder: Path | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
) -> dict[str, list[float]]:
    """Train a learner by a protocol.

    Args:
        learner: network, teacher and decay; trained in place.
        images: float32 [n, height, width, channels], standardised.
        labels: int32 [n].
        protocol: how.
        seed: decides order and augmentation.
        folder: where the state is kept after every epoch; a run that finds its own state there goes on from it, also
            to more epochs. None: nowhere.
        validation: images and labels to evaluate after every epoch.
        callbacks: of Keras, such as TensorBoard.
        verbose: 1 shows Keras's progress bar.

    Returns:
        Every metric, one number per epoch, of the epochs before an interruption too.

    Raises:
        InputError: the folder holds the state of another training, or a damaged one.
        RunError: the loss became NaN or infinite; the epoch before is kept.
    """
    batches = Batches(images, labels, protocol, seed)
    begin(learner, protocol.optimizer(len(batches)))
    own = [keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start(epoch)), finite_loss()]
    if protocol.drop_path:
        own.append(DropPathRamp(learner.network, protocol.drop_path, protocol.epochs))
    checkpoint = Checkpoint(learner, folder, identity(learner, images, labels, protocol, seed)) if folder else None
    started = checkpoint.restore() if checkpoint else 0
    history = learner.fit(
        batches,
        validation_data=validation,
        validation_batch_size=500,
        initial_epoch=started,
        epochs=protocol.epochs,
        callbacks=[*own, *callbacks, *([checkpoint] if checkpoint else [])],
        shuffle=False,
        verbose=verbose,
    )
    return checkpoint.history if checkpoint else history.history


def begin(learner: Learner, optimizer: keras.optimizers.Optimizer) -> None:
    """Compile a learner; one that was compiled with such an optimiser keeps its step, and its optimiser starts anew."""
    if learner.compiled and learner.optimizer.get_config() == optimizer.get_config():
        for variable in learner.optimizer.variables:
            variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
        return
    xla = False if keras.backend.backend() == "tensorflow" else "auto"  # on CPUs it makes convolutions far slower
    learner.compile(optimizer, jit_compile=xla)
    learner.optimizer.build(learner.trainable_variables)  # or the first step is traced twice


class Checkpoint(keras.callbacks.Callback):
    """Keeps weights, optimiser, random states and metrics after every epoch, in files that are whole or not there.

    ``state.json`` names the weights that belong to it; it is written last, so that it never names what is not whole.

    Args:
        learner: what is trained.
        folder: where the files are.
        training: what the training is told from others by, see `identity`.
    """

    def __init__(self, learner: Learner, folder: Path, training: dict[str, str]):
        super().__init__()
        self.learner, self.folder, self.training = learner, Path(folder), training
        self.history: dict[str, list[float]] = {}

    def restore(self) -> int:
        """Bring the learner to the state in the folder, if there is one, and return the epochs that it has seen.

        Raises:
            InputError: the state is another training's, or damaged.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "state.json"
        if not path.exists():
            return 0
        with reading(path, f"{path} is damaged; remove its folder to start anew"):
            state = json.loads(path.read_text(encoding="utf-8"))
            if differing := [name for name, value in self.training.items() if state["training"][name] != value]:
                words = ", ".join(f"{name} {state['training'][name]}, not {self.training[name]}" for name in differing)
                raise InputError(
                    f"folder {self.folder} holds the state of another training ({words}); it must be empty, or hold "
                    "the state of this one."
                )
            weights = self.folder / state["weights"]
            with reading(weights, f"{weights} cannot be read as weights; remove its folder to start anew"):
                self.learner.load_weights(weights)
            for variable, value in zip(random_states(self.learner), state["random"], strict=True):
                variable.assign(np.array(value, variable.dtype))
            self.history = state["history"]
            return state["epochs"]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        weights = self.folder / f"epoch_{epoch + 1:04d}.weights.h5"
        part = self.folder / "part.weights.h5"
        self.learner.save_weights(part, overwrite=True)
        with part.open("r+b") as file:  # Windows synchronises only what may be written
            os.fsync(file.fileno())
        part.replace(weights)
        state = {"training": self.training, "epochs": epoch + 1, "weights": weights.name}
        state |= {"random": [np.asarray(one).tolist() for one in random_states(self.learner)], "history": self.history}
        with atomic_write(self.folder / "state.json") as file:
            file.write(json.dumps(state).encode())
        for old in self.folder.glob("epoch_*.weights.h5"):
            if old != weights:
                old.unlink()


def random_states(learner: Learner) -> list[keras.Variable]:
    """Return the states of layers that draw random numbers, which Keras leaves out of saved weights."""
    return [variable for variable in learner.variables if variable.name == "seed_generator_state"]


def identity(learner: Learner, images: np.ndarray, labels: np.ndarray, protocol: Protocol, seed: int) -> dict[str, str]:
    """Return what trainings are told apart by, in words and digests; the number of epochs is not among it."""
    teacher = learner.teacher.get_weights() if learner.teacher is not None else []
    decay = _digest([decay for _, decay in learner.decays])
    frobenius = f", Frobenius decay {learner.weight_decay}" if learner.frobenius else ""
    return {
        "network": f"{learner.network.name} ({_digest([weight.shape for weight in learner.network.weights])})",
        "seed": str(seed),
        "protocol": str(replace(protocol, epochs=1)),
        "loss": f"{learner.distillation}, decay {decay}{frobenius}",
        "teacher": _digest(teacher),
        "examples": _digest([images, labels]),
    }


def _digest(values: list) -> str:
    return checksum({f"{number:06}": value for number, value in enumerate(values)})[:8]
