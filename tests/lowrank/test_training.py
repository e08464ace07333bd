"""Protocols do what they say, and an interrupted training ends as one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError, RunError
from gradbook.lowrank.distill import Learner
from gradbook.lowrank.networks import DropPath
from gradbook.lowrank.protocol import PROTOCOLS, Batches, DropPathRamp, Protocol, augment
from gradbook.lowrank.training import Checkpoint, begin, train

PLAIN = Protocol(batch_size=16, learning_rate=0.05, epochs=4, drop_path=0.5, crop=1, flip=False, cutout=2)


def test_the_logs_learning_rates():
    wide, darts = (PROTOCOLS[name].optimizer(10)._learning_rate for name in ("wide_resnet", "darts"))
    at = [0, 599, 601, 1199, 1201, 1599, 1601, 1999]  # drops after epochs 60, 120 and 160
    rates = [0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 0.0008, 0.0008]
    np.testing.assert_allclose([float(wide(step)) for step in at], rates, rtol=1e-5)
    assert float(darts(0)) == pytest.approx(0.025)
    assert float(darts(3000)) == pytest.approx(0.0125)
    assert float(darts(6000)) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number, 1 or more; received 0"),
        ({"epochs": 0}, "epochs must be a whole number, 1 or more; received 0"),
        ({"momentum": -0.1}, r"momentum must lie in \[0, 1\); received -0.1"),
        ({"drop_path": 1.0}, r"drop_path must lie in \[0, 1\); received 1.0"),
        ({"cutout": 15}, "cutout must be even, 0 or more; received 15"),
    ],
)
def test_a_protocol_out_of_range_is_refused(given, sentence):
    with pytest.raises(InputError, match=sentence):
        Protocol(**given)


@given(margin=st.integers(0, 3), flip=st.booleans(), seed=st.integers(0, 50))
def test_crops_are_windows_of_the_padded_image_or_of_its_mirror(margin, flip, seed):
    image = np.arange(1, 31, dtype=np.float32).reshape(1, 5, 6, 1)
    protocol = Protocol(crop=margin, flip=flip, cutout=0)
    cropped = augment(image, protocol, np.array([-1.0]), np.random.default_rng(seed))[0, ..., 0]
    padded = np.pad(image[0, ..., 0], margin, constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 6)).reshape(-1, 5, 6)
    mirrored = [*windows, *(windows[..., ::-1] if flip else [])]
    assert any((cropped == window).all() for window in mirrored)


@given(side=st.sampled_from([2, 4, 6]), seed=st.integers(0, 50))
def test_cutout_takes_one_square_clipped_at_the_edges(side, seed):
    protocol = Protocol(crop=0, flip=False, cutout=side)
    out = augment(np.ones((1, 8, 8, 2), np.float32), protocol, np.zeros(2), np.random.default_rng(seed))[0]
    assert (out[..., 0] == out[..., 1]).all()
    rows, columns = np.nonzero(out[..., 0] == 0)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height * width == len(rows)
    assert side // 2 <= min(height, width) <= max(height, width) <= side


def test_augmentation_reaches_every_window_and_both_sides():
    image = np.zeros((2000, 3, 3, 1), np.float32)
    image[:, 1, 0] = 1
    out = augment(image, Protocol(crop=1, cutout=0), np.zeros(1), np.random.default_rng(0))
    assert {tuple(np.argwhere(one[..., 0])[0]) for one in out if one.any()} == {
        (r, c) for r in range(3) for c in range(3)
    }


def test_batches_depend_on_seed_and_epoch_and_show_every_example_once(examples):
    batches = Batches(*examples, replace(PLAIN, crop=0, cutout=0), seed=3)
    batches.start(2)
    once = [batches[place] for place in range(len(batches))]
    assert [len(labels) for _, labels in once] == [16, 16, 8]
    shown = np.concatenate([images for images, _ in once]).reshape(40, -1)
    assert sorted(map(tuple, shown)) == sorted(map(tuple, examples[0].reshape(40, -1)))
    again = Batches(*examples, replace(PLAIN, crop=0, cutout=0), seed=3)
    assert not (again[0][1] == once[0][1]).all()
    again.start(2)
    assert (again[0][0] == once[0][0]).all()


def test_drop_path_rises_linearly(tiny):
    network = tiny()
    ramp = DropPathRamp(network, 0.2, 4)
    path = next(layer for layer in network.layers if isinstance(layer, DropPath))
    rates = []
    for epoch in range(4):
        ramp.on_epoch_begin(epoch)
        rates.append(float(path.rate))
    np.testing.assert_allclose(rates, [0, 0.05, 0.1, 0.15], rtol=1e-6)


class Interruption(keras.callbacks.Callback):
    """Ends a training after so many batches."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def learn(tiny, examples, folder=None, callbacks=()):
    learner = Learner(tiny(), weight_decay=1e-3, ratio=0.5)
    history = train(learner, *examples, PLAIN, folder=folder, validation=examples, callbacks=callbacks)
    return history, [keras.ops.convert_to_numpy(weight) for weight in learner.network.weights]


