"""Drawings: coverage of shapes, the weakest drawing that flips, and untrusted files."""

import contextlib
import dataclasses
import io
import os
import pickle
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from veracity.errors import ConfigError, VeracityError
from veracity.experiments.drawing.files import import_drawings
from veracity.experiments.drawing.fitting import Drawing, DrawingError, fit_drawing
from veracity.experiments.drawing.raster import draw, rasterise
from veracity.experiments.drawing.shapes import SHAPES, letters, shape_named

N_FRAMES, N_MELS = 115, 80
WHOLE = {"centre": (0.5, 0.5), "size": (1.0, 1.0)}
EXCERPT = np.random.default_rng(1).normal(-4, 1, (N_FRAMES, N_MELS)).astype(np.float32)


def centroid(coverage):
    """Mean cell of a coverage, fractions along time and frequency."""
    cells = np.indices(coverage.shape) + 0.5
    return (cells * coverage).sum(axis=(1, 2)) / coverage.sum() / coverage.shape


def ridge(coverage):
    """Mean band of each frame that is drawn on."""
    drawn = coverage.sum(axis=1) > 0
    return (coverage @ np.arange(coverage.shape[1]))[drawn] / coverage.sum(axis=1)[drawn]


def loud_corner(log_mel):
    """Detector that predicts singing if the last frames of the high bands are loud: sigmoid of a mean."""
    return 1 / (1 + np.exp(-(log_mel[:, 60:, 40:].mean(axis=(1, 2)) + 3)))


def deaf(log_mel):
    return np.zeros(len(log_mel))


# --- Shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_fills_its_place_and_stays_in_it(name):
    coverage = rasterise(SHAPES[name], N_FRAMES, N_MELS, centre=(0.5, 0.5), size=(0.6, 0.5))
    assert coverage.shape == (N_FRAMES, N_MELS)
    assert coverage.min() == 0
    assert coverage.max() == 1
    frames, bands = np.nonzero(coverage.any(axis=1))[0], np.nonzero(coverage.any(axis=0))[0]
    assert 0.2 * N_FRAMES - 3 <= frames[0] < 0.3 * N_FRAMES
    assert 0.7 * N_FRAMES < frames[-1] <= 0.8 * N_FRAMES + 3
    assert 0.25 * N_MELS - 3 <= bands[0] < 0.35 * N_MELS
    assert 0.65 * N_MELS < bands[-1] <= 0.75 * N_MELS + 3


def test_library_is_not_empty_and_holds_the_horse():
    assert len(SHAPES) > 10
    assert "horse" in SHAPES


def test_upward_sweep_rises_over_time_and_downward_sweep_falls():
    up, down = (rasterise(SHAPES[f"{way} sweep"], N_FRAMES, N_MELS, **WHOLE) for way in ("upward", "downward"))
    assert (np.diff(ridge(up)) > -0.01).all()
    assert ridge(up)[-1] - ridge(up)[0] > 0.7 * N_MELS
    np.testing.assert_allclose(up, down[:, ::-1], atol=1 / 8)  # a row of sub-cells


def test_letters_read_from_left_to_right_and_stand_upright():
    coverage = rasterise(letters("L"), N_FRAMES, N_MELS, **WHOLE)
    assert coverage[5].mean() > 0.9  # the stem: early, in all bands
    assert coverage[:, 5].mean() > 0.9  # the foot: low, in all frames
    assert coverage[60:, 40:].max() == 0


