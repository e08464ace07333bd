"""The reader's own images and arrays."""

import io
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import gradbook.data as data
from gradbook.data.images import decode
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


@pytest.mark.parametrize(
    ("train", "part"),
    [
        *[("train", part) for part in ("test", "val", "valid", "validation", "eval", "Test", "VAL")],
        *[("training", "testing"), ("Train", "Dev"), ("TRAINING", "Evaluation"), ("train", "holdout")],
        *[("training_set", "test_set"), ("Train Data", "Test Data"), ("train-images", "test-images")],
    ],
)
def test_a_folder_may_bring_its_own_test_set_and_grey_images(tmp_path, train, part):
    for i, name in enumerate(("dark", "light")):
        picture(tmp_path / train / name / "deep" / "a.bmp", i * 255, mode="L")
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


def test_of_several_test_sets_the_test_set_is_used_and_one_without_classes_is_left_aside(tmp_path):
    for part, colour in {"train": "red", "valid": "lime", "test": "blue"}.items():
        for name in ("a", "b"):
            picture(tmp_path / part / name / "0.png", colour)
    assert data.load(tmp_path).x_test[0, 0, 0].tolist() == [0, 0, 1]
    shutil.rmtree(tmp_path / "test")
    picture(tmp_path / "test" / "0.png")
    assert data.load(tmp_path).x_test[0, 0, 0].tolist() == [0, 1, 0]


def test_a_training_set_alone_is_divided(tmp_path):
    for name in ("a", "b"):
        for i in range(5):
            picture(tmp_path / "train" / name / f"{i}.png")
    own = data.load(tmp_path)
    assert own.classes == ("a", "b") and (len(own.y_train), len(own.y_test)) == (8, 2)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["val"], "must hold one training set, named train or training; received val"),
        (["train", "Training", "test"], "must hold one training set, named train or training; received Training"),
        (["train", "test", "other"], "must hold either parts or classes; received train beside other"),
        (["fit", "score"], "or parts named train and test; received fit and score, which both hold a and b"),
    ],
)
def test_parts_that_cannot_be_told_apart_are_refused_by_name(tmp_path, parts, said):
    for part in parts:
        for name in ("a", "b"):
            picture(tmp_path / part / name / "0.png")
    with pytest.raises(InputError, match=said):
        data.load(tmp_path)


def test_classes_that_are_each_divided_into_parts_are_refused(tmp_path):
    for name in ("cat", "dog"):
        for part in ("train", "test"):
            picture(tmp_path / name / part / "0.png")
    with pytest.raises(InputError, match="received cat and dog, which both hold test and train"):
        data.load(tmp_path)


def test_images_are_seen_as_their_tag_turns_them(tmp_path):
    stripe = np.zeros((16, 12, 3), np.uint8)
    stripe[:4] = 255
    upright = Image.fromarray(stripe)
    upright.save(tmp_path / "0.png")
    turns = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        6: [Image.Transpose.ROTATE_90],
        8: [Image.Transpose.ROTATE_270],
    }
    for tag, (turn,) in turns.items():
        exif = Image.Exif()
        exif[0x0112] = tag
        upright.transpose(turn).save(tmp_path / "1.png", exif=exif)
        np.testing.assert_array_equal(decode(tmp_path / "1.png", (16, 12, 3)), decode(tmp_path / "0.png"))


