import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veracity.errors import CorpusError
from veracity.songs.label_files import (
    Interval,
    check_extent,
    frame_labels,
    label_overhang_seconds,
    read_labels,
    write_labels,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no labels"),
        ("0 1\n", "line 1: malformed, got '0 1'"),
        ("0 one sing\n", "malformed, got .* Write start and end"),
        ("0 1 singing\n", "label must be nosing or sing"),
        ("0 1 sing extra\n", "label must be nosing or sing"),
        ("0 nan sing\n", "malformed"),
        ("1 0 sing\n", "end must be after the start"),
        ("0 1 sing\n2 3 nosing\n", "line 2: gap after 1.0 s, got '2 3 nosing'"),
        ("0 2 sing\n1 3 nosing\n", "line 2: unsorted or overlapping interval before 2.0 s, got '1 3 nosing'"),
        ("0.5 1 sing\n", "gap after 0.0 s"),
        ("0 1_0 sing\n", "Write start and end in seconds"),
        ("0 \uff11 sing\n", "Write start and end in seconds"),
        ("0 \u0661 sing\n", "Write start and end in seconds"),
        ("0 0x10 sing\n", "Write start and end in seconds"),
        ("0 inf sing\n", "Write start and end in seconds"),
        ("0 1,5 sing\n", "in seconds, such as 12.5"),
        ("0 1e999 sing\n", "both must be finite"),
        ("0 -1 sing\n", "end must be after the start"),
        ("0 1 no sing\n", "label must be nosing or sing, without text after it"),
        ("0 1 Sing\n", "label must be nosing or sing"),
        ("sing 0 1\n", "Write start and end in seconds"),
    ],
)
def test_labels_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "song.lab"
    path.write_text(text, "utf-8")
    with pytest.raises(CorpusError, match=message) as raised:
        read_labels(path)
    assert str(path) in str(raised.value)


def test_missing_labels(tmp_path):
    with pytest.raises(CorpusError, match=r"song.lab: file is missing from the corpus"):
        read_labels(tmp_path / "song.lab")


def test_labels_survive_writing(tmp_path):
    intervals = [Interval(0.0, 1.5, "nosing"), Interval(1.5, 2.125, "sing")]
    write_labels(tmp_path / "song.lab", intervals)
    assert read_labels(tmp_path / "song.lab") == intervals


def test_a_frame_has_the_label_of_its_instant():
    intervals = [Interval(0, 1, "nosing"), Interval(1, 2, "sing"), Interval(2, 3, "nosing")]
    assert frame_labels(intervals, 30, frames_per_second=10).tolist() == [10 <= frame < 20 for frame in range(30)]


def test_labels_are_clipped_to_the_audio_or_go_on_to_its_end():
    intervals = [Interval(0, 1, "nosing"), Interval(1, 2, "sing")]
    assert frame_labels(intervals, 5, frames_per_second=10).sum() == 0
    assert frame_labels(intervals, 40, frames_per_second=10)[10:].all()
    assert label_overhang_seconds(intervals, 1.5) == 0.5
    assert label_overhang_seconds(intervals, 3.0) == -1.0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_labels_of_any_editor(tmp_path, encoding, newline):
    text = newline.join(["0.000000\t1.5\tnosing", "", "1.5 2e0 sing", ""])
    (tmp_path / "song.lab").write_bytes(text.encode(encoding))
    assert read_labels(tmp_path / "song.lab") == [Interval(0, 1.5, "nosing"), Interval(1.5, 2, "sing")]


@pytest.mark.parametrize("content", ["0 1 sing\n".encode("utf-16-le"), bytes(100), b"0 1 sing\n" * 2_000_000])
def test_what_is_no_text_is_told(tmp_path, content):
    (tmp_path / "song.lab").write_bytes(content)
    with pytest.raises(CorpusError, match=r"song.lab: not a text file in UTF-8\. Save it as one"):
        read_labels(tmp_path / "song.lab")


def test_what_is_no_file_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "song.lab")
    with pytest.raises(CorpusError, match=r"song.lab: file is missing from the corpus"):
        read_labels(tmp_path / "song.lab")


def test_a_long_line_is_quoted_in_short(tmp_path):
    (tmp_path / "song.lab").write_text("0 1 sing " + "x" * 900_000)
    with pytest.raises(CorpusError, match="label must be nosing or sing") as raised:
        read_labels(tmp_path / "song.lab")
    assert len(str(raised.value)) < 400


@given(st.text(max_size=40))
def test_any_text_is_read_or_told(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("labels") / "song.lab"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read_labels(path)
    except CorpusError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (20_000, "possibly milliseconds.* Write times in seconds"),
        (19_000, "possibly milliseconds"),
        (1 / 3, "possibly minutes"),
        (20 * 22050, "use the labels of this recording"),
        (200, "use the labels of this recording"),
        (61, "use the labels of this recording"),
        (9, "use the labels of this recording"),
        (1e300, "use the labels of this recording"),
    ],
)
def test_labels_that_cannot_belong_to_the_audio_are_refused(end, message):
    with pytest.raises(CorpusError, match=message) as raised:
        check_extent([Interval(0, end / 2, "sing"), Interval(end / 2, end, "nosing")], 20.0, "a song.lab")
    assert str(raised.value).startswith("a song.lab: end of the labels does not match the audio")


@pytest.mark.parametrize("end", [20.0, 19.9, 11.0, 40.0])  # 40: the audio was cut in half, which is said elsewhere
def test_other_labels_may_end_elsewhere(end):
    check_extent([Interval(0, end, "sing")], 20.0, "a song.lab")
