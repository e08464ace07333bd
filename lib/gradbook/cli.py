"""The command ``gradbook``: a thin skin over the press, the data and the studies."""

import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradbook.errors import InputError, RunError
from gradbook.files import atomic_write, home

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from gradbook.studies.study import Study

EXTRAS = {
    **dict.fromkeys(["PIL", "matplotlib", "pooch", "requests", "sklearn", "tensorflow"], "chapters"),
    **dict.fromkeys(["bokeh", "dask", "distributed", "tensorboard"], "sweep"),
    **dict.fromkeys(["jupytext", "nbclient", "nbformat", "papermill", "sphinx_external_toc"], "book"),
}
"""What brings the modules that commands need."""


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def app() -> None:
    """Make the book Gradients, Rewritten, and run the experiments in it.

    \b
    Examples:
      gradbook list                            what there is, and what is current
      gradbook execute 10_concept -p seed 3    one chapter with another parameter
      gradbook execute --profile full          every chapter on real data
      gradbook build && gradbook serve         the site, in a browser

    Every command takes --debug, which shows the traceback of an error.
    """


chapter_names = click.argument("chapters", nargs=-1, metavar="[CHAPTER]...")


@app.command("list")
def list_chapters() -> None:
    """List the chapters: last execution here, whether the twin is current, what each parameter is and may be."""
    from gradbook.press.chapters import find_chapters
    from gradbook.press.checkout import checkout
    from gradbook.press.status import cost, status

    root = checkout()
    for chapter in find_chapters(root):
        here = status(root, chapter)
        click.echo(f"{chapter.name}\n    twin: {here.verdict}; last execution: {cost(here.record)}")
        for name, default in chapter.parameters.items():
            _, allowed = chapter.declared.get(name, (default, ""))
            click.echo((f"    {name} = {default!r}".ljust(36) + f"  {allowed}").rstrip())


@app.command()
@chapter_names
@click.option("--profile", default="quick", show_default=True, help="Named parameters from notebooks/profiles.yml.")
@click.option("-p", "parameters", type=(str, str), multiple=True, metavar="NAME VALUE", help="Set a parameter.")
@click.option(
    "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Chapters at a time."
)
@click.option("--force", is_flag=True, help="Execute also what is current.")
@click.option("--record", is_flag=True, help="Keep the cost in book/records, which the pages read.")
def execute(
    chapters: tuple[str, ...],
    profile: str,
    parameters: tuple[tuple[str, str], ...],
    jobs: int,
    force: bool,
    record: bool,
) -> None:
    """Execute the chapters that changed since they were last executed here.

    What counts is a chapter's source, parameters and environment, the library modules that it imported, and the tables
    that it declares to read. At the defaults the output is the chapter's twin, notebooks/NN_name.ipynb; with -p or
    another profile it goes to _build/executed/ and the twin stays as it is.

    \b
    Examples:
      gradbook execute                               bring every twin up to date
      gradbook execute 10_concept --force --record   once more, and publish what it cost
      gradbook execute 10_concept -p dataset mnist -p seed 3
    """
    from gradbook.press import execute as press
    from gradbook.press.chapters import find_chapters
    from gradbook.press.checkout import checkout, read_json, write_json
    from gradbook.press.status import cost, expected, published_record

    root = checkout()
    planned = press.plan(root, find_chapters(root, chapters), profile, dict(parameters))
    if record and not all(job.is_twin for job in planned):
        raise InputError("--record keeps the cost of twins only; leave out -p and --profile.")
    waiting = [job for job in planned if force or job.stale(read_json(job.record))]
    for job in planned:
        if job not in waiting:
            if record:  # of an execution that ended after the command had been stopped
                write_json(published_record(root, job.chapter), read_json(job.record))
            click.echo(f"{job.chapter.name}: current")
    if waiting:
        click.echo(f"executing {expected(root, waiting, jobs)} …")
    for job, measured in press.execute(waiting, jobs):
        if record:
            write_json(published_record(root, job.chapter), measured)
        click.echo(f"{job.chapter.name}: {cost(measured)} → {job.output.relative_to(root)}")


