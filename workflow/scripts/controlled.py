"""Rule controlled: ask explainers about one song where the right answer, or chance, is known."""

from veracity.attacks.excerpts import Excerpts
from veracity.attacks.perturbed import central
from veracity.detector.checkpoints import load_checkpoint
from veracity.experiments import controls
from veracity.experiments.control_names import PLANTED
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
    audio = excerpts = planted = truth = None
    if control in PLANTED:
        audio = load_audio(snakemake.input.audio, sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
        audio, _ = central(audio, settings["attacks"]["seconds"], frontend.sample_rate, frontend.hop_samples)
    else:
        excerpts = store.read(snakemake.input.excerpts, Excerpts)
    if control == "cue":
        planted = load_checkpoint(snakemake.input.planted)
    if control == "random_weights":
        numbers = controls.some_of(excerpts, settings["controls"]["per_direction"])
        truth = controls.truth_of(store.read(snakemake.input.flips, Flips), numbers)
    lime = LimeSettings(**settings["lime"], fills=(settings["lime"]["fill"],))
    grid = controls.grid_of(control, lime, frontend.excerpt_frames, frontend.n_mels)
    detector, named = load_checkpoint(snakemake.input.detector).detector, {"seed": settings["seed"], "song": song}
    read = audio, excerpts, detector.to(network.device), planted, grid, settings["controls"]
    case, detector = controls.case_of(control, *read, threshold=threshold, **named)
    model = explained_model(detector.to(network.device), grid, exact=lime.exact, exact_tables=lime.evaluator == "auto")
    asked = explainers_of([LIME, *settings["controls"].get("explainers", [])])
    result = controls.compute(control, case, model, asked, lime, grid, truth=truth, **named)
    store.write(snakemake.output[0], result, provenance(snakemake))
