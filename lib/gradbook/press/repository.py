"""The public address of the repository: one place that knows it, and every file that quotes it."""

import re
import tomllib
from pathlib import Path

from gradbook.errors import InputError
from gradbook.files import atomic_write
from gradbook.press.checkout import git

ADDRESS = re.compile(r"https://(?P<host>[\w.-]+)/(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?")


def current(root: Path) -> str:
    """Return the address that ``pyproject.toml`` names."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def quoted_forms(address: str) -> tuple[str, ...]:
    """Return the ways in which files quote an address: the address, and its path on Colab, on Binder and on Pages.

    >>> quoted_forms("https://github.com/ada/engine")[1:]
    ('github/ada/engine/', 'gh/ada/engine/', 'ada.github.io/engine')

    Raises:
        InputError: the address has another form than https://HOST/OWNER/NAME.
    """
    match = ADDRESS.fullmatch(address)
    if not match:
        raise InputError(f"address must look like https://github.com/OWNER/NAME; received {address!r}.")
    host, owner, name = match["host"], match["owner"], match["name"]
    return (
        f"https://{host}/{owner}/{name}",
        f"github/{owner}/{name}/",
        f"gh/{owner}/{name}/",
        f"{owner}.github.io/{name}",
    )


def move(root: Path, address: str) -> list[Path]:
    """Replace the current address by another in every tracked text file, and return the files that changed.

    Raises:
        InputError: the new address is malformed, or git cannot list the files.
    """
    pairs = list(zip(quoted_forms(current(root)), quoted_forms(address), strict=True))
    changed = []
    for path in tracked_files(root):
        try:
            old = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        new = old
        for before, after in pairs:
            new = re.sub(
                re.escape(before) + r"(?![\w-])" if not before.endswith("/") else re.escape(before), after, new
            )
        if new != old:
            with atomic_write(path) as file:
                file.write(new.encode())
            changed.append(path)
    return changed


def tracked_files(root: Path) -> list[Path]:
    """Return the regular files that git tracks in a checkout."""
    paths = [root / name for name in git(root, "ls-files", "-z").split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]
