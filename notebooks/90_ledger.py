# ---
# jupyter:
#   gradbook:
#     reads: [claims, ledger, references, tolerances]
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: gradbook,kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What was reproduced
#
# :::{card}
# **Papers.** Those of all chapters, and the notebooks and logs that they started from.
#
# **Claim.** Whether a book reproduces what it retells can be computed. Every published number, or direction, is written
# down with the test that decides. Then a machine decides.
#
# **Verdict.** {glue:text}`verdict`
#
# **Time to read.** 25 minutes. **Know before.** Means, standard deviations, and what a test of significance is.
#
# **Cost of this page.** {cost}`90_ledger`
# :::
#
# **You will see**
#
# - which of this book's methods did what was published of them,
# - how a sentence in a paper becomes a test, and a test a verdict,
# - what is left of many tests once they are counted,
# - how often a method that does nothing would be called reproduced,
# - every claim beside what was measured for it, and how firm its verdict is,
# - what came out otherwise, what nobody can say yet, and what was not attempted, and why.

# %% tags=["remove-cell"]
# On Colab: install the library in the version that made this page. Elsewhere: nothing to do.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("gradbook") is None:
    version, repository = "0.1.0", "git+https://github.com/gradients-rewritten/gradients-rewritten"
    for source in (f"=={version}", f" @ {repository}@v{version}", f" @ {repository}"):
        install = [sys.executable, "-m", "pip", "install", "--quiet", f"gradbook[chapters]{source}"]
        installed = subprocess.run(install, capture_output=True, text=True)
        if installed.returncode == 0:
            break
    else:
        raise ImportError(installed.stderr)

# %% tags=["parameters"]
seed = 0
simulations = 2000  # of each number of pairs

# %%
from gradbook.parameters import check

changed = check(
    globals(),
    {
        "seed": (0, "an integer from 0 up to 4294967295"),
        "simulations": (2000, "an integer from 1 up to 100000"),
    },
)

# %% tags=["hide-input"]
import json
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from scipy import stats

from gradbook import book_claims, plots
from gradbook.claims import audit, ledger, linked
from gradbook.claims.citations import citations
from gradbook.claims.claim import Exact, load
from gradbook.claims.statistics import Sample, adjusted, agreement, direction, half_width, limit
from gradbook.claims.verdict import NOT_ATTEMPTED, OUTCOMES, REDUCED, UNSOURCED, judge
from gradbook.exercises import exercise
from gradbook.files import BOOK
from gradbook.notebook import glue
from gradbook.seeds import generator
from gradbook.tables import filterable, sentences

plots.use_style()

# %% tags=["hide-input"]
claims = load(BOOK / "claims.yml")
book = {claim.id: claim for claim in claims.claims}
entries = ledger.load(BOOK / "ledger.csv").set_index("id")
works = citations(BOOK / "references.bib")
colours = dict(zip(OUTCOMES, (plots.COLOURS[1], "#767676", plots.COLOURS[2]), strict=True))
outcome = entries.verdict.str.removeprefix(REDUCED)
exact = pd.Series({name: isinstance(claim.test, Exact) for name, claim in book.items()})
trained = outcome.isin(OUTCOMES) & ~exact
glue("verdict", f"{len(entries)} claims: {ledger.summary(entries.verdict)}.")

# %% [markdown]
# ## Which of these methods work?
#
# These sentences are computed from the verdicts. Counts of parameters and other numbers that need no training stand apart,
# because they say that we build the same thing, and not that it is useful.

# %% tags=["hide-input"]
came_out = book_claims.overview(claims.claims, entries.reset_index())
for kind in OUTCOMES:
    glue(kind.replace(" ", "_"), (trained & (outcome == kind)).sum())
glue("inconclusive_runs", int(entries.runs[outcome == "inconclusive"].median()))
Markdown("\n".join(f"- **{name}:** {text}." for name, text in came_out.items()))

