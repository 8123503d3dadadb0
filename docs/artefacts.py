"""Write docs/artefacts.md from the declarations of the artefacts: python docs/artefacts.py."""

import inspect
from pathlib import Path

from veracity.attacks.excerpts import Excerpts
from veracity.attacks.perturbations import ExcerptAttack, SongAttack
from veracity.detector.predictions import Predictions, SongPrediction
from veracity.experiments.attributions import Attributions
from veracity.experiments.controlled import Controlled
from veracity.experiments.drawings import DrawnExcerpt
from veracity.experiments.explanations import Explanations
from veracity.experiments.flips import AllSets, Flips, TriedSets
from veracity.experiments.localised import Localised
from veracity.experiments.localised_attributions import LocalisedAttributions
from veracity.experiments.stability import Stability
from veracity.jobs import store
from veracity.songs.spectra import Spectrogram

PAGE = Path(__file__).with_suffix(".md")

#: Path of each kind of artefact below results/<run>/, and the rule that writes it.
FILES = {
    Spectrogram: "spectrograms/{song}.h5",
    Predictions: "predictions/{detector}.h5",
    SongPrediction: "predictions/{detector}.h5, group songs/{song}",
    SongAttack: "perturbations/{domain}/{song}.h5 with attacks.scope: song",
    ExcerptAttack: "perturbations/{domain}/{song}.h5 with attacks.scope: excerpt",
    Excerpts: "excerpts/{domain}/{song}.h5",
    Explanations: "explanations/{domain}/{song}.h5",
    Flips: "flips/{domain}/{song}.h5",
    AllSets: "flips/{domain}/{song}.h5, group sets, if all masks can be evaluated",
    TriedSets: "flips/{domain}/{song}.h5, group sets, if not all masks can be evaluated",
    Localised: "localised/{domain}/{song}.h5",
    Attributions: "attributions/{explainer}/{domain}/{song}.h5",
    LocalisedAttributions: "localised_attributions/{explainer}/{domain}/{song}.h5",
    Controlled: "controlled/{control}/{domain}/{song}.h5",
    Stability: "stability/{domain}/{song}.h5",
    DrawnExcerpt: "drawings/{song}.h5",
}
INTRODUCTION = """# Artefacts

This page lists the files that a run writes, and the contents of each HDF5 file. `python docs/artefacts.py` generates it
from the dataclasses of the stages; a test checks that the page is up to date.

## Paths

All results of a run are in `results/<run>/`. The folder of an artefact has the name of its rule, which is also the name
of the script in `workflow/scripts/`. The paths below contain these placeholders:

| placeholder | value |
|---|---|
| `{domain}` | `waveform` or `spectrogram` |
| `{song}` | name of the song in lower-case letters, digits and hyphens |
| `{detector}` | `seed0`, `seed1`, ... or `checkpoint` |
| `{explainer}` | a name from `explainers` |
| `{control}` | `confined`, `shortcut`, `random_weights`, or `grid_` followed by a grid |

A [variant](variants.md) of a run has a folder of the same structure, `results/<run>/variants/<name>`. It contains the
artefacts that the variant does not share with the base run.

## Format of the HDF5 files

Each HDF5 file has these attributes: the name of its `artefact`, the `settings` that produced it (JSON), the `seed` of
the run, the `versions` of Python and the libraries, and the SHA-256 (first 16 digits) of each of its `inputs`. Each
dataset has the attributes `axes`, `unit` and `description`. Read a file with h5py, with `h5dump` or with
`veracity.jobs.store.read(path, veracity.experiments.flips.Flips)`.

- **Reproducibility.** Files contain no timestamps or absolute paths. On a CPU, the same seed on the same machine gives the
  same bytes.
- **Integrity.** The first 512 bytes of a file (its user block, which h5py and h5dump skip) contain the SHA-256 digest of
  the rest; this digest is checked when the file is read. Datasets of numbers also have HDF5's own checksum (fletcher32). A file
  that is damaged, was changed, or was made from another version of an input is rejected, with instructions on what to do.
- **Segments.** They are numbered time * n_band + band, where band 0 is the lowest. A set of segments is a *mask index*:
  bit i is set if segment i is in the set (`veracity.games.grid.masks_of`, `veracity.games.grid.indices_of`).

## Other files

| path | content |
|---|---|
| `synthetic_corpus/` | audio, labels and lists in the Jamendo layout |
| `training/seed0.pt` | checkpoint with architecture, front end and settings (`veracity.detector.checkpoints.load_checkpoint`) |
| `training/seed0.csv` | training curve |
| `*.state.pt` | saved state of an unfinished training run or attack, next to its output |
| `damaged.*.state.pt` | saved state that could not be read |
| `tables/*.csv`, `tables/*.md` | tables as data and in readable form |
| `figures/*.{png,pdf}`, `figures/*.csv` | figures and the numbers that they show |
| `logs/`, `benchmarks/` | log of each job, and its time and memory measured by Snakemake |
| `report.html` | report (target `report`) |

Checkpoints and states also have digests. CSV and JSON files have none, so they can be edited. Changes by hand are
accepted without a check.
"""


def page() -> str:
    """Return docs/artefacts.md."""
    parts = [INTRODUCTION]
    for kind, where in FILES.items():
        rows = [
            f"| `{name}` | {axes.replace('|', 'or')} | {unit.replace('|', 'or')} | {doc} |"
            for name, axes, unit, doc in store.layout(kind)
        ]
        table = ["| name | axes | unit | meaning |", "|---|---|---|---|", *rows]
        parts.append(
            f"## {kind.__name__}\n\n`{where}`\n\n`{kind.__module__}`: {inspect.cleandoc(kind.__doc__ or '')}\n\n"
            + "\n".join(table)
            + "\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