def test_letters_have_holes():
    coverage = rasterise(letters("O"), N_FRAMES, N_MELS, **WHOLE)
    assert coverage[N_FRAMES // 2, N_MELS // 2] == 0
    assert coverage[N_FRAMES // 2, 3] == 1


def test_area_of_a_filled_shape_agrees_with_the_shoelace_formula():
    x, y = SHAPES["star"].areas[0].T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    coverage = rasterise(SHAPES["star"], N_FRAMES, N_MELS, centre=(0.5, 0.5), size=(0.8, 0.6))
    assert coverage.mean() == pytest.approx(area * 0.8 * 0.6, rel=0.02)


def test_edges_are_smooth():
    coverage = rasterise(SHAPES["circle"], N_FRAMES, N_MELS, **WHOLE)
    assert ((coverage > 0) & (coverage < 1)).sum() > 100


@pytest.mark.parametrize("name", ["star", "circle", "wiggle"])
@pytest.mark.parametrize("centre", [(0.3, 0.7), (0.6, 0.4)])
def test_placement_moves_the_centroid(name, centre):
    middle = rasterise(SHAPES[name], N_FRAMES, N_MELS, centre=(0.5, 0.5), size=(0.3, 0.4))
    moved = rasterise(SHAPES[name], N_FRAMES, N_MELS, centre=centre, size=(0.3, 0.4))
    np.testing.assert_allclose(centroid(moved) - centroid(middle), np.subtract(centre, 0.5), atol=0.005)


def test_what_leaves_the_excerpt_is_cut_off():
    at_the_corner = rasterise(SHAPES["star"], N_FRAMES, N_MELS, centre=(0, 0), size=(0.5, 0.5))
    assert at_the_corner[0, 0] == 1
    assert at_the_corner[40:].max() == 0


def test_thin_lines_of_tiny_drawings_can_still_be_seen():
    assert rasterise(SHAPES["harmonics"], N_FRAMES, N_MELS, centre=(0.5, 0.5), size=(0.2, 0.3)).max() > 0.9


def test_an_array_is_pasted_as_it_is_at_full_size_and_stretched_otherwise():
    mask = np.random.default_rng(0).random((N_FRAMES, N_MELS)).astype(np.float32)
    np.testing.assert_array_equal(rasterise(mask, N_FRAMES, N_MELS, **WHOLE), mask)
    stamp = rasterise(np.ones((10, 10), np.float32), N_FRAMES, N_MELS, centre=(0.2, 0.9), size=(0.2, 0.1))
    assert stamp.sum() == 23 * 8
    np.testing.assert_allclose(centroid(stamp), (0.2, 0.9), atol=0.01)
    corner = rasterise(np.ones((10, 10), np.float32), N_FRAMES, N_MELS, centre=(1, 0), size=(0.2, 0.2))
    assert corner[-1, 0] == 1
    assert corner.sum() < 23 * 16 / 3
    assert rasterise(mask, N_FRAMES, N_MELS, centre=(-2, 3), size=(0.2, 0.2)).max() == 0


def test_any_text_can_be_named_and_unknown_names_are_told_the_known_ones():
    assert shape_named("horse") is SHAPES["horse"]
    assert shape_named("letters:la la").text == "la la"
    with pytest.raises(ConfigError, match=r"unknown shape, got 'hors'.*horse, wiggle.*letters:TEXT"):
        shape_named("hors")
    with pytest.raises(ConfigError, match="no letters"):
        shape_named("letters:  ")
    with pytest.raises(ConfigError, match="unknown shape") as caught:
        shape_named("cow" * 10**6)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["a" * 41, "a" * 10**6, "a\nb", "a\0", "\u200b", "\ud800"])
def test_texts_that_are_no_words_are_refused(text):
    with pytest.raises(
        ConfigError, match=r"must have at most 40 letters, all of them printable, got .* Write a word"
    ) as caught:
        shape_named("letters:" + text)
    assert len(str(caught.value)) < 300
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("text", "message"), [("la 中", "letter '中' is missing from the typeface"), ("\u2800", "nothing is visible")]
)
def test_letters_that_cannot_be_drawn_are_told(text, message):
    with pytest.raises(ConfigError, match=message):
        rasterise(shape_named("letters:" + text), N_FRAMES, N_MELS, **WHOLE)


def test_dollars_are_letters_and_no_mathematics():
    plain, dollars, broken = (rasterise(letters(text), N_FRAMES, N_MELS, **WHOLE) for text in ("x", "$x$", r"$\frac{$"))
    assert dollars[:30].max() == broken[:30].max() == 1
    assert not np.array_equal(dollars, plain)