def test_a_tag_that_cannot_be_read_turns_nothing(tmp_path):
    Image.new("RGB", (6, 4), "red").save(tmp_path / "0.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3")
    assert decode(tmp_path / "0.jpg").shape == (4, 6, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    ink = np.zeros((4, 6, 4), np.uint8)
    ink[1, :, 3] = 255
    ink[2, :, 3] = 51
    image = Image.fromarray(ink, "RGBA")
    if mode == "PA":  # to which Pillow before 12 converts without transparency
        image = Image.new("PA", image.size)
        image.putpalette([0] * 768)
        image.putdata([(0, alpha) for alpha in ink[..., 3].ravel()])
    elif mode != "P":
        image = image.convert(mode)
    image.save(tmp_path / f"0.{'gif' if mode == 'P' else 'png' if mode != 'PA' else 'tif'}")
    (file,) = tmp_path.iterdir()
    rows = decode(file)[:, 0, 0].tolist()
    assert rows[:2] == [255, 0] and rows[3] == 255
    assert mode == "P" or rows[2] == 204


def test_palettes_cmyk_and_single_bits_are_colours(tmp_path):
    red = Image.new("RGB", (6, 4), (255, 0, 0))
    red.quantize(4).save(tmp_path / "palette.png")
    red.convert("CMYK").save(tmp_path / "cmyk.tif")
    Image.new("1", (6, 4), 1).save(tmp_path / "bit.png")
    for name, colour in {"palette.png": [255, 0, 0], "cmyk.tif": [255, 0, 0], "bit.png": [255, 255, 255]}.items():
        assert decode(tmp_path / name)[0, 0].tolist() == colour, name


def test_sixteen_bits_are_reduced_to_eight(tmp_path):
    levels = np.array([[0, 257, 128, 129], [32896, 65535, 65406, 65407]], np.uint16)
    for name in ("0.png", "0.tif", "0.pgm"):
        Image.fromarray(levels).save(tmp_path / name)
        assert decode(tmp_path / name)[..., 0].tolist() == [[0, 1, 0, 1], [128, 255, 254, 255]], name


@pytest.mark.parametrize("name", ["0.jfif", "0.JPE", "0.JPG"])
def test_suffixes_of_phones_and_browsers_are_images(tmp_path, name):
    for folder in "ab":
        for i in range(2):
            picture(tmp_path / folder / f"{i}.jpg")
        (tmp_path / folder / "0.jpg").rename(tmp_path / folder / name)
    assert len(data.load(tmp_path).y_train) == 2


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (["bird/0.heic"], r"bird/0\.heic must be an image .*received \.heic"),
        (["bird/0"], r"bird/0 must be an image .*received no suffix"),
        (["bird/notes.txt"], r"bird holds no images"),
        (["bird/"], r"bird holds no images"),
        (["cat/3.avif"], r"cat/3\.avif must be an image .*received \.avif"),
    ],
)
def test_a_class_or_a_file_that_would_be_left_out_is_named(tmp_path, spoilt, said):
    for i in range(3):
        picture(tmp_path / "cat" / f"{i}.png")
        picture(tmp_path / "dog" / f"{i}.png")
    for name in spoilt:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_bytes(b"?")
    with pytest.raises(InputError, match=said):
        data.load(tmp_path)


NAMES = ("A$1", "a_b^{c}", "猫", "ñ ö", "c:d", "%s {}")


def test_classes_may_have_any_names(tmp_path):
    for name in NAMES:
        for i in range(2):
            picture(tmp_path / "pets" / name / f"{i}.png")
    assert data.load(tmp_path / "pets").classes == tuple(sorted(NAMES))
    np.savez(tmp_path / "mine.npz", **arrays(), classes=["cat/dog", "$x$", "_猫_"])
    assert data.load(tmp_path / "mine.npz").classes == ("cat/dog", "$x$", "_猫_")


def test_paths_start_where_the_reader_is(tmp_path, monkeypatch):
    np.savez(tmp_path / "mine.npz", **arrays())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    here = data.load("mine.npz").checksum
    assert data.load("./mine.npz").checksum == here
    monkeypatch.setenv("GRADBOOK_DATA", "sets")
    assert data.describe()[2].where == tmp_path / "sets" / "mnist"
    monkeypatch.setenv("GRADBOOK_CWD", str(tmp_path))  # as the press does for a kernel that runs elsewhere
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert data.load("mine.npz").checksum == here
    assert data.describe()[2].where == tmp_path / "sets" / "mnist"


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
    picture(folder / "b" / "1.tif", 0.5, mode="F")


