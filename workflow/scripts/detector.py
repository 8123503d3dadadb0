"""Rule detector: scores of all detectors, with mean and standard deviation over seeds."""

from veracity.detector.predictions import Predictions, score_split
from veracity.jobs import store
from veracity.results import detector

from _job import job
from _tables import write_table

with job(snakemake):
    predictions = [store.read(path, Predictions) for path in snakemake.input]
    scores = {split: {p.detector: score_split(p, split) for p in predictions} for split in ("valid", "test")}
    known = {split: of_split for split, of_split in scores.items() if all(of_split.values())}
    table = detector.table(known, {p.detector: p.threshold for p in predictions})
    write_table(snakemake, table, detector.page(table), "Frame-wise scores of the detector, after the median filter")