def test_drawing_loads_no_torch():
    code = (
        "import sys; from veracity.experiments import drawings; from veracity.experiments.drawing import raster, shapes;"
        "assert not {'torch', 'librosa', 'matplotlib', 'PIL'} & set(sys.modules);"
        "raster.rasterise(shapes.SHAPES['LIME'], 23, 20, centre=(.5, .5), size=(1, 1)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- Drawing ---------------------------------------------------------------------------------------------------------


def test_drawing_never_makes_anything_quieter():
    coverage = rasterise(SHAPES["heart"], N_FRAMES, N_MELS, **WHOLE)
    for level in (-20, -4, 3):
        drawn = draw(EXCERPT, coverage, level=level)
        assert (drawn >= EXCERPT).all()
        assert drawn.dtype == EXCERPT.dtype


def test_drawing_by_hand():
    log_mel = np.array([[-4.0, -4.0, -4.0, 5.0]])
    drawn = draw(log_mel, np.array([[0.0, 0.5, 1.0, 1.0]]), level=2.0)
    np.testing.assert_allclose(drawn, [[-4, -1, 2, 5]])


# --- Fitting ---------------------------------------------------------------------------------------------------------


def test_fit_flips_the_prediction_and_says_how():
    drawing = fit_drawing(EXCERPT, loud_corner, 0.5, np.random.default_rng(0))
    assert drawing.clean_p_sing == pytest.approx(loud_corner(EXCERPT[None])[0])
    assert drawing.clean_p_sing < 0.5 < drawing.drawn_p_sing
    assert drawing.drawn_p_sing == pytest.approx(loud_corner(drawing.log_mel[None])[0])
    assert drawing.level == pytest.approx(EXCERPT.mean() + drawing.strength, rel=1e-5)
    np.testing.assert_array_equal(drawing.log_mel, draw(EXCERPT, drawing.coverage, level=drawing.level))
    place = {"centre": drawing.centre, "size": drawing.size}
    np.testing.assert_array_equal(drawing.coverage, rasterise(SHAPES[drawing.shape], N_FRAMES, N_MELS, **place))


def test_fit_takes_the_faintest_flip_and_among_equals_the_surest():
    """Compare with a slow search: every candidate at every strength, one by one, recorded by the predictor."""
    heard = []

    def listen(batch):
        heard.append((len(batch), loud_corner(batch)))
        return heard[-1][1]

    names = ("heart", "star", "circle", "A")
    arguments = {"shapes": names, "n_placements": 5, "batch_size": 7}
    assert fit_drawing(EXCERPT, listen, 1.0, np.random.default_rng(3), **arguments) is None
    p_sing = np.concatenate([p for _, p in heard[1:]]).reshape(8, 20)  # strengths, candidates
    # The threshold is between the values of two strengths, so the second must be chosen, with its best candidate.
    threshold = (p_sing[3].max() + p_sing[4].max()) / 2
    drawing = fit_drawing(EXCERPT, loud_corner, threshold, np.random.default_rng(3), **arguments)
    assert drawing.strength == 5
    assert drawing.drawn_p_sing == pytest.approx(p_sing[4].max())
    assert drawing.shape == names[p_sing[4].argmax() // 5]
    assert [n for n, _ in heard[1:4]] == [7, 7, 6]


def test_the_threshold_itself_is_not_singing():
    ignores_drawings = lambda batch: np.full(len(batch), 0.5, np.float32)  # noqa: E731
    assert fit_drawing(EXCERPT, ignores_drawings, 0.5, np.random.default_rng(0), shapes=["star"]) is None
    assert fit_drawing(EXCERPT, deaf, 0.0, np.random.default_rng(0), shapes=["star"]) is None


def test_fit_is_determined_by_its_generator():
    first, second, other = (fit_drawing(EXCERPT, loud_corner, 0.5, np.random.default_rng(seed)) for seed in (5, 5, 6))
    for field in dataclasses.fields(Drawing):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))
    assert first.centre != other.centre


def test_drawings_lie_inside_the_excerpt_and_keep_their_proportions():
    seen = []
    for seed in range(30):
        hears_any_change = lambda batch: (batch.sum(axis=(1, 2)) > EXCERPT.sum() + 1).astype(float)  # noqa: E731
        drawing = fit_drawing(EXCERPT, hears_any_change, 0.5, np.random.default_rng(seed), shapes=["horse"], n_placements=1)
        seen.append((*drawing.centre, *drawing.size))
    x, y, width, height = np.transpose(seen)
    assert (np.minimum(width, height) >= 0.25).all()
    assert (np.maximum(width, height) <= 0.5).all()
    assert (x - width / 2 > -1e-9).all()
    assert (x + width / 2 < 1 + 1e-9).all()
    assert (y - height / 2 > -1e-9).all()
    assert (y + height / 2 < 1 + 1e-9).all()
    assert ((height / width > 0.66) & (height / width < 1.51)).all()
    assert np.ptp(width) > 0.15


def test_predict_gets_float32():
    def check(batch):
        assert batch.dtype == np.float32
        assert batch.shape[1:] == (N_FRAMES, N_MELS)
        return deaf(batch)

    assert fit_drawing(EXCERPT.astype(np.float64), check, 0.5, np.random.default_rng(0), shapes=["A"]) is None


def test_imported_drawings_stay_where_they_are():
    mask = np.zeros((N_FRAMES, N_MELS), np.float32)
    mask[60:, 40:] = 1
    arguments = {"shapes": (), "imported": {"authors.0": mask}}
    drawing = fit_drawing(EXCERPT, loud_corner, 0.5, np.random.default_rng(0), **arguments)
    assert (drawing.shape, drawing.centre, drawing.size) == ("authors.0", (0.5, 0.5), (1.0, 1.0))
    np.testing.assert_array_equal(drawing.coverage, mask)
    stamp = {"shapes": (), "imported": {"stamp": np.ones((5, 5), np.float32)}}
    assert fit_drawing(EXCERPT, loud_corner, 0.5, np.random.default_rng(0), **stamp).size[0] <= 0.5


