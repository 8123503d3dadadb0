"""Checks of configuration keys against each other, before the first job.

The checks run whenever the Snakefile is parsed. They therefore import neither torch nor librosa nor user code.
"""

import ast
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..attacks.settings import DOMAINS
from ..errors import ConfigError, VeracityError, hint, plain, quoted, shortened
from ..experiments.drawing.shapes import LETTERS, SHAPES, shape_named
from ..explainers.lime import checked_samples, effective_samples
from ..explainers.settings import (
    ALWAYS_EVALUATED,
    CLEAN,
    EXACT_BASELINES,
    LIME,
    READY,
    REQUESTED_SUFFIX,
    check_needs,
    explainers_of,
)
from ..games.evaluators import checked_for_all
from ..games.grid import DIRECT_EXACT_SEGMENTS, SegmentGrid, checked_for_sets
from ..jobs.callables import path_of_jobs, spec_of
from ..songs.settings import FrontEnd, excerpt_samples, first_inner_frame
from ..songs.synthesis import SynthesisSettings
from .configuration import Configuration


def _refused(key: str, problem: str, value: object, cure: str) -> ConfigError:
    """Return the error of a key whose value contradicts those of other keys; `cure` is an imperative."""
    return ConfigError(f"{key}: {problem}, got {value if isinstance(value, str) else quoted(value)}. {cure}.")


def check_together(config: Configuration, *, n_songs: Mapping[str, int] | None) -> None:
    """Raise ConfigError, which names a key and the cure, if keys of a validated configuration contradict each other.

    `n_songs` is the number of songs of each split, or None if the corpus has not been downloaded.
    """
    frontend, words = config.frontend, config.corpus.words
    if not config.model.build:  # a user-supplied classifier replaces the detector
        config.detector.architecture.dense_kernel(frontend.excerpt_frames, frontend.n_mels)
    if frontend.hop_samples > frontend.frame_samples:
        problem = f"larger than frontend.frame_samples {frontend.frame_samples} (frames would skip some audio)"
        raise _refused("frontend.hop_samples", problem, frontend.hop_samples, "Lower it")
    _check_attacked(config)
    _check_lengths(config)
    _check_model(config)
    _check_lime(config)
    _check_truth(config)
    _check_drawings(config)
    if both := set(words.sing) & set(words.nosing):
        raise _refused("corpus.words", "must differ between sing and nosing", quoted(min(both)), "Leave it out of one of them")
    _check_explainers(config)
    _check_controls(config)
    if n_songs is not None:
        _check_songs(config, n_songs)


def _check_attacked(config: Configuration) -> None:
    """Check that the attacked detector exists."""
    key, attacked, n = "detector.attacked", config.detector.attacked, config.detector.n_seeds
    if config.detector.checkpoint:
        if attacked != "seed0":
            cure = "Leave it out, or set detector.checkpoint to null"
            raise _refused(key, "detector.checkpoint has no seeds", attacked, cure)
    elif attacked not in (names := [f"seed{seed}" for seed in range(n)]):
        trained = names[0] + (f" to {names[-1]}" if n > 1 else "")
        cure = "Raise detector.n_seeds, or attack one of these"
        raise _refused(key, f"detector.n_seeds {n} trains {trained}", attacked, cure)


def _check_lengths(config: Configuration) -> None:
    """Check that synthetic songs and the attacked part of songs are long enough for an excerpt."""
    frontend, parts = config.frontend, {"attacks.seconds": config.attacks.seconds}
    if config.corpus.kind == "synthetic":
        size = config.corpus.synthetic
        SynthesisSettings(size.n_train, size.n_valid, size.n_test, size.seconds, frontend.sample_rate)
        parts["corpus.synthetic.seconds"] = size.seconds
    apart = config.attacks.scope == "excerpt"
    for key, seconds in parts.items():
        needed = _samples_needed(frontend, apart=apart and key == "attacks.seconds")
        if seconds is not None and round(seconds * frontend.sample_rate) < needed:
            problem = f"too short for frontend.excerpt_frames {frontend.excerpt_frames} ({frontend.excerpt_seconds:.2f} s)"
            least = math.ceil(100 * needed / frontend.sample_rate) / 100
            raise _refused(key, problem, plain(seconds), f"Give at least {least:.2f}")