@app.command()
@click.option("--force", is_flag=True, help="Build also a site that is current.")
@click.option("--pdf", is_flag=True, help="Print the whole book in _build/book.pdf instead; needs Chromium.")
def build(force: bool, pdf: bool) -> None:
    """Build the site in _build/html from the twins; any warning is an error."""
    from gradbook.press.checkout import checkout
    from gradbook.press.pdf import print_book
    from gradbook.press.site import build

    root = checkout()
    click.echo("printing the book …" if pdf else "building the site …")
    made = print_book(root) if pdf else build(root, force)
    click.echo(f"The book is at {made.as_uri()}" + ("." if pdf else "; gradbook serve opens it in a browser."))


@app.command()
@chapter_names
@click.option("--svg", is_flag=True, help="Also write each figure as SVG; executes the chapters once for it.")
def slides(chapters: tuple[str, ...], svg: bool) -> None:
    """Make slides of chapters, one page each: their figures, each after its question; in _build/slides.

    \b
    Examples:
      gradbook slides 10_concept         _build/slides/10_concept.html
      gradbook slides 10_concept --svg   and _build/slides/10_concept/fig-concept-line.svg, …
    """
    from gradbook.press import execute, slides
    from gradbook.press.chapters import QUICK, find_chapters
    from gradbook.press.checkout import checkout, read_json

    root = checkout()
    for chapter in find_chapters(root, chapters):
        made = [slides.write(chapter, root / "_build/slides")]
        if svg:
            job = execute.Job(root, chapter, QUICK, {}, figures="svg")
            if job.stale(read_json(job.record)):
                execute.run(job)
            made += slides.write_svg(job.output, root / "_build/slides" / chapter.name)
        for path in made:
            click.echo(path.relative_to(root))


@app.command()
def prose() -> None:
    """Check the grammar of every page and chapter, and that no sentence has more than 40 words.

    The checker is Harper, of gradbook[dev]; the rules that are left out stand in pyproject.toml.
    """
    from gradbook.press.checkout import checkout
    from gradbook.press.prose import complaints

    found = list(complaints(checkout()))
    for complaint in found:
        click.echo(complaint)
    if found:
        raise RunError(f"the prose has {len(found)} places to mend.")


@app.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free port.")
@click.option("--browser/--no-browser", default=True, help="Open the browser.")
def serve(port: int, browser: bool) -> None:
    """Serve the built site to this machine alone, until Ctrl-C."""
    import webbrowser

    from gradbook.press import site
    from gradbook.press.checkout import checkout

    with site.server(checkout(), port) as running:
        address = f"http://127.0.0.1:{running.server_port}/"
        click.echo(f"{address} (Ctrl-C ends)")
        if browser:
            webbrowser.open(address)
        running.serve_forever()


@app.command()
@chapter_names
def compare(chapters: tuple[str, ...]) -> None:
    """Say how many twins are exactly as committed, and which outputs of the others differ."""
    from gradbook.press.chapters import find_chapters
    from gradbook.press.checkout import checkout
    from gradbook.press.compare import report

    click.echo(report(find_chapters(checkout(), chapters)))


