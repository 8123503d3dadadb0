import hashlib
import struct
import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veracity.errors import ConfigError, CorpusError
from veracity.songs import audio as audio_module
from veracity.songs import decoding, mpeg
from veracity.songs.audio import claimed_length, load_audio, load_audio_and_stats, one_channel

RATE = 22050


def music(seconds: float = 6.0, rate: int = RATE, channels: int = 2) -> np.ndarray:
    """Return noise of varying level that starts loud, so that encoders with a variable rate vary it."""
    rng = np.random.default_rng(0)
    loudness = np.linspace(0.5, 0.001, int(seconds * rate))[:, None]
    return (loudness * rng.uniform(-1, 1, (len(loudness), channels))).astype(np.float32)


def written(path: Path, samples: np.ndarray, rate: int = RATE, **kwargs) -> Path:
    soundfile.write(path, samples, rate, **kwargs)
    return path


def facts_of(path: Path):
    return load_audio_and_stats(path, sample_rate=RATE)[1]


def test_channels_are_averaged_and_resampled(tmp_path):
    times = np.arange(48000) / 48000
    tone = 0.5 * np.sin(2 * np.pi * 440 * times)
    soundfile.write(tmp_path / "song.wav", np.stack([tone, 0 * tone], axis=1), 48000, subtype="FLOAT")
    audio = load_audio(tmp_path / "song.wav", sample_rate=22050)
    expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    assert audio.dtype == np.float32
    assert len(audio) == 22050
    np.testing.assert_allclose(audio[500:-500], expected[500:-500], atol=1e-4)


@pytest.mark.slow  # the first call of librosa compiles for twenty seconds
@pytest.mark.parametrize("rate", [44100, 48000, 32000, 11025])
def test_resampling_is_librosa_s(tmp_path, rate):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, rate + 7).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", samples, rate, subtype="FLOAT")
    audio = load_audio(tmp_path / "song.wav", sample_rate=22050)
    expected = librosa.resample(samples, orig_sr=rate, target_sr=22050, res_type="soxr_hq")
    assert len(expected) - 1 <= len(audio) <= len(expected)  # librosa adds a zero for a fraction of a sample
    np.testing.assert_array_equal(audio, expected[: len(audio)])


def test_the_published_spectrogram_needs_no_resampling(shared, published):
    audio = load_audio(shared / "data" / "mini_jamendo" / "audio" / "dance.flac", sample_rate=22050)
    assert np.isfinite(audio).all()
    assert 19 < len(audio) / 22050 < 21


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "audio file is missing"),
        (b"", "cannot be decoded"),
        (b"no audio at all" * 100, "cannot be decoded"),
        (np.zeros(0, np.float32), ": no samples"),
        (np.zeros(22050, np.float32), "shorter than one excerpt of 1.64 s, got 1.00 s"),
        (np.full(44100, np.nan, np.float32), "not finite"),
    ],
)
def test_audio_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "a song.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        soundfile.write(path, content, 22050, subtype="FLOAT")
    with pytest.raises(CorpusError, match=message) as raised:
        load_audio(path, sample_rate=22050, min_seconds=1.64)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_decoding_in_blocks_gives_what_reading_whole_gives(tmp_path, monkeypatch, suffix):
    path = written(tmp_path / f"song.{suffix}", music(rate=44100), 44100)
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    monkeypatch.setattr(decoding, "BLOCK", 9999)
    np.testing.assert_array_equal(load_audio(path, sample_rate=44100), sum(samples.T) / 2)


def test_facts(tmp_path):
    samples = np.zeros((RATE * 4, 2), np.float32)
    samples[: RATE * 2] = music(2.0)
    samples[: RATE * 2, 1] = -0.5 * samples[: RATE * 2, 0] + 0.01
    samples[10] = 2.0
    path = written(tmp_path / "song.wav", samples, subtype="FLOAT")
    audio_stats = facts_of(path)
    assert (audio_stats.seconds, audio_stats.claimed_seconds, audio_stats.sample_rate, audio_stats.channels) == (
        4.0,
        4.0,
        RATE,
        2,
    )
    assert (audio_stats.skipped_bytes, audio_stats.cut_off) == (0, False)
    assert audio_stats.peak == 2.0
    assert audio_stats.clipped_share == 2 / samples.size
    assert audio_stats.silent_share == pytest.approx(0.5, abs=0.01)
    mono = samples.mean(axis=1)
    assert audio_stats.dc_offset == pytest.approx(mono.mean(), abs=1e-7)
    assert audio_stats.averaging_loss_db == pytest.approx(10 * np.log10((samples**2).mean() / (mono**2).mean()), rel=1e-4)
    assert audio_stats.audio_digest == hashlib.sha256(mono.tobytes()).hexdigest()[:16]


