"""Published claims and how they are tested: the entries of a file of claims, read strictly.

An entry says where the claim stands, what was published, how it is tested and what counts as agreement::

    - id: concept-gate-at-the-end
      chapter: 10_concept                              # its table of published numbers has the same name
      citation: szkocot2019adapting                    # key in a bibliography
      place: notebook 1-Concepts, printed log
      claim: In the last epoch the gate is open at nearly all steps.
      published: {quantity: combined_updates, setting: epoch 10}    # a row of that table
      test:
        statistic: mean
        study: concept
        where: {rule: unweighted_cosine}
        metric: agreement
        at: 9
      tolerance: 0.034
      because: two standard errors of such a fraction among the 100 steps of an epoch
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gradbook.claims.verdict import Direction
from gradbook.errors import InputError
from gradbook.selection import select
from gradbook.untrusted import read_yaml, refusal

Value = str | bool | int | float | None
Fields = dict[str, Value]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Row(_Strict):
    """A row of a table of published numbers, or the difference of two.

    Attributes:
        quantity, setting: as in the table.
        source: as in the table, where several sources have the same.
        minus: the setting of a second row of the quantity, which is subtracted.
    """

    quantity: str
    setting: str = ""
    source: str | None = None
    minus: str | None = None

    def value(self, published: pd.DataFrame) -> float:
        """Return the number, percents as fractions.

        Raises:
            InputError: the table has no such row, or several.
        """
        found = self._one(published, self.setting)
        return found if self.minus is None else found - self._one(published, self.minus)

    def _one(self, published: pd.DataFrame, setting: str) -> float:
        wanted = {"quantity": self.quantity, "setting": setting}
        rows = select(published, **wanted, **({} if self.source is None else {"source": self.source}))
        if len(rows) != 1:
            what = f"{self.quantity!r}, {setting!r}"
            raise InputError(f"the published numbers have {len(rows)} rows for {what}; one is needed.")
        return float(rows["value"].iloc[0]) / (100 if rows["unit"].iloc[0] == "%" else 1)


class Mean(_Strict):
    """The mean of a metric over the seeds of one cell of a study.

    Attributes:
        study: the name of its runs.
        where: columns, with a value or a list of values, that select its runs; a column not named may have any value.
        metric: a metric, or a curve where ``at`` is given.
        at: which entry of the curve, counted from 0.
    """

    statistic: Literal["mean"]
    study: str
    where: dict[str, Value | list[Value]]
    metric: str
    at: int | None = Field(None, ge=0)


class Difference(Mean):
    """The mean difference between selected runs and their partners, which differ in the columns ``against`` only."""

    statistic: Literal["difference"]
    against: Fields = Field(min_length=1)


class Exact(_Strict):
    """A function that gives a number without any run, called with arguments."""

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
    def rows(self) -> bool:
        """Whether the claim refers to rows of a table of published numbers."""
        return isinstance(self.published, Row) or isinstance(self.baseline, Row)

    def target(self, published: pd.DataFrame | None = None) -> float | Direction:
        """Return what was published: the number, wherever it stands, or the direction.

        Args:
            published: the table that the claim's rows stand in, if it has rows.
        """
        return _number(self.published, published)

    def origin(self, published: pd.DataFrame | None = None) -> float | None:
        """Return the value from which "greater" and "less" count, if there is one."""
        return 0.0 if isinstance(self.test, Difference) else _number(self.baseline, published)


def _number(given: Any, published: pd.DataFrame | None) -> Any:
    return given.value(published) if isinstance(given, Row) else given


def load(path: Path) -> list[Claim]:
    """Return the claims of a file, in its order.

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
