"""Rule perturbations: attack one song, on the waveform or on the spectrogram; goes on where a killed job stopped."""

import numpy as np

from veracity.attacks.excerpt_scope import attack_excerpts, inner_start_frames
from veracity.attacks.perturbed import central
from veracity.attacks.settings import AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.jobs import store
from veracity.jobs.seeds import rng_for
from veracity.songs.audio import load_audio

from _attacked import attacked_detector
from _job import job, provenance
from _resumed import saved_state
from _songs import song_files

with job(snakemake):
    network, frontend, threshold = attacked_detector(snakemake, snakemake.params.device)
    settings, domain, song = snakemake.params.settings["attacks"], snakemake.wildcards.domain, snakemake.wildcards.song
    audio = load_audio(song_files(snakemake)[0], sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
    audio, start_seconds = central(audio, settings["seconds"], frontend)
    attack = AttackSettings(**settings[domain])
    saved = saved_state(snakemake)
    common = {"domain": domain, "threshold": threshold, "start_seconds": start_seconds, "saved": saved}
    if settings["scope"] == "song":
        chunk = snakemake.params.chunk_frames
        result = attack_song(audio, network, frontend, attack, chunk_frames=chunk, **common)
    else:
        starts = inner_start_frames(len(audio), frontend)
        rng = rng_for(snakemake.params.settings["seed"], "attacked excerpts", domain, song)
        chosen = np.sort(rng.choice(starts, size=min(settings["candidates"], len(starts)), replace=False))
        result = attack_excerpts(audio, chosen, network, frontend, attack, **common)
    store.write(snakemake.output[0], result, provenance(snakemake))
    saved.remove()
