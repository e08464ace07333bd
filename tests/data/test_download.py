"""One published file from several mirrors, over real connections."""

import socket

import pytest
from data_fakes import download_of

from gradbook.data.download import download
from gradbook.errors import RunError

FILE, CONTENT = "small.bin", bytes(range(256)) * 400


@pytest.fixture
def target(server, tmp_path):
    server.content[FILE] = CONTENT
    server.asked.clear()
    return tmp_path


def test_a_slow_mirror_is_waited_for(server, target):
    assert download(download_of(FILE, CONTENT, server.url, "slow"), target).read_bytes() == CONTENT


@pytest.mark.parametrize("treatment", ["missing", "broken", "wrong", "cut", "unsized"])
def test_after_a_bad_mirror_comes_the_next(server, target, treatment):
    path = download(download_of(FILE, CONTENT, server.url, treatment, "fine"), target)
    assert path.read_bytes() == CONTENT
    assert server.asked == [f"/{treatment}/{FILE}", f"/fine/{FILE}"]
    assert list(target.iterdir()) == [path]


def test_when_every_mirror_is_bad_each_has_its_reason_and_nothing_stays(server, target):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        silent = download_of(FILE, CONTENT, f"http://127.0.0.1:{closed.getsockname()[1]}", "fine").mirrors
        wanted = download_of(FILE, CONTENT, server.url, "missing", "broken", "wrong", "cut")
        with pytest.raises(RunError) as error:
            download(type(wanted)(FILE, wanted.bytes, wanted.sha256, wanted.mirrors + silent), target)
    for reason in ("HTTP 404", "HTTP 500", "other bytes than published", "ChunkedEncodingError", "ConnectionError"):
        assert f"127.0.0.1: {reason}" in str(error.value)
    assert list(target.iterdir()) == []


def test_an_intact_file_is_left_alone_and_an_altered_one_replaced(server, target):
    wanted = download_of(FILE, CONTENT, server.url, "fine")
    (target / FILE).write_bytes(CONTENT)
    download(wanted, target)
    assert server.asked == []
    (target / FILE).write_bytes(CONTENT[:-1])
    assert download(wanted, target).read_bytes() == CONTENT
