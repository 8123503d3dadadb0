"""Rule attacks: success rates of the attacks."""

from pathlib import Path

from veracity.attacks.excerpts import Excerpts
from veracity.attacks.perturbations import ExcerptAttack, SongAttack
from veracity.jobs import store
from veracity.results import attacks

from _job import job, read_all
from _tables import write_table

with job(snakemake):
    excerpts = read_all(snakemake.input.excerpts, Excerpts)
    kinds = {"song": SongAttack, "excerpt": ExcerptAttack}
    perturbations = (
        (Path(path).stem, domain, store.read(path, kinds[item.scope]))
        for path, (_, domain, item) in zip(snakemake.input.perturbations, excerpts, strict=True)
    )
    write_table(snakemake, attacks.table(perturbations, excerpts), title="Attacks: excerpts whose label flipped")
