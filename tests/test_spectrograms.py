import logging

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from veracity.errors import CorpusError
from veracity.jobs import store
from veracity.results import corpus
from veracity.songs.audio import load_audio
from veracity.songs.corpus import Song
from veracity.songs.frontend import FrontEnd, log_mel, magnitudes
from veracity.songs.spectra import Spectrogram
from veracity.songs.spectrograms import compute_spectrogram

RATE = 22050
FRONTEND = FrontEnd()


def music(seconds: float = 4.0, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.3, (int(seconds * RATE), channels))


@pytest.fixture
def song(tmp_path):
    """Return a function that writes audio and labels, and returns the song."""

    def written(samples, name="a-song", labels="0 2 sing\n2 4 nosing\n", suffix="wav", **kwargs):
        audio = tmp_path / f"{name}.{suffix}"
        soundfile.write(audio, samples, RATE, **({"subtype": "FLOAT"} if suffix == "wav" else {}) | kwargs)
        (tmp_path / f"{name}.lab").write_text(labels)
        return Song(name, audio, tmp_path / f"{name}.lab", "test")

    return written


def test_a_good_song_is_good(song, caplog):
    good = song(music())
    spectrogram = compute_spectrogram(good, FRONTEND)
    magnitude = magnitudes(torch.as_tensor(load_audio(good.audio, sample_rate=RATE)), FRONTEND)
    np.testing.assert_array_equal(spectrogram.magnitude, magnitude.half().numpy())
    np.testing.assert_array_equal(spectrogram.log_mel, log_mel(magnitude, FRONTEND).numpy())
    assert spectrogram.label_overhang_seconds == 0
    assert spectrogram.is_sing.sum() == 140
    assert not caplog.records
    table = corpus.table([spectrogram])
    assert table.verdict.tolist() == ["good"]
    assert table.loc[0, ["seconds", "claimed_seconds", "label_end_seconds", "sample_rate", "channels"]].tolist() == [
        4,
        4,
        4,
        RATE,
        2,
    ]
    assert table.sing_percent[0] == pytest.approx(50, abs=0.5)


def test_facts_survive_the_artefact(song, tmp_path):
    spectrogram = compute_spectrogram(song(music()), FRONTEND)
    store.write(tmp_path / "a-song.h5", spectrogram)
    pd.testing.assert_frame_equal(corpus.table([store.read(tmp_path / "a-song.h5", Spectrogram)]), corpus.table([spectrogram]))


SILENT = np.zeros((4 * RATE, 2))
MONO = music(channels=1)


@pytest.mark.parametrize(
    ("samples", "labels", "remark"),
    [
        (music(), "0 5.5 sing\n", "labels run 1.5 s past the end of the audio: they are clipped"),
        (music(), "0 2.5 sing\n", "labels end 1.5 s before the end of the audio: the last is extended"),
        (SILENT, "0 4 sing\n", "nothing but silence: more updates or a larger eps of an attack cannot help"),
        (SILENT + 1e-5, "0 4 sing\n", "nothing but silence"),
        (np.concatenate([SILENT[: 3 * RATE], music(1.0)]), "0 4 sing\n", "75% silence"),
        (np.hstack([MONO, -MONO]), "0 4 sing\n", "its channels cancel when averaged: nothing is left"),
        (np.hstack([MONO, -0.9 * MONO]), "0 4 sing\n", "its channels cancel when averaged: 26 dB are lost"),
        (10 * music(), "0 4 sing\n", "peak 3 where full scale is 1"),
        (np.sign(music()), "0 4 sing\n", "100.0% of the samples are clipped"),
        (music() + 0.2, "0 4 sing\n", "a constant offset of 0.2"),
    ],
)
def test_what_is_odd_is_said_in_log_and_table(song, caplog, samples, labels, remark):
    odd = song(samples, labels=labels)
    with caplog.at_level(logging.WARNING):
        spectrogram = compute_spectrogram(odd, FRONTEND)
    assert f"{odd.audio}: {remark}" in caplog.text
    table = corpus.table([spectrogram])
    assert remark in table.verdict[0]


@pytest.mark.parametrize(
    ("samples", "labels"),
    [
        (music(), "0 4.09 sing\n"),  # rounding
        (music(), "0 3.91 sing\n"),
        (np.hstack([MONO, 0 * MONO]), "0 4 sing\n"),  # one channel is silent: 3 dB
        (music(channels=6), "0 4 sing\n"),  # independent: 7.8 dB
        (np.concatenate([[[1.4, -1.4]], music()]), "0 4 sing\n"),  # like the overshoot of ogg and mp3 decoders
    ],
)
def test_what_is_usual_is_not_said(song, caplog, samples, labels):
    assert corpus.table([compute_spectrogram(song(samples, labels=labels), FRONTEND)]).verdict.tolist() == ["good"]
    assert not caplog.records


def test_a_file_cut_in_half_is_said(song):
    cut = song(music(), suffix="mp3")
    cut.audio.write_bytes(cut.audio.read_bytes()[: cut.audio.stat().st_size // 2])
    verdict = corpus.table([compute_spectrogram(cut, FRONTEND)]).verdict[0]
    assert "labels run 2" in verdict
    assert "where the file should contain 4.0 s: it is cut or damaged" in verdict


def test_labels_in_milliseconds_are_refused(song):
    with pytest.raises(CorpusError, match="possibly milliseconds"):
        compute_spectrogram(song(music(), labels="0 2000 sing\n2000 4000 nosing\n"), FRONTEND)


def test_identical_audio_is_said_of_both(song):
    files = [song(music(), "one"), song(music(), "two"), song(music()[::-1], "three")]
    table = corpus.table(compute_spectrogram(file, FRONTEND) for file in files)
    assert table.verdict.tolist() == ["the same audio as two (test)", "the same audio as one (test)", "good"]


def test_the_page_has_words_and_no_song_is_no_error(song):
    unknown = Spectrogram(
        song="old",
        split="test",
        label_overhang_seconds=0.0,
        magnitude=np.zeros((10, 4)),
        log_mel=np.zeros((10, 4)),
        is_sing=np.zeros(10, bool),
    )
    cancelling = compute_spectrogram(song(np.hstack([MONO, -MONO])), FRONTEND)
    page = corpus.page(corpus.table([unknown, cancelling]))
    assert page["peak"].tolist() == ["unknown", "0.300"]
    assert page["loss by averaging [dB]"].tolist() == ["unknown", "all"]
    assert not any(word in page.to_csv() for word in ("nan", "inf", "-0.0"))
    assert len(corpus.page(corpus.table([]))) == 0
    assert list(corpus.table([])) == list(corpus.COLUMNS)
