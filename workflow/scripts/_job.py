"""Functions for all scripts: log, error messages, provenance, and reading of artefacts.

The code digests of all rules include this module and its imports. The modules `_attacked`, `_explained`, `_resumed` and
`_tables` contain functions that fewer rules need.
"""

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from veracity.errors import VeracityError
from veracity.jobs import provenance as provenance_of
from veracity.jobs.usage import startup_line, usage_lines


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Redirect all output to the log of the job, and report user errors in one line without a traceback.

    The log also contains total CPU time, CPU time of start-up, and peak memory, which `veracity.results.costs` reads.
    """
    before = startup_line()
    with (
        Path(snakemake.log[0]).open("w", buffering=1, encoding="utf-8") as log,
        redirect_stdout(log),
        redirect_stderr(log),
        _c_stderr_to(log),
    ):
        logging.basicConfig(stream=log, level=logging.INFO, format="%(levelname)s %(name)s %(message)s", force=True)
        logging.captureWarnings(True)
        warnings.simplefilter("default")
        print(before)
        try:
            provenance_of.check_inputs(snakemake.input)
            yield
            print(usage_lines())
        except VeracityError as error:
            print(f"error: {error}")
            sys.exit(1)
        except Exception:
            traceback.print_exc()
            sys.exit(1)


@contextmanager
def _c_stderr_to(log: Any) -> Iterator[None]:
    """Redirect the standard error of C libraries, such as messages of audio decoders."""
    saved = os.dup(2)
    os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def provenance(snakemake: Any) -> dict[str, Any]:
    """Return the provenance of a job for `veracity.jobs.store.write`."""
    settings = dict(snakemake.params.settings)
    return provenance_of.describe(settings=settings, seed=settings["seed"], inputs=snakemake.input)


def read_all(paths: Any, kind: type) -> list[tuple[str, str, Any]]:
    """Read artefacts from files ``<domain>/<song>.h5``.

    Parameters
    ----------
    paths : sequence of str
        Paths of the artefacts.
    kind : type
        Dataclass of the artefacts.

    Returns
    -------
    list of (song, domain, artefact)
        Song, domain and artefact of each file.
    """
    from veracity.jobs import store

    return [(Path(path).stem, Path(path).parent.name, store.read(path, kind)) for path in paths]
