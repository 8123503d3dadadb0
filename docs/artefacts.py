"""Write docs/artefacts.md from the declarations of the artefacts: python docs/artefacts.py."""

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

#: Where each kind lies under results/<run>/, and the rule that writes it.
FILES = {
    Spectrogram: "spectrograms/{song}.h5",
    Predictions: "predictions/{detector}.h5",
    SongPrediction: "predictions/{detector}.h5, group songs/{song}",
    SongAttack: "perturbations/{domain}/{song}.h5 with attacks.scope: song",
    ExcerptAttack: "perturbations/{domain}/{song}.h5 with attacks.scope: excerpt",
    Excerpts: "excerpts/{domain}/{song}.h5",
    Explanations: "explanations/{domain}/{song}.h5",
    Flips: "flips/{domain}/{song}.h5",
    AllSets: "flips/{domain}/{song}.h5, group sets, where all masks could be evaluated",
    TriedSets: "flips/{domain}/{song}.h5, group sets, where only single masks could be",
    Localised: "localised/{domain}/{song}.h5",
    Attributions: "attributions/{explainer}/{domain}/{song}.h5",
    LocalisedAttributions: "localised_attributions/{explainer}/{domain}/{song}.h5",
    Controlled: "controlled/{control}/{domain}/{song}.h5",
    Stability: "stability/{domain}/{song}.h5",
    DrawnExcerpt: "drawings/{song}.h5",
}
INTRODUCTION = """# What each artefact holds

Written by `python docs/artefacts.py` from the dataclasses that the stages write, each beside what computes it; a test
compares them.

Everything that a run makes lies under `results/<run>/`. The folder is the name of the rule, which is the name of its script
in `workflow/scripts/`. `{domain}` is `waveform` or `spectrogram`, `{song}` the song's name in lower-case letters, digits and
hyphens, `{detector}` is `seed0`, `seed1`, ... or `checkpoint`, `{explainer}` a name from
`explainers`.

Every HDF5 file carries, as attributes, the name of its `artefact`, the `settings` that made it (JSON), the `seed` of the run,
the `versions` of Python and the libraries, and the SHA-256 (first 16 digits) of each of its `inputs`. Every dataset carries
`axes`, `unit` and `description`. Read one with `veracity.jobs.store.read(path, veracity.experiments.flips.Flips)`, or with h5py
or `h5dump`. Files hold no time and no absolute path: the same seed on the same machine gives the same bytes on a CPU.

Text stands before the HDF5 part of a file (its user block, which h5py and h5dump skip): the attributes and SHA-256 digests,
which are compared when a file is read; datasets of numbers carry HDF5's own checksum (fletcher32). What is damaged, was
changed, or was made from another version of an input is refused, with the cure.

Segments are numbered time * n_band + band, band 0 lowest. A set of segments is a *mask index*: bit i is set when segment i is
in the set (`veracity.games.grid.masks_of`, `veracity.games.grid.indices_of`).

A variant of a run has a folder of the same kind, `results/<run>/variants/<name>`, of what it does not share with the run
([variants](variants.md)).

Beside the HDF5 files: `synthetic_corpus/` (audio, labels and lists in the Jamendo layout), `training/seed0.pt` (a
checkpoint that carries its architecture, front end and settings, read with `veracity.detector.checkpoints.load_checkpoint`) and
`training/seed0.csv` (its training curve), `*.state.pt` beside what a training or an attack will write, while it runs
(`damaged.*.state.pt` where one could not be read again),
`tables/*.csv` with a page to read (`.md`) each, `figures/*.{png,pdf}` with the numbers they show (`.csv`), `logs/` and
`benchmarks/` (one for each job: what it said, and the time and memory that Snakemake measured), `report.html` (target
`report`). Checkpoints and states have digests, too. CSV and JSON have none, so that one can edit them: what is changed there
by hand is believed.
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
            f"## {kind.__name__}\n\n`{where}`\n\n`{kind.__module__}`: {(kind.__doc__ or '').strip()}\n\n"
            + "\n".join(table)
            + "\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
