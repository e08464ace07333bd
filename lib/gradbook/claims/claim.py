"""Published claims and how they are tested: the entries of a file of claims, read strictly.

An entry says where the claim stands, what was published, how it is tested and what counts as agreement::

    - id: concept-gate-at-the-end
      chapter: 10_concept                              # its table of published numbers has the same name
      citation: szkocot2019adapting                    # key in a bibliography
      place: 1-Concepts.ipynb @bfc2309, cell 27
      quote: comb_up=97.0%
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

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from gradbook.errors import InputError
from gradbook.selection import select
from gradbook.untrusted import line_of, read_yaml, refusal

Direction = Literal["greater", "less", "same"]
Value = str | bool | int | float | None
Fields = dict[str, Value]

WORDS = 25
"""Words that a quote may have."""


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
            InputError: the table has no such row, or several, or the row holds no number.
        """
        found = self._one(published, self.setting)
        return found if self.minus is None else found - self._one(published, self.minus)

    def deviation(self, published: pd.DataFrame) -> float:
        """Return the number as a standard deviation: that of a difference is the root of the sum of squares."""
        settings = [self.setting] if self.minus is None else [self.setting, self.minus]
        return math.hypot(*(self._one(published, setting) for setting in settings))

    def _one(self, published: pd.DataFrame, setting: str) -> float:
        wanted = {"quantity": self.quantity, "setting": setting}
        rows = select(published, **wanted, **({} if self.source is None else {"source": self.source}))
        what = f"{self.quantity!r}, {setting!r}"
        if len(rows) != 1:
            raise InputError(f"the published numbers have {len(rows)} rows for {what}; one is needed.")
        (value,), (unit,) = rows["value"], rows["unit"]
        try:
            return float(value) / (100 if unit == "%" else 1)
        except ValueError:
            raise InputError(f"the published value of {what} must be a number; received {value!r}.") from None


class Mean(_Strict):
    """The mean of a metric over the runs of one cell of a study.

    Attributes:
        study: the name of its table of runs, where there are several.
        where: columns, with a value or a list of values, that select its runs; a column not named may have any value.
        metric: a metric, or a curve where ``at`` is given.
        at: which entry of the curve, counted from 0.
        shared: a column; runs, or pairs of runs, that have the same value there share what is random, and count as one.
            Where it is not given, the seed.
    """

    statistic: Literal["mean"]
    study: str = ""
    where: dict[str, Value | list[Value]] = {}
    metric: str
    at: int | None = Field(None, ge=0)
    shared: str | None = None


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
        claim: a sentence.
        chapter: what the claim is listed under, and the name of its table of published numbers.
        citation: key of a bibliography.
        place: where the claim stands: page, table, cell or line, and the version of the work.
        quote: its words there, at most 25, or the number as it is printed.
        follows: from what published code the number follows, where none is printed. A claim that has neither a quote
            nor this is unsourced.
        selected: why this claim, of all that the work makes.
        published: a number or where it stands; or the direction of a difference, which may be "same".
        spread: the standard deviation of the runs behind a published number, 0 for one that is no measurement.
            Where it is not given, the number is taken for one of runs like those that test the claim.
        published_runs: how many runs the published number is the mean of.
        test: what is measured; none for what is not attempted.
        baseline: the value from which directions count, for a mean; those of a difference count from 0. A number that
            has one must lie on the published side of it, too.
        tolerance: the largest difference from what was published that is of no interest.
        because: why that tolerance.
        reduced: in what the test is smaller than the experiment that was published, if it is.
        not_attempted: why there is no test, if there is none.
        each: for a table of counts, a claim for each of its numbers: what stands for ``{}`` in the texts of that claim,
            and the arguments that the function takes besides. Ids end in the names.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    claim: str
    chapter: str = ""
    citation: str = ""
    place: str = ""
    quote: str = ""
    follows: str = ""
    selected: str = ""
    published: float | Direction | Row
    spread: float | Row | None = None
    published_runs: int = Field(1, ge=1)
    test: Annotated[Mean | Difference | Exact, Field(discriminator="statistic")] | None = None
    baseline: float | Row | None = None
    tolerance: float | None = Field(None, ge=0)
    because: str = ""
    reduced: str = ""
    not_attempted: str = ""
    each: dict[str, Fields] = {}

    @field_validator("published", mode="wrap")
    @classmethod
    def _of_three_kinds(cls, given: Any, read: Callable[[Any], Any]) -> Any:
        try:
            return read(given)
        except ValidationError:
            if isinstance(given, dict):
                raise
            raise ValueError(
                f"must be a number, a row {{quantity: …}}, or greater, less or same; received {given!r}"
            ) from None

    @model_validator(mode="after")
    def _complete(self) -> "Claim":
        words = len(self.quote.split())
        directed, exact = isinstance(self.published, str), isinstance(self.test, Exact)
        difference, based = isinstance(self.test, Difference), self.baseline is not None
        needs = {
            f"a quote has at most {WORDS} words, this one {words}": words <= WORDS,
            "exactly one of test and not_attempted must be given": (self.test is None) == bool(self.not_attempted),
            "a baseline goes with a mean only": not based or (not difference and not exact),
            "a direction needs a difference, or a mean and a baseline": not directed or difference or based,
            "greater and less have no tolerance": self.published not in ("greater", "less") or self.tolerance is None,
            "a number, or same, needs a tolerance": self.published in ("greater", "less") or self.tolerance is not None,
            "because must say why that tolerance": self.tolerance is None or self.because,
            "a spread goes with a number only": self.spread is None or not (directed or exact),
            "each goes with an exact test, or with none": not self.each or exact or self.test is None,
        }
        for need, met in needs.items():
            if not met and (self.test is not None or "test" in need or "quote" in need):
                raise ValueError(need)
        return self

    def one_by_one(self) -> "list[Claim]":
        """Return the claims that the entry stands for: itself, or one for each of its names."""
        return [self._one(name, arguments) for name, arguments in self.each.items()] or [self]

    def _one(self, name: str, arguments: Fields) -> "Claim":
        texts = {field: value.replace("{}", name) for field, value in self if isinstance(value, str)}
        texts["id"] = f"{self.id}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}"
        parts = {}
        if isinstance(self.published, Row):
            setting = self.published.setting.replace("{}", name)
            parts["published"] = self.published.model_copy(update={"setting": setting})
        if isinstance(self.test, Exact):
            parts["test"] = self.test.model_copy(update={"arguments": self.test.arguments | arguments})
        return self.model_copy(update=texts | parts | {"each": {}})

    @property
    def sourced(self) -> bool:
        """Whether somebody has read what the claim rests on."""
        return bool(self.quote or self.follows)

    @property
    def rows(self) -> bool:
        """Whether the claim refers to rows of a table of published numbers."""
        return any(isinstance(given, Row) for given in (self.published, self.baseline, self.spread))

    def target(self, published: pd.DataFrame | None = None) -> float | Direction:
        """Return what was published: the number, wherever it stands, or the direction.

        Args:
            published: the table that the claim's rows stand in, if it has rows.
        """
        return _number(self.published, published)

    def origin(self, published: pd.DataFrame | None = None) -> float | None:
        """Return the value from which directions count, if there is one."""
        return 0.0 if isinstance(self.test, Difference) else _number(self.baseline, published)

    def deviation(self, published: pd.DataFrame | None = None) -> float | None:
        """Return the standard deviation of the runs behind the published number, if it is known."""
        return self.spread.deviation(published) if isinstance(self.spread, Row) else self.spread