def _samples_needed(frontend: FrontEnd, *, apart: bool) -> int:
    """Return the number of samples needed for an excerpt, which must be entirely inside the audio if `apart` is true."""
    if apart:
        return excerpt_samples(first_inner_frame(frontend), frontend).stop
    return max(frontend.excerpt_frames * frontend.hop_samples, frontend.frame_samples // 2 + 1)


def _check_lime(config: Configuration) -> None:
    """Check the grid of segments and the computations that depend on it."""
    lime, frontend = config.lime, config.frontend
    # The shape of the representation of a user-supplied classifier is unknown before it is built.
    shape = (lime.n_time, lime.n_band) if config.model.build else (frontend.excerpt_frames, frontend.n_mels)
    grid = lime.grid(*shape)
    n = grid.n_segments
    if lime.exact:
        checked_for_all(grid)
    checked_for_sets(n)
    weighted = effective_samples(lime.n_samples, n, lime.kernel_width)
    if weighted < n + 1:
        width = plain(lime.kernel_width)
        problem = f"equivalent to only {weighted:.2g} masks at lime.kernel_width {width}, too few for {n} segments"
        raise _refused("lime.n_samples", problem, lime.n_samples, "Raise it, or lime.kernel_width")
    if max(config.localised.k) > n:
        problem = f"the grid has only {n} segments (lime.n_time {lime.n_time} times lime.n_band {lime.n_band})"
        raise _refused("localised.k", problem, max(config.localised.k), "Use smaller values")
    for n_samples in config.stability.n_samples:
        checked_samples(n_samples, n, "stability.n_samples")
    if lime.exact and config.stability.n_samples and (why := lacks_masks(config)):
        problem = f"the study requires all masks, but {why}"
        raise _refused("stability.n_samples", problem, list(config.stability.n_samples), "Set it to [], or use fewer segments")


def _check_truth(config: Configuration) -> None:
    """Check that the explainers of the contrasts are evaluated."""
    fills_of = {name: {"mean", "zero", "min", CLEAN} for name in EXACT_BASELINES}
    for one in explainers_of(config.explainers):
        fills_of[f"{one.name}{REQUESTED_SUFFIX}" if one.name in EXACT_BASELINES else one.name] = {str(one.fill)}
    for key in ("tested", "against"):
        for name in getattr(config.truth, key):
            explainer, _, fill = name.partition(":")
            if key == "against" and name == "random":
                continue
            if explainer not in fills_of:
                problem, cure = "not among explainers", f"Add it to explainers{hint(explainer, fills_of.keys() | READY.keys())}"
            elif fill and fill not in fills_of[explainer]:
                problem, cure = "not evaluated with this fill", f"Choose {', '.join(sorted(fills_of[explainer]))}"
            elif fill not in ("", CLEAN, *config.lime.fills):
                problem, cure = f"lime.fills does not contain {fill}", "Add it"
            else:
                continue
            raise _refused(f"truth.{key}", problem, quoted(name), cure)


def lacks_masks(config: Configuration, *, n_time: int | None = None, n_band: int | None = None) -> str:
    """Return why not all masks of a grid, by default that of the run, can be evaluated; an empty string if all can."""
    lime = config.lime
    if not lime.exact:
        return "lime.exact is false"
    why = "model.predict" if config.model.predict else "lime.evaluator direct" if lime.evaluator == "direct" else ""
    n_time, n_band = n_time or lime.n_time, n_band or lime.n_band
    if not why or n_time * n_band <= DIRECT_EXACT_SEGMENTS:
        return ""
    shown = f"lime.n_time {n_time} times lime.n_band {n_band} is {n_time * n_band}"
    return f"with {why} they are evaluated only for up to {DIRECT_EXACT_SEGMENTS} segments ({shown})"


def _check_model(config: Configuration) -> None:
    """Check a user-supplied model, as far as possible without building it."""
    model = config.model
    if model.predict:
        if model.build:
            raise _refused("model.predict", "model.build is also given", quoted(model.predict), "Set one of them to null")
        if model.threshold == "arg max":
            raise _refused("model.threshold", "model.predict returns one probability", "arg max", "Give a number, or null")
        _check_callable(model.predict, "model.predict")
    elif not model.build and model.threshold is not None:
        cure = "Set detector.threshold instead"
        raise _refused("model.threshold", "there is no model.build or model.predict", model.threshold, cure)
    if model.label and not model.build:
        raise _refused("model.label", "requires model.build", quoted(model.label), "Set both, or set it to null")
    if model.build and not model.label:
        raise _refused("model.label", "required if model.build is set", "null", "Name the label of model.build to explain")
    if model.build:
        _check_callable(model.build, "model.build")
        for domain in DOMAINS:
            if (precision := getattr(config.attacks, domain).precision) != "float32":
                raise _refused(f"attacks.{domain}.precision", "requires the paper's detector", precision, "Set it to float32")


def _check_callable(target: str, key: str, options: Iterable[str] = ()) -> None:
    """Check, without importing it, that jobs can import ``module:callable`` and that it accepts the keyword arguments."""
    module, _, name = target.partition(":")
    spec = spec_of(module, path_of_jobs())
    if spec is None or (spec.origin is None and spec.submodule_search_locations is not None):  # a namespace package
        raise _refused(key, f"no module {shortened(module)}", quoted(target), "Put its folder on PYTHONPATH")
    source = Path(spec.origin or "")
    if source.suffix != ".py" or not source.is_file():
        return  # compiled or in an archive, so that its names are known only after import
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
        problem = f"{source} cannot be read as Python ({shortened(str(error))})"
        raise _refused(key, problem, quoted(target), "Correct it") from None
    words = set(re.findall(r"\w+|(?<=import )[*]", source.read_text(encoding="utf-8", errors="replace")))
    if name not in words and not words & {"*", "__getattr__", "globals", "exec", "vars", "setattr"}:
        cure = f"Give a name that it defines{hint(name, words)}"
        raise _refused(key, f"{source} does not define {shortened(name)}", quoted(target), cure)
    defines = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if len(defines) != 1 or defines[0].decorator_list or defines[0].args.kwarg:
        return
    known = [argument.arg for argument in (*defines[0].args.args[1:], *defines[0].args.kwonlyargs)]
    for option in options:
        if option not in known:
            cure = f"Choose from {', '.join(known)}" if known else "Leave it out, as there are no options"
            raise _refused(key, f"unknown option of {target}", quoted(option), f"{cure}{hint(option, known)}")


def _check_explainers(config: Configuration) -> None:
    """Check that the explainers exist and are applicable to the model."""
    explainers = explainers_of(config.explainers)
    for one in explainers:
        if one.stored and not os.path.isdir(one.stored):  # noqa: PTH112 - does not raise for long names
            raise _refused(f"explainers.{one.name}.stored", "must be a folder", quoted(one.stored), "Give the path to one")
        if one.call:
            _check_callable(one.call, f"explainers.{one.name}.call", one.options)
    missing = {"the values of all masks": why} if (why := lacks_masks(config)) else {}
    if config.model.predict:
        missing |= dict.fromkeys(("gradients", "layers"), "model.predict provides only predictions")
    check_needs(explainers, missing)


def _check_controls(config: Configuration) -> None:
    """Check causes, grids and explainers of the controls."""
    controls, lime, frontend, model = config.controls, config.lime, config.frontend, config.model
    if not controls.all:
        return  # runs without controls are not rejected, and the jobs of controls check the same conditions
    if model.build or model.predict:
        cure = f"Set it to false, or model.{'build' if model.build else 'predict'} to null"
        raise _refused("controls.all", "controls require the paper's detector", "true", cure)
    if controls.confined.segments > (n := lime.n_time * lime.n_band):
        problem = f"must be at most {n}, the number of segments of the grid"
        raise _refused("controls.confined.segments", problem, controls.confined.segments, "Lower it")
    controls.shortcut.n_samples(frontend, n_time=lime.n_time)
    for name in (name for name in controls.names if "x" in name):
        n_time, n_band = map(int, name.removeprefix("grid_").split("x"))
        try:
            checked_for_all(SegmentGrid(n_time, n_band, frontend.excerpt_frames, frontend.n_mels))
        except ConfigError as error:
            problem = f"grid is not possible ({str(error).removesuffix('.')})"
            raise _refused("controls.names", problem, quoted(name), "Choose a coarser grid, or leave it out") from None
    explainers = explainers_of([LIME, *controls.explainers])
    check_needs(explainers, {"the values of all masks": why} if (why := lacks_masks(config)) else {})
    for one in explainers:
        if one.stored:
            problem = "stored attributions are for the excerpts of the study"
            raise _refused("controls.explainers", problem, one.name, "Leave it out")
        if one.name in ALWAYS_EVALUATED:
            raise _refused("controls.explainers", "always evaluated", one.name, "Leave it out")
        _check_callable(str(one.call), f"controls.explainers.{one.name}.call", one.options)


def _check_drawings(config: Configuration) -> None:
    """Check that there are shapes to draw and that their names and paths exist."""
    shapes, folder = config.drawings.shapes, config.drawings.folder
    if not shapes and not folder:
        raise _refused("drawings.shapes", "empty, and drawings.folder is null", "[]", "Give one of them")
    for name in shapes:
        try:
            shape_named(name)
        except VeracityError:
            cure = f"Choose from {', '.join(SHAPES)}, or {LETTERS}TEXT for any text{hint(name, SHAPES)}"
            raise _refused("drawings.shapes", "unknown shape", quoted(name), cure) from None
    if folder and not os.path.exists(folder):  # noqa: PTH110 - does not raise for long names
        raise _refused("drawings.folder", "does not exist", quoted(folder), "Give a file or a folder of drawings, or null")
    if folder and os.path.isdir(folder) and not any(os.scandir(folder)):  # noqa: PTH112
        raise _refused("drawings.folder", "empty folder", quoted(folder), "Put drawings there, or give null")


def _check_songs(config: Configuration, n_songs: Mapping[str, int]) -> None:
    """Check that all splits that the run requires contain songs."""
    splits, detector = config.attacks.splits, config.detector
    if not any(n_songs.get(split) for split in splits):
        having = [split for split, n in n_songs.items() if n]
        cure = f"Use {' or '.join(having)}" if having else "Add songs to the filelists of the corpus"
        raise _refused("attacks.splits", "the corpus has no songs in these splits", list(splits), cure)
    if detector.checkpoint or config.model.build:
        return  # no training, and the checkpoint may contain a threshold
    if config.corpus.kind == "audio":
        cure = "Give a detector.checkpoint, or a corpus in the Jamendo layout (corpus.kind: folder)"
        raise _refused("corpus.kind", "no lists of songs to train on, and detector.checkpoint is null", "audio", cure)
    if not n_songs.get("train"):
        problem = "the corpus has no songs to train on (filelists/train)"
        raise _refused("detector.checkpoint", problem, "null", "Add songs, or give a checkpoint")
    if detector.threshold is None and not n_songs.get("valid"):
        problem = "the corpus has no songs to tune the threshold on (filelists/valid)"
        raise _refused("detector.threshold", problem, "null", "Add songs, or set a threshold")
