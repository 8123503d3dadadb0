"""Rule controlled: explain excerpts of one song in a control, where the correct answer or the chance level is known."""

from veracity.attacks.excerpts import Excerpts
from veracity.attacks.perturbed import central
from veracity.attacks.settings import AttackSettings
from veracity.detector.checkpoints import load_checkpoint
from veracity.detector.shortcut import ShortcutSettings
from veracity.experiments import controlled
from veracity.experiments.flips import Flips
from veracity.explainers.lime import LimeSettings
from veracity.explainers.settings import LIME, explainers_of
from veracity.games.models import explained_model
from veracity.jobs import store
from veracity.jobs.seeds import rng_for
from veracity.songs.audio import load_audio

from _attacked import attacked_detector
from _job import job, provenance

with job(snakemake):
    settings, control, song = snakemake.params.settings, snakemake.wildcards.control, snakemake.wildcards.song
    attacked = attacked_detector(snakemake, snakemake.params.device)
    frontend, device = attacked.frontend, attacked.network.device
    detector = load_checkpoint(snakemake.input.detector).detector.to(device)
    controls, named = settings["controls"], {"seed": settings["seed"], "song": song}
    lime = LimeSettings(**settings["lime"], fills=(settings["lime"]["fill"],))
    grid = controlled.grid_of(control, lime, frontend.excerpt_frames, frontend.n_mels)
    if control in controlled.KNOWN_CAUSE:
        rng = rng_for(settings["seed"], controlled.stream_of(control), song)
        audio = load_audio(snakemake.input.audio, sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
        audio, _ = central(audio, settings["attacks"]["seconds"], frontend.sample_rate, frontend.hop_samples)
    if control == "confined":
        attack = AttackSettings(**{key: value for key, value in controls["confined"].items() if key != "segments"})
        numbers = {"candidates": controls["candidates"], "per_direction": controls["per_direction"]}
        numbers["n_segments"] = controls["confined"]["segments"]
        case = controlled.confined_case(audio, attacked, grid, attack, **numbers, rng=rng)
    elif control == controlled.SHORTCUT:
        # More excerpts are kept for each song, because songs on which the detector was trained are excluded.
        trained, largest = load_checkpoint(snakemake.input.shortcut_detector), 4 * controls["per_direction"]
        shortcut, candidates = ShortcutSettings(**controls["shortcut"]), max(controls["candidates"], 2 * largest)
        case = controlled.shortcut_case(audio, trained, grid, shortcut, candidates=candidates, largest=largest, rng=rng)
        detector = trained.detector
    else:
        excerpts, flips = store.read(snakemake.input.excerpts, Excerpts), None
        if control == "random_weights":
            flips, detector = store.read(snakemake.input.flips, Flips), controlled.untrained(detector, **named)
        case = controlled.study_case(excerpts, controls["per_direction"], grid.n_segments, flips)
    model = explained_model(detector.to(device), grid, exact=lime.exact, exact_tables=lime.evaluator == "auto")
    explainers = explainers_of([LIME, *controls.get("explainers", [])])
    result = controlled.compute(control, case, model, explainers, lime, grid, **named)
    store.write(snakemake.output[0], result, provenance(snakemake))