def _number(given: Any, published: pd.DataFrame | None) -> Any:
    return given.value(published) if isinstance(given, Row) else given


class Claims(_Strict):
    """A file of claims: a list of entries, or these fields.

    Attributes:
        claims: the entries.
        fields: the columns of a table of runs that describe a run's configuration; where they are not given, all that
            are neither a claim's metric nor the seed.
        seed: the column that pairs runs of different configurations.
    """

    claims: tuple[Claim, ...]
    fields: tuple[str, ...] | None = None
    seed: str = "seed"


def schema() -> dict[str, Any]:
    """Return the JSON schema of a file of claims, by which editors complete and check it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | TypeAdapter(Claims | list[Claim]).json_schema()


def load(path: Path) -> Claims:
    """Return the claims of a file, in its order; an entry with ``each`` gives several.

    Raises:
        InputError: the file is no file of claims, or two have one id; says in which line, of which claim, and how.
    """
    content = read_yaml(path, list[Any] | dict[str, Any])
    whole = content if isinstance(content, dict) else {"claims": content}
    try:
        claims = Claims.model_validate(whole)
    except ValidationError as error:
        raise InputError(_complaint(path, content, error)) from None
    several = [(number, one) for number, entry in enumerate(claims.claims) for one in entry.one_by_one()]
    taken: set[str] = set()
    for number, one in several:
        if one.id in taken:
            line = line_of(path, [number] if content is not whole else ["claims", number])
            raise InputError(f"{path.name}, line {line}: the id {one.id!r} is taken.")
        taken.add(one.id)
    return claims.model_copy(update={"claims": tuple(one for _, one in several)})


def _complaint(path: Path, content: Any, error: ValidationError) -> str:
    match error.errors()[0]["loc"]:
        case ("claims", int(number), *steps):
            entries = content if isinstance(content, list) else content["claims"]
            line = line_of(path, [number, *steps] if entries is content else ["claims", number, *steps])
            name = entries[number].get("id", "") if isinstance(entries[number], dict) else ""
            return f"{path.name}, line {line}{f' ({name})' if name else ''}: {refusal(error, start=2)}"
        case steps:
            return f"{path.name}, line {line_of(path, steps)}: {refusal(error)}"
