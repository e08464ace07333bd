"""Sweeping a study: Dask runs what is not done yet, and this process writes what comes back."""

import logging
import os
import random
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from operator import itemgetter
from pathlib import Path

import dask
import dask.sizeof
from dask.system import CPU_COUNT
from distributed import CancelledError, Client, KilledWorker, LocalCluster, as_completed
from distributed.comm import CommClosedError
from tqdm import tqdm

from gradbook.errors import InputError, RunError
from gradbook.provenance import commit, origin
from gradbook.studies.experiment import Configuration, Experiment
from gradbook.studies.results import FOLDER
from gradbook.studies.status import Status, status
from gradbook.studies.store import Outcome, Store
from gradbook.studies.study import Run, Study

DASHBOARD = "127.0.0.1:8787"
PACE = 0.2  # seconds between two transactions: how much of the latest work a power cut may cost

# One run at a time on a worker, so that a run that kills its worker takes no other with it; two attempts before a run
# is suspected. A worker is restarted when it outgrows its share of the memory, never paused half-way. Dask's profiler
# would look at each worker a hundred times a second.
DASK = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 1,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.profile.enabled": False,
}
# Ctrl-C reaches a terminal's whole process group: workers leave it to the client, which then closes them. What
# TensorFlow writes to the terminal from below Python, whatever it is told, goes to a file.
PRELOAD = """import os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.dup2(os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
"""


def sweep(
    study: Study,
    store: Store,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: bool = False,
    dashboard: str = DASHBOARD,
    folder: Path = FOLDER,
) -> Status:
    """Run what is not done yet, record each run as it ends, and return where the study then stands.

    Seeds of a cell go to the experiment together, up to its ``stack``; failed runs are retried one by one, so that
    a seed that breaks its stack is found. An exception in a run, or a run that again and again kills its worker, is
    recorded as its error, and the others go on. A second sweep of the same experiment waits for the first.

    Args:
        workers: processes of a cluster on this machine, by default one a core; the cores are shared among them.
        scheduler: address of a running Dask scheduler to use in place of a cluster of our own.
        retry_failed: run also what failed before.
        dashboard: host and port of the local cluster's dashboard.
        folder: where committed results lie.

    Raises:
        InputError: both ``workers`` and ``scheduler``, or an address that is none.
        RunError: the scheduler or the store cannot be reached or fails on the way; what was recorded is kept.
    """

    def waiting() -> None:
        _say(f"another sweep of {study.experiment.name!r} into {store.path} is running; waiting for its end …")

    with store.reserve(study.experiment, waiting):
        before = status(study, store, folder)
        groups = _stacks(study, before.waiting) + [[study.runs[name]] for name in before.failed if retry_failed]
        if groups:
            with _connect(scheduler, workers, dashboard, Path(f"{store.path}.{study.experiment.name}.log")) as client:
                _require_module(client, study)
                _run(study, store, client, groups, done=len(before.done))
    return status(study, store, folder)


def _require_module(client: Client, study: Study) -> None:
    """Refuse workers that cannot import an experiment, or that imported another version of it before it changed."""
    experiment = study.experiment
    for place, run in {"scheduler": client.run_on_scheduler, "worker": client.run}.items():
        try:
            run(import_module, experiment.train.__module__)
        except ImportError as error:
            raise RunError(
                f"a {place} of {study.name!r} cannot import {error.name!r}; start it where that can be imported."
            ) from error
    now = experiment.version, [*experiment.configuration.model_fields]
    if others := [known for known in client.run(_imported, experiment).values() if known != now]:
        (old, had), (new, has) = others[0], now
        raise RunError(
            f"a worker of {study.name!r} has imported the experiment at version {old} with the fields "
            f"{', '.join(had)}, and it is at version {new} with {', '.join(has)}; start the workers anew."
        )


def _imported(experiment: Experiment) -> tuple[int, list[str]]:
    """Return the version and the fields of an experiment as this process has imported them."""
    found = vars(import_module(experiment.train.__module__)).values()
    versions = [one.version for one in found if isinstance(one, Experiment) and one.name == experiment.name]
    return versions[0] if versions else experiment.version, [*experiment.configuration.model_fields]


def _run(study: Study, store: Store, client: Client, groups: list[list[Run]], done: int) -> None:
    runs, failed = sum(map(len, groups)), 0
    _say(f"{study.name}: {runs} runs to do, {done} done; dashboard {client.dashboard_link}")
    with tqdm(total=done + runs, initial=done, desc=study.name, unit="run", disable=None) as bar:
        for outcomes in _outcomes(client, groups):
            store.add(outcomes)
            failed += sum(bool(outcome.error) for outcome in outcomes)
            bar.set_postfix(failed=failed, refresh=False)
            bar.update(len(outcomes))