@app.command()
@click.argument("network", required=False)
@click.option("--model", "saved", type=click.Path(path_type=Path), metavar="FILE.keras", help="Count a saved model.")
@click.option("--conv", default=None, metavar="FAMILY[:VALUE]", help="What the network's convolutions are made with.")
@click.option(
    "--input", "inputs", multiple=True, metavar="SIZE,SIZE,…", help="Shape of an example; one for each input."
)
@click.option("--convention", default="convolutions", show_default=True, help='What counts; or "log".')
@click.option("--layers", is_flag=True, help="Show every layer.")
def count(
    network: str | None, saved: Path | None, conv: str | None, inputs: tuple[str, ...], convention: str, layers: bool
) -> None:
    """Count the parameters and multiplications of a network of Part IV, or of any model that Keras saved.

    \b
    Examples:
      gradbook count wide-resnet-28-10
      gradbook count wide-resnet-28-10 --conv shuffle:4 --convention log
      gradbook count darts --conv tensor_train:0.41 --layers
      gradbook count --model my.keras --input 224,224,3
    """
    if (network is None) == (saved is None):
        raise InputError("give the name of a network, or --model with a file, and not both.")
    if saved and conv is not None:
        raise InputError("--conv sets a network's convolutions; a saved model has its own.")
    shapes = [_sizes(text) for text in inputs] or None
    with _no_greetings():
        from gradbook.lowrank import count as counting
        from gradbook.lowrank.saved import read_model

        model = read_model(saved) if saved else _network(network, conv)
        table = counting.table(model, shapes, convention)
    click.echo(counting.text(table) if layers else counting.summary(table))


def _sizes(text: str) -> tuple[int, ...]:
    """Return the numbers in an option such as 224,224,3."""
    if not all(size.isdecimal() and int(size) for size in text.split(",")):
        raise InputError(f"--input must be whole numbers, 1 or more, between commas; received {text!r}.")
    return tuple(map(int, text.split(",")))


def _network(name: str, conv: str | None) -> "keras.Model":
    """Return a network by its name, of convolutions in the form FAMILY[:VALUE]."""
    from gradbook.errors import unknown
    from gradbook.lowrank import NETWORKS, substitute
    from gradbook.lowrank.count import weightless

    if name not in NETWORKS:
        raise unknown("network", name, NETWORKS)
    family, _, text = (conv or "").partition(":")
    try:
        value = float(text) if text else None
    except ValueError:
        raise InputError(f"--conv: {text!r} is not a number.") from None
    make = None if conv is None else substitute(family, value)
    return weightless(lambda: NETWORKS[name](convolution=make))


@app.command()
@click.argument("address", metavar="URL")
def repository(address: str) -> None:
    """Rewrite every link that depends on the repository's public address, as a fork needs.

    \b
    Example:
      gradbook repository https://github.com/ada/gradients
    """
    from gradbook.press.checkout import checkout
    from gradbook.press.repository import move

    root = checkout()
    changed = move(root, address)
    for path in changed:
        click.echo(path.relative_to(root))
    click.echo(f"{len(changed)} files changed; all links now say {address}.")


@app.group(no_args_is_help=False)
def data() -> None:
    """List, fetch and check the datasets.

    \b
    Examples:
      gradbook data list
      gradbook data fetch mnist
      GRADBOOK_DATA=/big/disk gradbook data verify
    """


@data.command("list")
def data_list() -> None:
    """List the datasets: whether they are there, how big, where, under which licence."""
    from gradbook.data import describe

    for entry in describe():
        state = "made in memory" if entry.where is None else "here" if entry.present else "not fetched"
        size = f", {entry.bytes / 1e6:.0f} MB" if entry.bytes else ""
        place = f" in {entry.where}" if entry.where else ""
        click.echo(f"{entry.name}: {entry.summary}\n    {state}{size}{place}; {entry.licence}")


@data.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def data_fetch(names: tuple[str, ...]) -> None:
    """Bring datasets into the data folder; what is there and sound is left alone."""
    from gradbook.data import fetch

    for name in names:
        fetch(name)
        click.echo(f"{name}: here")


@data.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def data_verify(names: tuple[str, ...]) -> None:
    """Check datasets against their checksums; exit code 1 if one is damaged."""
    from gradbook.data import verify

    findings = verify(names)
    for finding in findings:
        click.echo(f"{finding.name}: {finding.state}{'; ' if finding.reason else ''}{finding.reason}")
    if damaged := [finding.name for finding in findings if finding.state == "damaged"]:
        raise RunError(f"damaged: {', '.join(damaged)}; gradbook data fetch gets a dataset again.")