def test_identical_audio_has_one_digest_in_any_format(tmp_path):
    samples = (music(3.0) * 20_000).astype(np.int16)
    digests = {facts_of(written(tmp_path / name, samples, subtype="PCM_16")).audio_digest for name in ("a.wav", "b.flac")}
    assert len(digests) == 1
    assert facts_of(written(tmp_path / "c.wav", samples[:-1], subtype="PCM_16")).audio_digest not in digests


def with_total(content: bytes, total: int) -> bytes:
    """Return a FLAC file with another number of samples in its header."""
    fields = int.from_bytes(content[18:26], "big")
    return content[:18] + (fields >> 36 << 36 | total).to_bytes(8, "big") + content[26:]


@pytest.mark.parametrize(("total", "claimed"), [(0, np.nan), (2**36 - 1, np.nan), (2**36 - 2, 2**36 / RATE), (RATE, 1.0)])
def test_a_flac_is_decoded_to_its_end_whatever_it_claims(tmp_path, total, claimed):
    content = written(tmp_path / "whole.flac", music()).read_bytes()
    (tmp_path / "song.flac").write_bytes(with_total(content, total))
    tracemalloc.start()
    audio, audio_stats = load_audio_and_stats(tmp_path / "song.flac", sample_rate=RATE)
    assert tracemalloc.get_traced_memory()[1] < 64e6
    tracemalloc.stop()
    np.testing.assert_array_equal(audio, load_audio(tmp_path / "whole.flac", sample_rate=RATE))
    assert audio_stats.seconds == 6.0
    assert audio_stats.claimed_seconds == pytest.approx(claimed, nan_ok=True)


@pytest.mark.parametrize(("n_bytes", "claimed"), [(2**32 - 1, 6.0), (2**31 - 1, 6.0), (4 * RATE * 12, 12.0)])
def test_a_wav_that_claims_too_much_is_decoded_to_its_end(tmp_path, n_bytes, claimed):
    content = bytearray(written(tmp_path / "song.wav", music(), subtype="PCM_16").read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", n_bytes)
    content[4:8] = struct.pack("<I", min(n_bytes + 36, 2**32 - 1))
    (tmp_path / "song.wav").write_bytes(content)
    audio_stats = facts_of(tmp_path / "song.wav")
    assert audio_stats.seconds == 6.0
    assert audio_stats.claimed_seconds == pytest.approx(claimed, abs=0.01)


def test_a_chunk_behind_the_samples_of_a_wav_is_no_sound(tmp_path):
    path = written(tmp_path / "song.wav", music(), subtype="PCM_16")
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 400_000) + bytes(400_000))
    audio_stats = facts_of(path)
    assert (audio_stats.seconds, audio_stats.claimed_seconds) == (6.0, 6.0)


def without_count(content: bytes) -> bytes:
    """Return an MP3 file without its first frame, which contains the number of frames."""
    size, _, _ = mpeg._frame(content, 0)
    return content[size:]


@pytest.mark.parametrize("before", [b"", b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256), bytes(300)])
def test_an_mp3_without_a_count_of_frames_is_decoded_to_its_end(tmp_path, before):
    content = written(tmp_path / "whole.mp3", music(), bitrate_mode="VARIABLE").read_bytes()
    (tmp_path / "song.mp3").write_bytes(before + without_count(content))
    short = soundfile.info(tmp_path / "song.mp3").duration
    audio, audio_stats = load_audio_and_stats(tmp_path / "song.mp3", sample_rate=RATE)
    assert short < 5.5  # the estimate of libsndfile from the first frame
    assert audio_stats.seconds == pytest.approx(6.0, abs=0.15)
    assert np.isnan(audio_stats.claimed_seconds)
    read, _ = soundfile.read(tmp_path / "song.mp3", dtype="float32", always_2d=True)
    np.testing.assert_array_equal(audio[: len(read)], sum(read.T) / 2)


