"""What tests of the press share."""

import subprocess
from pathlib import Path


def commit_all(folder: Path, message: str) -> None:
    """Commit everything in a folder, making it a repository first if need be."""
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", message]):
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *author, *words], cwd=folder, check=True)
