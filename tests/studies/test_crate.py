"""Crates of results: what the profile of process runs asks for is there, also after a crate was read again."""

import hashlib
import json

import pytest

from gradbook.errors import InputError
from gradbook.studies import crate
from gradbook.studies.results import FOLDER, provenance

rocrate = pytest.importorskip("rocrate.rocrate", reason="needs rocrate: install gradbook[book]")

STUDIES = ("concept", "pairs", "similar_tasks")  # the last was run with other libraries of the same commit


@pytest.fixture(scope="module", params=["folder", "crate.zip"])
def read_again(request, tmp_path_factory):
    target = tmp_path_factory.mktemp("crates") / request.param
    crate.write(target, STUDIES)
    return rocrate.ROCrate(target)


def test_the_root_conforms_to_the_profile_and_mentions_every_group_of_runs(read_again):
    root = read_again.root_dataset
    assert root["conformsTo"].id == crate.PROFILE
    assert root["license"].id == crate.LICENSE
    assert all(root[name] for name in ("name", "description", "datePublished", "author"))
    groups = {f"#{study}-{origin}" for study in STUDIES for origin in provenance(study)["origins"]}
    assert {action.id for action in root["mentions"]} == groups


def test_an_action_says_by_whom_with_what_on_what_and_to_what_end(read_again):
    for action in read_again.root_dataset["mentions"]:
        study, origin = action.id.removeprefix("#").rsplit("-", 1)
        known = provenance(study)["origins"][origin]
        assert action.type == "CreateAction"
        assert action["agent"].type == "Organization"
        software = action["instrument"]
        assert software.type == "SoftwareApplication"
        assert software["softwareVersion"] == known["commit"]
        versions = {library["name"]: library["softwareVersion"] for library in software["softwareRequirements"]}
        assert versions == known["libraries"]
        assert action["object"]["identifier"] == f"sha256:{known['data'].partition(':')[2]}"
        assert str(known["runs"]) in action["name"]
        assert {file.id for file in action["result"]} == {f"results/{study}{suffix}" for suffix in crate.FORMATS}


def test_files_are_those_of_the_book_with_their_checksums(read_again):
    for study in STUDIES:
        for suffix in crate.FORMATS:
            content = (FOLDER / f"{study}{suffix}").read_bytes()
            file = read_again.dereference(f"results/{study}{suffix}")
            assert file["sha256"] == hashlib.sha256(content).hexdigest()
            assert int(file["contentSize"]) == len(content)


def test_everything_that_is_referred_to_is_described(tmp_path):
    crate.write(tmp_path / "crate")
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    known = {entity["@id"] for entity in graph}

    def references(value):
        if isinstance(value, dict):
            return {value["@id"]} if set(value) == {"@id"} else set()
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    missing = {name for entity in graph for value in entity.values() for name in references(value)} - known
    assert {
        name for name in missing if not name.startswith(("http://schema.org/", "https://w3id.org/ro/crate"))
    } == set()


@pytest.mark.parametrize("name", ["crate", "folder/crate.zip"])
def test_a_crate_that_was_interrupted_is_not_there_and_can_be_written_again(tmp_path, monkeypatch, name):
    def full(*_, **__):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("rocrate.model.metadata.Metadata.generate", full)
        with pytest.raises(OSError, match="No space left"):
            crate.write(tmp_path / name, STUDIES)
    assert [file for file in tmp_path.rglob("*") if file.name != "folder"] == []
    crate.write(tmp_path / name, STUDIES)
    assert rocrate.ROCrate(tmp_path / name).root_dataset["mentions"]


def test_a_target_that_exists_and_an_unknown_study_are_refused(tmp_path):
    with pytest.raises(InputError, match="must be a new folder or file"):
        crate.write(tmp_path)
    with pytest.raises(InputError, match="unknown results 'concepts'; did you mean 'concept'"):
        crate.write(tmp_path / "crate", ["concepts"])
    assert not (tmp_path / "crate").exists()