# %% [markdown]
# Among what was trained, {glue:text}`reproduced` claims are reproduced, {glue:text}`inconclusive` inconclusive and
# {glue:text}`not_reproduced` not reproduced. *Inconclusive* is an honest word: many claims were published from a single
# run, and half of the inconclusive ones were tested on {glue:text}`inconclusive_runs` runs or fewer. {doc}`The whole in one page </book/in_one_page>` has one row per method.
#
# ## From a sentence to a verdict
#
# A log says that in the last epoch a gate was open at nearly all steps {cite}`szkocot2019adapting`. To test that, one has to
# say three things: which number, of which runs, and how near is near enough. The book's {term}`claims <claim>` stand in one
# file, `book/claims.yml`. This is one of its entries:

# %% tags=["hide-input"]
one = book["concept-gate-last"].model_dump(exclude_defaults=True)
one = pd.DataFrame([(name, str(value)) for name, value in one.items()], columns=["field", "value"])
sentences(one, "A claim, field by field")

# %% [markdown]
# The quote says where the claim comes from. A claim that nobody has read in its source is *unsourced*, and counts nowhere.
# The published number itself is not repeated: `published` names its row in the chapter's table of published numbers.
# The tolerance is the largest difference that is of no interest, with its reason.
#
# ## The smallest case
#
# A method is claimed to raise the accuracy. Three pairs of runs were made. The two runs of a pair share their seed, and one
# of them uses the method. It is better by 1, 2 and 3 points.
#
# :::{question} ledger-three
# Suppose the method did nothing. How likely would three differences as clear as these be?
#
# - [ ] One in a thousand.
#
#   Three runs cannot be that sure of anything. The differences scatter by a point, and that is half of their mean.
# - [x] One in twenty-seven or so.
#
#   Yes, {glue:text}`three_p:.3f`. It would pass a test at 5 %, but only just.
# - [ ] One in eight, because three coins show heads that often.
#
#   That would be right if only the signs were known. The sizes say more: they are alike, and all are far from zero.
# :::
#
# Let $d_1, \dots, d_n$ be the differences, $\bar d$ their mean and $s$ their standard deviation. The probability that we look
# for is that of Student's $T$, with $n - 1$ degrees of freedom, to exceed
#
# $$
# t = \frac{\bar d}{s / \sqrt n} .
# $$ (ledger-direction)

# %%
differences = np.array([1.0, 2.0, 3.0])
error = differences.std(ddof=1) / np.sqrt(len(differences))
p = stats.t.sf(differences.mean() / error, df=len(differences) - 1)
p

# %% [markdown]
# The library's function gives the same number, and a second one. `p` is small where the runs show that the claim holds.
# `contrary` is small where they show that it does not. Where neither is small, the verdict is *inconclusive*.

# %%
three = direction(Sample.of(differences), origin=0, side=1)
glue("three_p", three.p)
assert np.isclose(three.p, p)
print(three.p, three.contrary, judge(three.p, three.contrary, (0.05, 0.05)))

# %% [markdown]
# ## Numbers
#
# A published number $x'$ is tested in one of two ways. Let $x$ be the mean of $n$ runs of ours with standard deviation $s$.
#
# **Its spread was published, too:** it is the mean of $n'$ runs of standard deviation $s'$. Then it agrees if the interval
#
# $$
# x - x' \pm t_{0.95} \sqrt{s^2 / n + s'^2 / n'}
# $$ (ledger-agreement)
#
# lies within the tolerance {cite}`schuirmann1987comparison`. The quantile $t_{0.95}$ is that of Welch's degrees of freedom,
# or of $n - 1$ where $s'$ is 0 or $n'$ is 1. It disagrees if the interval lies outside. Otherwise, nothing can be
# said. "No difference" is tested in the same way: it is a claim, and not what is left when a test fails.
#
# **It is a single run.** Then it may be one that runs like ours give. These lie within the prediction interval
#
# $$
# x \pm t_{0.975} \, s \sqrt{1 + 1 / n} .
# $$ (ledger-prediction)
#
# The number agrees if it is within the tolerance of $x$, and that interval reaches no farther than the tolerance to
# either side. If it reaches farther, anything would fit. The number disagrees if it lies outside both. A number with a
# baseline must lie on the published side of it, too. The functions are
# {py:func}`~gradbook.claims.statistics.direction`, {py:func}`~gradbook.claims.statistics.agreement` and
# {py:func}`~gradbook.claims.statistics.prediction`.
#
# ### A check
#
# Formula {eq}`ledger-agreement` by hand: an interval that ends exactly at the tolerance has `p` equal to the level.

