"""Execution: source → notebook → papermill → twin, for the chapters that changed."""

import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from gradbook.errors import RunError
from gradbook.files import BOOK
from gradbook.press import fingerprint
from gradbook.press.chapters import QUICK, Chapter, profile_parameters, typed_parameters
from gradbook.press.checkout import digest, read_json, write_json
from gradbook.provenance import commit, origin
from gradbook.timing import peak_memory

if TYPE_CHECKING:
    from nbformat import NotebookNode

CELL_TIME_LIMIT = 900
"""Seconds after which a cell of a twin counts as hanging; a chapter's own limit is a minute for the whole page."""

MOST_PRINTED = 10_000_000
"""Characters that the cells of a chapter may print, all together."""

REPEATABLE = {
    # One thread, plain kernels, no GPU: sums are then taken in the same order on every machine.
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
}
"""Environment of the kernels that make twins."""

PASSED = {
    *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "TEMP", "TMP", "PATHEXT", "COMSPEC"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("GRADBOOK_DATA", "GRADBOOK_STORE"),
}
"""What a kernel inherits: where things are on this machine. How its owner likes plots, Keras or Python, it does not."""

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1"}
"""Environment of every kernel: nothing but results on the page."""


@dataclass(frozen=True)
class Job:
    """One execution of one chapter, under a profile, with the parameters that differ from its defaults.

    Its figures are pictures for pages, or drawings that a teacher can enlarge and change.
    """

    root: Path
    chapter: Chapter
    profile: str
    parameters: dict[str, Any]
    figures: Literal["png", "svg"] = "png"

    @property
    def is_twin(self) -> bool:
        """Whether the output is the committed twin, rather than a file under ``_build/executed``."""
        return self.profile == QUICK and not self.parameters and self.figures == "png"

    @property
    def output(self) -> Path:
        """The notebook it writes."""
        if self.is_twin:
            return self.chapter.twin
        suffix = ("" if self.profile == QUICK else f"-{self.profile}") + ("-svg" if self.figures == "svg" else "")
        return self.root / "_build/executed" / f"{self.chapter.name}{suffix}.ipynb"

    @property
    def record(self) -> Path:
        """The file with what was measured about its last good execution here."""
        folder = self.root / ("_build/records" if self.is_twin else "_build/executed")
        return folder / f"{self.output.stem}.json"

    def stale(self, record: dict[str, Any]) -> list[str]:
        """Return the ingredients that changed since the execution in ``record``; empty where the output is current."""
        if not self.output.is_file() or record.get("output") != digest(self.output.read_bytes()):
            return ["output"]
        then = record["fingerprint"]
        return fingerprint.changed(then, self.fingerprint(fingerprint.modules(then)))

    def fingerprint(self, modules: Iterable[str]) -> dict[str, str]:
        """Return what the output depends on now, if its chapter imports these modules of the library."""
        return fingerprint.fingerprint(self.chapter, self.parameters, modules)


def plan(root: Path, chapters: Sequence[Chapter], profile: str, given: Mapping[str, Any]) -> list[Job]:
    """Return one job per chapter, every parameter checked before anything runs.

    Raises:
        InputError: an unknown profile or parameter, or a value of the wrong type.
    """
    named = profile_parameters(root, profile)
    return [
        Job(root, chapter, profile, typed_parameters(chapter, {**named.get(chapter.name, {}), **given}))
        for chapter in chapters
    ]


def execute(jobs: Sequence[Job], processes: int) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Run jobs, so many at a time, each with a kernel of its own, and yield each with its record as it ends.

    Raises:
        RunError: as for `run`; the other jobs under way are ended first.
    """
    processes = min(processes, len(jobs) or 1, 61)  # more of them Windows does not wait for
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        futures = {pool.submit(run, job, index): job for index, job in enumerate(jobs)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise RunError("a process of the press was killed (out of memory?); run the command again.") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let this process, and with it its kernel, die when the command is killed."""

    def watch() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(job: Job, position: int = 0) -> dict[str, Any]:
    """Execute one job in this process: write its output whole, then its record, which is returned.

    Raises:
        RunError: a cell failed, hung or printed too much, the kernel died, or a twin read other tables than its
            chapter declares.
    """
    from gradbook.press.twin import clean, from_source, write_twin

    start, before, memory = time.perf_counter(), job.fingerprint(fingerprint.library()), _Memory()
    commit()  # now, since the checkout may move on meanwhile
    with tempfile.TemporaryDirectory(prefix="gradbook-") as folder:
        half, used = Path(folder) / f"{job.chapter.name}.ipynb", Path(folder) / "used.json"
        write_twin(from_source(job.chapter.source), half)
        executed = _execute(job, half, used, memory, position)
        seen = read_json(used)
        if job.is_twin and seen["tables"] != sorted(job.chapter.reads):
            raise RunError(
                f"{job.chapter.source.name} must declare in its header the tables of book/ that it reads, "
                f"{seen['tables']}; received {job.chapter.reads}. The twin is as it was."
            )
        write_twin(clean(executed), job.output)
    record = {
        "chapter": job.chapter.name,
        "profile": job.profile,
        "parameters": job.parameters,
        "output": digest(job.output.read_bytes()),
        "fingerprint": {name: before.get(name, "") for name in job.fingerprint(seen["modules"])},
        "seconds": round(time.perf_counter() - start, 1),
        "peak_memory": memory.peak,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **origin(),
    }
    write_json(job.record, record)
    return record


