# ---
# jupyter:
#   gradbook:
#     reads: [claims, ledger, references]
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
# **Claim.** Whether a book reproduces what it retells can be computed: every published number, or direction, is written
# down with the test that decides, and a machine decides.
#
# **Verdict.** {glue:text}`verdict`
#
# **Cost of this page.** {cost}`90_ledger`
# :::
#
# **You will see**
#
# - how a sentence in a paper becomes a test, and a test a verdict,
# - how often a method that does nothing would be called reproduced,
# - every claim beside what was measured for it,
# - what came out otherwise, and what was not attempted, and why.

# %% tags=["remove-cell"]
# On Colab: install the library this chapter imports. Elsewhere: nothing to do.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("gradbook") is None:
    library = "gradbook @ git+https://github.com/gradients-rewritten/gradients-rewritten"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", library], check=True)

# %% tags=["parameters"]
seed = 0
simulations = 500  # of each number of pairs

# %%
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from gradbook import plots, published
from gradbook.claims import ledger
from gradbook.claims.citations import citations
from gradbook.claims.claim import Exact, load
from gradbook.claims.statistics import sign_flip_p
from gradbook.claims.verdict import NOT_ATTEMPTED, OUTCOMES, REDUCED, VERDICTS, judge, side
from gradbook.files import BOOK
from gradbook.notebook import glue, source
from gradbook.seeds import generator
from gradbook.tables import filterable, sentences

plots.use_style()
book = {claim.id: claim for claim in load(BOOK / "claims.yml")}
entries = ledger.load(BOOK / "ledger.csv").set_index("id")
works = citations(BOOK / "references.bib")
colours = dict(zip(OUTCOMES, plots.COLOURS[1:], strict=False))
glue("verdict", f"{len(entries)} claims: {ledger.summary(entries.verdict)}.")

# %% [markdown]
# ## From a sentence to a verdict
#
# A log says that in the last epoch a gate was open at nearly all steps {cite}`szkocot2019adapting`. To test that one has to
# say which number, of which runs, and how near is near enough. The book's {term}`claims <claim>` stand in one file,
# `book/claims.yml`; this is one of its entries:

# %%
one = book["concept-gate-last"].model_dump(exclude_defaults=True)
one = pd.DataFrame([(name, str(value)) for name, value in one.items()], columns=["field", "value"])
sentences(one, "A claim, field by field")

# %% [markdown]
# The published number itself is not repeated there: `published` names its row in the chapter's table of published numbers.
# The tolerance carries its reason.
#
# Let $m$ be what we measure and $p$ what was published. A number counts as reproduced if
#
# $$
# \lvert m - p \rvert \le \text{tolerance} .
# $$ (ledger-tolerance)
#
# Of a comparison often only the direction is published: this is larger than that. Our runs come in pairs of one
# seed, with differences $d_1, \dots, d_n$ and mean $\bar d$. If the method did nothing, each difference might as well
# have the other sign. The test asks how often random signs $s_i$ would do as well,
#
# $$
# \text{P}\left( \frac{1}{n} \sum_{i=1}^{n} s_i d_i \ge \bar d \right) ,
# $$ (ledger-flips)
#
# and a direction counts as reproduced if that is at most the claim's level. The library decides by {eq}`ledger-tolerance`
# and {eq}`ledger-flips`; the *origin* is the value from which larger and smaller count, 0 for a difference:

# %%
source(judge, sign_flip_p)

# %% [markdown]
# ### A check
#
# With four pairs there are sixteen ways to choose the signs. Counted one by one they must give the library's number:

# %%
differences = generator(seed, "check").normal(0.5, 1, size=4)
signs = np.array(np.meshgrid(*[[1, -1]] * 4)).reshape(4, -1)
by_hand = np.mean(differences @ signs / 4 >= differences.mean() - 1e-12)
assert by_hand == sign_flip_p(differences, side=1)
float(by_hand)

# %% [markdown]
# ## If a method did nothing
#
# **Predict:** somebody claims that a method raises the accuracy, and it does nothing at all. With three pairs of runs, how
# often does the verdict say *reproduced*? How often *direction only*? And with ten pairs?

# %%
outcomes = {}
for pairs in (3, 4, 5, 6, 8, 10):
    random = generator(seed, "nothing", str(pairs))
    for d in random.normal(size=(simulations, pairs)):
        p = sign_flip_p(d, side=1)
        verdict = judge(d.mean(), "greater", origin=0, level=0.05, p=p)
        outcomes.setdefault(pairs, Counter())[verdict] += 1 / simulations
shares = pd.DataFrame(outcomes).reindex(OUTCOMES).fillna(0.0)
glue("three", shares.loc["reproduced", 3])
glue("ten", shares.loc["reproduced", 10])
glue("direction", shares.loc["direction only", 3])