# %%
values = generator(seed, "check").normal(0.5, 1, size=8)
sample = Sample.of(values)
half = half_width(agreement(sample, published=0.4, tolerance=0, deviation=0.9, runs=50), level=0.05)
edge = agreement(sample, published=0.4, tolerance=abs(values.mean() - 0.4) + half, deviation=0.9, runs=50)
assert abs(edge.p - 0.05) < 1e-9
float(edge.p)

# %% [markdown]
# ## Many claims at once
#
# :::{question} ledger-many
# A hundred methods do nothing. Each is tested at the level of 5 %. How many seem to work?
#
# - [ ] None.
#
#   The level is the rate of such errors, and it is not zero.
# - [x] About five.
#
#   Yes. Somebody who reports the five, and not the other ninety-five, has found nothing.
# - [ ] It depends on the number of runs.
#
#   It does not. More runs find more of what is there. Where nothing is there, the rate of errors is always the level.
# :::
#
# So each `p` is adjusted for the number of claims of its kind, and verdicts use what is adjusted. Directions and numbers
# with a spread are one kind. Of those that are called reproduced, on average at most one in twenty is then so by chance
# {cite}`benjamini1995controlling`. This needs tests that are independent, or tend to err together. A single published
# run allows no such promise: its `p` says how often runs like ours lie beyond the tolerance, and is no rate of errors.
# Such numbers are the other kind, so that they do not make it easier for the rest. *Not reproduced* is adjusted in the
# same way.

# %% tags=["hide-input"]
tested = entries[entries.p.notna()]
single = [name for name, one in book.items() if one.spread is None and not isinstance(one.published, str)]
for _, kind in tested.groupby(tested.index.isin(single)):
    assert np.allclose(adjusted(kind.p.to_numpy()), kind.adjusted)
promised = tested[~tested.index.isin(single)]
needed = limit(promised.p.to_numpy(), audit.LEVEL)
glue("tests", len(tested))
glue("promised", len(promised))
glue("limit", needed)
glue("alone", (promised.p <= audit.LEVEL).sum())
glue("among", (promised.p <= needed).sum())

# %% [markdown]
# Here {glue:text}`tests` claims are tested on runs, {glue:text}`promised` of them directions or numbers with a spread. Alone,
# {glue:text}`alone` of these would pass. Among all of them, those pass whose `p` is at most {glue:text}`limit:.3f`:
# {glue:text}`among`.
#
# Runs that share something random are not independent. Several networks may come from one seed, or learn from one
# teacher. Their differences should be averaged, and count as one. Those from one seed are. Where a claim is about
# families of layers, those of one family are, but families share their seeds. The students of one teacher ({doc}`40_low_rank_convolutions`) are not, so their
# verdicts hold for these teachers.
#
# ## If a method did nothing
#
# Somebody claims that a method raises the accuracy. It does nothing at all.
#
# :::{question} ledger-idle
# How often does the verdict say *reproduced*, with three pairs of runs and with ten?
#
# - [ ] More often with three pairs, since few runs are easily fooled.
#
#   The test knows how few they are: with three pairs it asks for a clearer difference. What few pairs cost is something else.
# - [x] Equally often, one time in twenty.
#
#   Yes, that is what the level means. It does not depend on the number of pairs.
# - [ ] Never with ten.
#
#   It would take a test that never says *reproduced* at all.
# :::

# %% tags=["hide-input"]
EFFECTS = {"helps": 1, "does nothing": 0, "harms": -1}  # in standard deviations of a difference
PAIRS = (3, 4, 5, 6, 8, 10)
level = (audit.LEVEL, audit.LEVEL)

def rates(draw):
    """The fraction of each verdict by the number of pairs, for differences that are drawn like this."""
    found = {}
    for pairs in PAIRS:
        test = direction(Sample.of(draw((simulations, pairs))), origin=0, side=1)
        verdicts = judge(test.p, test.contrary, level)
        found[pairs] = {kind: (verdicts == kind).mean() for kind in OUTCOMES}
    return pd.DataFrame(found)

