"""Rule controlled: explain excerpts of one song in a control, where the correct answer or chance is known."""

from veracity.attacks.excerpts import Excerpts
from veracity.attacks.perturbed import central
from veracity.attacks.settings import AttackSettings
from veracity.detector.checkpoints import load_checkpoint
from veracity.detector.planted import CueSettings
from veracity.experiments import controlled
from veracity.experiments.flips import Flips
from veracity.explainers.lime import LimeSettings
from veracity.explainers.settings import LIME, explainers_of
from veracity.games.models import explained_model
from veracity.jobs import store
from veracity.songs.audio import load_audio

from _attacked import attacked_detector
from _job import job, provenance

with job(snakemake):
    settings, control, song = snakemake.params.settings, snakemake.wildcards.control, snakemake.wildcards.song
    network, frontend, threshold = attacked_detector(snakemake, snakemake.params.device)
    detector = load_checkpoint(snakemake.input.detector).detector.to(network.device)
    own, named = settings["controls"], {"seed": settings["seed"], "song": song}
    lime = LimeSettings(**settings["lime"], fills=(settings["lime"]["fill"],))
    grid = controlled.grid_of(control, lime, frontend.excerpt_frames, frontend.n_mels)
    if control in controlled.PLANTED:
        audio = load_audio(snakemake.input.audio, sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
        audio, _ = central(audio, settings["attacks"]["seconds"], frontend.sample_rate, frontend.hop_samples)
    if control == "confined":
        attack = AttackSettings(**{key: value for key, value in own["confined"].items() if key != "segments"})
        known = {"candidates": own["candidates"], "per_direction": own["per_direction"], "threshold": threshold, **named}
        case = controlled.confined(audio, detector, grid, attack, n_segments=own["confined"]["segments"], **known)
    elif control == "cue":
        # More excerpts are kept for each song, because songs on which the detector was trained are excluded.
        planted, kept = load_checkpoint(snakemake.input.planted), 4 * own["per_direction"]
        known = {"candidates": max(own["candidates"], 2 * kept), "kept": kept, **named}
        case = controlled.with_planted_cue(audio, planted, grid, CueSettings(**own["cue"]), **known)
        detector = planted.detector
    else:
        excerpts, flips = store.read(snakemake.input.excerpts, Excerpts), None
        if control == "random_weights":
            flips, detector = store.read(snakemake.input.flips, Flips), controlled.untrained(detector, **named)
        case = controlled.chosen(excerpts, own["per_direction"], grid.n_segments, flips)
    model = explained_model(detector.to(network.device), grid, exact=lime.exact, exact_tables=lime.evaluator == "auto")
    asked = explainers_of([LIME, *own.get("explainers", [])])
    result = controlled.compute(control, case, model, asked, lime, grid, **named)
    store.write(snakemake.output[0], result, provenance(snakemake))
