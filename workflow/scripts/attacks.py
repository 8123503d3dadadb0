"""Rule attacks: success rates of the attacks."""

from pathlib import Path

from veracity.attacks.excerpts import Excerpts
from veracity.attacks.perturbations import read_attack
from veracity.results import attacks

from _job import job, read_all
from _tables import write_table

with job(snakemake):
    excerpts = read_all(snakemake.input.excerpts, Excerpts)
    perturbations = ((Path(path).stem, Path(path).parent.name, read_attack(path)) for path in snakemake.input.perturbations)
    write_table(snakemake, attacks.table(perturbations, excerpts), title="Attacks: excerpts whose label flipped")