random = generator(seed, "effects")
simulated = {name: rates(lambda size, effect=effect: random.normal(effect, 1, size)) for name, effect in EFFECTS.items()}
changed.note()
glue("three", simulated["does nothing"].loc["reproduced", 3])
glue("ten", simulated["does nothing"].loc["reproduced", 10])
glue("unsure", simulated["helps"].loc["inconclusive", 3])

# %% tags=["hide-input"]
#| label: fig-ledger-nothing
#| fig-cap: >-
#|   Verdicts on a claim that a method helps, by the number of pairs of runs, where it helps, does nothing, and harms,
#|   by one standard deviation; one claim at the level of 5 %, simulated.
#| fig-alt: >-
#|   Three panels of stacked bars. Where the method helps, three pairs are inconclusive in most simulations, and the
#|   part that is reproduced grows with the number of pairs. Where it does nothing, nine in ten are inconclusive at any
#|   number, and one in twenty is reproduced. Where it harms, the part that is not reproduced grows.
figure, axes = plt.subplots(1, 3, sharey=True, figsize=(8, 3.2))
for panel, (name, fractions) in zip(axes, simulated.items(), strict=True):
    below = np.zeros(len(PAIRS))
    for kind, colour in colours.items():
        panel.bar([*map(str, PAIRS)], fractions.loc[kind], bottom=below, label=kind, color=colour)
        below += fractions.loc[kind].to_numpy()
    panel.set(title=name, xlabel="pairs of runs")
    panel.grid(visible=False)
axes[0].set_ylabel("fraction of verdicts")
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

# %% [markdown]
# {numref}`fig-ledger-nothing` has the answer. The idle method is called reproduced in {glue:text}`three:.1%` of the simulations
# with three pairs, and in {glue:text}`ten:.1%` with ten. That is the 5 % that the level allows, at any number.
#
# Few pairs cost something else: nothing is found where there is something. With three pairs, {glue:text}`unsure:.0%` of the
# claims that are true stay inconclusive.
#
# Student's test assumes differences that scatter normally. Networks that train or fail, and nothing in between, do not:

# %% tags=["hide-input"]
def fails(size):
    """Two methods that fail in one run of five each, and differ a little otherwise, by chance."""
    runs = [random.normal(0.9, 0.01, size) - 0.8 * (random.random(size) < 0.2) for _ in range(2)]
    return runs[0] - runs[1]

failing = rates(fails).loc[["reproduced", "not reproduced"]]
few, many = failing[[3, 4, 5]], failing[[8, 10]]
assert changed or (few.max(axis=None) < audit.LEVEL and abs(many - audit.LEVEL).max(axis=None) < 0.015)
failing.map("{:.1%}".format)

# %% [markdown]
# With few pairs the test stays below its level, and more often says nothing. With eight or ten pairs it is near its
# level.
#
# ## The ledger
#
# Every claim in one line; it unfolds to its numbers and its source. Chapters go by the first two digits of their pages. The
# menus leave only the rows of one chapter, of one verdict, or of claims that are tested on runs or by counting.
#
# Numbers are in the unit of the claim, fractions rather than percents. Brackets hold the interval of this claim alone,
# at the level of 5 %; the verdict also counts the other claims. *Firm* is how often the verdict is the same if the runs
# are drawn anew, with replacement, from those at hand. From three runs it looks better than it is.

# %% tags=["hide-input"]
dated = pd.read_csv(BOOK / "tolerances.csv")
order = dict(zip(dated.id, " (set " + dated.order + " the first results)", strict=True))

def numbers(entry):
    claim = book[entry.name]
    interval = "" if pd.isna(entry.low) else f" [{ledger.text(entry.low)}, {ledger.text(entry.high)}]"
    facts = {
        "published": claim.published if isinstance(claim.published, str) else ledger.text(entry.published),
        "tolerance": ledger.text(entry.tolerance) + order.get(entry.name, ""),
        "here": ledger.text(entry.measured) + interval,
        "runs": ledger.text(entry.runs),
        "p": ledger.text(entry.p),
        "adjusted": ledger.text(entry.adjusted),
        "firm": "" if pd.isna(entry.firm) else f"{entry.firm:.0%}",
        "runs that would decide": ledger.text(entry.needed),
    }
    return "; ".join(f"{name} {value}" for name, value in facts.items() if value)

