"""What tests of the press share."""

import subprocess
import time
from pathlib import Path


def commit_all(folder: Path, message: str) -> None:
    """Commit everything in a folder, making it a repository first if need be."""
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", message]):
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *author, *words], cwd=folder, check=True)


def kernels_in(folder: Path) -> list[int]:
    """Find the kernels of commands that were given in a folder."""
    found, own = [], f"GRADBOOK_CWD={folder}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if own in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition, seconds: float = 30) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
