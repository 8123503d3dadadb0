"""What every script shares: its log, clear errors, provenance, reading and writing.

What is imported here is part of every rule's code digest; `_attacked` and `_explained` hold what fewer rules need.
"""

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veracity.errors import VeracityError
from veracity.jobs import provenance as provenance_of
from veracity.jobs.files import replacing
from veracity.jobs.usage import told_at_end, told_at_start

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Send all output to the job's log, and tell a user's mistake in one sentence instead of a traceback.

    The log also tells CPU time, how much of it was start-up, and memory, which `veracity.results.costs` gathers.
    """
    before = told_at_start()
    with (
        Path(snakemake.log[0]).open("w", buffering=1, encoding="utf-8") as log,
        redirect_stdout(log),
        redirect_stderr(log),
    ):
        logging.basicConfig(stream=log, level=logging.INFO, format="%(levelname)s %(name)s %(message)s", force=True)
        logging.captureWarnings(True)
        warnings.simplefilter("default")
        print(before)
        try:
            provenance_of.check_inputs(snakemake.input)
            yield
            print(told_at_end())
        except VeracityError as error:
            print(f"error: {error}")
            sys.exit(1)
        except Exception:
            traceback.print_exc()
            sys.exit(1)


def provenance(snakemake: Any) -> dict[str, Any]:
    """Describe a job for `veracity.jobs.store.write`."""
    settings = dict(snakemake.params.settings)
    return provenance_of.describe(settings=settings, seed=settings["seed"], inputs=snakemake.input)


def read_all(paths: Any, kind: type) -> list[tuple[str, str, Any]]:
    """Read artefacts named <domain>/<song>.h5, as (song, domain, artefact)."""
    from veracity.jobs import store

    return [(Path(path).stem, Path(path).parent.name, store.read(path, kind)) for path in paths]


def write_table(snakemake: Any, table: "pd.DataFrame", page: "pd.DataFrame | None" = None, title: str = "") -> None:
    """Write a tidy CSV that names its corpus and, where the rule has one, a page to read."""
    table = table.assign(corpus=snakemake.params.note)
    with replacing(snakemake.output.table) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    if "page" in snakemake.output.keys():  # noqa: SIM118 - Snakemake's Namedlist is no mapping
        from veracity.results.pooling import as_markdown

        shown = as_markdown(table.drop(columns="corpus") if page is None else page)
        text = f"# {title}\n\nCorpus: {snakemake.params.note}.\n\n{shown}\n"
        with replacing(snakemake.output.page) as temporary:
            temporary.write_text(text, encoding="utf-8")
