"""Remarks on songs that are accepted but unusual, for the job's log and the table ``corpus``."""

from math import isfinite, log10

from .spectra import Spectrogram

ROUNDING_SECONDS = 0.1  # tolerance for the end of labels, because old tools round to one decimal
CLAIM_SECONDS = 0.05
PEAK = 1.5  # decoders of ogg and mp3 exceed full scale, with peaks up to 1.39 in Jamendo
CLIPPED_SHARE = 0.01
SILENT_SHARE = 0.5
DC_OFFSET = 0.05
EARLY = 0.5  # share of the song after the last label that suggests another unit of time


def quality_problems(song: Spectrogram) -> list[str]:
    """Return short descriptions of unusual audio and labels of a song; properties that were not measured are skipped."""
    overhang, problems = song.label_overhang_seconds, []
    if abs(overhang) > ROUNDING_SECONDS:
        end, cure = (
            ("run {:.1f} s past", "they are clipped") if overhang > 0 else ("end {:.1f} s before", "the last is extended")
        )
        if -overhang > EARLY * song.seconds:
            cure = "are their times in seconds?"
        problems.append(f"labels {end.format(abs(overhang))} the end of the audio: {cure}")
    if abs(song.claimed_seconds - song.seconds) > CLAIM_SECONDS:
        problems.append(
            f"decodes to {song.seconds:.1f} s where the file should contain {song.claimed_seconds:.1f} s: "
            "it is cut or damaged, and labels may be off"
        )
    if song.skipped_bytes > 0:
        problems.append(f"{song.skipped_bytes:.0f} bytes inside the file are not audio: labels after them may be off")
    if song.cut_off:
        problems.append("the file ends without its end mark or within a frame: it may be cut off")
    if song.averaging_loss_db > 10 * log10(max(song.channels, 1)) + 3:  # independent channels lose 10 log10(n)
        lost = f"{song.averaging_loss_db:.0f} dB are lost" if isfinite(song.averaging_loss_db) else "nothing is left"
        problems.append(f"its channels cancel when averaged: {lost}")
    if song.silent_share == 1:
        problems.append("nothing but silence: more updates or a larger eps of an attack cannot help")
    elif song.silent_share > SILENT_SHARE:
        problems.append(f"{song.silent_share:.0%} silence")
    if song.peak > PEAK:
        problems.append(f"peak {song.peak:.3g} where full scale is 1: the bound of attacks, eps, is relative to full scale")
    if song.clipped_share > CLIPPED_SHARE:
        problems.append(f"{song.clipped_share:.1%} of the samples are clipped")
    if abs(song.dc_offset) > DC_OFFSET:
        problems.append(f"a constant offset of {song.dc_offset:.3f}")
    return problems