def origin(claim):
    quote = f"“{claim.quote}” " if claim.quote else ""
    return f"{quote}{works[claim.citation]}, {claim.place}"

# %% tags=["hide-input", "full-width"]
def how(claim):
    return "none" if claim.test is None else "counting" if isinstance(claim.test, Exact) else "runs"

rows = [
    (row.chapter[:2], how(book[name]), row.verdict, book[name].claim, numbers(row), origin(book[name]))
    for name, row in entries.iterrows()
]
columns = ["chapter", "test", "verdict", "claim", "numbers", "source"]
table = pd.DataFrame(rows, columns=columns, index=entries.index)
label = "Every published claim and its verdict; each unfolds to the numbers behind it"
filterable(table, columns[:3], "ledger", label, folded=columns[-2:])

# %% [markdown]
# The page carries the same verdicts for machines, in the words of schema.org. For a paper of your own, see
# [how to keep a ledger](/book/own_ledger.md).

# %% tags=["remove-input"]
document = json.dumps(linked.reviews(claims, entries.reset_index(), "Gradients, Rewritten", works), ensure_ascii=False)
HTML(f"<script type='application/ld+json'>{document.replace('<', chr(92) + 'u003c')}</script>")

# %% tags=["hide-input"]
half = (entries.high - entries.low) / 2
sized = entries.index[entries.low.notna() & (entries.tolerance > 0)]
reach = (half / entries.tolerance)[sized]
assert (reach < 1).mean() > 0.5 and (outcome[sized][reach > 1] != "reproduced").all()
glue("drawn", len(sized))
glue("shorter", (reach < 1).sum())
glue("quarter", reach.quantile(0.25))
glue("three_quarters", reach.quantile(0.75))
glue("untrained", (exact & (outcome == "reproduced")).sum())
pd.crosstab(entries.chapter[trained], outcome[trained]).reindex(columns=list(OUTCOMES), fill_value=0)

# %% [markdown]
# ## Published beside ours
#
# Numbers first.
#
# :::{question} ledger-width
# A tolerance is the largest difference of no interest. An interval reaches to either side by half of its length. Is
# this half shorter or longer than the tolerance?
#
# - [x] Mostly shorter.
#
#   Yes: {glue:text}`shorter` of {glue:text}`drawn` reach less than one tolerance to either side. Where one reaches
#   farther, the claim cannot be reproduced, however near the number lies.
# - [ ] Mostly longer, for one published run says little of those behind it.
#
#   That makes an interval long, and some do reach farther than the tolerance. But {glue:text}`shorter` of
#   {glue:text}`drawn` do not.
# - [ ] About as long, since tolerances were chosen to fit.
#
#   Some were written when results were known, and the table says which. But lengths differ: the middle half of the
#   intervals reaches between {glue:text}`quarter:.1f` and {glue:text}`three_quarters:.1f` tolerances.
# :::
#
# To show losses, fractions and weights on one axis, {numref}`fig-ledger-numbers` measures every difference in
# the claim's own tolerance. Counts, which are right or wrong, are left out.

# %% tags=["hide-input"]
markers = dict(zip(OUTCOMES, "oDs", strict=True))

def forest(axes, names, centre, half, edge=np.inf):
    for y, name in enumerate(names):
        low, high = np.clip([centre[name] - half[name], centre[name] + half[name]], -edge, edge)
        middle = np.clip(centre[name], 0.2 - edge, edge - 0.2)
        arms = np.maximum([[middle - low], [high - middle]], 0)
        kind = outcome[name]
        filled = "white" if entries.verdict[name].startswith(REDUCED) else colours[kind]
        style = {"fmt": markers[kind], "color": colours[kind], "markerfacecolor": filled}
        axes.errorbar(middle, y, xerr=arms, **style)
    axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.set_ylim(len(names) - 0.4, -0.6)
    for name, colour in colours.items():
        axes.plot([], [], markers[name], color=colour, label=name)
    axes.plot([], [], "o", color="black", markerfacecolor="none", label="at reduced scale")
    axes.axvline(0, color="grey", linewidth=0.8)

