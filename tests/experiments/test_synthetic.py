"""The experiment on images, and its study."""

import numpy as np
import pytest

from gradbook.errors import InputError, RunError
from gradbook.experiments.synthetic import EXPERIMENT, STUDY, Configuration
from gradbook.published import load
from gradbook.studies import results
from gradbook.synthetic import MODES
from gradbook.synthetic.networks import classifier

SMALL = {"dataset": "digits", "width": 8, "batch_size": 32, "steps": 30}


def test_a_run_measures_every_seed():
    configuration = Configuration(**SMALL, mode="DNI")
    records = EXPERIMENT.run(configuration, [0, 1])
    assert [record.data for record in records] == [records[0].data] * 2 and "digits" in records[0].data
    assert records[0].metrics != records[1].metrics
    assert set(records[0].metrics) == {"test_accuracy", "test_loss", "train_loss"}
    assert set(records[0].curves) == {
        *("step", "test_accuracy", "test_loss", "train_loss"),
        *(f"{what}_{k}" for what in ("cosine", "norm_ratio") for k in (1, 2, 3)),
    }
    assert records[0].curves["step"][-1] == 30


def test_a_run_whose_loss_is_lost_is_named():
    with pytest.raises(RunError, match=r"loss became (nan|inf) from seed 0"):
        EXPERIMENT.run(Configuration(**SMALL, depth=1, learning_rate=1e30), [0])


def test_reviews_are_refused():
    with pytest.raises(InputError, match="'reviews-toy' holds no images"):
        EXPERIMENT.run(Configuration(dataset="reviews-toy"), [0])


def test_a_convolutional_network_runs_too():
    (record,) = EXPERIMENT.run(Configuration(**SMALL | {"steps": 2}, network="convolutional", depth=2), [0])
    assert record.curves["step"] == [1.0, 2.0]


def test_modes_have_their_settings():
    assert Configuration(mode="backpropagation").settings.mixing == 1.0
    assert Configuration(mode="no backpropagation").settings.predictor_learning_rate == 0.0
    assert Configuration(update_probability=0.1).settings.update_probability == 0.1
    assert not Configuration(mode="DNI").settings.conditional


@pytest.mark.parametrize(
    "choice", [{"update_probability": 0.0}, {"mode": "dni"}, {"depth": 0}, {"batch_size": 1}, {"network": "recurrent"}]
)
def test_bad_configurations_are_refused_by_field(choice):
    with pytest.raises(ValueError, match=next(iter(choice))):
        Configuration(**choice)


def test_the_published_counts_are_those_of_the_network():
    table = load("20_synthetic_gradients").query("quantity == 'parameters'").set_index("setting").value.astype(int)
    chain = classifier([784], 10, depth=3, width=256)
    predictors = [one.gradient_predictor.count_params() for one in chain.interfaces]
    assert table["network"] == sum(w.value.shape.num_elements() for b in chain.blocks for w in b.trainable_variables)
    assert [table["predictor"]] * 3 == predictors and table["three predictors"] == sum(predictors)


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_batch_normalisation_can_keep_its_first_moving_averages(network):
    """Then batches are normalised by the mean 0 and the variance 1 alone, and scale and shift are learnt."""
    shape = [64] if network == "dense" else [8, 8, 1]
    chain = classifier(shape, 10, depth=1, width=4, batch_norm="inference")
    x = np.random.default_rng(0).normal(5, 3, (6, *shape)).astype("float32")
    block = chain.blocks[0]
    assert len(block.trainable_variables) == 4
    first = block.layers[1](x)
    np.testing.assert_allclose(block(x, training=True), np.maximum(first / np.sqrt(1 + 1e-3), 0), rtol=1e-5, atol=1e-6)
    (training, inference) = (
        EXPERIMENT.run(Configuration(**SMALL, network=network, batch_norm=kind), [0])[0]
        for kind in ("training", "inference")
    )
    assert training.metrics != inference.metrics


def test_the_study_has_five_seeds_a_cell_but_three_of_long_runs_and_every_setting_the_chapter_shows():
    for cell, seeds in STUDY.planned.items():
        assert seeds == tuple(range(3 if cell.steps == 500_000 else 5)), cell
    committed = results.load("synthetic")
    for fields in [
        *({"mode": mode} for mode in MODES[:4]),
        *({"update_probability": p} for p in (0.05, 0.1, 0.2, 0.5, 1.0)),
        *({"depth": depth, "mode": mode} for depth in (3, 4, 5, 6) for mode in ("backpropagation", "DNI", "cDNI")),
        {"target": "true"},
    ]:
        assert Configuration(**fields) in STUDY.planned, fields
        assert len(committed.cell(**fields)) == 5, fields


def test_long_runs_are_those_of_the_published_notebook():
    table = load("20_synthetic_gradients").query("source.str.startswith('nitarshan')", engine="python")
    steps, note = table.set_index("quantity").loc["steps", ["value", "note"]]
    assert note == "of 250 images; learning rate 3e-5 divided by 10 after 300000 and after 400000"
    for choice in ({"mode": "backpropagation"}, {"update_probability": 0.2}):
        cell = Configuration(
            batch_norm="inference", batch_size=250, learning_rate=3e-5, epsilon=1e-8, steps=int(steps), **choice
        )
        assert cell in STUDY.planned
        rates = [float(cell.settings.tensors(time, cell.steps).learning_rate) for time in (299_999, 300_000, 400_000)]
        assert rates == pytest.approx([3e-5, 3e-6, 3e-7])


def test_epsilon_is_that_of_adam():
    assert classifier([4], 2, depth=1, width=3, epsilon=1e-8).optimizer.epsilon == 1e-8
