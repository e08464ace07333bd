"""What all tests share: a quiet environment for every kernel, and the command as a real process."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import hypothesis
import pytest

from gradbook.press.execute import QUIET

os.environ.update(QUIET)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job; tested processes must heed it
    signal.signal(signal.SIGINT, signal.default_int_handler)
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
hypothesis.settings.load_profile("untimed")

collect_ignore = ["typing"]  # for mypy alone

ROOT = Path(__file__).resolve().parents[1]
FOUND = shutil.which("gradbook", path=sysconfig.get_path("scripts"))  # on Windows, gradbook.exe
COMMAND = Path(FOUND) if FOUND else Path(sys.executable).parent / "gradbook"


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout under test."""
    return ROOT


@pytest.fixture(scope="session")
def command() -> Path:
    """The installed command ``gradbook``."""
    return COMMAND


@pytest.fixture(scope="session")
def gradbook():
    """Run the command in a folder: ``gradbook(folder, "list")`` gives the ended process, output as text."""

    def run(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run([COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, **options)

    return run
