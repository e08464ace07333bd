"""The site: jupyter-book over the committed twins, every warning an error, and a local server for it."""

import functools
import re
import shutil
import subprocess
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sphinx_external_toc.parsing import parse_toc_yaml

from gradbook.errors import InputError, RunError
from gradbook.files import atomic_write
from gradbook.press.checkout import digest, digest_of_files
from gradbook.press.fingerprint import environment
from gradbook.press.twin import GREETING
from gradbook.untrusted import reading

INPUTS = (
    *("_config.yml", "_toc.yml", "pyproject.toml", "CITATION.cff", "CONTRIBUTING.md", "benchmarks/results/*.json"),
    *("book/**/*", "notebooks/*", "lib/gradbook/**/*.py", "tests/**/*.py"),
)
"""What the site is made from, besides the environment."""


def build(root: Path, force: bool = False) -> Path:
    """Build ``_build/html`` from nothing and return its first page; a site that is current is left as it is.

    Raises:
        RunError: jupyter-book warned or failed, or a page of the table of contents did not appear.
    """
    folder, stamp = root / "_build/html", root / "_build/site.digest"
    files = {path for pattern in INPUTS for path in root.glob(pattern) if path.is_file()}
    wanted = digest(environment().encode(), digest_of_files(files, root).encode())
    if not force and stamp.is_file() and stamp.read_text() == wanted and not missing_pages(root):
        return folder / "index.html"
    stamp.unlink(missing_ok=True)
    log = run_jupyter_book(root, "html")
    if missing := missing_pages(root):
        raise RunError(f"pages of _toc.yml that were not built: {', '.join(missing)}; see {log}.")
    with atomic_write(stamp) as file:
        file.write(wanted.encode())
    return folder / "index.html"


def run_jupyter_book(root: Path, builder: str) -> Path:
    """Let a builder fill its folder in ``_build`` from nothing, every warning an error, and return its log.

    Raises:
        RunError: jupyter-book warned or failed.
    """
    log = root / "_build/build.log"
    for stale in (root / "_build" / builder, root / "_build/.doctrees", root / "_build/jupyter_execute"):
        shutil.rmtree(stale, ignore_errors=True)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(root), "--path-output", str(root)]
    command += ["--builder", builder, "-n", "-W", "--keep-going"]
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    if code:
        raise RunError(
            f"jupyter-book stopped:\n{_complaints(log.read_text(errors='replace'))}\nThe whole log is {log}."
        )
    return log


def missing_pages(root: Path) -> list[str]:
    """Return the pages of the table of contents that the built site lacks."""
    return [page for page in pages(root) if not (root / "_build/html" / f"{page}.html").is_file()]


def pages(root: Path) -> list[str]:
    """Return every page of ``_toc.yml``, the first page first, without suffix.

    Raises:
        InputError: the file is not a table of contents.
    """
    with reading(root / "_toc.yml", "_toc.yml is not a table of contents"):
        return list(parse_toc_yaml(root / "_toc.yml"))


def server(root: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the built site on the loopback interface; port 0 takes any free one.

    Raises:
        InputError: there is no site yet, or the port is taken.
    """
    folder = root / "_build/html"
    if not (folder / "index.html").is_file():
        raise InputError(f"{folder} holds no site; run gradbook build first.")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Quiet, directory=str(folder)))
    except OSError as error:
        raise InputError(f"port {port} cannot be used ({error.strerror}); choose another with --port.") from None


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the browser shows what was asked for."""


def _complaints(log: str) -> str:
    plain = GREETING.sub("", re.sub(r"\x1b\[[0-9;]*m", "", log))
    lines = [line for line in plain.splitlines() if re.search(r"WARNING|ERROR|Error:", line)]
    return "\n".join(f"  {line}" for line in lines) or plain[-2000:]