def test_fit_refuses_what_makes_no_sense():
    rng = np.random.default_rng(0)
    with pytest.raises(DrawingError, match=r'must be "no sing" before the drawing, got P = 0\.2.* above the threshold 0\.1'):
        fit_drawing(EXCERPT, loud_corner, 0.1, rng)
    with pytest.raises(ConfigError, match=r"unknown shape, got 'cow'.*horse"):
        fit_drawing(EXCERPT, loud_corner, 0.5, rng, shapes=["horse", "cow"])
    with pytest.raises(ConfigError, match=r"^shapes: must not be empty"):
        fit_drawing(EXCERPT, loud_corner, 0.5, rng, shapes=[])
    with pytest.raises(ConfigError, match=r"shape \(1, 1\) for 1 excerpts"):
        fit_drawing(EXCERPT, lambda batch: deaf(batch)[:, None], 0.5, rng)
    with pytest.raises(ConfigError, match="must return probabilities, got values from nan"):
        fit_drawing(EXCERPT, lambda batch: deaf(batch) * np.nan, 0.5, rng)


def test_what_predicts_shares_no_memory_with_the_drawing():
    kept = []

    def predict(batch):
        p_sing = loud_corner(batch)
        batch -= batch.mean(axis=(1, 2), keepdims=True)
        for array in kept:
            array[...] = 0
        kept.extend([batch, p_sing])
        return p_sing

    excerpt = EXCERPT.copy()
    drawing, expected = (fit_drawing(excerpt, p, 0.5, np.random.default_rng(0)) for p in (predict, loud_corner))
    np.testing.assert_array_equal(excerpt, EXCERPT)
    for field in dataclasses.fields(Drawing):
        np.testing.assert_array_equal(getattr(drawing, field.name), getattr(expected, field.name))


# --- files from other programs
# -------------------------------------------------------------------------------------------------

MASK = rasterise(SHAPES["horse"], N_FRAMES, N_MELS, centre=(0.4, 0.6), size=(0.5, 0.6))


def pickled(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, bool])
def test_npy_is_read(tmp_path, dtype):
    values = (MASK * 200).astype(dtype)
    np.save(tmp_path / "horse.npy", values)
    drawings = import_drawings(tmp_path / "horse.npy")
    assert list(drawings) == ["horse"]
    np.testing.assert_allclose(drawings["horse"], values / values.max(), atol=1e-6)
    assert drawings["horse"].dtype == np.float32


def test_npz_is_read_and_lying_arrays_are_stood_up(tmp_path):
    np.savez(tmp_path / "two.npz", upright=MASK, lying=MASK.T)
    drawings = import_drawings(tmp_path / "two.npz")
    assert list(drawings) == ["two.upright", "two.lying"]
    np.testing.assert_allclose(drawings["two.lying"], drawings["two.upright"])


def test_square_arrays_are_not_turned(tmp_path):
    values = np.arange(400.0).reshape(20, 20)
    np.save(tmp_path / "square.npy", values)
    np.testing.assert_allclose(import_drawings(tmp_path / "square.npy", n_frames=20, n_mels=20)["square"], values / 399)


def test_a_drawn_spectrogram_is_scaled(tmp_path):
    drawn = draw(EXCERPT, MASK, level=8)
    np.save(tmp_path / "drawn.npy", drawn)
    expected = (drawn - drawn.min()) / (8 - drawn.min())
    np.testing.assert_allclose(import_drawings(tmp_path / "drawn.npy")["drawn"], expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P"])
@pytest.mark.parametrize("scale", [1, 4])
def test_png_is_read_dark_on_light_or_by_its_transparency(tmp_path, mode, scale):
    ink = np.kron(np.round(255 * MASK.T[::-1]).astype(np.uint8), np.ones((scale, scale), np.uint8))
    image = Image.fromarray(255 - ink)
    if mode in {"RGBA", "LA"}:  # white ink on nothing
        image = Image.new(mode, image.size, "white")
        image.putalpha(Image.fromarray(ink))
    elif mode == "P":
        image = image.convert("P")
    image.save(tmp_path / "horse.png")
    drawings = import_drawings(tmp_path / "horse.png")
    np.testing.assert_allclose(drawings["horse"], MASK, atol=0.01 if scale == 1 else 0.3)
    assert np.abs(drawings["horse"] - MASK).mean() < 0.01


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".p"])
def test_pickled_arrays_of_all_protocols_are_read(tmp_path, protocol, suffix):
    content = {
        "a": np.ascontiguousarray(MASK),
        "b": [np.asfortranarray(MASK, np.float64), (MASK.T[::1] > 0.5, "a text", None, 3)],
        "p": np.float64(0.7),
        "stack": np.stack([MASK, MASK / 2])[:, None],
    }
    drawings = import_drawings(pickled(tmp_path / f"mine{suffix}", content, protocol))
    assert list(drawings) == ["mine.a", "mine.b.0", "mine.b.1.0", "mine.stack.0", "mine.stack.1"]
    for name, coverage in drawings.items():
        np.testing.assert_allclose(coverage, MASK > 0.5 if name == "mine.b.1.0" else MASK, err_msg=name)


