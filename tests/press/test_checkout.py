"""Files that appear whole or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.errors import InputError
from gradbook.press.checkout import checkout, digest, read_json, write_json


def test_a_failed_write_leaves_the_old_text_and_no_debris(tmp_path):
    path = tmp_path / "record.json"
    write_json(path, "old")
    with pytest.raises(TypeError):
        write_json(path, object)
    assert read_json(path) == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize("content", [b'{"seconds": 1', b"", b"\0" * 64, b"\xff\xfe{}", b'{"name": "\xe9"}'])
def test_a_record_that_is_not_json_counts_as_none(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    assert read_json(path) == {}


def test_a_record_that_is_missing_counts_as_none(tmp_path):
    assert read_json(tmp_path / "missing.json") == {}


def test_a_folder_outside_any_checkout_is_refused(tmp_path):
    with pytest.raises(InputError, match="outside any checkout"):
        checkout(tmp_path)


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_digests_agree_exactly_where_the_parts_do(one, other):
    assert (digest(*one) == digest(*other)) == (one == other)
