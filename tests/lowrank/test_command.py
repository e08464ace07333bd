"""The command that counts."""

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.cli import app
from gradbook.errors import InputError
from gradbook.lowrank.convs import FAMILIES


def count(network: str, conv: str) -> None:
    app(["count", network, "--conv", conv], standalone_mode=False)


def test_it_counts_a_network_with_any_convolution(gradbook, tmp_path):
    ended = gradbook(tmp_path, "count", "wide-resnet-28-10", "--conv", "shuffle:4", "--convention", "log")
    assert (ended.returncode, ended.stdout) == (0, "823,674 parameters, 117,201,162 mult-adds\n")


def test_bad_input_is_one_line_and_code_2(gradbook, tmp_path):
    ended = gradbook(tmp_path, "count", "darts", "--conv", "shufle:4")
    assert ended.returncode == 2
    assert ended.stderr.startswith("gradbook: unknown convolution 'shufle'; did you mean 'shuffle'?")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("network", "conv", "said"),
    [
        ("wide-resnet-28", "plain", "unknown network 'wide-resnet-28'; did you mean 'wide-resnet-28-10'"),
        ("darts", "shuffle:four", "--conv: 'four' is not a number."),
        ("darts", "shuffle", "convolution 'shuffle' takes groups, a whole number; received None."),
        ("darts", "separable:1", "convolution 'separable' takes no value; received 1"),
        ("darts", ":4", "unknown convolution ''"),
        ("darts", "shuffle:inf", "groups must be a whole number, 1 or more; received inf"),
        ("darts", "acdc:1e9", "layers must be 1,024 or fewer; received 1000000000"),
        ("darts", "hashed:nan", "ratio must lie above 0 and not above 1; received nan"),
    ],
)
def test_what_cannot_be_counted_is_named(network, conv, said):
    with pytest.raises(InputError, match=said):
        count(network, conv)


def test_it_counts_any_model_that_keras_saved(tmp_path, capsys):
    images = keras.Input((None, None, 3))
    keras.Model(images, keras.layers.Conv2D(4, 3)(images)).save(tmp_path / "my.keras")
    app(["count", "--model", str(tmp_path / "my.keras"), "--input", "10,10,3"], standalone_mode=False)
    assert capsys.readouterr().out == "112 parameters, 6,912 mult-adds\n"
    with pytest.raises(InputError, match="input_shape must say how large"):
        app(["count", "--model", str(tmp_path / "my.keras")], standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give the name of a network, or --model with a file, and not both"),
        (["darts", "--model", "my.keras"], "give the name of a network, or --model"),
        (["--model", "my.keras", "--conv", "plain"], "a saved model has its own"),
        (["darts", "--input", "32,x"], "--input must be whole numbers, 1 or more, between commas; received '32,x'"),
    ],
)
def test_options_that_do_not_go_together_are_named(arguments, said):
    with pytest.raises(InputError, match=said):
        app(["count", *arguments], standalone_mode=False)


@settings(max_examples=10)
@given(family=st.sampled_from([*FAMILIES, ""]), value=st.one_of(st.integers(-2, 9), st.floats(), st.text()))
def test_whatever_the_argument_there_is_a_count_or_a_sentence(family, value):
    try:
        count("wide-resnet-16-2", f"{family}:{value}")
    except InputError as error:
        assert str(error).endswith(".")