def test_an_interrupted_training_ends_as_if_it_had_not_been(tiny, examples, tmp_path):
    expected_history, expected_weights = learn(tiny, examples)
    for batches in (2, 3, 7):  # in the first epoch, at its very end, in the third
        folder = tmp_path / str(batches)
        with pytest.raises(KeyboardInterrupt):
            learn(tiny, examples, folder, [Interruption(batches)])
        history, weights = learn(tiny, examples, folder)
        assert history == expected_history
        assert len(history["val_loss"]) == PLAIN.epochs
        for one, other in zip(weights, expected_weights, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_learner_starts_anew_with_the_step_that_it_has(tiny, examples):
    network, protocol = tiny(), replace(PLAIN, drop_path=0.0, epochs=2)
    learner, start = Learner(network), network.get_weights()
    first, step = train(learner, *examples, protocol), learner.train_function
    network.set_weights(start)
    assert train(learner, *examples, protocol) == first
    assert learner.train_function is step


def test_a_finished_training_is_not_repeated(tiny, examples, tmp_path):
    first, weights = learn(tiny, examples, tmp_path)
    again, loaded = learn(tiny, examples, tmp_path, [Interruption(1)])
    assert again == first
    for one, other in zip(weights, loaded, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"filters": 9}, r"\(network tiny \(\w+\), not tiny \(\w+\)\)"),
        ({"seed": 1}, r"\(seed 0, not 1\)"),
        ({"learning_rate": 0.1}, r"\(protocol Protocol\(.*learning_rate=0.05.*, not .*learning_rate=0.1"),
        ({"labels": 1}, r"\(examples \w+, not \w+\)"),
        ({"taught": True}, r"\(teacher \w+, not \w+\)"),
        ({"decay": 1e-4}, r"\(loss .*decay \w+, not .*decay \w+\)"),
        ({"frobenius": True}, r"\(loss .*decay \w+, not .*, Frobenius decay 0.0\)"),
    ],
)
def test_the_state_of_another_training_is_refused(tiny, examples, tmp_path, other, sentence):
    def run(filters=8, seed=0, learning_rate=0.05, labels=0, taught=False, decay=0.0, frobenius=False):
        teacher = tiny(seed=1) if taught else None
        learner = Learner(tiny(filters=filters), teacher, weight_decay=decay, ratio=0.0, frobenius=frobenius)
        protocol = replace(PLAIN, learning_rate=learning_rate, epochs=1)
        train(learner, examples[0], (examples[1] + labels) % 3, protocol, seed=seed, folder=tmp_path)

    run()
    with pytest.raises(InputError, match="holds the state of another training " + sentence):
        run(**other)