# %% tags=["hide-input"]
#| label: fig-ledger-numbers
#| fig-cap: >-
#|   Measured less published number, in tolerances, with the interval of each claim alone, at the level of 5 %: for the
#|   difference of two means, or for single runs. The verdict also counts the other claims. One row per claim, named as
#|   in book/claims.yml; what lies beyond six tolerances is drawn at the edge.
#| fig-alt: >-
#|   A forest plot with one row per claim. What is reproduced lies near zero, with an interval shorter than the grey
#|   band that reaches one tolerance to either side. Most intervals are shorter than the band. Of those that are longer,
#|   none is reproduced. What is not reproduced lies outside the band.
figure, axes = plt.subplots(figsize=(8, 1.2 + 0.26 * len(sized)))
axes.axvspan(-1, 1, color="#dddddd", zorder=0)
unit = entries.tolerance
forest(axes, sized, (entries.measured - entries.published) / unit, half / unit, edge=6)
axes.set(xlabel="(measured - published) / tolerance", xlim=(-6, 6))
_ = figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")

# %% [markdown]
# Then comparisons, in {numref}`fig-ledger-directions`. What was published is a direction, and to the right is where it points.

# %% tags=["hide-input"]
#| label: fig-ledger-directions
#| fig-cap: >-
#|   Measured differences, turned so that the published direction is to the right, with their 90 % intervals; nats or
#|   fractions, linear up to 0.001 and logarithmic beyond.
#| fig-alt: >-
#|   A forest plot with one row per comparison. Intervals that lie wholly to the right of zero are reproduced, unless
#|   they do so barely; those across zero are inconclusive. Those wholly to the left are not reproduced, unless they
#|   do so barely.
directed = entries.index[entries.low.notna() & entries.margin.notna()]
centre = entries.margin[directed]
figure, axes = plt.subplots(figsize=(8, 1.4 + 0.26 * len(directed)))
forest(axes, directed, centre, half)
decades = 10.0 ** np.arange(-3, 1)
axes.set_xscale("symlog", linthresh=decades[0])
axes.set_xticks([*-decades[::-1], 0, *decades], [f"{x:g}" for x in [*-decades[::-1], 0, *decades]])
axes.set_xlim(1.5 * min(0, (centre - half[directed]).min()), 1.5 * (centre + half[directed]).max())
axes.set_xlabel("difference in the published direction")
_ = figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")

# %% [markdown]
# ## What came out otherwise
#
# These claims do not hold here, as runs or counts say. The chapters say what we know of the reasons.

# %% tags=["hide-input"]
sentences(table.loc[outcome == "not reproduced", ["chapter", "claim", "numbers"]], "Claims that were not reproduced")

# %% [markdown]
# ## What nobody can say yet
#
# If runs go on as they began, so many would decide. Where no number is given, a thousand would not. Often the published
# number comes from a single run, or from too few for their scatter. Or our mean lies near the edge of the tolerance, or
# a difference near zero.

# %% tags=["hide-input"]
undecided = entries[outcome == "inconclusive"]
columns = {"chapter": undecided.chapter.str[:2], "claim": table.claim[undecided.index], "runs": undecided.runs}
columns |= {"would decide": undecided.needed.map(ledger.text), "p adjusted": undecided.adjusted.map(ledger.text)}
sentences(pd.DataFrame(columns).sort_values("would decide", key=lambda texts: pd.to_numeric(texts)), "Inconclusive claims")

# %% [markdown]
# These studies plan runs that two cores have not made yet. The hours are measured: those that runs of the same cell took.
# The command makes the runs on a cluster; {doc}`/book/sweeps` says how to start one.
#
# ```{still-to-run}
# ```

# %% [markdown]
# Where an experiment is smaller than the published one, the verdict says *at reduced scale*. This is how it is smaller:

# %% tags=["hide-input"]
smaller = Counter((claim.chapter, claim.reduced) for claim in book.values() if claim.reduced)
smaller = pd.DataFrame([(*key, count) for key, count in smaller.items()], columns=["chapter", "how", "claims"])
sentences(smaller, "How experiments are smaller than the published ones")

# %% [markdown]
# ## What was not attempted, and what has no source
#
# The reasons are ours:

# %% tags=["hide-input"]
undone = entries[entries.verdict == NOT_ATTEMPTED]
glue("undone", len(undone))
undone = undone.groupby(["chapter", "reason"], sort=False).size().rename("claims").reset_index()
sentences(undone, "Claims that were not attempted, by reason")