@pytest.mark.parametrize("suffix", ["wav", "mp3", "ogg", "flac"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_file_that_was_cut_is_noticed(tmp_path, suffix, share):
    content = written(tmp_path / f"song.{suffix}", music()).read_bytes()
    (tmp_path / f"song.{suffix}").write_bytes(content[: int(share * len(content))])
    try:
        audio_stats = facts_of(tmp_path / f"song.{suffix}")
    except CorpusError as error:
        assert "cannot be decoded" in str(error)  # noqa: PT017 - FLAC
        return
    assert audio_stats.seconds < 5.5
    assert audio_stats.cut_off or audio_stats.claimed_seconds > audio_stats.seconds + 0.5


@pytest.mark.parametrize("suffix", ["mp3", "ogg"])
@pytest.mark.parametrize("foreign", [b"", b"\xa5" * 700, bytes(np.random.default_rng(0).bytes(900))])
def test_a_hole_or_foreign_bytes_inside_are_noticed(tmp_path, suffix, foreign):
    content = written(tmp_path / f"song.{suffix}", music()).read_bytes()
    middle = len(content) // 2
    (tmp_path / f"song.{suffix}").write_bytes(content[:middle] + foreign + content[middle + 6000 :])
    audio_stats = facts_of(tmp_path / f"song.{suffix}")
    assert audio_stats.claimed_seconds > audio_stats.seconds + 0.1 or audio_stats.skipped_bytes > 0


def test_foreign_bytes_in_an_mp3_without_a_count_are_noticed(tmp_path):
    content = without_count(written(tmp_path / "song.mp3", music()).read_bytes())
    middle = len(content) // 2
    (tmp_path / "song.mp3").write_bytes(content[:middle] + b"\xa5" * 700 + content[middle:])
    assert facts_of(tmp_path / "song.mp3").skipped_bytes >= 700


def test_good_files_have_nothing_odd(tmp_path):
    for suffix in ("wav", "mp3", "ogg", "flac"):
        audio_stats = facts_of(written(tmp_path / f"song.{suffix}", music()))
        assert audio_stats.claimed_seconds == pytest.approx(audio_stats.seconds, abs=0.01)
        assert (audio_stats.skipped_bytes, audio_stats.cut_off) == (0, False)


@pytest.mark.parametrize("peak", [16.5, 4670, 1e30])
def test_numbers_on_another_scale_are_refused(tmp_path, peak):
    path = written(tmp_path / "song.wav", music() * peak / np.abs(music()).max(), subtype="FLOAT")
    with pytest.raises(
        CorpusError, match=r"song.wav: the peak is much larger than full scale \(1\), .* got .*\. Divide the samples"
    ):
        load_audio(path, sample_rate=RATE)


def test_moderate_peaks_are_read(tmp_path):
    path = written(tmp_path / "song.wav", music() * 15 / np.abs(music()).max(), subtype="FLOAT")
    assert facts_of(path).peak == pytest.approx(15)


@pytest.mark.parametrize("rate", [1, 100, 1999, 1_000_000, 2**31 - 1])
def test_sampling_rates_that_no_music_has_are_refused(tmp_path, rate):
    path = written(tmp_path / "song.wav", music(), rate)
    with pytest.raises(CorpusError, match=f"song.wav: sample rate must be from 2000 to 768000 Hz, got {rate}"):
        load_audio(path, sample_rate=RATE)


def test_audio_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_module, "MAX_SAMPLES", 50_000)
    monkeypatch.setattr(decoding, "BLOCK", 10_000)
    with pytest.raises(CorpusError, match=r"song.wav: longer than 0.0 hours\. Cut it into songs"):
        load_audio(written(tmp_path / "song.wav", music()), sample_rate=RATE)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "an MPEG-4 file"),
        (b"\xff\xf1\x50\x80", "an AAC file"),
        (b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a git-lfs pointer"),
        (b"PK\x03\x04", "a zip archive"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, head, kind):
    # followed by MP3 frames, which a decoder that skips unknown bytes would find
    content = written(tmp_path / "whole.mp3", music()).read_bytes()
    (tmp_path / "song.mp3").write_bytes(head + content)
    with pytest.raises(
        CorpusError, match=f"song.mp3: must be audio, got {kind}.*. Replace it with an ogg, mp3, flac or wav file"
    ):
        load_audio(tmp_path / "song.mp3", sample_rate=RATE)


@pytest.mark.parametrize(
    "change", [lambda content: content, lambda content: with_total(content, 0), lambda content: with_total(content, 2**35)]
)
def test_the_length_of_a_file_is_told_or_counted(tmp_path, change):
    content = written(tmp_path / "song.flac", music()).read_bytes()
    (tmp_path / "song.flac").write_bytes(change(content))
    assert claimed_length(tmp_path / "song.flac") == (6.0, RATE, 2)


@pytest.mark.parametrize("suffix", ["wav", "mp3", "ogg", "flac"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_damaged_file_is_read_or_told(tmp_path_factory, suffix, data):
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(written(folder / f"song.{suffix}", music(1.0)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 200), st.integers(0, len(content) - 1)))
        content[at : at + data.draw(st.sampled_from([0, 1, 8]))] = data.draw(st.binary(min_size=0, max_size=8))
    (folder / f"song.{suffix}").write_bytes(content)
    try:
        audio, audio_stats = load_audio_and_stats(folder / f"song.{suffix}", sample_rate=RATE)
    except CorpusError as error:
        assert "song." in str(error)  # noqa: PT017 - either is right
    else:
        assert np.isfinite(audio).all()
        assert audio_stats.seconds < 30


@given(st.binary(max_size=3000))
@settings(max_examples=60)
def test_the_walk_through_an_mp3_ends_whatever_it_meets(content):
    frames = mpeg.walk(content)
    assert frames is None or frames.seconds > 0


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), b"\n", bytes(512)])
def test_a_flac_with_a_tag_behind_it_is_read_whole(tmp_path, tail):
    path = written(tmp_path / "a.flac", music())
    whole = load_audio(path, sample_rate=RATE)
    path.write_bytes(path.read_bytes() + tail)
    np.testing.assert_array_equal(load_audio(path, sample_rate=RATE), whole)


