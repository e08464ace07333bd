"""What goes wrong around an execution: a notebook that hangs or floods, a full disk, a second command, a clock."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from press_helpers import kernels_in, wait_until

on_linux = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds left-over kernels through Linux's /proc"
)

OLD = "what the twin held before"

LIMITED = """
import sys
from pathlib import Path
from gradbook.errors import RunError
from gradbook.press import execute as press
from gradbook.press.chapters import find_chapters

press.CELL_TIME_LIMIT = 3
root = Path(sys.argv[1])
(job,) = press.plan(root, find_chapters(root, ["10_sum"]), "quick", {})
try:
    press.run(job)
except RunError as error:
    print(error)
"""

DEAF = """
# %%
import signal
import time

signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    time.sleep(1)
"""

FLOOD = """
# %%
for _ in range(30_000):
    print("x" * 1000)
"""


@pytest.fixture
def twin(book):
    """The twin of 10_sum as it was before."""
    path = book / "notebooks/10_sum.ipynb"
    path.write_text(OLD)
    return path


def appended(book, code):
    source = book / "notebooks/10_sum.py"
    source.write_text(source.read_text() + code)


@on_linux
def test_a_cell_that_hangs_is_ended_with_its_kernel_though_it_heeds_no_interrupt(book, twin):
    appended(book, DEAF)
    words = [sys.executable, "-c", LIMITED, book]
    ended = subprocess.run(words, cwd=book, capture_output=True, text=True, timeout=120)
    assert ended.stdout.startswith("10_sum: a cell failed with no answer within 3 s"), ended.stderr
    wait_until(lambda: not kernels_in(book))
    assert twin.read_text() == OLD


@on_linux
def test_a_cell_that_prints_without_end_is_ended_with_its_kernel(book, twin, gradbook):
    appended(book, FLOOD)
    ended = gradbook(book, "execute", "10_sum")
    assert ended.returncode == 1
    assert "10_sum: a cell failed with more than 10,000,000 characters printed" in ended.stderr
    wait_until(lambda: not kernels_in(book))
    assert twin.read_text() == OLD


def small_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def test_a_full_disk_is_one_line_and_leaves_the_old_twin(book, twin, gradbook):
    ended = gradbook(book, "execute", "10_sum", "--force", preexec_fn=small_disk)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert "File too large" in ended.stderr
    assert twin.read_text() == OLD
    assert not list(book.glob("notebooks/.*"))


def test_two_commands_at_once_leave_one_whole_twin_and_what_is_current_does_not_depend_on_the_clock(
    book, gradbook, command
):
    words = [command, "execute", "10_sum", "--force"]
    both = [subprocess.Popen(words, cwd=book, stdout=subprocess.PIPE) for _ in range(2)]
    assert all(b"\n10_sum: " in process.communicate(timeout=300)[0] for process in both)
    twin, record = book / "notebooks/10_sum.ipynb", book / "_build/records/10_sum.json"
    assert "sum 3.0" in twin.read_text()
    for years, file in (70, book / "notebooks/10_sum.py"), (10, twin), (1, record):
        os.utime(file, (years * 3e7, years * 3e7))
    assert gradbook(book, "execute", "10_sum").stdout == "10_sum: current\n"