# %% mystnb={"figure": {"caption": "Verdicts on a method that does nothing, by the number of pairs of runs; simulated.", "name": "fig-ledger-nothing"}, "image": {"alt": "Stacked bars. Half of each is not reproduced. With three and four pairs the other half is all direction only; from five pairs on, a slice of at most one twentieth is reproduced."}}
figure, axes = plt.subplots()
below = np.zeros(shares.shape[1])
pairs = shares.columns.astype(str)
for name, colour in colours.items():
    _ = axes.bar(pairs, shares.loc[name], bottom=below, label=name, color=colour, alpha=0.8)
    below += shares.loc[name].to_numpy()
_ = axes.set(xlabel="pairs of runs", ylabel="fraction of verdicts")
_ = axes.grid(visible=False)
_ = figure.legend(loc="outside right upper")

# %% [markdown]
# {numref}`fig-ledger-nothing` has the answer. Three pairs never reproduce a direction ({glue:text}`three:.0%`): even if all
# agree, random signs do as well once in eight times. Ten pairs call the idle method reproduced in {glue:text}`ten:.1%` of
# the simulations, about the 5 % that the level allows. But three pairs find it *direction only* in
# {glue:text}`direction:.0%`: a coin gets a direction right half of the time. Read that verdict as *not refuted*.
#
# ## The ledger
#
# Every claim, by chapter; chapters go by the names of their files. The menus leave only the rows of a chapter, or of a verdict. Numbers are published and measured
# values in the unit of the claim, fractions rather than percents; brackets hold a 95 % interval for the mean.

# %%
def row(entry):
    claim = book[entry.name]
    interval = "" if pd.isna(entry.low) else f" [{ledger.text(entry.low)}, {ledger.text(entry.high)}]"
    published = claim.published if isinstance(claim.published, str) else ledger.text(entry.published)
    runs = "" if pd.isna(entry.runs) else str(entry.runs)
    where = f"{works[claim.citation]}, {claim.place}"
    measured = ledger.text(entry.measured) + interval
    return [entry.chapter, entry.verdict, claim.claim, published, measured, runs, where]

columns = ["chapter", "verdict", "claim", "published", "here", "runs", "source"]
table = pd.DataFrame([row(entry) for _, entry in entries.iterrows()], columns=columns)
filterable(table, ["chapter", "verdict"], "ledger", "Every published claim, its verdict, and the numbers behind it")

# %%
exact = pd.Series({name: isinstance(claim.test, Exact) for name, claim in book.items()})
glue("reproduced", (entries.verdict == "reproduced").sum())
glue("untrained", (exact & (entries.verdict == "reproduced")).sum())
by_chapter = pd.crosstab(entries.chapter, entries.verdict)
by_chapter[[verdict for verdict in VERDICTS if verdict in by_chapter]]

# %% [markdown]
# ## Published beside ours
#
# Numbers first. To show losses, fractions and weights on one axis, {numref}`fig-ledger-numbers` measures every difference in the
# claim's own tolerance: what lies in the grey band is reproduced. Counts, which are right or wrong, are left out.

# %%
markers = dict(zip(OUTCOMES, "oDs", strict=True))

def outcome(verdict):
    return verdict.removeprefix(REDUCED)

def forest(axes, rows, centre, half):
    for y, (name, entry) in enumerate(rows.iterrows()):
        kind = outcome(entry.verdict)
        filled = "none" if entry.verdict.startswith(REDUCED) else colours[kind]
        look = {"fmt": markers[kind], "color": colours[kind], "markerfacecolor": filled}
        _ = axes.errorbar(centre[name], y, xerr=half[name], **look)
    _ = axes.set_yticks(range(len(rows)), rows.index, fontsize="small")
    _ = axes.set_ylim(len(rows) - 0.4, -0.6)
    for name, colour in colours.items():
        _ = axes.plot([], [], markers[name], color=colour, label=name)
    _ = axes.plot([], [], "o", color="black", markerfacecolor="none", label="at reduced scale")

# %% mystnb={"figure": {"caption": "Measured less published number, in tolerances, with the 95 % interval of the measured mean; one row per claim, named as in book/claims.yml.", "name": "fig-ledger-numbers"}, "image": {"alt": "A forest plot with one row per claim. A dot and its interval show how far the measured mean is from the published number; most dots lie within the grey band that reaches one tolerance to either side."}}
tolerance = pd.Series({name: claim.tolerance for name, claim in book.items()}, dtype=float)
numbers = entries[entries.low.notna() & (tolerance > 0)]
figure, axes = plt.subplots(figsize=(8, 1.2 + 0.26 * len(numbers)))
_ = axes.axvspan(-1, 1, color="#dddddd", zorder=0)
_ = axes.axvline(0, color="grey", linewidth=0.8)
unit = tolerance[numbers.index]
distance = (numbers.measured - numbers.published) / unit
forest(axes, numbers, distance, (numbers.high - numbers.measured) / unit)
_ = axes.set(xlabel="(measured - published) / tolerance")
_ = figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")

# %% [markdown]
# Then comparisons, in {numref}`fig-ledger-directions`. What was published is a direction, and to the right is where it points.

