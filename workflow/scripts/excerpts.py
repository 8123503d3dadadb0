"""Rule excerpts: pick excerpts of one song whose label the attack has flipped."""

from veracity.attacks.excerpts import pick_excerpts
from veracity.attacks.perturbations import ExcerptAttack, SongAttack
from veracity.games.callables import callable_evaluator
from veracity.jobs import store

from _attacked import attacked_detector
from _job import job, provenance

with job(snakemake):
    network, frontend, threshold = attacked_detector(snakemake, snakemake.params.device)
    settings = snakemake.params.settings
    kind = {"SongAttack": SongAttack, "ExcerptAttack": ExcerptAttack}[
        store.read_attributes(snakemake.input.perturbation)["artefact"]
    ]
    predict = settings["lime"]["predict"]
    excerpts = pick_excerpts(
        store.read(snakemake.input.perturbation, kind),
        callable_evaluator(predict).predict_logits if predict else lambda x: network.logits(x.to(network.device)),
        frontend,
        threshold=threshold,
        n_per_direction=settings["excerpts"]["per_direction"],
        seed=settings["seed"],
        song=snakemake.wildcards.song,
        model=predict or "",
    )
    print(f"{len(excerpts.original)} excerpts picked of {excerpts.n_nosing_flipped + excerpts.n_sing_flipped} flipped")
    store.write(snakemake.output[0], excerpts, provenance(snakemake))
