"""Rule excerpts: draw random excerpts of one song whose label the attack has flipped."""

from veracity.attacks.excerpts import pick_excerpts
from veracity.attacks.perturbations import read_attack
from veracity.errors import ArtefactError
from veracity.games.callables import callable_evaluator
from veracity.jobs import store

from _attacked import attacked_detector, custom_classifier
from _job import job, provenance

with job(snakemake):
    settings, of_model = snakemake.params.settings, snakemake.params.settings["model"]
    predict, frontend = of_model.get("predict"), None
    if classifier := custom_classifier(snakemake):
        predict_logits, threshold = classifier.logit, classifier.decision
    else:
        detector = attacked_detector(snakemake, snakemake.params.device)
        network, frontend, threshold = detector.network, detector.frontend, detector.threshold
        predict_logits = (
            callable_evaluator(predict).predict_logits if predict else lambda x: network.logits(x.to(network.device))
        )
        if predict and of_model["threshold"] is not None:
            threshold = of_model["threshold"]
    attack = read_attack(snakemake.input.perturbations)
    if attack.domain != snakemake.wildcards.domain:
        raise ArtefactError(
            f"{snakemake.input.perturbations}: must be a {snakemake.wildcards.domain} attack, got {attack.domain}. Delete it."
        )
    excerpts = pick_excerpts(
        attack,
        predict_logits,
        frontend,
        threshold=threshold,
        n_per_direction=settings["excerpts"]["per_direction"],
        seed=settings["seed"],
        song=snakemake.wildcards.song,
        model=predict or "",
    )
    print(f"{len(excerpts.original)} of {excerpts.n_flipped[-1].sum()} flipped excerpts drawn")
    store.write(snakemake.output[0], excerpts, provenance(snakemake))