def test_a_flac_behind_a_tag_is_read_beyond_what_it_claims(tmp_path):
    content = bytearray(written(tmp_path / "a.flac", music()).read_bytes())
    content[21] &= 0xF0
    content[22:26] = struct.pack(">I", RATE * 3)  # half of its samples
    (tmp_path / "b.flac").write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + content)
    assert len(load_audio(tmp_path / "b.flac", sample_rate=RATE)) == RATE * 6


def test_a_second_ogg_stream_in_a_file_is_told(tmp_path):
    path = written(tmp_path / "a.ogg", music())
    path.write_bytes(path.read_bytes() * 2)
    audio_stats = facts_of(path)
    assert (audio_stats.seconds, audio_stats.claimed_seconds) == pytest.approx((6, 12), abs=0.01)


@pytest.mark.parametrize("kind", ["RF64", "W64", "AU"])
def test_files_of_rarer_formats_are_refused(tmp_path, kind):
    path = written(tmp_path / "a.wav", music(), format=kind)
    with pytest.raises(CorpusError, match=rf"a\.wav: cannot be decoded \(format {kind} is not supported\)\. Replace it"):
        load_audio(path, sample_rate=RATE)


def test_an_aiff_that_was_cut_is_told(tmp_path):
    path = written(tmp_path / "a.wav", music(), format="AIFF")
    assert facts_of(path).claimed_seconds == 6
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    audio_stats = facts_of(path)
    assert (audio_stats.seconds, audio_stats.claimed_seconds) == pytest.approx((3, 6), abs=0.01)


def test_a_data_chunk_that_claims_less_than_follows_is_told(tmp_path):
    content = bytearray(written(tmp_path / "a.wav", music()).read_bytes())
    at = content.index(b"data") + 4
    (claimed,) = struct.unpack("<I", content[at : at + 4])
    content[at : at + 4] = struct.pack("<I", claimed * 3 // 5 // 4 * 4)
    (tmp_path / "b.wav").write_bytes(content)
    audio_stats = facts_of(tmp_path / "b.wav")
    assert (audio_stats.seconds, audio_stats.claimed_seconds) == pytest.approx((3.6, 6), abs=0.01)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint8, np.uint16])
def test_integers_in_an_array_are_scaled_by_their_type(dtype):
    samples, limits = music(1, channels=1)[:, 0], np.iinfo(dtype)
    half = (int(limits.max) - int(limits.min) + 1) / 2
    integers = np.round(samples * (half - 1) + (half if limits.min == 0 else 0)).astype(dtype)
    np.testing.assert_allclose(one_channel(integers), samples, atol=2 / half)
    np.testing.assert_array_equal(one_channel(torch.as_tensor(integers)), one_channel(integers))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_tensor_of_any_precision_is_read(dtype):
    samples = torch.as_tensor(music(1, channels=1)[:, 0])
    np.testing.assert_allclose(one_channel(samples.to(dtype)), samples, atol=5e-3)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (1000 * np.ones(10), "the peak is much larger than full scale .*got 1000. Divide the samples by the largest integer"),
        (np.array([0.1, np.nan, np.inf]), "samples must be finite, got 2 that are not"),
        (np.ones(10, dtype=complex), "must be real numbers or integers, got complex128"),
        (np.ones(10, dtype=bool), "must be real numbers or integers, got bool"),
        (np.array(["a"]), "must be real numbers or integers"),
        (np.ones((10, 2)), r"must be one channel, got shape \(10, 2\)"),
        (np.ones(0), "must be one channel, got shape"),
    ],
)
def test_arrays_that_are_not_audio_are_refused(samples, message):
    with pytest.raises(ConfigError, match=f"audio: {message}"):
        one_channel(samples)
