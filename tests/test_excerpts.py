"""Selection of adversarial excerpts: which qualify, how many, and from which part of a song."""

import dataclasses

import numpy as np
import pytest
import torch
from networks import random_detector

from veracity.attacks.detector import AttackedDetector
from veracity.attacks.excerpts import Excerpts, pick_excerpts
from veracity.attacks.perturbations import ExcerptAttack, SongAttack
from veracity.attacks.settings import AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.jobs import store
from veracity.labels import LABELS
from veracity.results import attacks
from veracity.songs.frontend import FrontEnd, pad_silence

FRONTEND = FrontEnd(excerpt_frames=25, n_mels=25)
N_FRAMES = 200
N_EXCERPTS = N_FRAMES - FRONTEND.excerpt_frames + 1
THRESHOLD = 0.6
ARRAYS = [field.name for field in dataclasses.fields(Excerpts) if "excerpt" in field.metadata.get("axes", ())]


def predict_logits(excerpts):
    """Simulated detector: loud excerpts are "sing"."""
    assert excerpts.shape[1:] == (FRONTEND.excerpt_frames, FRONTEND.n_mels)
    return 3 * (excerpts.mean(dim=(1, 2)) + 3)


def song_attack(change=1.0, seed=0, n_frames=N_FRAMES):
    """Return an attack on a song with P(sing) close to the threshold; `change` scales the perturbation."""
    rng = np.random.default_rng(seed)
    level = -3 + np.sin(np.arange(n_frames) / 15)[:, None]
    clean = (level + 0.1 * rng.normal(size=(n_frames, FRONTEND.n_mels))).astype(np.float32)
    adversarial = clean + np.float32(change) * np.cos(np.arange(n_frames) / 21, dtype=np.float32)[:, None]
    padded = [pad_silence(torch.as_tensor(x), FRONTEND).numpy() for x in (clean, adversarial)]
    nothing = np.zeros(0, dtype=np.float32)
    return SongAttack(
        domain="waveform",
        threshold=0.5,
        start_seconds=2.5,
        snr_db=0.0,
        delta_l2=0.0,
        delta_max=0.0,
        delta=nothing[:, None],
        clean_log_mel=padded[0],
        adversarial_log_mel=padded[1],
        clean_logit=nothing,
        adversarial_logit=nothing,
        loss_history=nothing,
        flipped_history=nothing,
    )


def excerpt_attack(song, start_frames):
    """Extract single excerpts from an attack on a song."""
    windows = [
        np.stack([x[FRONTEND.half_excerpt + s :][: FRONTEND.excerpt_frames] for s in start_frames])
        for x in (song.clean_log_mel, song.adversarial_log_mel)
    ]
    nothing = np.zeros(0, dtype=np.float32)
    return ExcerptAttack(
        domain="spectrogram",
        threshold=0.5,
        start_seconds=2.5,
        start_frame=np.array(start_frames),
        delta=nothing[:, None, None],
        snr_db=nothing,
        clean_log_mel=windows[0],
        adversarial_log_mel=windows[1],
        clean_logit=nothing,
        adversarial_logit=nothing,
        loss_history=nothing,
        flipped_history=nothing,
    )


def pick(attack, n_per_direction=5, predict=predict_logits, frontend=FRONTEND, **changes):
    options = {"threshold": THRESHOLD, "seed": 0, "song": "a song", "model": "module:own", **changes}
    return pick_excerpts(attack, predict, frontend, n_per_direction=n_per_direction, **options)


def decisions(attack):
    """Return, one excerpt at a time, whether each was and is sing."""
    half, length = FRONTEND.half_excerpt, FRONTEND.excerpt_frames
    return np.array(
        [
            [
                torch.sigmoid(predict_logits(torch.as_tensor(x[half + s : half + s + length])[None])).item() > THRESHOLD
                for s in range(N_EXCERPTS)
            ]
            for x in (attack.clean_log_mel, attack.adversarial_log_mel)
        ]
    )