store_path = click.option(
    "--store", "store_path", type=click.Path(path_type=Path), help="The store. [default: $GRADBOOK_STORE, or yours]"
)


@app.command()
@click.argument("name", metavar="STUDY")
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="Seeds 0 to N-1 in each cell, not the study's own.")
@click.option("--where", multiple=True, metavar="FIELD=VALUE", help="Only these runs; may be repeated.")
@click.option("--workers", type=click.IntRange(1), help="Processes on this machine. [default: one a core]")
@click.option("--scheduler", metavar="ADDRESS", help="Use a running Dask scheduler, tcp://host:port.")
@click.option("--dashboard", default="127.0.0.1:8787", show_default=True, help="Where Dask shows what it does.")
@store_path
@click.option("--retry-failed", is_flag=True, help="Run also what failed before, each run alone.")
@click.option("--status", is_flag=True, help="Only say what is done, failed and waiting.")
@click.option("--dry-run", is_flag=True, help="Only list the runs to do.")
@click.option("--tensorboard", type=click.Path(path_type=Path), metavar="DIR", help="Write the runs' curves there.")
def sweep(
    name: str,
    seeds: int | None,
    where: tuple[str, ...],
    workers: int | None,
    scheduler: str | None,
    dashboard: str,
    store_path: Path | None,
    retry_failed: bool,
    status: bool,
    dry_run: bool,
    tensorboard: Path | None,
) -> None:
    """Run what a study still lacks, on the cores of this machine or on a Dask cluster.

    Every run is kept as it ends: stop a sweep at any time, and start it again to go on. What is in book/results counts
    as done. Exit code 1 says that a run failed; the others are done all the same.

    \b
    Examples:
      gradbook sweep concept                                 all of it, one process a core
      gradbook sweep concept --where rule=projection --where seed=0 --tensorboard logs
      gradbook sweep concept --scheduler tcp://node1:8786    on a cluster
      gradbook sweep concept --status
      gradbook sweep concept --retry-failed
      gradbook sweep walk:STUDY                              a study of your own, in walk.py here
    """
    from gradbook.studies.status import status as status_of
    from gradbook.studies.store import Store

    study = _study(name)
    study = _selected(study.with_seeds(seeds) if seeds else study, where)
    folder = _results_folder(name)
    with Store(store_path) as store:
        now = status_of(study, store, folder)
        if dry_run:
            todo = [*now.waiting, *(now.failed if retry_failed else [])]
            click.echo("\n".join([*map(now.label, todo), f"{len(todo)} runs to do"]))
            return
        if not status:
            from gradbook.studies.sweep import sweep

            now = sweep(
                study,
                store,
                workers=workers,
                scheduler=scheduler,
                retry_failed=retry_failed,
                dashboard=dashboard,
                folder=folder,
            )
        click.echo(now)
        if tensorboard:
            from gradbook.studies.tensorboard import write_study

            write_study(study, store, tensorboard)
    if now.failed and not status:
        raise RunError(f"{len(now.failed)} of {len(study.runs)} runs failed; --retry-failed runs them again.")


def _study(name: str) -> "Study":
    """Find a study by its name, or by where it is defined, modules in the working directory included."""
    from gradbook import experiments

    if ":" in name:
        sys.path.insert(0, str(Path.cwd()))
    return experiments.study(name)


def _results_folder(study: str) -> Path:
    """Return where a study's results are committed: those of a study of one's own in the working directory."""
    from gradbook.studies import results

    return Path("results") if ":" in study else results.FOLDER


