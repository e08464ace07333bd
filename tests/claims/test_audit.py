"""The audit: what tests look at, and what entries say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.claims import audit
from gradbook.claims.audit import compute, observe
from gradbook.claims.claim import Claim, Difference, Mean
from gradbook.claims.evidence import Evidence, Runs
from gradbook.errors import InputError

MEAN = Mean(statistic="mean", study="samples", where={"size": 1}, metric="third")
DIFFERENCE = Difference(statistic="difference", study="samples", where={"size": 2}, against={"size": 1}, metric="third")


def runs(values, **columns):
    """Runs of a study with one field: (size, seed) → third."""
    rows = [(size, seed, third) for (size, seed), third in values.items()]
    table = pd.DataFrame(rows, columns=["size", "seed", "third"]).assign(**columns)
    return Runs(table, ["size", *columns])


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_runs_does_not_matter(seed):
    random = np.random.default_rng(seed)
    rows = runs({(size, one): random.normal() for size in (1, 2) for one in range(20)})
    shuffled = Runs(rows.table.sample(frac=1, random_state=seed), rows.fields)
    for test in (MEAN, DIFFERENCE):
        assert observe(test, rows).tolist() == observe(test, shuffled).tolist()


def test_a_mean_takes_the_runs_of_its_cell_at_any_seed():
    assert list(observe(MEAN, runs({(1, 0): 10.0, (1, 99): 99.0, (2, 0): 20.0}))) == [10.0, 99.0]


def test_runs_without_the_metric_are_left_out():
    assert list(observe(MEAN, runs({(1, 0): 10.0, (1, 1): np.nan}))) == [10.0]
    assert list(observe(DIFFERENCE, runs({(2, 0): 5.0, (1, 0): np.nan, (2, 1): 7.0, (1, 1): 4.0}))) == [3.0]


def test_a_difference_takes_the_runs_that_have_a_partner():
    sample = observe(DIFFERENCE, runs({(2, 0): 20.0, (1, 0): 10.0, (2, 1): 21.0, (1, 2): 12.0}))
    assert list(sample) == [10.0]


def test_pairs_that_share_a_seed_or_what_a_column_says_count_as_one():
    rows = {(2, 0): 20.0, (1, 0): 10.0, (2, 1): 21.0, (1, 1): 12.0}
    several = runs(rows | {(4, 0): 16.0, (4, 1): 17.0})
    test = DIFFERENCE.model_copy(update={"where": {"size": [2, 4]}, "against": {"size": 1}})
    assert list(observe(test, several)) == [7.0, 8.0]  # (9 + 5) / 2 from seed 1, (10 + 6) / 2 from seed 0
    taught = runs(rows)
    taught.table["teacher"] = "one"
    assert list(observe(DIFFERENCE.model_copy(update={"shared": "teacher"}), taught)) == [9.5]


def test_a_seed_that_lacks_one_of_the_cells_is_left_out():
    table = pd.DataFrame(
        [
            (size, cell, seed, size * (1.0 if cell == "p" else -1.0))
            for size in (1, 2)
            for cell in "pq"
            for seed in range(4)
        ],
        columns=["size", "cell", "seed", "third"],
    )
    unfinished = table[(table.cell == "p") | (table.seed < 2)]
    test = DIFFERENCE.model_copy(update={"where": {"size": 2, "cell": ["p", "q"]}})
    assert list(observe(test, Runs(unfinished, ["size", "cell"]))) == [0.0, 0.0]


def test_seeds_with_unlike_cells_are_refused():
    values = {(2, "p", 0): 1, (2, "q", 0): 1, (2, "p", 1): 1, (2, "r", 1): 9}
    rows = [(size, cell, seed, size * third) for (_, cell, seed), third in values.items() for size in (1, 2)]
    unlike = Runs(pd.DataFrame(rows, columns=["size", "cell", "seed", "third"]), ["size", "cell"])
    with pytest.raises(InputError, match="a seed must have all 3 cells"):
        observe(DIFFERENCE, unlike)


def test_runs_that_nothing_tells_apart_are_refused_and_no_other_seed_is_lost():
    rows = runs({(1, seed): float(seed) for seed in range(5)})
    twice = Runs(pd.concat([rows.table, rows.table[:1]], ignore_index=True), rows.fields)
    with pytest.raises(InputError, match="runs must differ in a field or in the seed"):
        observe(MEAN, twice)


def test_no_run_is_its_own_partner():
    rows = runs({(2, 0): 5.0, (1, 0): 4.0, (2, 1): 8.0, (1, 1): 5.0})
    assert list(observe(DIFFERENCE.model_copy(update={"where": {}}), rows)) == [1.0, 3.0]


def test_fields_in_which_no_run_has_a_partner_are_named():
    rows = runs({(2, 0): 20.0, (1, 0): 10.0}, host=["one", "other"])
    with pytest.raises(InputError, match="share no value of host; against must name what differs"):
        observe(DIFFERENCE, rows)


def test_p_values_of_predictions_do_not_loosen_those_of_tests():
    """Many sizes that agree stand beside one direction, whose p-value they would halve."""
    values = {(1, seed): 0.5 + 0.001 * (-1) ** seed for seed in range(10)}
    values |= {(2, seed): 0.5 + shift for seed, shift in enumerate([0.02, 0.05, -0.01, 0.03])}
    values |= {(1, seed): 0.5 for seed in range(4)}
    sizes = [
        Claim(id=f"size-{n}", chapter="c", claim="It is 0.5.", place="p", quote="q", published=0.5, tolerance=0.1,
              because="b", test=MEAN)
        for n in range(30)
    ]  # fmt: skip
    aim = Claim(id="aim", chapter="c", claim="It helps.", place="p", quote="q", published="greater", test=DIFFERENCE)
    evidence = Evidence(lambda study: runs(values), lambda chapter: pd.DataFrame())
    alone, beside = (compute(claims, evidence).set_index("id").loc["aim"] for claims in ([aim], [*sizes, aim]))
    assert alone.p == alone.adjusted == beside.adjusted


def test_a_mean_needs_no_seed():
    rows = runs({(1, 0): 10.0, (1, 1): 11.0})
    assert list(observe(MEAN, Runs(rows.table.drop(columns="seed"), ["size"]))) == [10.0, 11.0]


def test_partners_agree_in_every_other_field_missing_values_and_lists_included():
    values = {(2, 0): 20.0, (1, 0): 10.0, (2, 1): 21.0, (1, 1): 12.0}
    same = runs(values, rule=None, classes=[[1, 2]] * 4)
    assert list(observe(DIFFERENCE, same)) == [9.0, 10.0]
    other = runs(values, rule=["a", "a", "a", "b"])
    assert list(observe(DIFFERENCE, other)) == [10.0]


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (MEAN.model_copy(update={"where": {}}), "a mean needs the runs of one cell.*leaves several values of size"),
        (MEAN.model_copy(update={"where": {"sice": 1}}), "did you mean 'size'"),
        (MEAN.model_copy(update={"where": {"size": [1, 7]}}), "unknown value of size 7; Known: 1, 2."),
        (MEAN.model_copy(update={"metric": "thirt"}), "unknown metric 'thirt'; did you mean 'third'"),
        (MEAN.model_copy(update={"at": 0}), "at must be left out where there are no curves"),
        (DIFFERENCE.model_copy(update={"against": {"size": 7}}), "unknown value of size 7"),
    ],
)
def test_selections_that_cannot_be_are_refused(test, sentence):
    with pytest.raises(InputError, match=sentence):
        observe(test, runs({(1, 0): 1.0, (2, 0): 2.0}))


def test_pairs_need_a_seed_and_runs_that_can_be_told_apart():
    twice = runs({(1, 0): 1.0, (2, 0): 2.0})
    without = Runs(twice.table.drop(columns="seed"), ["size"])
    with pytest.raises(InputError, match="unknown column 'seed'"):
        observe(DIFFERENCE, without)
    doubled = Runs(pd.concat([twice.table] * 2, ignore_index=True), ["size"])
    with pytest.raises(InputError, match=r"2 runs with \{'size': 1\} have but 1 cells and seeds"):
        observe(DIFFERENCE, doubled)


SAMPLES = runs({(size, seed): size / 3 + seed for size in (1, 2) for seed in range(4)})
CURVES = pd.DataFrame([[size / step + seed for step in (1, 2)] for size in (1, 2) for seed in range(4)])
NUMBERS = pd.DataFrame(
    [("third", 1.8, ""), ("share", 40.0, "%"), ("curve", "[1, 2]", "")], columns=["quantity", "value", "unit"]
).assign(source="log", setting="")
EVIDENCE = Evidence(
    {"samples": Runs(SAMPLES.table, ["size"], {"loss": CURVES}.__getitem__)}.__getitem__,
    {"samples": NUMBERS}.__getitem__,
    {"double": lambda number: 2 * number},
)


def claim(**fields):
    about = {"id": "a", "chapter": "samples", "claim": "x", "quote": "x", "because": "x", "spread": 0}
    return Claim.model_validate(about | {"test": MEAN.model_dump(), "published": 1.8, "tolerance": 3} | fields)


def examine(one, *others):
    """The entry of the first of several claims."""
    claims = [one, *(other.model_copy(update={"id": f"b{n}"}) for n, other in enumerate(others))]
    (entry, *_) = compute(claims, EVIDENCE).itertuples()
    return entry


GREATER = claim(published="greater", test=DIFFERENCE.model_dump(), tolerance=None, spread=None)


def test_an_entry_says_what_was_measured_and_how_surely():
    entry = examine(claim())
    assert (entry.verdict, entry.runs) == ("reproduced", 4)
    assert entry.measured == pytest.approx(1 / 3 + 1.5)
    assert entry.measured - entry.low == pytest.approx(2.353 * np.std(range(4), ddof=1) / 2, rel=1e-3)
    assert entry.high - entry.measured == pytest.approx(entry.measured - entry.low)
    assert 0.5 < entry.firm <= 1 and pd.isna(entry.needed)


def test_an_interval_neither_within_the_tolerance_nor_outside_decides_nothing_and_says_how_many_runs_would():
    entry = examine(claim(tolerance=1))
    assert entry.verdict == "inconclusive" and 5 < entry.needed < 20
    assert examine(claim(published=1.1, tolerance=0.1)).needed > 10


def test_an_interval_outside_the_tolerance_refutes():
    assert examine(claim(published=9, tolerance=3)).verdict == "not reproduced"


def test_a_single_published_run_may_never_be_decided():
    entry = examine(claim(spread=None, tolerance=1))
    assert entry.verdict == "inconclusive" and pd.isna(entry.needed)
    assert examine(claim(spread=None, tolerance=6)).verdict == "reproduced"
    assert examine(claim(spread=None, published=20)).verdict == "not reproduced"


def test_a_direction_is_tested_and_a_size_with_a_direction_on_both():
    assert examine(GREATER).verdict == "reproduced"
    assert (
        examine(claim(published="less", test=DIFFERENCE.model_dump(), tolerance=None, spread=None)).verdict
        == "not reproduced"
    )
    both = {"test": DIFFERENCE.model_dump(), "tolerance": 0.5}
    assert examine(claim(published=0.3, **both)).verdict == "reproduced"
    assert examine(claim(published=-0.1, **both)).verdict == "not reproduced"  # near enough, and on the other side
    assert examine(claim(published=1.3, **both)).verdict == "not reproduced"  # on the right side, and too far


def test_no_difference_is_a_claim_of_its_own():
    same = {"published": "same", "test": DIFFERENCE.model_dump()}
    assert examine(claim(**same, tolerance=0.5, spread=None)).verdict == "reproduced"
    assert examine(claim(**same, tolerance=0.1, spread=None)).verdict == "not reproduced"


def test_many_claims_make_each_harder():
    alone, among = examine(claim()), examine(claim(), *[claim(published=5, tolerance=4)] * 9)
    assert alone.p == alone.adjusted == among.p < among.adjusted
    assert (alone.verdict, among.verdict) == ("reproduced", "inconclusive")


def test_what_nobody_has_read_is_unsourced_and_counts_nowhere():
    unread = claim(quote="", published=5, tolerance=4)
    entry = examine(unread)
    assert entry.verdict == "unsourced" and pd.isna(entry.measured)
    assert examine(claim(), *[unread] * 9).adjusted == examine(claim()).p
    assert examine(claim(quote="", follows="model.py")).verdict == "reproduced"


def test_a_point_of_a_curve_is_measured():
    assert examine(claim(test=MEAN.model_dump() | {"metric": "loss", "at": 0})).measured == 2.5


def test_a_published_number_may_stand_in_the_table():
    assert examine(claim(published={"quantity": "third"})).published == 1.8
    assert examine(claim(published={"quantity": "share"})).published == 0.4


def test_a_smaller_experiment_says_so_in_its_verdict():
    assert examine(claim(reduced="five seeds")).verdict == "at reduced scale: reproduced"


def test_two_runs_say_what_they_measured_and_decide_nothing(monkeypatch):
    monkeypatch.setattr(audit, "LEAST", 5)
    entry = examine(claim())
    assert (entry.verdict, entry.reason) == ("inconclusive", "4 runs")
    assert entry.measured == pytest.approx(1 / 3 + 1.5) and pd.isna(entry.low)


def test_a_claim_without_a_test_gives_its_reason():
    entry = examine(claim(test=None, not_attempted="no data"))
    assert (entry.verdict, entry.reason, entry.published) == ("not attempted", "no data", 1.8)


def test_a_count_is_right_or_wrong():
    count = {"test": {"statistic": "exact", "function": "double", "arguments": {"number": 21}}, "spread": None}
    assert examine(claim(**count, published=42, tolerance=0)).verdict == "reproduced"
    assert examine(claim(**count, published=41, tolerance=0)).verdict == "not reproduced"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"test": MEAN.model_dump() | {"metric": "loss", "at": 2}}, "claim a: at must be below 2"),
        ({"test": {"statistic": "exact", "function": "dubble"}}, "claim a: unknown exact number 'dubble'; did you"),
        ({"test": {"statistic": "exact", "function": "double"}}, "claim a: arguments of double: missing .*'number'"),
        ({"published": {"quantity": "fourth"}}, "claim a: the published numbers have 0 rows for 'fourth', ''"),
        ({"published": {"quantity": "curve"}}, r"claim a: the published value of 'curve', '' must be a number"),
    ],
)
def test_what_does_not_exist_is_refused_by_the_claim_s_name(fields, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        examine(claim(spread=None, **fields))
    assert len(str(refused.value).splitlines()) == 1