def assert_same(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_picks_of_both_directions_lie_on_opposite_sides_of_the_threshold():
    picked = pick(song_attack())
    assert picked.original.tolist() == ["nosing"] * 5 + ["sing"] * 5
    was_sing = picked.original == "sing"
    for log_mel, kept, expected in (
        (picked.clean, picked.clean_p, was_sing),
        (picked.adversarial, picked.adversarial_p, ~was_sing),
    ):
        p = torch.sigmoid(predict_logits(torch.as_tensor(log_mel))).numpy()
        np.testing.assert_array_equal(p > THRESHOLD, expected)
        np.testing.assert_array_equal(kept > THRESHOLD, expected)
        np.testing.assert_allclose(kept, p, atol=1e-6)


def test_picks_are_different_and_hold_the_song_s_frames_alone():
    attack = song_attack(change=3.0)
    picked = pick(attack, n_per_direction=8)
    half, length = FRONTEND.half_excerpt, FRONTEND.excerpt_frames
    assert len(set(picked.start_frame)) == len(picked.start_frame) == 16
    assert picked.start_frame.min() >= 0
    assert picked.start_frame.max() <= N_FRAMES - length
    for kept, source in (
        (picked.clean, attack.clean_log_mel),
        (picked.adversarial, attack.adversarial_log_mel),
    ):
        for excerpt, start in zip(kept, picked.start_frame, strict=True):
            np.testing.assert_array_equal(excerpt, source[half + start : half + start + length])
        assert kept.flags.c_contiguous
        assert kept.min() > FRONTEND.silence + 1  # none of the surrounding silence


def test_counts_are_those_of_all_excerpts_and_a_song_gives_no_more_than_it_has():
    attack = song_attack()
    was_sing, now_sing = decisions(attack)
    picked = pick(attack, n_per_direction=1000)
    assert picked.n[-1].tolist() == [(~was_sing).sum(), was_sing.sum()]
    assert picked.n[-1].sum() == N_EXCERPTS
    assert picked.n_flipped[-1].tolist() == [(now_sing & ~was_sing).sum(), (~now_sing & was_sing).sum()]
    assert picked.n_flipped[-1].min() > 5
    for label, flipped in zip(LABELS, (now_sing & ~was_sing, ~now_sing & was_sing), strict=True):
        np.testing.assert_array_equal(picked.start_frame[picked.original == label], np.flatnonzero(flipped))
    few = pick(attack, n_per_direction=2)
    assert (few.n.tolist(), few.n_flipped.tolist(), len(few.original)) == (picked.n.tolist(), picked.n_flipped.tolist(), 4)


def test_picks_depend_on_seed_song_and_domain_only():
    attack = song_attack()
    picked = pick(attack)
    assert_same(picked, pick(attack))
    others = [
        pick(attack, seed=1),
        pick(attack, song="another song"),
        pick(dataclasses.replace(attack, domain="spectrogram")),
    ]
    for other in others:
        assert other.start_frame.tolist() != picked.start_frame.tolist()


def test_picks_are_spread_over_all_that_qualify():
    attack = song_attack()
    all_of_them = set(pick(attack, n_per_direction=1000).start_frame)
    drawn = [pick(attack, n_per_direction=3, seed=seed).start_frame for seed in range(120)]
    assert set(np.concatenate(drawn)) == all_of_them


def test_one_direction_alone():
    picked = pick(dataclasses.replace(song_attack(), adversarial_log_mel=song_attack().clean_log_mel + 5))
    assert picked.n_flipped[-1].tolist() == [picked.n[-1, 0], 0]
    assert picked.n[-1, 1] > 0
    assert set(picked.original) == {"nosing"}


@pytest.mark.parametrize("kind", ["song", "excerpt"])
def test_a_song_without_adversarial_excerpts_gives_none(tmp_path, kind):
    attack = song_attack(change=0.0)
    picked = pick(attack if kind == "song" else excerpt_attack(attack, [3, 50]))
    assert picked.n_flipped.sum() == 0 < picked.n.sum()
    assert picked.clean.shape == picked.adversarial.shape == (0, 25, 25)
    assert len(picked.original) == len(picked.start_frame) == len(picked.clean_p) == 0
    store.write(tmp_path / "none.h5", picked)
    assert_same(store.read(tmp_path / "none.h5", Excerpts), picked)


def test_single_excerpts_keep_their_place_in_the_song():
    song = song_attack()
    whole = pick(song, n_per_direction=1000)
    starts = sorted([*whole.start_frame[::3].tolist(), 1, 2])
    picked = pick(excerpt_attack(song, starts), n_per_direction=1000)
    assert (picked.scope, whole.scope) == ("excerpt", "song")
    assert (picked.domain, picked.start_seconds) == ("spectrogram", 2.5)
    assert picked.n[-1].sum() == len(starts)
    at = {start: i for i, start in enumerate(whole.start_frame)}
    rows = [at[start] for start in picked.start_frame]
    assert set(picked.start_frame) == set(starts) & set(at)
    for name in ("original", "clean", "adversarial"):
        np.testing.assert_array_equal(getattr(picked, name), getattr(whole, name)[rows])


def test_a_song_of_one_excerpt():
    attack = song_attack(n_frames=25)
    picked = pick(attack, threshold=0.5)
    assert picked.n[-1].sum() == 1
    assert set(picked.start_frame) <= {0}


@pytest.mark.parametrize("kind", ["song", "excerpt"])
def test_a_model_that_writes_into_its_input_does_no_harm(kind):
    def careless(excerpts):
        logits = predict_logits(excerpts)
        excerpts.zero_()
        return logits

    song = song_attack()
    attack = song if kind == "song" else excerpt_attack(song, range(20, 140))
    expected = pick(attack)
    assert_same(pick(attack, predict=careless), expected)


def test_the_explained_model_decides_not_the_attacked_one():
    attack = song_attack()
    picked = pick(attack, predict=lambda x: -predict_logits(x), threshold=1 - THRESHOLD, n_per_direction=1000)
    own = pick(attack, n_per_direction=1000)
    assert picked.threshold == 1 - THRESHOLD
    np.testing.assert_array_equal(picked.n[-1], own.n[-1, ::-1])
    np.testing.assert_array_equal(picked.n_flipped[-1], own.n_flipped[-1, ::-1])


def with_logits(attack):
    """Add the logits of the attacked detector to an attack on a song."""
    logits = []
    for padded in (attack.clean_log_mel, attack.adversarial_log_mel):
        views = torch.as_tensor(padded).unfold(0, FRONTEND.excerpt_frames, 1).transpose(1, 2)
        logits.append(predict_logits(views).numpy())
    return dataclasses.replace(attack, clean_logit=logits[0], adversarial_logit=logits[1])


def test_both_success_rates_are_told_and_the_models_named():
    attack = dataclasses.replace(with_logits(song_attack()), threshold=THRESHOLD)
    own, other = pick(attack, model=""), pick(attack, predict=lambda x: 0 * predict_logits(x) - 1)  # never sing: not fooled
    assert (own.model, other.model) == ("detector", "module:own")
    assert own.n.shape == own.n_flipped.shape == (1, 2)
    np.testing.assert_array_equal(other.n, [own.n[0], [N_EXCERPTS, 0]])
    np.testing.assert_array_equal(other.n_flipped, [own.n_flipped[0], [0, 0]])
    attack = dataclasses.replace(attack, delta=np.ones((3, 1), dtype=np.float32))
    table = attacks.table([("a song", "waveform", attack)], [("a song", "waveform", other)])
    rates = table[table.original == "all"].set_index("model").flipped
    assert rates.to_dict() == {"detector": own.n_flipped.sum(), "module:own": 0}


@pytest.mark.parametrize(
    ("change", "model", "cure"),
    [
        (0.0, "", "Raise attacks.waveform.max_updates"),
        (9.0, "module:own", "none for module:own, so tables and figures do not include"),
    ],
)
def test_why_nothing_was_picked_and_what_helps(caplog, change, model, cure):
    attack = dataclasses.replace(with_logits(song_attack(change=change)), threshold=THRESHOLD)
    pick(attack, predict=lambda x: 0 * predict_logits(x) - 1, model=model)
    assert cure in caplog.text


def test_a_silent_song_is_not_told_to_raise_eps(caplog):
    song = song_attack(change=0.0)
    silent = np.full_like(song.clean_log_mel, -16.0)
    pick(with_logits(dataclasses.replace(song, clean_log_mel=silent, adversarial_log_mel=silent)), model="")
    assert "the attacked part is silent" in caplog.text
    assert "raise" not in caplog.text


def test_logits_kept_by_the_attack_tell_the_same_as_predicting_again():
    attack = with_logits(song_attack())
    assert len(attack.clean_logit) == N_FRAMES
    for n in (3, 1000):
        fast, slow = pick(attack, n, model=""), pick(attack, n)
        assert_same(fast, slow)
        for name in ("n", "n_flipped"):
            np.testing.assert_array_equal(getattr(fast, name)[0], getattr(slow, name)[-1])
    starts = [3, 30, 31, 130]
    centres = np.array(starts) + FRONTEND.half_excerpt
    logits = {"clean_logit": attack.clean_logit[centres], "adversarial_logit": attack.adversarial_logit[centres]}
    single = dataclasses.replace(excerpt_attack(attack, starts), **logits)
    assert_same(pick(single, model=""), pick(single))
    assert len(pick(single).original) > 1


def test_with_kept_logits_only_picks_are_predicted():
    asked = []

    def counted(x):
        asked.append(len(x))
        return predict_logits(x)

    pick(with_logits(song_attack()), 2, predict=counted, model="")
    assert sum(asked) == 2 * 4


@pytest.mark.parametrize("wrong", ["clean", "adversarial"])
def test_picks_that_prediction_does_not_confirm_are_dropped(wrong):
    attack = with_logits(song_attack())
    named = f"{wrong}_logit"
    lies = dataclasses.replace(attack, **{named: np.full(N_FRAMES, -9.0, dtype=np.float32)})
    picked = pick(lies, 1000, model="")
    was_sing, now_sing = decisions(attack)
    # Every selected excerpt has really flipped; further flips according to the wrong logits are not stored.
    assert np.all((was_sing != now_sing)[picked.start_frame])
    assert 0 < len(picked.original) < picked.n_flipped.sum()


@pytest.mark.parametrize("model", ["", "module:own"])
def test_a_real_attack_s_excerpts_are_those_that_it_counted(model):
    detector = random_detector(excerpt_frames=25, n_mels=25)
    network, frontend = detector.network(), detector.frontend
    audio = np.random.default_rng(0).normal(size=12000).astype(np.float32)
    audio *= np.linspace(0.001, 0.3, len(audio), dtype=np.float32)
    n = 1 + len(audio) // frontend.hop_samples

    def run(threshold, max_updates):
        settings = AttackSettings(eps=0.5, eta=0.05, alpha=1000.0, max_updates=max_updates)
        return attack_song(audio, AttackedDetector(network, frontend, threshold), settings, domain="spectrogram")

    threshold = float(1 / (1 + np.exp(-np.median(run(0.5, 0).clean_logit) - 1e-3)))
    attack = run(threshold, 3)
    options = {"predict": network.logits, "frontend": frontend, "model": model}
    picked = pick(attack, 1000, threshold=threshold, **options)
    inner = slice(12, n - 12)  # centres of the excerpts that lie within the song
    was, now = (1 / (1 + np.exp(-x[inner])) > threshold for x in (attack.clean_logit, attack.adversarial_logit))
    centres = picked.start_frame + 12
    assert np.sum(was != now) > 0
    assert set(centres) == set(12 + np.flatnonzero(was != now))
    assert len(centres) == picked.n_flipped[-1].sum()
    np.testing.assert_allclose(picked.clean_p, 1 / (1 + np.exp(-attack.clean_logit[centres])), atol=1e-4)