def _selected(study: "Study", where: tuple[str, ...]) -> "Study":
    """Select the runs for which, of each field that is named, one of its values holds."""
    from gradbook.studies.results import literal

    declared, fields = study.experiment.configuration.model_fields, defaultdict(list)
    for condition in where:
        name, equals, text = condition.partition("=")
        if not equals:
            raise InputError(f"--where must be FIELD=VALUE; received {condition!r}.")
        is_text = name in declared and declared[name].annotation is str
        fields[name].append(text if is_text else literal(text))
    return study.select(**fields)


@app.group("results", no_args_is_help=False)
def results_group() -> None:
    """Bring results from the store to book/results, where they travel with the book, and from there to archives.

    \b
    Examples:
      gradbook results export concept
      gradbook results crate results.zip
    """


@results_group.command("export")
@click.argument("name", metavar="STUDY")
@store_path
def results_export(name: str, store_path: Path | None) -> None:
    """Add a study's finished runs to its files in book/results; those of a study of your own, in results/ here."""
    from gradbook.studies import results
    from gradbook.studies.store import Store

    study, folder = _study(name), _results_folder(name)
    folder.mkdir(exist_ok=True)
    with Store(store_path) as store:
        exported = results.export(study, store, folder)
    click.echo(f"{study.name}: {exported.runs} runs in {folder / study.name}.csv, {exported.added} of them new")
    if exported.dropped:
        click.echo(f"{exported.dropped} rows dropped: of another version of the experiment, or no longer in the study")


@results_group.command("crate")
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("studies", nargs=-1, metavar="[STUDY]...")
def results_crate(target: Path, studies: tuple[str, ...]) -> None:
    """Pack committed results for an archive: an RO-Crate, a new folder TARGET or a file TARGET.zip.

    It says of each group of runs by which commit and libraries it was made, on which machine, and from which data.
    """
    from gradbook.studies import crate

    crate.write(target, studies)
    click.echo(f"{target}: {', '.join(studies) or 'all studies'}")


