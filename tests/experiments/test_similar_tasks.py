"""Tasks that are the same, similar and unrelated: the published data, and orders drawn once or at each epoch."""

import numpy as np

from gradbook.experiments.similar_tasks import CLAIMED, GRID, STUDY, Configuration, run, tasks


def test_a_similar_matrix_differs_from_the_main_one_by_noise_and_an_unrelated_one_by_all():
    main, similar, unrelated = (tasks().matrices[task].ravel() for task in ("same", "similar", "unrelated"))
    assert np.isclose(np.std(similar - main), 3.5, rtol=0.01)
    assert np.isclose(np.corrcoef(main, similar)[0, 1], 10 / np.hypot(10, 3.5), atol=0.01)
    assert abs(np.corrcoef(main, unrelated)[0, 1]) < 4 / np.sqrt(main.size)
    x, y = tasks().inputs["test"], tasks().targets("test", "similar")
    assert (x.min() >= 0, x.max() <= 1) == (True, True)
    assert np.array_equal(y, np.tanh(x @ similar.reshape(250, 100)))


def test_orders_drawn_once_differ_from_those_of_each_epoch_from_the_second_epoch_on():
    curves = [
        run(Configuration(reshuffle=reshuffle, patience=1), [0])[0].curves["validation_squared_error"]
        for reshuffle in (True, False)
    ]
    assert curves[0][0] == curves[1][0]
    assert curves[0][1] != curves[1][1]


def test_the_study_has_all_published_cells_in_the_published_order_and_those_of_claims_in_both():
    orders = [{cell for cell in STUDY.planned if cell.reshuffle == reshuffle} for reshuffle in (False, True)]
    assert [len(cells) for cells in orders] == [len(GRID) + 1, len(CLAIMED)] == [376, 14]
    assert {len(STUDY.planned[cell]) for cell in orders[1]} == {20}