# %% [markdown]
# These claims are in the book, but nobody has checked them in their sources yet. Until somebody does, they have no
# verdict:

# %% tags=["hide-input"]
unread = table[entries.verdict == UNSOURCED]
glue("unread", len(unread))
sentences(unread[["chapter", "claim", "source"]], "Claims without a source")

# %% tags=["remove-cell"]
glue("dated", len(dated))
glue("before", (dated.order == "before").sum())

# %% [markdown]
# ## What the ledger cannot say
#
# - **Which claims are in it** we chose. Each says why it was selected. A paper has more claims than a book can test, and an
#   easy one counts here as much as a hard one.
# - **Tolerances are judgements.** They carry their reasons, so that one can disagree with them. Of {glue:text}`dated`
#   tolerances for runs, {glue:text}`before` had their present value before the first results of their study were committed,
#   as the history says. The others were written, or changed, when results were known.
# - **A single published run** says little of the runs behind it. That ours are like them is what is tested, and assumed.
# - **A count that agrees** says that we count the same thing, not that the network is useful.
#
# Claims, results and ledger are compared by a test: whoever changes a study, a tolerance or a claim changes a verdict in
# plain sight. `gradbook ledger --check` does the same by hand, and `gradbook audit` does it for the claims of any other paper.
#
# ## Exercises
#
# 1. A difference of one standard deviation is true. How many pairs make the test find it nine times in ten?
#
# :::{dropdown} Solution
# Count, in simulations like those above:
# :::

# %% tags=["hide-cell"]
draws = {pairs: Sample.of(random.normal(1, 1, (simulations, pairs))) for pairs in range(4, 15)}
{pairs: round(float((direction(found, 0, 1).p <= 0.05).mean()), 2) for pairs, found in draws.items()}

# %% [markdown]
# 2. You have eight runs with a standard deviation of 0.01. The published mean is known exactly, and the tolerance is 0.01.
#    How far may the two means be apart, so that the claim alone is reproduced at the level of 5 %? Put your answer in place
#    of `None`.

# %%
eight = Sample(mean=0.0, deviation=0.01, size=8)
check_distance = exercise(
    lambda: 0.01 - half_width(agreement(eight, published=0, tolerance=0.01, deviation=0), level=0.05),
    too_low="One side of the interval has to stay within the tolerance, not both: use the quantile 0.95.",
    too_high="Half of the interval has to fit between the distance and the tolerance.",
)
check_distance(None)

# %% [markdown]
# 3. Which of the reproduced numbers came closest to the edge of its tolerance?
#
# :::{dropdown} Solution
# The rows of {numref}`fig-ledger-numbers`, sorted by distance:
# :::

# %% tags=["hide-cell"]
distance = ((entries.measured - entries.published) / entries.tolerance)[sized].abs()
distance[outcome[sized] == "reproduced"].sort_values(ascending=False).head(5).round(2)

# %% [markdown]
# 4. Write a claim of your own, with a tolerance that you believe in, and let the library read it. What does it say if you
#    forget the reason for the tolerance?
#
# :::{dropdown} Solution
# It refuses the claim, with one sentence:
# :::

# %% tags=["hide-cell"]
import tempfile
from pathlib import Path

mine = """
- id: mine
  claim: The test accuracy is 99 %.
  place: at my desk
  quote: 99 %
  published: 0.99
  tolerance: 0.01
  test: {statistic: mean, study: concept, where: {rule: projection}, metric: test_accuracy}
"""
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "claims.yml"
    file.write_text(mine)
    try:
        load(file)
    except ValueError as refused:
        print(refused)

# %% [markdown]
# ## Take-aways
#
# - A claim is testable once its number, its runs and its tolerance are named. Then a machine can judge.
# - Of many tests a few succeed by chance. So their number counts.
# - Few runs seldom say something false. Mostly they say nothing, and that is a verdict, too.
# - Of the claims that were trained for, {glue:text}`reproduced` are reproduced; {glue:text}`untrained` more needed no training.
# - What nobody has read in its source counts nowhere: {glue:text}`unread` claims wait for a reader, and
#   {glue:text}`undone` were not attempted, each for its reason.