def test_pickles_of_numpy_1_and_of_python_2_are_read(tmp_path):
    old = pickle.dumps(MASK, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (tmp_path / "old.pkl").write_bytes(old)
    np.testing.assert_allclose(import_drawings(tmp_path / "old.pkl")["old"], MASK)
    # Python 2 wrote the bytes of an array as an 8-bit string.
    raw = np.ascontiguousarray(MASK).tobytes()
    python2 = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01KsKP\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb."
    )
    (tmp_path / "older.pkl").write_bytes(python2)
    np.testing.assert_allclose(import_drawings(tmp_path / "older.pkl")["older"], MASK)


class Malicious:
    """Object that runs a command if an unsafe unpickler reads it."""

    def __init__(self, marker, how=os.system):
        self.marker, self.how = marker, how

    def __reduce__(self):
        return self.how, (f"touch '{self.marker}'" if self.how is os.system else f"open({str(self.marker)!r}, 'w')",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("how", [os.system, eval, exec])
def test_malicious_pickles_are_refused_and_run_nothing(tmp_path, protocol, how):
    marker = tmp_path / "owned"
    path = pickled(tmp_path / "horse.pkl", [MASK, Malicious(marker, how)], protocol)
    with pytest.raises(DrawingError, match=r"horse\.pkl: cannot be read.*only arrays are supported in pickles"):
        import_drawings(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # an unsafe reader is detected, so the test can fail
    assert marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os system",
        "builtins getattr",
        "builtins bytes",
        "numpy load",
        "numpy save",
        "numpy fromfile",
        "numpy._core.multiarray fromfile",
        "numpy.core.multiarray memmap",
        "numpy.testing runstring",
        "numpy ndarray.tofile",
        "numpy dtype.__class__",
        "_codecs decode",
        "functools partial",
        "veracity.experiments.drawing.shapes Shape",
    ],
)
@pytest.mark.parametrize("stacked", [False, True])
def test_only_what_builds_arrays_is_admitted(tmp_path, name, stacked):
    module, attribute = (part.encode() for part in name.split())
    found = b"c" + module + b"\n" + attribute + b"\n"
    if stacked:  # the opcode of protocol 4, which also takes dotted names
        found = b"".join(b"\x8c" + bytes([len(part)]) + part for part in (module, attribute)) + b"\x93"
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04" + found + b".")
    with pytest.raises(DrawingError, match="only arrays are supported in pickles"):
        import_drawings(tmp_path / "x.pkl")


def test_functions_of_numpy_are_neither_called_nor_changed(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02cnumpy.core.numeric\n_frombuffer\n}X\x04\x00\x00\x00evil\x88sb.")
    with pytest.raises(DrawingError, match=r"x\.pkl"):
        import_drawings(tmp_path / "x.pkl")
    rebuild = np.zeros(1).__reduce_ex__(5)[0]
    assert rebuild.__name__ == "_frombuffer"
    assert not hasattr(rebuild, "evil")


def test_objects_in_arrays_are_refused(tmp_path):
    marker = tmp_path / "owned"
    objects = np.array([MASK, None], dtype=object)
    np.save(tmp_path / "a.npy", objects)
    np.savez(tmp_path / "b.npz", objects=objects)
    pickled(tmp_path / "c.pkl", objects)
    malicious = np.array([Malicious(marker), None], dtype=object)
    np.save(tmp_path / "d.npy", malicious)
    pickled(tmp_path / "e.pkl", malicious)
    (tmp_path / "f.npy").write_bytes(pickle.dumps(Malicious(marker)))  # np.load accepts bare pickles, too
    for name in ("a.npy", "b.npz", "c.pkl", "d.npy", "e.pkl", "f.npy"):
        with pytest.raises(DrawingError, match=name):
            import_drawings(tmp_path / name)
    assert not marker.exists()


