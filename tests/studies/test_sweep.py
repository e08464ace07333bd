"""Sweeps on real processes, through the faults they have to survive: nothing finished is lost or run twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dask
import psutil
import pytest
from distributed import LocalCluster
from sampling import SAMPLES, STACKS, Sample, executions, measured, recorded, samples

from gradbook import experiments
from gradbook.cli import app
from gradbook.errors import InputError, RunError
from gradbook.provenance import origin
from gradbook.studies import results
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.store import Store
from gradbook.studies.study import Run, Study, grid, plan
from gradbook.studies.sweep import DASK, _outcomes, execute, sweep
from gradbook.training import cores

HERE = Path(__file__).parent


class Ended:
    """What Dask gives for a group that has ended, well or not."""

    def __init__(self, status, result=None):
        self.status, self.result = status, result

    def exception(self):
        return MemoryError("of the scheduler")

    def release(self):
        pass


@pytest.mark.parametrize(("status", "said"), [("error", "Dask could not run 'samples'"), ("cancelled", "is gone")])
def test_what_ended_in_the_batch_in_which_dask_fails_is_recorded(status, said, monkeypatch):
    runs = list(samples(2).runs.values())
    futures = [Ended(status), Ended("finished", execute(runs[1:]))]
    client = SimpleNamespace(
        map=lambda *_, **__: futures,
        gather=lambda batch, errors: [one.result for one in batch if one.status == "finished"],
    )
    monkeypatch.setattr("gradbook.studies.sweep.as_completed", lambda _: SimpleNamespace(batches=lambda: [futures]))
    found = _outcomes(client, [[run] for run in runs])
    assert [outcome.run for outcome in next(found)] == runs[1:]
    with pytest.raises(RunError, match=said):
        next(found)


def importing(*folders: Path) -> dict[str, str]:
    """The environment of a process that can import what lies in these folders, beside what this one can."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, folders), *sys.path])}