@app.command()
@click.option("--check", is_flag=True, help="Only compare with book/ledger.csv; exit code 1 if a verdict differs.")
@click.option("--write", is_flag=True, help="Write book/ledger.csv.")
@click.option("--dates", is_flag=True, help="Write book/tolerances.csv: when tolerances were set, from the history.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
def ledger(check: bool, write: bool, dates: bool, form: str) -> None:
    """Compute the verdict on every claim in book/claims.yml from the results in book/results.

    \b
    Examples:
      gradbook ledger --format markdown
      gradbook ledger --check
      gradbook ledger --write          after results were exported or a claim was added
    """
    from gradbook import book_claims
    from gradbook.claims import claim
    from gradbook.claims import ledger as ledgers
    from gradbook.press import tolerances
    from gradbook.press.checkout import checkout

    if check and write:
        raise InputError("--check and --write exclude each other; received both.")
    if dates:
        found = tolerances.dates(checkout(), claim.load(book_claims.CLAIMS).claims)
        with atomic_write(book_claims.TOLERANCES) as file:
            file.write(found.to_csv(index=False, lineterminator="\n").encode())
        click.echo(f"{book_claims.TOLERANCES}: {(found['order'] == 'before').sum()} of {len(found)} set before results")
        return
    with _no_greetings():
        now = book_claims.compute()
    if check:
        click.echo(_unchanged(now, ledgers.load(book_claims.LEDGER), book_claims.LEDGER))
    elif write:
        ledgers.save(now, book_claims.LEDGER)
        click.echo(f"{book_claims.LEDGER}: {ledgers.summary(now['verdict'])}")
    else:
        click.echo(ledgers.render(now, form, shutil.get_terminal_size().columns))


def _schema(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from gradbook.claims.claim import schema

        click.echo(json.dumps(schema(), indent=1))
        context.exit()


readable = click.Path(path_type=Path)
several = {"type": readable, "multiple": True}
forms = click.Choice(["table", "json", "markdown", "html", "json-ld", "badge"])


@app.command()
@click.argument("claims", type=readable)
@click.option("--runs", **several, help="A CSV file with one row per run; may be given repeatedly.")
@click.option("--published", **several, help="A CSV file with one row per published number; likewise.")
@click.option("--against", type=readable, help="A ledger to compare with; exit code 1 if a verdict differs.")
@click.option("--write", type=readable, help="Write the ledger to this CSV file, too.")
@click.option("--format", "form", type=forms, default="table", show_default=True)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_schema,
    help="Print the schema of CLAIMS.yml.",
)
def audit(
    claims: Path,
    runs: tuple[Path, ...],
    published: tuple[Path, ...],
    against: Path | None,
    write: Path | None,
    form: str,
) -> None:
    """Compute the verdicts on claims of any paper, from a file CLAIMS.yml and tables of runs.

    Nothing of this book is used. The page "Keep a ledger of your own" says what the files hold.

    \b
    Examples:
      gradbook audit claims.yml --runs runs.csv --published numbers.csv
      gradbook audit claims.yml --runs runs.csv --format html > ledger.html
      gradbook audit claims.yml --runs runs.csv --write ledger.csv       then, as a check:
      gradbook audit claims.yml --runs runs.csv --against ledger.csv
    """
    from gradbook.claims import audit as audits
    from gradbook.claims import claim, linked, page, tidy
    from gradbook.claims import ledger as ledgers

    file = claim.load(claims)
    now = audits.compute(file.claims, tidy.evidence(file, runs, published))
    before = ledgers.load(against) if against else None
    if write:
        ledgers.save(now, write)
    if against:
        click.echo(_unchanged(now, before, against))
    elif form == "html":
        click.echo(page.page(file, now, claims.stem), nl=False)
    elif form == "json-ld":
        click.echo(json.dumps(linked.reviews(file, now, claims.stem), indent=1, ensure_ascii=False))
    elif form == "badge":
        click.echo(page.badge(now), nl=False)
    else:
        click.echo(ledgers.render(now, form, shutil.get_terminal_size().columns))


def _unchanged(now: "pd.DataFrame", before: "pd.DataFrame", path: Path) -> str:
    """Return that all verdicts are those that a file had before.

    Raises:
        RunError: some are not; names them.
    """
    from gradbook.claims import ledger

    if changes := ledger.changed(before, now):
        raise RunError("\n  ".join([f"{len(changes)} verdicts differ from {path.name}.", *changes]))
    return f"{len(now)} verdicts as in {path.name}"


@contextmanager
def _no_greetings() -> Iterator[None]:
    """Keep from the error stream what TensorFlow's native libraries write there while they are imported."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def main() -> None:
    """Run the command: one line an error, exit code 2 for bad input and 1 for a failed run."""
    for stream in (sys.stdout, sys.stderr):
        if not stream.isatty():  # Windows would write files in its own encoding, without half of our signs
            stream.reconfigure(encoding="utf-8")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"] or ["--help"]
    os.environ.setdefault("HOME", str(home()))  # or Keras makes one of its own in the working directory
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notes on its start are no news to anybody
    try:
        code = app(arguments, prog_name="gradbook", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        code = _stop("interrupted; what was finished is kept.", 130)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        code = _stop(*_verdict(error))
    sys.exit(code)


def _verdict(error: Exception) -> tuple[str, int]:
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        return error.format_message() + (f" See {context.command_path} --help." if context else ""), 2
    if isinstance(error, InputError):
        return str(error), 2
    if isinstance(error, RunError):
        return str(error), 1
    if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get((error.name or "").partition(".")[0])):
        return f"this needs {error.name}; install gradbook[{extra}].", 1
    if type(error).__name__ == "ValidationError":  # pydantic's, without importing it for every command
        from gradbook.untrusted import refusal

        return refusal(error), 2
    return f"unexpected {type(error).__name__}: {error} (--debug shows where).", 1


def _stop(message: str, code: int) -> int:
    click.echo(f"gradbook: {message}", err=True)
    return code