def test_an_array_of_objects_cannot_be_made_from_bytes(tmp_path):
    """Pointers forged from bytes would be followed."""
    forged = pickle.dumps(MASK.astype(np.int64), protocol=2).replace(b"i8", b"O8")
    assert b"O8" in forged
    (tmp_path / "forged.pkl").write_bytes(forged)
    with pytest.raises(DrawingError, match=r"forged\.pkl"):
        import_drawings(tmp_path / "forged.pkl")
    buffered = b"\x80\x03cnumpy\nndarray\nK\x02\x85X\x01\x00\x00\x00OC\x10" + bytes(range(1, 17)) + b"\x87R."
    (tmp_path / "forged.pkl").write_bytes(buffered)
    with pytest.raises(DrawingError, match=r"forged\.pkl"):
        import_drawings(tmp_path / "forged.pkl")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((80, 114)), r"wrong must have 115 frames x 80 bands, got shape \(80, 114\)"),
        (np.zeros(9200), r"shape \(9200,\)"),
        (np.zeros((115, 80, 3)), r"shape \(115, 80, 3\)"),
        (np.ones((115, 80)), "same value everywhere"),
        (np.where(MASK > 0, np.nan, 0), "not finite"),
        (MASK.astype(complex), "complex"),
        (MASK.astype("U3"), "<U3"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, values, message):
    np.save(tmp_path / "wrong.npy", values)
    with pytest.raises(DrawingError, match=message) as caught:
        import_drawings(tmp_path / "wrong.npy")
    assert "wrong.npy" in str(caught.value)


def test_damaged_files_and_empty_ones_are_named(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, MASK)
    for name in ("a.npy", "b.npz", "c.png", "d.pkl"):
        for content in (b"", b"no drawing", buffer.getvalue()[:1000]):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(VeracityError, match=name):
                import_drawings(tmp_path / name)
    recursive: list = []
    recursive.append(recursive)
    for content in ([], {"title": "no array"}, recursive, {1, 2}):
        with pytest.raises(DrawingError, match=r"odd\.p"):
            import_drawings(pickled(tmp_path / "odd.p", content))
    (tmp_path / "horse.jpg").touch()
    with pytest.raises(DrawingError, match=r"horse\.jpg: unsupported file type, got '\.jpg'.*\.npy, \.npz"):
        import_drawings(tmp_path / "horse.jpg")
    with pytest.raises(DrawingError, match="does not exist"):
        import_drawings(tmp_path / "nothing.npy")


def test_a_folder_is_read_whole_and_names_are_unique(tmp_path):
    np.save(tmp_path / "a.npy", MASK)
    pickled(tmp_path / "b.pkl", [MASK, MASK])
    (tmp_path / "README.txt").write_text("not a drawing")
    assert list(import_drawings(tmp_path)) == ["a", "b.0", "b.1"]
    pickled(tmp_path / "a.pkl", MASK)
    with pytest.raises(DrawingError, match=r"a\.pkl: names of drawings must differ, got a twice"):
        import_drawings(tmp_path)


def test_names_are_short_and_can_be_printed(tmp_path):
    for key in ("a" * 400, "a\nb", "a\0", "\ud800", ("a" * 150,) * 4):
        path = pickled(tmp_path / "x.pkl", {key: MASK})
        with pytest.raises(DrawingError, match=r"x\.pkl") as caught:
            import_drawings(path)
        assert len(str(caught.value)) < 400 + len(str(path))
        assert str(caught.value).isprintable()
    assert list(
        import_drawings(pickled(tmp_path / "x.pkl", {3: MASK, ("a", 1): MASK, np.int64(7): MASK, np.str_("b"): MASK}))
    ) == [
        *("x.3", "x.('a', 1)", "x.7", "x.b"),
    ]


# --- files that would take unlimited time or memory


def refused(path, message, seconds=20):
    started = time.monotonic()
    with pytest.raises(DrawingError, match=message) as caught:
        import_drawings(path)
    assert time.monotonic() - started < seconds
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pickle=" not in str(caught.value)  # NumPy's advice


@pytest.mark.parametrize("leaf", [1, MASK, (), "text"], ids=["number", "array", "tuple", "text"])
@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_containers_that_explode_are_refused(tmp_path, leaf, kind):
    content = leaf
    for _ in range(4):
        content = dict.fromkeys(range(3000), content) if kind is dict else kind([content] * 3000)
    message = "more than 1000 drawings" if leaf is MASK else "more than 1000000 values"
    refused(pickled(tmp_path / "bomb.pkl", content), message)


def test_shared_arrays_are_counted(tmp_path):
    assert len(import_drawings(pickled(tmp_path / "x.pkl", [MASK] * 1000))) == 1000
    refused(pickled(tmp_path / "x.pkl", [MASK] * 1001), "more than 1000 drawings. Choose some")
    np.save(tmp_path / "x.npy", np.repeat((MASK[None] > 0.5), 1001, axis=0))
    refused(tmp_path / "x.npy", "more than 1000 drawings. Choose some")