def _execute(job: Job, half: Path, used: Path, memory: "_Memory", position: int) -> "NotebookNode":
    import papermill
    from nbclient.exceptions import CellTimeoutError
    from papermill.exceptions import PapermillExecutionError

    own = environment(job, half.parent)
    os.environ.clear()
    os.environ.update(own)
    watch = f"from gradbook.press.kernel import watch; watch({str(used)!r}, {str(BOOK)!r}); del watch"
    printed, notes = _Counter(), half.with_suffix(".log")
    try:
        with _aside(notes) as terminal:
            bar = {"desc": job.chapter.name, "position": position, "leave": False, "file": terminal}
            return papermill.execute_notebook(
                half, half, job.parameters, cwd=half.parent, on_cell_executed=memory,
                progress_bar=bar | {"disable": not terminal.isatty()}, stdout_file=printed, stderr_file=printed,
                execution_timeout=CELL_TIME_LIMIT if job.is_twin else None,
                extra_arguments=["--log-level=ERROR", f"--IPKernelApp.exec_lines={watch}",
                                 f"--InlineBackend.figure_formats={job.figures}"],
            )  # fmt: skip
    except PapermillExecutionError as error:
        raise _failed(job, half, f"cell {error.exec_count}", error.source, f"{error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise _failed(job, half, "a cell", "", f"no answer within {CELL_TIME_LIMIT} s") from None
    except _FloodError:
        raise _failed(job, half, "a cell", "", f"more than {MOST_PRINTED:,} characters printed") from None
    except RuntimeError:  # no kernel, or no longer
        last = notes.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise _failed(job, half, "a cell", "", f"the kernel died ({''.join(last) or 'out of memory?'})") from None


def environment(job: Job, folder: Path) -> dict[str, str]:
    """Return what a job's kernel finds in its environment: nothing of the reader's own settings, which would show.

    Args:
        job: what is executed.
        folder: a temporary one of the kernel's own.
    """
    inherited = {name: value for name, value in os.environ.items() if name.upper() in PASSED}
    settings = {
        **dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "MPLCONFIGDIR"), str(folder)),
        "GRADBOOK_CWD": os.environ.get("GRADBOOK_CWD", str(Path.cwd())),  # relative paths are the reader's
        "KERAS_HOME": str(folder / "keras"),
    }
    return inherited | settings | QUIET | (REPEATABLE if job.is_twin else {})


@contextmanager
def _aside(notes: Path) -> Iterator[TextIO]:
    """Let what native libraries and kernels say on the error stream go to a file; yields the stream as it was."""
    with os.fdopen(os.dup(2), "w") as terminal, notes.open("wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield terminal
        finally:
            os.dup2(terminal.fileno(), 2)


class _Memory:
    """What to do after each cell: ask the operating system for the most memory that its kernel has occupied."""

    peak = 0

    def __call__(self, **_: object) -> None:
        import psutil

        self.peak = max([self.peak, *(peak_memory(child.pid) for child in psutil.Process().children())])


class _FloodError(Exception):
    """More was printed than a page can hold."""


class _Counter:
    """A file for what cells print, which keeps nothing of it and refuses more than `MOST_PRINTED`."""

    written = 0

    def write(self, text: str) -> None:
        self.written += len(text)
        if self.written > MOST_PRINTED:
            raise _FloodError

    def flush(self) -> None:
        pass


def _failed(job: Job, half: Path, where: str, source: str, error: str) -> RunError:
    kept = job.root / "_build/failed" / half.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(half, kept)
    cell = "".join(f"\n    {line}" for line in source.splitlines())
    error = re.sub(r"\x1b\[[0-9;]*m", "", error)
    kept_at = f"The half-executed notebook is {kept}; the twin is as it was."
    return RunError(f"{job.chapter.name}: {where} failed with {error}{cell}\n{kept_at}")
