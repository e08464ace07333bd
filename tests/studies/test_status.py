"""What a study still lacks, counted in runs and in hours."""

import math
from dataclasses import replace

import pytest
from sampling import SAMPLES, Sample, finished

from gradbook.errors import InputError
from gradbook.studies import results
from gradbook.studies.status import still_to_run
from gradbook.studies.store import Store
from gradbook.studies.study import Run, Study, grid, plan

SMALL, LARGE, UNKNOWN = grid(Sample, size=[1, 2, 3])


def test_what_is_lacking_takes_what_its_cell_took_or_else_the_slowest_cell(tmp_path):
    study = Study("samples", SAMPLES, plan(([SMALL, LARGE], 3), ([UNKNOWN], 1)))
    with Store(tmp_path / "store.sqlite") as store:
        for cell, seed, seconds in [(SMALL, 0, 10), (SMALL, 1, 30), (LARGE, 0, 100)]:
            (outcome,) = finished([Run(SAMPLES, cell, seed)], {})
            store.add([replace(outcome, record=replace(outcome.record, seconds=seconds))])
        results.export(study, store, tmp_path / "results")
    runs, hours = still_to_run(study, tmp_path / "results")
    assert (runs, hours * 3600) == (4, pytest.approx(1 * 20 + 2 * 100 + 1 * 100))


def test_of_a_study_that_plans_no_run_that_was_measured_the_hours_are_not_known(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        store.add(finished([Run(SAMPLES, SMALL, 0)], {}))
        results.export(Study("samples", SAMPLES, plan(([SMALL], 1))), store, tmp_path / "results")
    runs, hours = still_to_run(Study("samples", SAMPLES, plan(([LARGE], 3))), tmp_path / "results")
    assert runs == 3 and math.isnan(hours)


def test_nothing_committed_is_refused(tmp_path):
    with pytest.raises(InputError, match="samples"):
        still_to_run(Study("samples", SAMPLES, plan(([SMALL], 1))), tmp_path)
