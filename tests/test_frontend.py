"""The front end compared with the published implementation, and its shapes."""

import numpy as np
import pytest
import torch

from veracity.errors import ConfigError
from veracity.songs import frontend as with_torch
from veracity.songs import settings as without_torch
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


# --- invalid settings


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"f_min": 9000.0}, "frontend.f_min: must be below frontend.f_max 8000, got 9000. Lower it, or raise frontend.f_max."),
        ({"f_max": 11025.5}, "frontend.f_max: above half of frontend.sample_rate 22050, got 11025.5"),
        ({"sample_rate": 8000}, "Lower it to at most 4000, or raise frontend.sample_rate."),
        ({"excerpt_frames": 120}, "frontend.excerpt_frames: must be odd, .* got 120"),
        (
            {"n_mels": 600},
            "frontend.n_mels: 135 bands contain no frequency bin and would be constant, got 600. Lower it to",
        ),
        ({"frame_samples": 2}, "frontend.n_mels: 80 bands .* got 80. Raise frontend.frame_samples 2"),
        ({"floor": 1e30}, r"frontend.floor: out of range, got 1e\+30. Give a number from 1.0e-37 to 0.1."),
        ({"floor": 0.0}, "frontend.floor: out of range, got 0.0"),
        ({"hop_samples": 0}, "frontend.hop_samples: out of range, got 0. Give a whole number"),
        ({"n_mels": 80.0}, "frontend.n_mels: wrong type, got 80.0. Write 80"),
        ({"f_min": float("nan")}, "frontend.f_min: not a finite number, got nan"),
        ({"sample_rate": None}, "frontend.sample_rate: wrong type, got None"),
    ],
)
def test_settings_that_cannot_be_are_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        FrontEnd(**changed)


def unchecked(**settings):
    """Return a front end without validation of its settings."""
    frontend = object.__new__(FrontEnd)
    for name, value in {**vars(FRONTEND), **settings}.items():
        object.__setattr__(frontend, name, value)
    return frontend


@pytest.mark.parametrize("frame_samples", [64, 631, 1024, 2048])
@pytest.mark.parametrize("f_min", [0.0, 27.5, 101.0, 1000.0])
def test_exactly_the_bands_that_hear_nothing_are_counted(frame_samples, f_min):
    for n_mels in (1, 2, 13, 80, 187, 188, 200, 600):
        silent = int(
            np.count_nonzero(~mel_filterbank(unchecked(frame_samples=frame_samples, f_min=f_min, n_mels=n_mels)).any(0))
        )
        settings = {"frame_samples": frame_samples, "f_min": f_min, "n_mels": n_mels}
        if silent == 0:
            FrontEnd(**settings)
            continue
        with pytest.raises(ConfigError, match=f"^frontend.n_mels: {silent} bands .* got {n_mels}.") as caught:
            FrontEnd(**settings)
        if "Lower it to " in str(caught.value):
            FrontEnd(**{**settings, "n_mels": int(str(caught.value).split("Lower it to ")[1].split(",")[0])})


def test_settings_are_the_same_with_and_without_torch():
    for name in ("FrontEnd", "n_frames", "mel_filterbank", "excerpt_samples"):
        assert getattr(with_torch, name) is getattr(without_torch, name)


@pytest.mark.parametrize("frame_samples", [1023, 1024])
@pytest.mark.parametrize("n_samples", [315 * 200, 315 * 200 + 1, 315 * 200 - 1])
def test_the_number_of_frames_is_the_transform_s_for_odd_windows_too(frame_samples, n_samples):
    frontend = with_torch.FrontEnd(frame_samples=frame_samples)
    assert len(with_torch.magnitudes(torch.zeros(n_samples), frontend)) == without_torch.n_frames(n_samples, frontend)
