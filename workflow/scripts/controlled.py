"""Rule controlled: ask explainers about one song where the right answer, or chance, is known."""

from veracity.attacks.excerpts import Excerpts
from veracity.attacks.perturbed import central
from veracity.attacks.settings import AttackSettings
from veracity.detector.checkpoints import load_checkpoint
from veracity.detector.cue import CueSettings
from veracity.experiments import controls
from veracity.experiments.controlled import CONTROLS
from veracity.experiments.flips import Flips
from veracity.explainers.lime import LimeSettings
from veracity.explainers.settings import LIME, explainers_of
from veracity.games.models import explained_model
from veracity.jobs import store
from veracity.songs.audio import load_audio

from _attacked import attacked_detector
from _job import job, provenance
from _songs import song_files

with job(snakemake):
    settings, control, song = snakemake.params.settings, snakemake.wildcards.control, snakemake.wildcards.song
    _, frontend, threshold = attacked_detector(snakemake, snakemake.params.device)
    detector, truth, asked = load_checkpoint(snakemake.input.detector).detector, None, settings["controls"]
    lime = LimeSettings(**{**settings["lime"], "fills": [settings["lime"]["fill"]]})
    grid = controls.grid_of(control, lime, frontend.excerpt_frames, frontend.n_mels)
    common = {"candidates": asked["candidates"], "seed": settings["seed"], "song": song}
    if control in ("confined", "cue"):
        audio = load_audio(song_files(snakemake)[0], sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
        audio, _ = central(audio, settings["attacks"]["seconds"], frontend.sample_rate, frontend.hop_samples)
    if control == "confined":
        attack = {key: value for key, value in asked["confined"].items() if key != "segments"}
        common |= {"n_segments": asked["confined"]["segments"], "per_direction": asked["per_direction"], "threshold": threshold}
        case = controls.confined(audio, detector, grid, AttackSettings(**attack), **common)
    elif control == "cue":
        planted = load_checkpoint(snakemake.input.planted)
        detector, kept = planted.detector, 2 * asked["per_direction"]  # the tone makes one direction alone
        case = controls.with_planted_cue(audio, planted, grid, CueSettings(**asked["cue"]), kept=kept, **common)
    else:
        excerpts = store.read(snakemake.input.excerpts, Excerpts)
        numbers = controls.some_of(excerpts, asked["per_direction"])
        case = controls.chosen(excerpts, numbers, grid.n_segments)
    if control == "random_weights":
        truth = controls.truth_of(store.read(snakemake.input.flips, Flips), numbers)
        detector = controls.untrained(detector, settings["seed"])
    model = explained_model(detector, grid, exact=lime.exact, exact_tables=lime.evaluator == "auto")
    explainers = explainers_of([LIME, *asked["explainers"]]) if control in CONTROLS else []
    result = controls.compute(control, case, model, explainers, lime, grid, seed=settings["seed"], song=song, truth=truth)
    store.write(snakemake.output[0], result, provenance(snakemake))
