"""The networks have exactly the parameters that were published, with every convolution."""

import keras
import numpy as np
import pytest

from gradbook.errors import InputError
from gradbook.lowrank.convs import substitute
from gradbook.lowrank.count import parameters, weightless
from gradbook.lowrank.networks import (
    DARTS_V2,
    NETWORKS,
    DropPath,
    Edge,
    Genotype,
    darts,
    mobilenet,
    mobilenet_v2,
    mobilenet_v2_cifar,
    resnet_18,
    wide_resnet,
    wrn_50_2,
)

PUBLISHED = [
    (lambda: wide_resnet(28, 10), 36_479_194),
    (lambda: wide_resnet(40, 2), 2_243_546),
    (lambda: wide_resnet(16, 2), 691_674),
    (wrn_50_2, 68_883_240),
    (darts, 3_349_342),
    (lambda: darts(auxiliary=True), 3_825_768),
    (mobilenet_v2, 3_504_872),
    (lambda: mobilenet_v2(convolution=substitute("shuffle", 4), dense_classifier=False), 919_442),
    (lambda: wrn_50_2(convolution=substitute("separable_hashed", 0.08), dense_classifier=False), 2_465_867),
    (resnet_18, 11_173_962),
    (mobilenet, 3_217_226),
    (mobilenet_v2_cifar, 2_296_922),
    (lambda: resnet_18(convolution=substitute("acdc", 11)), 151_178),
    (lambda: mobilenet(convolution=substitute("acdc", 11)), 208_586),
    (lambda: mobilenet_v2_cifar(convolution=substitute("acdc", 11)), 1_319_578),
]


@pytest.mark.parametrize(("build", "count"), PUBLISHED)
def test_a_network_has_the_published_number_of_parameters(build, count):
    assert parameters(weightless(build)) == count


def test_weightless_networks_count_as_built_ones():
    assert parameters(wide_resnet(10, 1)) == parameters(weightless(lambda: wide_resnet(10, 1))) == 77_850


@pytest.mark.parametrize("depth", [4, 12, 29])
def test_depths_of_another_form_are_refused(depth):
    with pytest.raises(InputError, match=rf"depth must be 6n \+ 4.*received {depth}"):
        wide_resnet(depth, 1)


@pytest.mark.parametrize(
    "build", [lambda: wide_resnet(10, 1, 0), lambda: darts(0, channels=4, cells=3, auxiliary=True)]
)
def test_a_network_without_classes_is_refused(build):
    with pytest.raises(InputError, match="classes must be a whole number, 1 or more; received 0"):
        weightless(build)


@pytest.mark.parametrize(("name", "side"), [("resnet-18", 4), ("mobilenet", 2), ("mobilenet-v2-cifar", 4)])
def test_networks_for_small_images_keep_their_size_in_the_stem_and_halve_it_later(name, side):
    model = weightless(lambda: NETWORKS[name]())
    first, *_ = (layer for layer in model.layers if layer.weights)
    last = [layer for layer in model.layers if layer.name.startswith("tap")][-1]
    assert (first.output.shape[1:3], last.output.shape[1:3], model.output_shape) == ((32, 32), (side, side), (None, 10))


def test_every_operation_of_a_genotype_runs():
    kinds = ("separable_3", "separable_5", "dilated_3", "dilated_5", "max_pool", "average_pool", "skip", "skip")
    edges = tuple(Edge(kind, place % 2) for place, kind in enumerate(kinds))
    model = darts(genotype=Genotype(edges, edges), channels=4, cells=3, auxiliary=True, shape=(32, 32, 3))
    logits, auxiliary = model(np.zeros((2, 32, 32, 3), np.float32), training=True)
    assert logits.shape == auxiliary.shape == (2, 10)


def test_cells_halve_the_image_at_a_third_and_at_two_thirds():
    model = weightless(lambda: darts(genotype=DARTS_V2, channels=4, cells=6))
    assert [model.get_layer(name).output.shape[1:] for name in ("tap_1", "tap_2")] == [(16, 16, 32), (8, 8, 64)]


def test_drop_path_keeps_the_mean_and_drops_whole_examples():
    layer = DropPath()
    layer.rate.assign(0.25)
    images = np.ones((4000, 2, 2, 1), np.float32)
    dropped = np.asarray(layer(images, training=True)).reshape(4000, 4)
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    assert (dropped == dropped[:, :1]).all()
    assert dropped.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(layer(images, training=False), images)


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16", "float16"])
def test_drop_path_draws_finely_enough_for_small_rates(dtype):
    keras.utils.set_random_seed(0)
    layer = DropPath(dtype=dtype)
    layer.rate.assign(0.0015)
    kept = keras.ops.cast(layer(np.ones((40_000, 1, 1, 1)), training=True), "float32")
    assert float(keras.ops.mean(kept == 0)) == pytest.approx(0.0015, rel=0.3)


def test_networks_survive_saving(tmp_path):
    model = darts(channels=4, cells=3)
    model.save(tmp_path / "darts.keras")
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "darts.keras")(images), model(images))
