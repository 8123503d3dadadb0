"""The front end against the published implementation, and its shapes."""

import numpy as np
import pytest
import torch

from veracity.songs.frontend import (
    FrontEnd,
    excerpt_magnitudes,
    excerpt_samples,
    log_mel,
    magnitudes,
    mel_filterbank,
    n_frames,
    pad_silence,
)

FRONTEND = FrontEnd()


def test_filterbank_is_bit_equal_to_the_published_one(published):
    np.testing.assert_array_equal(mel_filterbank(FRONTEND), published["mel_filterbank"])


def test_spectrogram_and_log_mel_agree_with_the_published_ones(published):
    magnitude = magnitudes(torch.as_tensor(published["audio"]), FRONTEND)
    np.testing.assert_allclose(magnitude, published["spectrogram"], atol=2e-5)
    padded = pad_silence(log_mel(magnitude, FRONTEND), FRONTEND)
    np.testing.assert_allclose(padded, published["log_mel_padded"], atol=1e-4)


def test_derived_values():
    assert FRONTEND.frames_per_second == 70
    assert FRONTEND.half_excerpt == 57
    assert FRONTEND.n_bins == 513
    assert FRONTEND.excerpt_seconds == pytest.approx(1.643, abs=1e-3)


@pytest.mark.parametrize("n_samples", [22050, 22051, 36225])
def test_number_of_frames(n_samples):
    assert len(magnitudes(torch.zeros(n_samples), FRONTEND)) == n_frames(n_samples, FRONTEND)


def test_a_sine_lies_in_its_bin_with_its_amplitude():
    bin_hz = FRONTEND.sample_rate / FRONTEND.frame_samples
    seconds = torch.arange(22050) / FRONTEND.sample_rate
    magnitude = magnitudes(0.5 * torch.sin(2 * np.pi * 40 * bin_hz * seconds), FRONTEND)[20]
    assert magnitude.argmax() == 40
    assert magnitude[40] == pytest.approx(0.5 * FRONTEND.frame_samples / 4, rel=1e-3)  # half the window's sum


def test_excerpts_of_audio_equal_the_song_s_frames():
    audio = torch.randn(60000)
    song = magnitudes(audio, FRONTEND)
    cut = excerpt_magnitudes(audio[excerpt_samples(12, FRONTEND)], FRONTEND)
    torch.testing.assert_close(cut, song[12 : 12 + FRONTEND.excerpt_frames], atol=2e-4, rtol=1e-4)


def test_negative_magnitudes_fall_on_the_floor():
    assert torch.all(log_mel(-torch.ones(3, 513), FRONTEND) == torch.log(torch.tensor(1e-7)))


def test_gradient_reaches_the_audio():
    audio = torch.randn(30000, requires_grad=True)
    log_mel(magnitudes(audio, FRONTEND), FRONTEND).sum().backward()
    assert torch.isfinite(audio.grad).all()
    assert audio.grad.abs().max() > 0
