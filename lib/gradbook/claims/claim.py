"""What others published and the book tests: the entries of ``book/claims.yml``, read strictly.

An entry says where the claim stands, what was published, how it is tested and what counts as agreement::

    - id: concept-gate-at-the-end
      chapter: 10_concept
      citation: szkocot2019adapting                    # key in book/references.bib
      place: notebook 1-Concepts, printed log
      claim: In the last epoch the gate is open at nearly all steps.
      published: {quantity: combined_updates, setting: epoch 10}    # a row of book/published/10_concept.csv
      test:
        statistic: mean
        study: concept
        where: {rule: unweighted_cosine, helper_labels: zero}
        metric: agreement
        at: 9
      tolerance: 0.034
      because: two standard errors of such a share among the 100 steps of an epoch
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gradbook import published
from gradbook.errors import InputError
from gradbook.files import BOOK
from gradbook.untrusted import read_yaml, refusal

CLAIMS, BIBLIOGRAPHY = BOOK / "claims.yml", BOOK / "references.bib"

Direction = Literal["greater", "less"]
Value = str | bool | int | float | None
Fields = dict[str, Value]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Row(_Strict):
    """A row of the chapter's table in ``book/published``, or the difference of two.

    Attributes:
        quantity, setting: as in the table.
        source: as in the table, where several sources have the same.
        minus: the setting of a second row of the quantity, which is subtracted.
    """

    quantity: str
    setting: str = ""
    source: str | None = None
    minus: str | None = None

    def value(self, chapter: str) -> float:
        """The number, percents as shares.

        Raises:
            InputError: the table has no such row, or several.
        """
        rows = published.load(chapter).query("quantity == @self.quantity")
        if self.source is not None:
            rows = rows.query("source == @self.source")

        def one(setting: str) -> float:
            found = rows[rows["setting"] == setting]
            if len(found) != 1:
                what = f"{self.quantity!r}, {setting!r}"
                raise InputError(f"published numbers of {chapter} have {len(found)} rows for {what}; one is needed.")
            return float(found["value"].iloc[0]) / (100 if found["unit"].iloc[0] == "%" else 1)

        return one(self.setting) - (0 if self.minus is None else one(self.minus))


class Mean(_Strict):
    """The mean of a metric over the seeds of one cell of a study.

    Attributes:
        study: its name.
        where: fields, with a value or a list of values, that select its runs; a field not named may have any value.
        metric: a metric, or a curve where ``at`` is given.
        at: which entry of the curve, counted from 0.
    """

    statistic: Literal["mean"]
    study: str
    where: dict[str, Value | list[Value]]
    metric: str
    at: int | None = Field(None, ge=0)


class Difference(Mean):
    """The mean difference between the selected runs and their partners, which differ in the fields ``against`` only."""

    statistic: Literal["difference"]
    against: Fields = Field(min_length=1)


class Exact(_Strict):
    """A function of `gradbook.exact`, called with arguments."""

    statistic: Literal["exact"]
    function: str
    arguments: Fields = {}


class Claim(_Strict):
    """One entry.

    Attributes:
        id: unique, and lasting.
        chapter: ``NN_name``.
        citation: key of the bibliography.
        place: table, figure, or date of a log.
        claim: a sentence.
        published: a number or where it stands, or the direction of a difference.
        test: what is measured; none for what is not attempted.
        baseline: the value from which "greater" and "less" count, for a mean or an exact number; those of a
            difference count from 0.
        tolerance: how far the measured number may be from the published one.
        level: of the one-sided test that runs differ from the baseline in the published direction.
        because: why that tolerance or level.
        reduced: in what the test is smaller than the experiment that was published, if it is.
        not_attempted: why there is no test, if there is none.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    chapter: str
    citation: str
    place: str
    claim: str
    published: float | Direction | Row
    test: Annotated[Mean | Difference | Exact, Field(discriminator="statistic")] | None = None
    baseline: float | Row | None = None
    tolerance: float | None = Field(None, ge=0)
    level: float | None = Field(None, gt=0, lt=1)
    because: str = ""
    reduced: str = ""
    not_attempted: str = ""

    @model_validator(mode="after")
    def _complete(self) -> "Claim":
        if (self.test is None) != bool(self.not_attempted):
            raise ValueError("exactly one of test and not_attempted must be given")
        if self.test is None:
            return self
        directed, exact = isinstance(self.published, str), isinstance(self.test, Exact)
        difference, based = isinstance(self.test, Difference), self.baseline is not None
        needs = {
            "because must say why that tolerance or level": self.because,
            "a baseline goes with a mean or an exact number only": not (difference and based),
            "a direction needs a difference or a baseline": not directed or difference or based,
            "a direction has no tolerance": not directed or self.tolerance is None,
            "a direction of runs needs a level": not directed or exact or self.level,
            "a number needs a tolerance or a level": directed or self.tolerance is not None or self.level,
            "a level needs runs, and a baseline for their mean": not self.level or difference or (based and not exact),
        }
        for need, met in needs.items():
            if not met:
                raise ValueError(need)
        return self

    @property
    def target(self) -> float | Direction:
        """What was published: the number, wherever it stands, or the direction."""
        return self._number(self.published)

    @property
    def origin(self) -> float | None:
        """The value from which "greater" and "less" count, if there is one."""
        return 0.0 if isinstance(self.test, Difference) else self._number(self.baseline)

    def _number(self, given: Any) -> Any:
        return given.value(self.chapter) if isinstance(given, Row) else given


def sources(path: Path = BIBLIOGRAPHY) -> dict[str, str]:
    """Every key of the bibliography, with what readers know the work by: first author and year.

    >>> sources()["du2018adapting"]
    'Du (2018)'
    """
    entries = re.findall(r"^@\w+\{(\w+),$(.*?)^\}", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    known = {}
    for name, fields in entries:
        (author,), (year,) = (
            re.findall(rf"^\s*{field}\s*=\s*\{{+([^,}}]+)", fields, re.MULTILINE) for field in ("author", "year")
        )
        known[name] = f"{author} ({year})"
    return known


def load(path: Path = CLAIMS) -> list[Claim]:
    """The claims in the file's order.

    Raises:
        InputError: the file is not a list of claims; says which entry is wrong and how.
    """
    claims: dict[str, Claim] = {}
    for number, entry in enumerate(read_yaml(path, list[Any]), start=1):
        claim = _claim(entry, f"{path.name}, entry {number}")
        if claim.id in claims:
            raise InputError(f"{path.name}, entry {number}: the id {claim.id!r} is taken.")
        claims[claim.id] = claim
    return list(claims.values())


def _claim(entry: Any, where: str) -> Claim:
    try:
        return Claim.model_validate(entry)
    except ValidationError as error:
        name = f" ({entry['id']})" if isinstance(entry, dict) and "id" in entry else ""
        raise InputError(f"{where}{name}: {refusal(error)}") from None
