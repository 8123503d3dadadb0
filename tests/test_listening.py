"""Explanations as sound: the audio agrees with the mixes of the experiments and with the table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from networks import standardised_detector

from veracity.attacks.detector import AttackedDetector
from veracity.attacks.excerpt_scope import attack_excerpts
from veracity.attacks.excerpts import pick_excerpts
from veracity.attacks.settings import PAPER, AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.errors import ArtefactError
from veracity.experiments import explanations, flips, listening
from veracity.experiments.listening import AttackedSong
from veracity.explainers.lime import LimeSettings
from veracity.games.models import explained_model
from veracity.results import report
from veracity.songs.frontend import FrontEnd, excerpt_magnitudes, excerpt_samples, log_mel, magnitudes

FRONTEND = FrontEnd()
LIME = LimeSettings(n_time=3, n_band=2, n_samples=64, fills=("mean",))
GRID = LIME.grid(115, 80)
AUDIO = (np.random.default_rng(0).normal(size=315 * 150) * 0.2).astype(np.float32)
DETECTOR, THRESHOLD = standardised_detector(AUDIO, seed=2)
NETWORK = DETECTOR.network()
ATTACKED = AttackedDetector(NETWORK, FRONTEND, THRESHOLD)


def attacked(domain, scope):
    """Attack the audio, select an excerpt that flips and explain it, with a threshold at which every excerpt flips."""
    strong = {"waveform": (0.05, 0.01), "spectrogram": (2.0, 0.2)}[domain]
    settings = AttackSettings(eps=strong[0], eta=strong[1], alpha=PAPER[domain].alpha * 100, max_updates=15)
    if scope == "song":
        found = attack_song(AUDIO, ATTACKED, settings, domain=domain)
    else:
        found = attack_excerpts(AUDIO, np.array([5, 20]), ATTACKED, settings, domain=domain)
    known = {"threshold": THRESHOLD, "n_per_direction": 1, "seed": 0, "song": "a"}
    excerpts = pick_excerpts(found, NETWORK.logits, FRONTEND, **known)
    assert len(excerpts.original)
    model = explained_model(NETWORK, GRID)
    explained = explanations.compute(excerpts, model, LIME, seed=0, song="a")
    return found, excerpts, explained, flips.compute(excerpts, explained, model, LIME, seed=0, song="a")


@pytest.mark.parametrize("scope", ["song", "excerpt"])
@pytest.mark.parametrize("domain", ["waveform", "spectrogram"])
def test_what_is_heard_is_what_was_attacked(domain, scope, tmp_path):
    attack, excerpts, explained, flipped = attacked(domain, scope)
    song = AttackedSong("a", AUDIO, 3.0, attack, excerpts, flipped)
    written = listening.write_sounds(tmp_path, song, 0, explained, ATTACKED, GRID, fill="mean")
    rows = pd.DataFrame(written, columns=listening.COLUMNS).set_index("sound")
    assert list(rows.index) == ["original", "adversarial", "perturbation", "lime", "best"]
    sounds = {name: soundfile.read(tmp_path / row.file, dtype="float32") for name, row in rows.iterrows()}
    assert {rate for _, rate in sounds.values()} == {22050}
    heard = {name: audio for name, (audio, _) in sounds.items()}
    first = int(excerpts.start_frame[0])
    part = excerpt_samples(first, FRONTEND)
    np.testing.assert_allclose(heard["original"], AUDIO[part], atol=1e-4)
    assert rows.seconds.iloc[0] == pytest.approx(3 + first * 315 / 22050)
    difference = heard["adversarial"] - heard["original"]
    gain = 10 ** (rows.gain_db["perturbation"] / 20)
    np.testing.assert_allclose(heard["perturbation"] / gain, difference, atol=1e-4)
    assert np.abs(heard["perturbation"]).max() == pytest.approx(0.5, abs=0.01)
    if domain == "waveform":
        delta = attack.delta[part, 0] if scope == "song" else attack.delta[0, :, 0]
        np.testing.assert_allclose(difference, delta, atol=1e-4)
    else:  # the audio has the attacked magnitudes, as far as any audio can have them
        seen = [log_mel(excerpt_magnitudes(heard[name], FRONTEND), FRONTEND).numpy() for name in ("original", "adversarial")]
        inside = slice(4, -4)  # frames overlap those outside, which are unchanged
        wanted, heard_change = excerpts.adversarial[0] - excerpts.clean[0], seen[1] - seen[0]

        def alike(shift):
            return np.corrcoef(np.roll(heard_change, shift, axis=0)[inside].ravel(), wanted[inside].ravel())[0, 1]

        assert alike(0) > 0.3
        assert alike(0) > 2 * max(alike(-1), alike(1), alike(-57), alike(57))
    assert rows.p_sing["original"] == pytest.approx(excerpts.clean_p[0])
    assert rows.p_sing["adversarial"] == pytest.approx(excerpts.adversarial_p[0])
    assert rows.flips[["original", "adversarial", "best"]].tolist() == [0, 1, 1]
    assert rows.p_heard["original"] == pytest.approx(rows.p_sing["original"], abs=0.02)
    best = np.array([int(text) for text in rows.segments["best"].strip("{}").split(",")])
    assert len(best) == flipped.sets.smallest_size[0]
    shown = listening.page(rows.reset_index()).set_index("sound")
    assert shown.loc["smallest flip set", "flips"] == "yes"
    assert shown.loc["perturbation alone", "flips"] == ""


@pytest.mark.parametrize("domain", ["waveform", "spectrogram"])
@pytest.mark.parametrize("first", [0, 36])
def test_excerpts_at_a_song_s_edge_can_be_heard(domain, first):
    attack, excerpts, _, flipped = attacked(domain, "song")
    at_edge = replace(excerpts, start_frame=np.array([first]), clean=excerpts.clean[:1], adversarial=excerpts.adversarial[:1])
    sounds = list(listening.sounds_of(AttackedSong("a", AUDIO, 0.0, attack, at_edge, flipped), 0, np.arange(6), ATTACKED, GRID))
    assert {len(one.audio) for one in sounds} == {114 * 315 + 1024}
    clean = log_mel(magnitudes(AUDIO, FRONTEND), FRONTEND)[first : first + 115]
    heard = log_mel(excerpt_magnitudes(sounds[0].audio, FRONTEND), FRONTEND)
    np.testing.assert_allclose(heard, clean, atol=0.05)  # 16 bits


def test_parts_of_the_perturbation_are_heard_where_they_lie(tmp_path):
    attack, excerpts, _, flipped = attacked("waveform", "song")
    ranking = np.array([4, 5, 2, 0, 1, 3])  # time 2 band 0, time 2 band 1, time 1 band 0
    song = AttackedSong("a", AUDIO, 0.0, attack, excerpts, flipped)
    sounds = {sound.name: sound for sound in listening.sounds_of(song, 0, ranking, ATTACKED, GRID)}
    assert sounds["lime"].segments == (4, 5, 2)
    changed = np.abs(sounds["lime"].audio - sounds["original"].audio)
    first_third = (115 * 315) // 3 - 1024
    assert changed[:first_third].max() < 1e-4 < changed[-first_third:].max()
    mixed = np.where(np.isin(GRID.segment_map(), (4, 5, 2)), excerpts.adversarial[0], excerpts.clean[0])
    with torch.no_grad():
        p = torch.sigmoid(NETWORK.logits(torch.as_tensor(mixed)[None])).item()
    assert sounds["lime"].p_sing == pytest.approx(p, abs=1e-6)


def test_excerpts_come_from_different_songs_first():
    _, excerpts, _, _ = attacked("waveform", "song")

    both = replace(excerpts, original=np.array(["sing", "sing"]))
    items = {("waveform", song): both for song in "abc"}
    found = listening.chosen(items, 3, seed=0)
    assert sorted(song for _, song, _ in found) == ["a", "b", "c"]
    assert len(listening.chosen(items, 5, seed=0)) == 5
    assert len(set(listening.chosen(items, 100, seed=0))) == 6
    assert found == listening.chosen(items, 3, seed=0) != listening.chosen(items, 3, seed=1)


def test_a_sound_outside_of_its_folder_is_refused_by_the_report(tmp_path):
    (tmp_path / "listening").mkdir()
    (tmp_path / "secret.wav").touch()
    row = {"domain": "waveform", "original": "sing", "song": "a", "seconds": 1.0, "segments": "", "gain_db": 0.0, "p_sing": 0.5}
    row |= {"flips": 1.0, "p_heard": 0.5, "flips_heard": 1.0, "sound": "original", "file": "../secret.wav"}
    pd.DataFrame([row]).to_csv(tmp_path / "listening.csv", index=False)
    with pytest.raises(ArtefactError, match=r"listening.csv: files must be in .*listening, got ../secret.wav"):
        report._sounds(tmp_path / "listening.csv", tmp_path / "listening")
