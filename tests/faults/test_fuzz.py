"""Whatever is written into a file or after a command, the answer is a result or one sentence."""

from functools import cache

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gradbook import book_claims, experiments
from gradbook.claims import audit
from gradbook.claims import claim as claims
from gradbook.errors import InputError
from gradbook.press.chapters import find_chapters, profile_parameters, typed_parameters
from gradbook.press.checkout import checkout
from gradbook.untrusted import LARGEST, read_yaml

few = settings(max_examples=20)
CHAPTERS = find_chapters(checkout())
ALIASES = "a0: &a0 [1, 1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
TAGS = ["int", "float", "bool", "null", "timestamp", "binary", "set", "omap"]

numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, 2**63, -1, 0]))
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(), st.dates())
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text() | numbers, inner), max_leaves=5
)
words = st.one_of(
    st.text(),
    st.builds(repr, values),
    st.sampled_from(["9" * 5000, "(" * 300, "-" * 5000 + "1", "{[]: 1}", "1e999", "nan", "[" * 2000, "\0", "true"]),
)
texts = st.one_of(
    st.text(),
    st.builds(yaml.safe_dump, values),
    st.text(st.sampled_from("ab:-?[]{}&*!|>%@#'\"\n ,.0123456789eE_"), max_size=40),
    st.builds("- !!{} {}".format, st.sampled_from(TAGS), st.text()),
    st.sampled_from(["!!python/object/apply:os.getcwd []", "[" * 5000, "9" * 5000, "2020-13-45", ALIASES]),
)


def answers(action, *arguments):
    """What the action returns, or None where it refuses its arguments in one sentence."""
    try:
        return action(*arguments)
    except (InputError, ValidationError) as error:
        assert str(error)
        assert isinstance(error, ValidationError) or len(str(error).splitlines()) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "notebooks").mkdir()
    return folder


@few
@given(texts)
def test_claims_of_any_text(folder, text):
    (folder / "claims.yml").write_bytes(text.encode("utf-8", "surrogatepass"))
    answers(claims.load, folder / "claims.yml")


@cache
def entries():
    """The book's claims, as written."""
    return yaml.safe_load(book_claims.CLAIMS.read_text(encoding="utf-8"))


@few
@given(st.data())
def test_claims_with_a_field_changed(folder, data):
    entry = dict(data.draw(st.sampled_from(entries())))
    name = data.draw(st.sampled_from([*claims.Claim.model_fields]))
    inside = name in entry and isinstance(entry[name], dict) and data.draw(st.booleans())
    if inside:
        entry[name] = entry[name] | {data.draw(st.sampled_from([*entry[name]])): data.draw(values)}
    else:
        entry[name] = data.draw(values)
    (folder / "claims.yml").write_text(yaml.safe_dump([entry]), encoding="utf-8")
    if read := answers(claims.load, folder / "claims.yml"):
        answers(audit.compute, read.claims, book_claims.EVIDENCE)


@few
@given(texts | st.builds(lambda value: yaml.safe_dump({"full": {"10_concept": {"seed": value}}}), values))
def test_profiles_of_any_text(folder, text):
    (folder / "notebooks/profiles.yml").write_bytes(text.encode("utf-8", "surrogatepass"))
    for name, given_ in (answers(profile_parameters, folder, "full") or {}).items():
        for chapter in CHAPTERS:
            if chapter.name == name:
                answers(typed_parameters, chapter, given_)


@few
@given(st.sampled_from(CHAPTERS), st.data(), words | values)
def test_parameters_of_any_value(chapter, data, value):
    name = data.draw(st.sampled_from([*chapter.parameters]))
    read = answers(typed_parameters, chapter, {name: value})
    default = chapter.parameters[name]
    assert read is None or default is None or type(read[name]) is type(default)


@few
@given(st.sampled_from(experiments.STUDIES), st.data(), words, values)
def test_configurations_of_any_value(name, data, word, value):
    study = experiments.study(name)
    field = data.draw(st.sampled_from([*study.experiment.configuration.model_fields]))
    answers(lambda: study.experiment.configuration(**{field: value}))
    answers(lambda: study.select(**{field: value}))
    answers(lambda: study.select(**{field: word}))
    answers(lambda: study.select(**{word: value}))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("full: [", "profiles.yml is not YAML: while parsing a flow node"),
        ("full: !!python/object/apply:os.getcwd []", "profiles.yml is not YAML: could not determine a constructor"),
        ("#" * LARGEST + "\nfull: {}", "profiles.yml has 1,048,585 bytes; at most 1,048,576 are allowed."),
        ("full: {10_concept: [seed]}", "profiles.yml: full.10_concept: input should be a valid dictionary"),
        ("full: 9" + "9" * 5000, "profiles.yml is not YAML: Exceeds the limit"),
        (ALIASES, "profiles.yml: a0: input should be a valid dictionary; received [1, 1]."),
    ],
    ids=["broken", "tagged", "huge", "of another form", "a number too long", "a bomb"],
)
def test_a_parameter_file_is_refused_in_one_sentence(folder, text, sentence):
    (folder / "notebooks/profiles.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        profile_parameters(folder, "full")
    assert str(error.value).startswith(sentence) and len(str(error.value).splitlines()) == 1


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yml cannot be read: No such file"):
        read_yaml(tmp_path / "none.yml", dict)