class Loss(keras.callbacks.Callback):
    """Loses a network's weights at the start of an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == PLAIN.epochs:
            weight = self.model.network.trainable_weights[-1]
            weight.assign(np.full(weight.shape, np.nan))


def test_a_training_goes_on_and_where_its_loss_is_lost_the_epoch_before_is_kept(tiny, examples, tmp_path):
    learner = Learner(tiny())
    train(learner, *examples, PLAIN, folder=tmp_path)
    (kept,) = tmp_path.glob("*.h5")
    more = replace(PLAIN, epochs=PLAIN.epochs + 2)
    with pytest.raises(RunError, match=r"train_loss became nan in epoch 5"):
        train(Learner(tiny()), *examples, more, folder=tmp_path, callbacks=[Loss()])
    assert list(tmp_path.glob("*.h5")) == [kept]
    assert len(train(Learner(tiny()), *examples, more, folder=tmp_path)["loss"]) == PLAIN.epochs + 2


STATE = ["training", "epochs", "weights", "random", "history"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: json.dumps(json.loads(text) | {"random": []}),
        lambda text: json.dumps(json.loads(text) | {"random": ["x"]}),
        lambda text: json.dumps(json.loads(text) | {"weights": 3}),
        *(lambda text, key=key: json.dumps({k: v for k, v in json.loads(text).items() if k != key}) for key in STATE),
    ],
)
def test_a_damaged_state_is_refused_in_one_sentence(tiny, examples, tmp_path, damage):
    learner, path = Learner(tiny()), tmp_path / "state.json"
    begin(learner, PLAIN.optimizer(1))
    Checkpoint(learner, tmp_path, {"seed": "0"}).on_epoch_end(0, {"loss": 1.0})
    assert Checkpoint(learner, tmp_path, {"seed": "0"}).restore() == 1
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=r"state\.json is damaged; remove its folder to start anew") as refused:
        Checkpoint(learner, tmp_path, {"seed": "0"}).restore()
    assert len(str(refused.value).splitlines()) == 1


def test_only_what_may_be_written_is_synchronised(tiny, tmp_path, monkeypatch):
    """Windows refuses the rest."""
    fcntl = pytest.importorskip("fcntl")
    learner, real, modes = Learner(tiny()), os.fsync, []
    begin(learner, PLAIN.optimizer(1))

    def fsync(descriptor):
        modes.append(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    Checkpoint(learner, tmp_path, {"seed": "0"}).on_epoch_end(0, {"loss": 1.0})
    assert len(modes) >= 2 and os.O_RDONLY not in modes


@keras.saving.register_keras_serializable("tests")
class Harmful(keras.layers.Layer):
    """Leaves a trace when it is made from a file."""

    @classmethod
    def from_config(cls, config):
        raise AssertionError("a layer was made from a file")


def test_a_model_with_code_in_the_place_of_weights_is_refused_and_not_opened(tiny, examples, tmp_path):
    learn(tiny, examples, tmp_path)
    (weights,) = tmp_path.glob("*.weights.h5")
    model = keras.Sequential([keras.Input((2,)), Harmful(), keras.layers.Lambda(abs)])
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        (tmp_path / f"model{suffix}").replace(weights)
        with pytest.raises(InputError, match=r"weights\.h5 cannot be read as weights; remove its folder to start anew"):
            learn(tiny, examples, tmp_path)


PROCESS = """
import sys
import numpy as np
from gradbook.lowrank.distill import Learner
from gradbook.lowrank.networks import wide_resnet
from gradbook.lowrank.protocol import Protocol
from gradbook.lowrank.training import train

images = np.random.default_rng(0).standard_normal((32, 8, 8, 1), np.float32)
learner = Learner(wide_resnet(10, 1, shape=(8, 8, 1)))
train(learner, images, np.arange(32) % 10, Protocol(epochs=10_000), folder=sys.argv[1])
"""


def test_a_killed_process_leaves_a_state_that_is_whole(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", PROCESS, tmp_path], env=os.environ)
    state = tmp_path / "state.json"
    deadline = time.monotonic() + 240
    while not (state.exists() and json.loads(state.read_text())["epochs"] > 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = json.loads(state.read_text())
    assert left["epochs"] > 2
    assert len(left["history"]["loss"]) == left["epochs"]
    assert (tmp_path / left["weights"]).exists()
