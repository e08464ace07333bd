"""Saved models are rebuilt to be counted, and nothing in them is executed."""

import json
import zipfile

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from gradbook.errors import InputError
from gradbook.lowrank import count, wide_resnet
from gradbook.lowrank.convs import substitute
from gradbook.lowrank.saved import read_model


@keras.saving.register_keras_serializable("tests")
class Strange(keras.layers.Layer):
    """A layer of somebody else's module."""

    @classmethod
    def from_config(cls, config):
        raise AssertionError("a strange layer was made from a file")


def written(path, description):
    """A file with this description of a model, and nothing else."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", description if isinstance(description, str) else json.dumps(description))
    return path


@pytest.mark.parametrize(
    "build",
    [
        lambda: wide_resnet(10, 1, convolution=substitute("shuffle", 2)),
        lambda: keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(3, 2, activation="relu"), layers.Flatten()]),
    ],
)
def test_a_saved_model_counts_as_the_model(build, tmp_path):
    model = build()
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    read = read_model(tmp_path / "model.keras")
    assert count.parameters(read) == count.parameters(model)
    assert count.mult_adds(read) == count.mult_adds(model)
    assert not read.compiled


def test_saved_models_with_code_are_refused_and_nothing_is_run(tmp_path):
    inputs = keras.Input((2,))
    keras.Model(inputs, layers.Lambda(abs)(inputs)).save(tmp_path / "lambda.keras")
    with pytest.raises(InputError, match=r"lambda\.keras holds a Lambda, which runs code"):
        read_model(tmp_path / "lambda.keras")
    keras.Sequential([inputs, Strange()]).save(tmp_path / "strange.keras")
    with pytest.raises(InputError, match=r"asks for .*Strange; only layers of Keras and gradbook are rebuilt"):
        read_model(tmp_path / "strange.keras")


@pytest.mark.parametrize(
    "part",
    [
        {"module": "os", "class_name": "system", "config": {"command": "touch trace"}},
        {"module": "builtins", "class_name": "eval", "config": "1"},
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://127.0.0.1:9/x"}},
        {"module": "keras.layers", "class_name": "TextVectorization", "config": {"vocabulary": "/etc/passwd"}},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, "kernel_initializer": {
            "module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "trace"]}}}},
    ],
)  # fmt: skip
def test_whatever_a_file_asks_for_only_known_modules_are_used(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"only layers of Keras and gradbook|reads files"):
        read_model(written(tmp_path / "model.keras", part))
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("model.h5", b"", r"must be a file NAME\.keras, as model\.save writes it; received .*model\.h5"),
        ("missing.keras", None, "cannot be read: No such file"),
        ("model.keras", b"no archive", "is damaged, or no model that Keras saved"),
    ],
)
def test_files_of_another_kind_are_named(name, content, sentence, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_model(tmp_path / name)


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.sampled_from(["keras.layers", "Dense", "Functional", "__tuple__"]),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["module", "class_name", "config", "x"]), inner)
        ),
    )
)
def test_any_description_gives_a_model_or_a_sentence(tmp_path_factory, description):
    path = written(tmp_path_factory.mktemp("any") / "model.keras", description)
    try:
        count.table(read_model(path))
    except InputError as error:
        assert str(error).endswith(".")