def _outcomes(client: Client, groups: Sequence[list[Run]], alone: bool = False) -> Iterator[list[Outcome]]:
    """Yield outcomes in batches, as groups end; suspects of killing their workers come last, each group alone."""
    name = groups[0][0].experiment.name
    futures = client.map(execute, groups, key=name, pure=False)
    waiting, suspects, broken = dict(zip(futures, groups, strict=True)), [], None
    for batch in as_completed(futures).batches():
        outcomes = [outcome for result in client.gather(batch, errors="skip") for outcome in result]
        for future in batch:
            group = waiting.pop(future)
            if future.status == "cancelled":
                broken = RunError(f"the Dask scheduler is gone; start it and sweep {name!r} again.")
            elif future.status == "error":
                error = future.exception()
                if not isinstance(error, KilledWorker):
                    broken = RunError(f"Dask could not run {name!r}: {error!r}.")
                elif alone:
                    outcomes += _failures(group, "its worker died, again and again (out of memory?)", {})
                else:
                    suspects.append(group)
            future.release()  # or Dask would run it again if its worker died now
        yield outcomes
        if broken:  # what ended before it is recorded by now
            raise broken
        time.sleep(PACE)
    for group in suspects:
        yield from _outcomes(client, [group], alone=True)


def execute(group: Sequence[Run]) -> list[Outcome]:
    """Run the seeds of one cell together, on a worker; an exception becomes the error of each.

    Seeds that go side by side take no more cores than the worker has been given for TensorFlow.
    """
    if threads := os.environ.get("TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault("PYTHON_CPU_COUNT", threads)
    dask.sizeof.random = random.Random()  # or Dask, in another thread, draws from the numbers that a run has seeded
    first = group[0]
    commit()  # now, since the checkout may move on while the group runs
    try:
        records = first.experiment.run(first.cell, [run.seed for run in group])
        measured = list(zip(group, records, strict=True))
    except Exception:
        return _failures(group, traceback.format_exc(), origin())
    return [Outcome(run, record, "", origin()) for run, record in measured]


def _failures(group: Iterable[Run], error: str, where: dict) -> list[Outcome]:
    return [Outcome(run, None, error.strip(), where) for run in group]


def _stacks(study: Study, names: Iterable[str]) -> list[list[Run]]:
    """List the seeds that run together: first a stack of every cell, so that a sweep stopped half-way has them all."""
    size, cells = study.experiment.stack, dict[Configuration, list[Run]]()
    for run in map(study.runs.get, names):
        cells.setdefault(run.cell, []).append(run)
    stacks = [(start, runs[start : start + size]) for runs in cells.values() for start in range(0, len(runs), size)]
    return [stack for _, stack in sorted(stacks, key=itemgetter(0))]


@contextmanager
def _connect(scheduler: str | None, workers: int | None, dashboard: str, log: Path) -> Iterator[Client]:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters of it is recorded, or raised here
    if scheduler and workers:
        raise InputError(f"workers must be left out where scheduler is given; received {workers} and {scheduler!r}.")
    if not scheduler:
        with _cluster(workers or CPU_COUNT, dashboard, log) as cluster, Client(cluster) as client:
            yield client
        return
    gone = RunError(f"no Dask scheduler answers at {scheduler}; what was recorded is kept.")
    try:
        client = Client(scheduler, timeout=5)
    except ValueError as error:
        raise InputError(
            f"scheduler must be an address such as tcp://host:8786; received {scheduler!r}: {error}."
        ) from error
    except OSError as error:
        raise gone from error
    try:
        with client:
            yield client
    except (CommClosedError, CancelledError) as error:
        raise gone from error


@contextmanager
def _cluster(workers: int, dashboard: str, log: Path) -> Iterator[LocalCluster]:
    log.unlink(missing_ok=True)
    warnings.filterwarnings("ignore", "Port .* is already in use")  # another is taken then, and told
    with (
        dask.config.set(DASK),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=dashboard,
            env=_environment(workers),
            preload=[PRELOAD.format(log=str(log.resolve()))],
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


def _environment(workers: int) -> dict[str, str]:
    """Return what workers find set before they import TensorFlow: their share of the cores, and of a GPU's memory."""
    wanted = {
        "TF_NUM_INTRAOP_THREADS": str(max(1, CPU_COUNT // workers)),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    return {name: os.environ.get(name) or value for name, value in wanted.items()}


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)
