"""Rule tuning_runs: attack one validation song with one setting, and count the flips."""

import json
import re
from dataclasses import replace

from veracity.attacks.perturbed import central
from veracity.attacks.settings import AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.jobs.files import replacing
from veracity.songs.audio import load_audio

from _attacked import attacked_detector
from _job import job
from _resumed import saved_state

with job(snakemake):
    detector = attacked_detector(snakemake, snakemake.params.device)
    frontend = detector.frontend
    settings, domain = snakemake.params.settings["attacks"], snakemake.wildcards.domain
    audio = load_audio(snakemake.input.audio, sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
    audio, _ = central(audio, settings["seconds"], frontend.sample_rate, frontend.hop_samples)
    eps, eta, alpha = map(float, re.fullmatch("eps(.+)_eta(.+)_alpha(.+)", snakemake.wildcards.setting).groups())
    attack = replace(AttackSettings(**settings[domain]), eps=eps, eta=eta, alpha=alpha)
    saved = saved_state(snakemake)
    running = {"chunk_frames": snakemake.params.chunk_frames, "saved": saved, "threads": snakemake.threads}
    result = attack_song(audio, detector, attack, domain=domain, **running)
    counts = {"n": len(result.clean_logit), "flipped": int(result.flipped_history[-1]), "snr_db": result.snr_db}
    row = {"domain": domain, "eps": eps, "eta": eta, "alpha": alpha, "song": snakemake.wildcards.song, **counts}
    with replacing(snakemake.output[0]) as temporary:
        temporary.write_text(json.dumps(row), encoding="utf-8")
    saved.remove()
