"""One integer decides all that is random, and only one."""

import zlib

import pytest

from gradbook.errors import InputError
from gradbook.seeds import generator


@pytest.mark.parametrize("seed", [-1, 2**32, zlib.crc32(b"batches") << 32])
def test_a_seed_that_could_stand_for_words_is_refused(seed):
    with pytest.raises(InputError, match=f"seed must be from 0 to 4294967295; received {seed}"):
        generator(seed)
