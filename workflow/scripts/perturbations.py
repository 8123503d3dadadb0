"""Rule perturbations: attack one song on the waveform or the spectrogram; a killed job resumes."""

from dataclasses import replace

from veracity.attacks.excerpt_scope import attack_excerpts, some_starts
from veracity.attacks.perturbed import central
from veracity.attacks.settings import AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.attacks.windows import attack_windows
from veracity.jobs import store
from veracity.jobs.seeds import rng_for
from veracity.songs.audio import load_audio

from _attacked import attacked_detector, custom_classifier
from _job import job, provenance
from _resumed import saved_state

with job(snakemake):
    settings, domain, song = snakemake.params.settings["attacks"], snakemake.wildcards.domain, snakemake.wildcards.song
    attack, saved, path = AttackSettings(**settings[domain]), saved_state(snakemake), snakemake.input.audio
    if classifier := custom_classifier(snakemake):
        of_model, rate = snakemake.params.settings["model"], classifier.classifier.sample_rate
        audio = load_audio(path, sample_rate=rate, min_seconds=classifier.classifier.excerpt_samples / rate)
        audio, start_seconds = central(audio, settings["seconds"], rate)
        common = {"name": of_model["build"], "scope": settings["scope"], "hop_seconds": of_model["hop_seconds"]}
        result = attack_windows(audio, classifier, attack, domain=domain, saved=saved, **common)
    else:
        detector = attacked_detector(snakemake, snakemake.params.device)
        frontend = detector.frontend
        audio = load_audio(path, sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
        audio, start_seconds = central(audio, settings["seconds"], frontend.sample_rate, frontend.hop_samples)
        common = {"domain": domain, "saved": saved, "threads": snakemake.threads}
        if settings["scope"] == "song":
            result = attack_song(audio, detector, attack, chunk_frames=snakemake.params.chunk_frames, **common)
        else:
            rng = rng_for(snakemake.params.settings["seed"], "attacked excerpts", domain, song)
            starts = some_starts(len(audio), frontend, settings["candidates"], rng)
            result = attack_excerpts(audio, starts, detector, attack, **common)
    result = replace(result, start_seconds=start_seconds)
    store.write(snakemake.output[0], result, provenance(snakemake))
    saved.remove()
