"""Rule attacks: success rates of the attacks."""

from pathlib import Path

from veracity import store
from veracity.artefacts import ExcerptAttack, Excerpts, SongAttack
from veracity.summaries import attacks_table

from _job import job, read_all, write_table

with job(snakemake):
    excerpts = read_all(snakemake.input.excerpts, Excerpts)
    kinds = {"song": SongAttack, "excerpt": ExcerptAttack}
    attacks = (
        (Path(path).stem, domain, store.read(path, kinds[item.scope]))
        for path, (_, domain, item) in zip(snakemake.input.perturbations, excerpts, strict=True)
    )
    write_table(snakemake, attacks_table(attacks, excerpts), title="Attacks: excerpts whose label flipped")