def alone(folder):
    pass


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (unequal, "1.png has 6×5 pixels, the first image 6×4"),
        (unreadable, "1.png cannot be read as an image"),
        (disguised, "1.png cannot be read as an image"),
        (enormous, "1.png has 5000×4000 pixels; at most 16,777,216"),
        (deep, "1.tif cannot be read as an image: it has more than 16 bits a pixel"),
        (alone, "at least two classes"),
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
        ({"x_train": np.zeros((6, 20), np.uint8)}, r"x_train must have the shape .*received \(6, 20\)"),
        ({"x_train": np.zeros((6, 0, 5), np.uint8)}, r"x_train must have the shape .*received \(6, 0, 5\)"),
        ({"x_test": np.zeros((3, 4, 5, 3), np.int64)}, "x_test must be uint8.*received int64"),
        ({"x_test": np.zeros((3, 4, 5, 3), complex)}, "x_test must be uint8.*received complex128"),
        (
            {"x_test": np.full((3, 4, 5, 3), 1e300), "x_train": np.ones((6, 4, 5, 3))},
            "one scale; received values up to 1 and 1e",
        ),
        (
            {"x_test": np.zeros((0, 4, 5, 3), np.uint8), "y_test": np.zeros(0, int)},
            "x_test must hold at least one sample",
        ),
        ({"y_train": np.zeros(6, int)}, "at least two classes; received 0 only"),
        ({"y_train": np.linspace(0, 1, 6)}, "y_train must hold whole numbers; received float64"),
        ({"y_train": np.array([0, 1, -1, 0, 1, 2])}, "y_train must hold labels 0, 1, … without gaps; received -1 to 2"),
        (
            {"y_train": np.array([0, 1, 2**63, 0, 1, 2], np.uint64)},
            "received 0 to 9223372036854",
        ),
        (
            {"y_train": np.array([0, 1, 9, 0, 1, 9])},
            "y_train must hold labels 0 to 2, one for each class; received no label 2",
        ),
        ({"y_test": np.array([0, 1, 3])}, "y_test must hold labels of y_train, 0 to 2; received 3"),
        ({"y_test": np.zeros((3, 2), int)}, r"y_test must hold one label for each of the 3 samples; received \(3, 2\)"),
        ({"classes": ["a", "b"]}, "y_train must hold labels 0 to 1, one for each class; received label 2"),
        ({"classes": "ab"}, "classes must hold one name for each class"),
        ({"classes": ["a", "b", "a"]}, "classes must hold a name of its own for each class; received 'a'"),
        ({"classes": ["a", "", "b"]}, "classes must hold a name of its own for each class; received ''"),
        ({"x_train": np.zeros((6, 3, 8, 8), np.uint8)}, r"must have its channels last.*received \(6, 3, 8, 8\)"),
        ({"x_train": np.array([{}] * 6)}, "holds pickled objects, which could run code"),
        ({"classes": np.array(["a", {}, None])}, "holds pickled objects, which could run code"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, changes, sentence):
    np.savez(tmp_path / "mine.npz", **arrays(**changes))
    with pytest.raises(InputError, match=sentence) as error:
        data.load(tmp_path / "mine.npz")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (np.uint8, np.float64, "x_train and x_test must be of one type; received uint8 and float64"),
        (np.float32, np.uint8, "x_train and x_test must be of one type; received float32 and uint8"),
    ],
)
def test_parts_of_other_types_do_not_belong_together(tmp_path, train, test, said):
    x = arrays()["x_train"]
    np.savez(tmp_path / "mine.npz", **arrays(x_train=x.astype(train), x_test=x[:3].astype(test)))
    with pytest.raises(InputError, match=said):
        data.load(tmp_path / "mine.npz")


@pytest.mark.parametrize("scaled", ["x_train", "x_test"])
def test_parts_on_other_scales_do_not_belong_together(tmp_path, scaled):
    floats = {name: arrays()[name].astype(np.float32) for name in ("x_train", "x_test")}
    floats[scaled] /= 255
    np.savez(tmp_path / "mine.npz", **arrays(**floats))
    with pytest.raises(InputError, match="x_train and x_test must be on one scale; received values up to"):
        data.load(tmp_path / "mine.npz")


def test_parts_of_other_shapes_do_not_belong_together(tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays(x_test=arrays()["x_test"][..., 0]))
    with pytest.raises(InputError, match="must hold images of one shape"):
        data.load(tmp_path / "mine.npz")


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
