"""The command that counts."""

import pytest


def test_it_counts_a_network_with_any_convolution(gradbook, tmp_path):
    ended = gradbook(tmp_path, "count", "wide-resnet-28-10", "--conv", "shuffle:4", "--convention", "log")
    assert (ended.returncode, ended.stdout) == (0, "823,674 parameters, 117,201,162 mult-adds\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["wide-resnet-28"], "unknown network 'wide-resnet-28'; did you mean 'wide-resnet-28-10'?"),
        (["darts", "--conv", "shufle:4"], "unknown convolution 'shufle'; did you mean 'shuffle'?"),
        (["darts", "--conv", "shuffle:four"], "--conv: 'four' is not a number."),
        (["darts", "--conv", "shuffle"], "convolution 'shuffle' takes groups, int; received None."),
    ],
)
def test_bad_input_is_one_sentence(gradbook, tmp_path, words, said):
    ended = gradbook(tmp_path, "count", *words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
