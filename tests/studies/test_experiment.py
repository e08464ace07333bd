"""What `Experiment.run` asks of a cell, of seeds and of what an experiment yields, and what it adds."""

import time

import numpy as np
import pytest
from pydantic import create_model
from sampling import SAMPLES, Sample, measured

from gradbook.errors import InputError, RunError
from gradbook.studies.experiment import Configuration, Experiment, Record


def experiment(*records: Record) -> Experiment:
    """An experiment that yields these, whatever it is asked."""
    return Experiment("odd", 1, Sample, lambda cell, seeds: iter(records))


class Stranger(Configuration):
    """A cell of no experiment here."""


@pytest.mark.parametrize("cell", [Stranger(), Sample, {"size": 1.0}, None])
def test_a_cell_of_another_class_is_refused(cell):
    with pytest.raises(InputError, match=r"cell must be a sampling\.Sample; received"):
        SAMPLES.run(cell, [0])


@pytest.mark.parametrize("seeds", [[-1], [2**32], [0, 1, 0], []])
def test_seeds_out_of_range_given_twice_or_lacking_are_refused(seeds):
    with pytest.raises(InputError, match=r"from 0 to 4294967295, at least one, each once; received \["):
        SAMPLES.run(Sample(), seeds)


def test_a_seed_is_a_whole_number():
    with pytest.raises(TypeError):
        SAMPLES.run(Sample(), [0.5])
    assert [record.metrics for record in SAMPLES.run(Sample(), np.arange(2))] == [
        measured(1.0, seed).metrics for seed in (0, 1)
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_metric_that_is_not_finite_names_its_seed(value):
    records = Record({"test_loss": 1.0}), Record({"test_loss": value})
    with pytest.raises(RunError, match=f"test_loss became {value} from seed 7; a smaller learning_rate"):
        experiment(*records).run(Sample(), [3, 7])


@pytest.mark.parametrize("name", ["size", "seed", "seconds", "peak_memory", "origin", "key"])
def test_a_metric_named_as_another_column_is_refused(name):
    with pytest.raises(InputError, match=f"metrics must not be named as other columns; received {name}"):
        experiment(Record({name: 1.0})).run(Sample(), [0])


@pytest.mark.parametrize(
    ("kind", "default", "said"),
    [
        (int, ..., "fields must have a default; received none for third"),
        (list[int], [1], "fields must be of fixed values, such as tuples in place of lists"),
    ],
)
def test_a_field_that_cannot_be_is_refused_before_anything_is_swept(kind, default, said):
    with pytest.raises(InputError, match=said):
        Experiment("samples", 1, create_model("Own", __base__=Configuration, third=(kind, default)), print)


@pytest.mark.parametrize("name", ["seed", "seconds", "peak_memory", "origin", "key"])
def test_a_field_named_as_another_column_is_refused(name):
    with pytest.raises(InputError, match=f"fields must not be named as other columns; received {name}"):
        Experiment("samples", 1, create_model("Own", __base__=Configuration, **{name: (int, 0)}), print)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_one_record_is_yielded_for_each_seed(count):
    with pytest.raises(RunError, match=f"yielded {count} records for 2 seeds"):
        experiment(*[Record({})] * count).run(Sample(), [0, 1])


def test_numbers_become_pythons_own_and_data_stay():
    given = Record({"gate": np.float32(0.1), "step": np.int64(3)}, {"gate": np.float32([0.1, 0.2])}, data="none:0")
    (record,) = experiment(given).run(Sample(), [0])
    assert record.metrics == {"gate": float(np.float32(0.1)), "step": 3.0}
    assert record.curves == {"gate": [float(value) for value in np.float32([0.1, 0.2])]}
    assert {type(value) for value in [*record.metrics.values(), *record.curves["gate"]]} == {float}
    assert record.data == "none:0"


def test_time_is_shared_equally_among_the_seeds_and_covers_all_of_training():
    def train(cell, seeds):
        for _ in seeds:
            time.sleep(0.02)
            yield Record({})

    records = Experiment("slow", 1, Sample, train).run(Sample(), range(4))
    assert len({record.seconds for record in records}) == 1
    assert 0.02 <= records[0].seconds < 0.2
    assert all(record.peak_memory > 2**20 for record in records)


@pytest.mark.parametrize(
    ("made", "said"), [([{"distance": 1.0}], "must yield a Record for each seed; received dict"), (None, "0 records")]
)
def test_what_is_yielded_must_be_a_record(made, said):
    with pytest.raises(RunError, match=said):
        Experiment("walk", 1, Configuration, lambda cell, seeds: made).run(Configuration(), [0])