@pytest.fixture(scope="module")
def cluster():
    """Two workers that the tests in this process share."""
    with (
        dask.config.set(DASK),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=60) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        yield store


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def client(tmp_path, log):
    """Start clients as processes, each the leader of its own group; whatever is left of them is killed at the end."""
    started = []

    def start(count: int, pause: float, *limit: int) -> subprocess.Popen:
        words = [HERE / "client.py", tmp_path / "store.sqlite", log, count, pause, *limit]
        started.append(
            subprocess.Popen(
                [sys.executable, *map(str, words)],
                env=importing(HERE, tmp_path),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(condition, seconds=60):
    """Wait until the condition holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} never came true"
        time.sleep(0.05)
    return value


def sizes(log):
    return Counter(execution.size for execution in executions(log))


# Runs and their failures


def test_every_run_is_executed_once_and_recorded_exactly(cluster, store, log, tmp_path):
    study = samples(20, log=log)
    for _ in range(2):
        now = sweep(study, store, scheduler=cluster, folder=tmp_path)
        assert (now.done, now.failed, now.waiting) == (list(study.runs), {}, [])
    assert sizes(log) == dict.fromkeys(range(20), 1)
    for key, seed, record, where in store.records(SAMPLES):
        exact = measured(study.runs[key].cell.size, seed)
        assert (record.metrics, record.curves, record.data) == (exact.metrics, exact.curves, exact.data)
        assert record.peak_memory > 2**20 and record.seconds < 5
        assert set(where) == {"commit", "dirty", "libraries", "machine"}


def test_nobody_else_draws_from_the_random_numbers_that_a_run_has_seeded(cluster, store, tmp_path):
    study = Study("samples", SAMPLES, plan((grid(Sample, size=range(2), does=["draw"], pause=[2]), 1)))
    sweep(study, store, scheduler=cluster, folder=tmp_path)
    drawn = {record.metrics["drawn"] for _, _, record, _ in store.records(SAMPLES)}
    assert drawn == {random.Random(0).random()}


def test_a_run_that_fails_is_recorded_with_its_error_and_tried_again_only_if_told(cluster, store, log, tmp_path):
    study = Study("samples", SAMPLES, plan((grid(Sample, size=range(4), does=["finish", "raise"], log=[str(log)]), 1)))
    for retry, executed in (False, 8), (False, 8), (True, 12):
        now = sweep(study, store, scheduler=cluster, folder=tmp_path, retry_failed=retry)
        assert len(executions(log)) == executed
    assert {study.runs[key].cell.does for key in now.done} == {"finish"}
    assert {study.runs[key].cell.does for key in now.failed} == {"raise"}
    assert all("Traceback" in error for error in now.failed.values())
    assert "size=2.0,does=raise,seed=0: ValueError: no sample of size 2.0" in str(now)


def test_metrics_that_an_export_would_refuse_fail_their_run_at_once():
    def train(cell, seeds):
        yield from (Record({"size": 1.0}) for _ in seeds)

    (outcome,) = execute([Run(Experiment("careless", 1, Sample, train), Sample(), 0)])
    assert outcome.record is None
    assert "metrics must not be named as other columns; received size." in outcome.error


def test_seeds_side_by_side_keep_to_the_cores_that_their_worker_was_given(monkeypatch):
    def train(cell, seeds):
        yield from (Record({"cores": float(cores())}) for _ in seeds)

    monkeypatch.setattr(os, "environ", {"TF_NUM_INTRAOP_THREADS": "3"})
    (outcome,) = execute([Run(Experiment("wide", 1, Sample, train), Sample(), 0)])
    assert outcome.record.metrics["cores"] == 3


def test_seeds_run_in_stacks_and_a_seed_that_breaks_its_stack_is_found_by_a_retry(cluster, store, log, tmp_path):
    study = Study("stacks", STACKS, plan((grid(Sample, size=[1, 2], does=["break the stack"], log=[str(log)]), 6)))
    now = sweep(study, store, scheduler=cluster, folder=tmp_path)
    assert Counter((one.size, one.stack) for one in executions(log)) == {(1, 4): 4, (1, 2): 2, (2, 4): 4, (2, 2): 2}
    assert sorted(study.runs[key].seed for key in now.failed) == [0, 0, 1, 1, 2, 2, 3, 3]
    now = sweep(study, store, scheduler=cluster, folder=tmp_path, retry_failed=True)
    assert [study.runs[key].seed for key in now.failed] == [1, 1]


def test_a_sweep_begins_with_a_seed_of_every_cell(cluster, store, log, tmp_path):
    planned = plan((grid(Sample, size=range(4), pause=[0.2], log=[str(log)]), 2))
    sweep(Study("samples", SAMPLES, planned), store, scheduler=cluster, folder=tmp_path)
    assert {(one.size, one.seed) for one in executions(log)[:4]} == {(size, 0) for size in range(4)}


def test_a_run_that_kills_every_worker_is_recorded_and_the_others_go_on(cluster, store, log, tmp_path):
    deadly, harmless = grid(Sample, size=[9], does=["die"], log=[str(log)]), grid(Sample, size=range(6), log=[str(log)])
    study = Study("samples", SAMPLES, plan((deadly, 1), (harmless, 1)))
    now = sweep(study, store, scheduler=cluster, folder=tmp_path)
    assert [study.runs[key].cell.size for key in now.failed] == [9]
    assert "worker died" in str(now)
    assert sizes(log)[9] <= 4
    assert len(now.done) == 6


def test_runs_on_a_killed_worker_run_elsewhere_and_recorded_ones_do_not(client, store, log):
    study = samples(12, log=log, pause=0.3)
    process = client(12, 0.3)
    kept = until(lambda: recorded(study, store.path))
    os.kill(next(one.worker for one in executions(log) if one.size in kept), signal.SIGKILL)
    output, errors = process.communicate(timeout=60)
    assert "12 done, 0 failed" in output
    assert [line.partition(";")[0] for line in errors.splitlines()] == ["samples: 12 runs to do, 0 done"]
    assert "something" in Path(f"{store.path}.samples.log").read_text()
    assert recorded(study, store.path) == set(range(12))
    assert {size for size, times in sizes(log).items() if times > 1}.isdisjoint(kept)


# Clients that end, and begin again


def test_a_killed_client_loses_nothing_recorded_and_runs_nothing_recorded_again(client, cluster, store, log, tmp_path):
    study = samples(60, log=log, pause=0.1)
    process = client(60, 0.1)
    until(lambda: len(executions(log)) >= 45)
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    kept, now = recorded(study, store.path), time.time()
    assert kept >= {one.size for one in executions(log) if one.time < now - 2}
    assert psutil.wait_procs(family, timeout=20)[1] == []

    assert len(sweep(study, store, scheduler=cluster, folder=tmp_path).done) == 60
    assert {size for size, times in sizes(log).items() if times > 1}.isdisjoint(kept)


def test_ctrl_c_ends_cleanly_and_the_sweep_goes_on_elsewhere(client, cluster, store, log, tmp_path):
    study = samples(30, log=log, pause=0.1)
    process = client(30, 0.1)
    until(lambda: recorded(study, store.path))
    parent = psutil.Process(process.pid)
    family = parent.children(recursive=True)
    connections = getattr(psutil.Process, "net_connections", None) or psutil.Process.connections  # before psutil 6
    listening = [one for each in [parent, *family] for one in connections(each) if one.status == "LISTEN"]
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}

    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert output == ""
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert errors.count("Traceback") == 1, errors
    assert psutil.wait_procs(family, timeout=20)[1] == []

    kept = recorded(study, store.path)
    assert 0 < len(kept) < 30
    assert len(sweep(study, store, scheduler=cluster, folder=tmp_path).done) == 30
    assert {size for size, times in sizes(log).items() if times > 1}.isdisjoint(kept)


def test_a_full_disk_ends_the_sweep_with_what_was_written(client, cluster, store, log, tmp_path):
    study = samples(400, log=log)
    ended = client(400, 0.0, 120_000)
    _, errors = ended.communicate(timeout=60)
    assert ended.returncode == 1
    assert f"store {store.path}:" in errors.splitlines()[-1]
    kept = recorded(study, store.path)
    assert 0 < len(kept) < 400
    assert len(sweep(study, store, scheduler=cluster, folder=tmp_path).done) == 400
    assert {size for size, times in sizes(log).items() if times > 1}.isdisjoint(kept)


def test_two_sweeps_of_one_study_at_once_run_nothing_twice_and_their_workers_share_the_cores(client, store, log):
    both = [client(20, 0.05) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert all("20 done, 0 failed, 0 waiting" in output for output, _ in said)
    assert sum("another sweep of 'samples'" in errors for _, errors in said) == 1
    assert sizes(log) == dict.fromkeys(range(20), 1)
    threads = {origin["machine"]["threads"] for *_, origin in store.records(SAMPLES)}
    assert threads == {max(1, dask.system.CPU_COUNT // 2)}


CLOCK = """
import os, time
real = time.time
time.time = lambda: real() - 86_400 * os.path.exists({!r})
"""


def test_a_clock_that_jumps_back_disturbs_nothing(client, store, log, tmp_path):
    study, jump = samples(12, log=log, pause=0.2), tmp_path / "jump"
    (tmp_path / "sitecustomize.py").write_text(CLOCK.format(str(jump)))  # of the client, and of its workers
    process = client(12, 0.2)
    until(lambda: recorded(study, store.path))
    jump.touch()
    assert "12 done, 0 failed" in process.communicate(timeout=60)[0]
    assert sizes(log) == dict.fromkeys(range(12), 1)
    times = [execution.time for execution in executions(log)]
    assert max(times) - min(times) > 80_000


# Schedulers


def test_workers_that_lack_the_study_s_module_say_so(cluster, store, tmp_path, monkeypatch):
    (tmp_path / "far_away.py").write_text(
        "from gradbook.studies.experiment import Configuration, Experiment\n"
        "from gradbook.studies.study import Study, grid, plan\n"
        "def train(cell, seeds): yield from ()\n"
        "class Cell(Configuration): pass\n"
        "STUDY = Study('far', Experiment('far', 1, Cell, train), plan((grid(Cell), 1)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RunError, match="a worker of 'far' cannot import 'far_away'; start it where"):
        sweep(experiments.study("far_away:STUDY"), store, scheduler=cluster, folder=tmp_path)


def test_a_scheduler_that_dies_stops_the_sweep_and_keeps_what_was_recorded(store, log, tmp_path):
    study, file = samples(200, log=log, pause=0.5), tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": importing(HERE)}
    run = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen([*run, "scheduler", "--host", "127.0.0.1:0", "--scheduler-file", file], **quiet)
    worker = subprocess.Popen([*run, "worker", "--nthreads", "1", "--scheduler-file", file], **quiet)

    def fault():
        until(lambda: recorded(study, store.path))
        scheduler.kill()

    with ThreadPoolExecutor() as pool:
        pool.submit(fault)
        until(file.exists)
        with pytest.raises(RunError, match="scheduler"):
            sweep(study, store, scheduler=json.loads(file.read_text())["address"], folder=tmp_path)
    worker.kill()
    worker.wait()
    assert scheduler.wait() == -signal.SIGKILL
    assert 0 < len(recorded(study, store.path)) < 200


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"scheduler": "tcp://127.0.0.1:1"}, RunError, "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ({"scheduler": "post://office"}, InputError, "post://office"),
        ({"scheduler": "tcp://127.0.0.1:1", "workers": 2}, InputError, "workers must be left out"),
    ],
)
def test_schedulers_that_cannot_be_used_are_named(store, tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        sweep(samples(1), store, folder=tmp_path, **options)


def test_workers_that_imported_an_experiment_before_it_changed_are_refused(cluster, store, tmp_path):
    study = samples(1)
    with pytest.raises(
        RunError, match=r"has imported the experiment at version 1 .* at version 2 .*; start the workers"
    ):
        sweep(replace(study, experiment=replace(SAMPLES, version=2)), store, scheduler=cluster, folder=tmp_path)
    assert len(sweep(study, store, scheduler=cluster, folder=tmp_path).done) == 1


@pytest.mark.parametrize("threads", ["", "auto"])
def test_a_run_is_recorded_whatever_the_environment_says_of_threads(threads, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", threads)
    origin.cache_clear()
    (outcome,) = execute([*samples(1).runs.values()])
    assert (outcome.error, outcome.origin["machine"]["threads"]) == ("", os.cpu_count())
    origin.cache_clear()


@pytest.mark.parametrize("error", [InputError("no"), ValueError("no"), OSError("no")], ids=repr)
def test_what_fails_in_a_sweep_is_not_laid_on_its_scheduler(cluster, store, tmp_path, monkeypatch, error):
    def fail(outcomes):
        raise error

    monkeypatch.setattr(store, "add", fail)
    with pytest.raises(type(error)) as raised:
        sweep(samples(1), store, scheduler=cluster, folder=tmp_path)
    assert raised.value is error


# Results, scale, and the command


def test_a_sweep_goes_on_from_committed_results(cluster, store, log, tmp_path):
    study = samples(10, log=log)
    sweep(study.select(size=[1, 2, 3]), store, scheduler=cluster, folder=tmp_path)
    results.export(study, store, tmp_path)
    with Store(tmp_path / "another machine.sqlite") as other:
        assert len(sweep(study, other, scheduler=cluster, folder=tmp_path).done) == 10
        assert len(other.errors(SAMPLES)) == 7
        assert results.export(study, other, tmp_path) == results.Exported(runs=10, added=7, dropped=0)
    assert sizes(log) == dict.fromkeys(range(10), 1)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """The command in this process, with a folder of its own for results, as ``command("sweep", …)``."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setenv("GRADBOOK_STORE", str(tmp_path / "store.sqlite"))

    def run(*words: str) -> str:
        app(words, standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_the_command_sweeps_tells_and_writes_scalars(command, cluster, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    assert command("sweep", "sampling:STUDY", "--status") == "samples: 0 done, 0 failed, 4 waiting\n"
    assert command(
        "sweep", "sampling:STUDY", "--dry-run", "--where", "does=raise", "--where", "size=2", "--seeds", "2"
    ) == ("size=2.0,does=raise,seed=0\nsize=2.0,does=raise,seed=1\n2 runs to do\n")
    logs = tmp_path / "logs"
    words = ["sweep", "sampling:STUDY", "--scheduler", cluster]
    assert command(*words, "--where", "does=finish", "--tensorboard", str(logs)).startswith("samples: 2 done, 0 failed")
    (folder,) = logs.glob("size=2.0,does=finish,seed=0,*")
    events = EventAccumulator(str(folder)).Reload()
    scalars = [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors("test_loss")]
    assert scalars == [(0, 2.0), (1, 1.0), (2, pytest.approx(2 / 3))]
    with pytest.raises(RunError, match="2 of 4 runs failed"):
        command(*words)
    told = command("sweep", "sampling:STUDY", "--status")
    assert "2 done, 2 failed, 0 waiting\n  size=1.0,does=raise,seed=0: ValueError" in told


def test_a_study_of_one_s_own_goes_on_from_the_results_that_it_was_exported_to(command, cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = ["--where", "does=finish"]
    command("sweep", "sampling:STUDY", "--scheduler", cluster, *chosen)
    assert "2 runs in results/samples.csv" in command("results", "export", "sampling:STUDY")
    monkeypatch.setenv("GRADBOOK_STORE", str(tmp_path / "another machine.sqlite"))
    assert command("sweep", "sampling:STUDY", "--status", *chosen) == "samples: 2 done, 0 failed, 0 waiting\n"


def test_the_command_is_installed_with_examples(gradbook, tmp_path):
    shown = gradbook(tmp_path, "sweep", "--help")
    assert "gradbook sweep concept --status" in shown.stdout
    words = ["--status", "--store", str(tmp_path / "store.sqlite"), "--where", "rule=projektion"]
    ended = gradbook(tmp_path, "sweep", "concept", *words)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "'projection'" in ended.stderr