NDARRAY, DTYPE = b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"
RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n"
ENCODE = b"c_codecs\nencode\n"


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        (b"]" * 2_000_000, "more than 50000 pickle opcodes"),
        (
            b"}" + b"K\x01" + b"\x85" * 500_000 + b"K\x01s.",
            "more than 50000 pickle opcodes",
        ),  # its hash would overflow the stack
        (b"}" + b"K\x01" + b"\x85" * 49_000 + pickle.dumps(MASK, 2)[2:-1] + b"s.", "damaged"),  # its name cannot be written
        (b"}\x8b" + (2**22).to_bytes(4, "little") + b"a" * 2**22 + pickle.dumps(MASK, 2)[2:-1] + b"s.", "damaged"),
        (b"\x96" + (2**40).to_bytes(8, "little") + b"abc.", "no drawing|damaged"),
        (b"\x8e" + (2**40).to_bytes(8, "little") + b"abc.", "no drawing|damaged"),
        (b"\x95" + (2**62).to_bytes(8, "little") + b"abc.", "damaged"),
        (b"]r\xff\xff\xff\x7f.", "more than 50000 pickle opcodes"),
    ],
    ids=["steps", "deeper key", "deep key", "number", "bytearray", "bytes", "frame", "memo"],
)
def test_pickles_that_explode_are_refused(tmp_path, opcodes, message):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x05" + opcodes)
    refused(tmp_path / "x.pkl", message)


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        (NDARRAY + b"KsKP\x86\x85R.", "damaged|no drawing"),
        (NDARRAY + b"KsKP\x86U\x02f8\x87R.", "damaged|no drawing"),
        (RECONSTRUCT + NDARRAY + b"KsKP\x86U\x01b\x87R.", "damaged"),
        (RECONSTRUCT + NDARRAY + b"KsKP\x86U\x02f8\x87R.", "damaged"),
        (RECONSTRUCT + DTYPE + b"K\x00\x85U\x01b\x87R.", "damaged"),
    ],
)
def test_no_array_is_made_of_memory_that_the_file_does_not_hold(tmp_path, opcodes, message):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + opcodes)
    refused(tmp_path / "x.pkl", message)


@pytest.mark.parametrize(
    ("shape", "code", "message"),
    [
        ((115, 81), "f4", "damaged"),
        ((115, 79), "f4", "damaged"),
        ((2**40, 2**40), "f4", "damaged"),
        ((115.0, 80), "f4", "damaged"),
        ((115, True), "f4", "damaged"),
        ((115, 80), "f8", "damaged"),
        ((115, 80), "U0", "damaged"),
        ((115, 80), "V4", "array of type V4"),
        ((115, 80), "O8", "array of type O8"),
        ((115, 80), "(2,)f2", "array of type"),
        ((115, 80), "f4,f4", "array of type"),
        ((115, 80), "f5", "damaged"),
        ((115, 80), {"names": ["a"], "formats": ["O"]}, "array of type"),
    ],
)
def test_shapes_and_types_of_pickled_arrays_must_fit_their_bytes(tmp_path, shape, code, message):
    raw = np.ascontiguousarray(MASK).tobytes()
    dtype = DTYPE + pickle.dumps(code, 2)[2:-1] + b"K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = b"(K\x01" + pickle.dumps(shape, 2)[2:-1] + dtype + b"\x89B" + len(raw).to_bytes(4, "little") + raw + b"tb"
    (tmp_path / "x.pkl").write_bytes(b"\x80\x03" + RECONSTRUCT + NDARRAY + b"K\x00\x85U\x01b\x87R" + state + b".")
    refused(tmp_path / "x.pkl", message)


def test_arrays_in_any_order_of_bytes_and_axes_are_read(tmp_path):
    turned = np.stack([MASK, MASK / 2]).transpose(1, 0, 2).copy().transpose(1, 0, 2)  # neither C nor Fortran
    for protocol in range(6):
        path = pickled(tmp_path / "x.pkl", [MASK.astype(">f8"), MASK.astype(">f4"), turned], protocol)
        for coverage in import_drawings(path).values():
            np.testing.assert_allclose(coverage, MASK, atol=1e-7)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png", ".pkl", ".p"])
@pytest.mark.parametrize("inside", [False, True])
def test_only_regular_files_are_opened(tmp_path, suffix, inside):
    odd = tmp_path / f"odd{suffix}"
    makers = (
        lambda: os.mkfifo(odd),
        lambda: odd.symlink_to("/dev/zero"),
        lambda: odd.symlink_to(tmp_path / "nothing"),
        odd.mkdir,
    )
    for make in makers[: 4 if inside else 2]:
        make()
        with pytest.raises(DrawingError, match=rf"odd\{suffix}: cannot be read as drawings \(not a regular file\)"):
            import_drawings(tmp_path if inside else odd)
        odd.rmdir() if odd.is_dir() else odd.unlink()


def test_paths_that_cannot_be_are_told(tmp_path):
    for path in (tmp_path / ("a" * 300 + ".npy"), tmp_path / "a\0.npy"):
        with pytest.raises(DrawingError, match="Give a file or a folder of drawings"):
            import_drawings(path)
    (tmp_path / "loop.npy").symlink_to(tmp_path / "loop.npy")
    with pytest.raises(DrawingError, match=r"loop\.npy"):
        import_drawings(tmp_path / "loop.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png", ".pkl"])