# %% mystnb={"figure": {"caption": "Measured differences, turned so that the published direction is to the right, with their 95 % intervals; nats or fractions, linear up to 0.001 and logarithmic beyond.", "name": "fig-ledger-directions"}, "image": {"alt": "A forest plot with one row per comparison. Intervals that lie wholly to the right of zero are reproduced; those across zero are direction only where their dot is on the right, and not reproduced where it is on the left."}}
levels = pd.Series({name: claim.level for name, claim in book.items()}, dtype=float)
directed = entries[entries.low.notna() & levels.notna()]
tables = {name: published.load(book[name].chapter) for name in directed.index}
origin = pd.Series({name: book[name].origin(table) for name, table in tables.items()})
turned = pd.Series({name: side(book[name].target(table), origin[name]) for name, table in tables.items()})
figure, axes = plt.subplots(figsize=(8, 1.2 + 0.26 * len(directed)))
_ = axes.axvline(0, color="grey", linewidth=0.8)
centre, half = (directed.measured - origin) * turned, directed.high - directed.measured
forest(axes, directed, centre, half)
decades = 10.0 ** np.arange(-3, 1)
_ = axes.set_xscale("symlog", linthresh=decades[0])
_ = axes.set_xticks([*-decades[::-1], 0, *decades], [f"{x:g}" for x in [*-decades[::-1], 0, *decades]])
_ = axes.set_xlim(1.5 * (centre - half).min(), 1.5 * (centre + half).max())
_ = axes.set_xlabel("difference in the published direction")
_ = figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")

# %% [markdown]
# ## What came out otherwise
#
# These claims met their test and did not pass it, or only in direction. The chapters say what we know of the reasons.

# %%
failed = table[table.verdict.map(outcome).isin(OUTCOMES[1:])]
sentences(failed.drop(columns="source"), "Claims that were not, or not wholly, reproduced")

# %% [markdown]
# Where an experiment is smaller than the published one the verdict says *at reduced scale*. That is how it is smaller:

# %%
smaller = Counter((claim.chapter, claim.reduced) for claim in book.values() if claim.reduced)
smaller = pd.DataFrame([(*key, count) for key, count in smaller.items()], columns=["chapter", "how", "claims"])
sentences(smaller, "How experiments are smaller than the published ones")

# %% [markdown]
# ## What was not attempted, and why
#
# A reason of the form *2 runs* is computed: with fewer than three runs, or pairs of runs, nothing is concluded. All other
# reasons are ours.

# %%
undone = entries[entries.verdict == NOT_ATTEMPTED]
glue("undone", len(undone))
undone = undone.groupby(["chapter", "reason"], sort=False).size().rename("claims").reset_index()
sentences(undone, "Claims that were not attempted, by reason")

# %% [markdown]
# ## What the ledger cannot say
#
# - **Which claims are in it** we chose: numbers that the documents behind the chapters print, and what the papers say about
#   them. A paper has more claims than a book can test, and an easy one counts here as much as a hard one.
# - **Tolerances are judgements.** They carry their reasons, so that one can disagree with them. Those of the first
#   chapter were written down when its runs were in.
# - **A published number is mostly one run.** What its own spread is nobody knows; ours stands in for it.
# - **Many tests.** Of twenty directions that are not there, one passes a level of 5 %. Nothing is corrected for that.
# - **A count that agrees** says that we count the same thing, not that the network is good for anything.
#
# Claims, results and ledger are compared by a test: whoever changes a study, a tolerance or a claim changes a verdict in
# plain sight. `gradbook ledger --check` does the same by hand.
#
# ## Exercises
#
# 1. How many pairs does a direction need at least to be reproduced at a level of 5 %?
#
# :::{dropdown} Solution
# Five: the most that $n$ pairs can say is that all have the same sign, which random signs give once in $2^n$ times.
# :::

# %% tags=["hide-cell"]
{pairs: sign_flip_p(np.ones(pairs), side=1) for pairs in range(2, 8)}

# %% [markdown]
# 2. Which of the reproduced numbers came closest to the edge of its tolerance?
#
# :::{dropdown} Solution
# The rows of {numref}`fig-ledger-numbers`, sorted by distance:
# :::

# %% tags=["hide-cell"]
distance[numbers.verdict.map(outcome) == "reproduced"].abs().sort_values(ascending=False).head(5).round(2)

# %% [markdown]
# 3. Write a claim of your own, with a tolerance that you believe in, and let the library read it. What does it say if you
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
  chapter: 10_concept
  citation: du2018adapting
  place: at my desk
  claim: Without an auxiliary task the test loss is higher.
  published: greater
  test: {statistic: difference, study: concept, where: {rule: single_task}, against: {rule: projection}, metric: test_loss}
  level: 0.05
"""
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "claims.yml"
    _ = file.write_text(mine)
    try:
        _ = load(file)
    except ValueError as refused:
        print(refused)

# %% [markdown]
# ## Take-aways
#
# - A claim is testable once its number, its runs and its tolerance are named; then a machine can judge.
# - With few runs a direction proves little: *direction only* is what a coin achieves half of the time.
# - The ledger lists every claim with what was measured. Of {glue:text}`reproduced` reproduced in full,
#   {glue:text}`untrained` needed no training.
# - What came out otherwise is a short list, and what was not attempted a long one: {glue:text}`undone` claims, each with
#   its reason.
