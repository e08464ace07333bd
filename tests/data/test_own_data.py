"""The reader's own images and arrays."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import gradbook.data as data
from gradbook.errors import InputError


def picture(path, colour="red", size=(6, 4), mode="RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def arrays(**changes) -> dict[str, np.ndarray]:
    x = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), np.uint8)
    y = np.array([0, 1, 2, 0, 1, 2])
    return {"x_train": x, "y_train": y, "x_test": x[:3], "y_test": y[:3]} | changes


def test_a_folder_of_classes_is_split_fifth_by_fifth(tmp_path):
    for colour in ("red", "blue"):
        for i in range(10):
            picture(tmp_path / colour / f"{i}.png", colour)
    (tmp_path / "red" / "notes.txt").write_text("not an image")
    picture(tmp_path / ".hidden" / "0.png")
    own = data.load(tmp_path)
    assert own.classes == ("blue", "red") and own.name == tmp_path.name
    assert own.x_train.shape == (16, 4, 6, 3) and own.x_test.shape == (4, 4, 6, 3)
    assert np.bincount(own.y_train).tolist() == [8, 8] and np.bincount(own.y_test).tolist() == [2, 2]
    np.testing.assert_array_equal(own.x_test[own.y_test == 1][:, 0, 0], [[1, 0, 0]] * 2)
    assert data.load(str(tmp_path)).checksum == own.checksum


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_folder_may_bring_its_own_test_set_and_grey_images(tmp_path, part):
    for i, name in enumerate(("dark", "light")):
        picture(tmp_path / "train" / name / "deep" / "a.bmp", i * 255, mode="L")
        picture(tmp_path / part / name / "b.gif", i * 255, mode="L")
    own = data.load(tmp_path)
    assert own.classes == ("dark", "light") and own.y_test.tolist() == [0, 1]
    np.testing.assert_array_equal(own.x_test, own.x_train)
    assert own.x_train.shape == (2, 4, 6, 1) and own.x_train.max() == 1


def test_tiny_imagenets_own_layout_is_understood(tmp_path):
    for name in ("n1", "n2"):
        picture(tmp_path / "train" / name / "images" / f"{name}_0.JPEG", size=(8, 8))
        picture(tmp_path / "val" / "images" / f"val_{name}.JPEG", size=(8, 8))
    picture(tmp_path / "test" / "images" / "test_0.JPEG", size=(8, 8))
    (tmp_path / "val" / "val_annotations.txt").write_text("val_n1.JPEG\tn2\t0\t0\nval_n2.JPEG\tn1\t0\t0\n\n")
    own = data.load(tmp_path)
    assert own.classes == ("n1", "n2") and own.y_test.tolist() == [1, 0]


def test_classes_called_train_and_test_are_classes(tmp_path):
    for name in ("train", "test"):
        for i in range(2):
            picture(tmp_path / name / f"{i}.png")
    assert data.load(tmp_path).classes == ("test", "train")


def unequal(folder):
    picture(folder / "b" / "1.png", size=(6, 5))


def unreadable(folder):
    picture(folder / "b" / "1.png")
    (folder / "b" / "1.png").write_bytes((folder / "b" / "1.png").read_bytes()[:40])


def disguised(folder):
    picture(folder / "b" / "1.pcx")  # Pillow could read it, but not everything Pillow reads is let in
    (folder / "b" / "1.pcx").rename(folder / "b" / "1.png")


def enormous(folder):
    picture(folder / "b" / "1.png", 0, size=(5000, 4000), mode="1")


def deep(folder):
    picture(folder / "b" / "1.png", 0, mode="I;16")


def alone(folder):
    pass


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (unequal, "1.png has 6×5 pixels, the first image 6×4"),
        (unreadable, "1.png cannot be read as an image"),
        (disguised, "1.png cannot be read as an image"),
        (enormous, "1.png has 5000×4000 pixels; at most 16,777,216"),
        (deep, "1.png has more than 8 bits"),
        (alone, "one class only"),
    ],
)
def test_images_that_cannot_be_used_are_refused_by_name(tmp_path, spoil, sentence):
    picture(tmp_path / "a" / "0.png")
    picture(tmp_path / "a" / "1.png")
    spoil(tmp_path)
    with pytest.raises(InputError, match=sentence) as error:
        data.load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_class_of_a_single_image_is_refused(tmp_path):
    for name in ("a/0.png", "a/1.png", "b/0.png"):
        picture(tmp_path / name)
    with pytest.raises(InputError, match="b holds one image; a class needs one to train on and one to test on"):
        data.load(tmp_path)


def test_a_class_in_the_test_set_only_is_refused(tmp_path):
    for name in ("train/a/0.png", "train/b/0.png", "test/c/0.png"):
        picture(tmp_path / name)
    with pytest.raises(InputError, match=r"test holds class 'c', which .*train does not"):
        data.load(tmp_path)


def test_a_folder_without_images_and_a_path_to_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no images in folders named for their classes"):
        data.load(tmp_path)
    with pytest.raises(InputError, match="there is no file or folder"):
        data.load(tmp_path / "nothing")
    with pytest.raises(InputError, match="there is no file or folder"):
        data.load("nothing.npz")


def test_an_npz_is_scaled_and_named(tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays(y_train=arrays()["y_train"][:, None]), classes=["a", "b", "c"])
    own = data.load(tmp_path / "mine.npz")
    assert own.name == "mine" and own.classes == ("a", "b", "c")
    np.testing.assert_array_equal(own.x_train, (arrays()["x_train"] / 255).astype(np.float32))
    assert own.y_train.dtype == np.int32 and own.y_train.shape == (6,)


def test_floats_are_taken_as_they_are_and_grey_images_get_a_channel(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 4, 5))
    np.savez(tmp_path / "mine.npz", **arrays(x_train=x, x_test=x[:3]))
    own = data.load(tmp_path / "mine.npz")
    np.testing.assert_array_equal(own.x_train[..., 0], x.astype(np.float32))
    assert own.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"x_train": np.zeros((6, 20), np.uint8)}, r"x_train has shape \(6, 20\)"),
        ({"x_train": np.zeros((6, 0, 5), np.uint8)}, r"x_train has shape \(6, 0, 5\)"),
        ({"x_test": np.zeros((3, 4, 5, 3), np.int64)}, "x_test has type int64"),
        ({"x_test": np.zeros((3, 4, 5, 3), complex)}, "x_test has type complex128"),
        ({"x_test": np.full((3, 4, 5, 3), 1e300)}, "x_test holds NaN or infinite"),
        ({"x_test": np.zeros((0, 4, 5, 3), np.uint8), "y_test": np.zeros(0, int)}, "x_test holds no samples"),
        ({"y_train": np.zeros(6, int)}, "one class only"),
        ({"y_train": np.linspace(0, 1, 6)}, "y_train has type float64"),
        ({"y_train": np.array([0, 1, -1, 0, 1, 2])}, "y_train holds labels from -1 to 2"),
        (
            {"y_train": np.array([0, 1, 2**63, 0, 1, 2], np.uint64)},
            "y_train holds labels from 0 to 9223372036854",
        ),
        ({"y_train": np.array([0, 1, 9, 0, 1, 9])}, "y_train holds no label 2"),
        ({"y_test": np.array([0, 1, 3])}, "y_test holds label 3"),
        ({"y_test": np.zeros((3, 2), int)}, r"y_test has shape \(3, 2\)"),
        ({"classes": ["a", "b"]}, "y_train holds label 2; with 2 classes"),
        ({"classes": "ab"}, "classes has shape"),
        ({"x_train": np.array([{}] * 6)}, "holds pickled objects, which could run code"),
        ({"classes": np.array(["a", {}, None])}, "holds pickled objects, which could run code"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, changes, sentence):
    np.savez(tmp_path / "mine.npz", **arrays(**changes))
    with pytest.raises(InputError, match=sentence) as error:
        data.load(tmp_path / "mine.npz")
    assert "\n" not in str(error.value)


def test_an_npz_without_test_set_is_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=arrays()["x_train"], y_train=arrays()["y_train"])
    with pytest.raises(InputError, match="lacks x_test, y_test"):
        data.load(tmp_path / "mine.npz")


def test_an_npz_that_unpacks_to_more_than_memory_holds_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (2**44, 1, 1)})
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        for name in arrays():
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(InputError, match=r"cannot be read as an \.npz"):
        data.load(tmp_path / "mine.npz")


def test_an_npz_that_says_it_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gradbook.data.own.LARGEST", 5_000)
    with zipfile.ZipFile(tmp_path / "mine.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", bytes(6_000))
    with pytest.raises(InputError, match="unpacks to 6,000 bytes; at most 5,000"):
        data.load(tmp_path / "mine.npz")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), min_size=1, max_size=6), st.booleans())
def test_no_bytes_in_an_npz_break_the_loader(tmp_path_factory, flips, packed):
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays(), classes=["a", "b", "c"])
    content = bytearray(file.getvalue())
    for place, bits in flips:
        content[place % len(content)] ^= bits
    path = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    path.write_bytes(content)
    try:
        assert data.load(path).x_train.shape[0] == 6
    except InputError as error:
        assert str(error)