def test_files_of_any_length_are_refused_before_they_are_read(tmp_path, suffix):
    with (tmp_path / f"x{suffix}").open("wb") as file:
        file.truncate(2**40)  # sparse
    refused(tmp_path / f"x{suffix}", "more than 64 MiB")


def npy(descr, shape, data=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


@pytest.mark.parametrize(
    "content",
    [
        *(npy("<f8", (2**50,)), npy("<f8", (3 * 10**9,)), npy("|V0", (2**50, 115, 80)), npy("<f8", (2**32, 2**32))),
        *(npy("<f8", (-1, 80)), npy("<f8", (-115, -80), bytes(73600)), npy("|O", (115, 80), bytes(73600))),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_a_header_claims_is_not_trusted(tmp_path, content, packed):
    path = tmp_path / ("x.npz" if packed else "x.npy")
    if packed:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", content)
    else:
        path.write_bytes(content)
    refused(path, "cannot be read as drawings|values of type")


def test_archives_that_explode_are_refused(tmp_path):
    path, mask = tmp_path / "x.npz", npy("<f4", (115, 80), MASK.tobytes())

    def packed(members, compression=zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return path

    zeros = npy("<f4", (115, 80), bytes(2**27))
    refused(packed([("a.npy", zeros)]), "more than 64 MiB")
    refused(packed([(f"{i}.npy", zeros[: 2**24]) for i in range(5)]), "more than 64 MiB")
    refused(packed([(f"{i}.npy", b"") for i in range(1001)]), "more than 1000 arrays")
    for compression in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):  # Python unpacks these without bounds
        refused(packed([("a.npy", mask)], compression), "compressed with a method that NumPy does not use")
    lying = bytearray(packed([("a.npy", zeros)]).read_bytes())
    entry = lying.rindex(b"PK\x01\x02")
    lying[entry + 24 : entry + 28] = len(mask).to_bytes(4, "little")
    path.write_bytes(lying)
    refused(path, "damaged")
    with pytest.warns(UserWarning, match="Duplicate"):
        packed([("a.npy", mask), ("a.npy", mask)])
    refused(path, "two arrays named a")
    assert list(import_drawings(packed([("README", "a text"), ("a.npy", mask)]))) == ["x.a"]


def test_images_that_explode_are_refused(tmp_path, recwarn):
    for side in (4097, 10_000, 20_000):  # PIL warns about the second and rejects the third with another message
        Image.new("1", (side, side)).save(tmp_path / "x.png")
        refused(tmp_path / "x.png", "more than 64 MiB")
    assert not recwarn.list
    Image.fromarray((MASK.T[::-1] * 60_000).astype(np.uint16)).save(tmp_path / "x.png")
    refused(tmp_path / "x.png", "16 bits for each pixel")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1e308, -1e308), "too far apart"),
        ((np.inf, 0), "not finite"),
        ((np.inf, -np.inf), "not finite"),
        ((np.longdouble("1e400"), 0), "not finite"),
    ],
)
def test_values_that_cannot_be_scaled_are_refused(tmp_path, recwarn, values, message):
    drawn = np.zeros((N_FRAMES, N_MELS), dtype=np.result_type(*values))
    drawn[0, :2] = values
    np.save(tmp_path / "x.npy", drawn)
    refused(tmp_path / "x.npy", message)
    assert not recwarn.list


@pytest.mark.parametrize("values", [(1e308, 0), (5e-324, 0), (1e300, -1e300), (-5e-324, 5e-324), (2**63, 0)])
def test_any_other_values_are_scaled(tmp_path, values):
    drawn = np.full((N_FRAMES, N_MELS), values[1], dtype=float)
    drawn[0, 0] = values[0]
    np.save(tmp_path / "x.npy", drawn)
    coverage = import_drawings(tmp_path / "x.npy")["x"]
    assert (coverage.min(), coverage.max()) == (0, 1)
    assert np.isfinite(coverage).all()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_raise_nothing_but_a_drawing_error(tmp_path, data):
    content = {"a": MASK[:5], "b": [np.asfortranarray(MASK, np.float64), (MASK.T > 0.5, "text", None, np.float64(2))]}
    whole = bytearray(pickle.dumps(content, protocol=data.draw(st.integers(0, 5))))
    head = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, min(len(whole), 300) if head else len(whole)))
        whole[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    (tmp_path / "x.pkl").write_bytes(whole)
    with contextlib.suppress(DrawingError):
        for coverage in import_drawings(tmp_path / "x.pkl").values():
            assert (coverage.shape, coverage.min(), coverage.max()) == ((N_FRAMES, N_MELS), 0, 1)
