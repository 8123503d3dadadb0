"""Settings that are each admissible and together impossible, refused before the first job.

Ranges of single keys stand in ``workflow/schemas/config.schema.yaml``; what one group of settings decides among its own keys,
its dataclass refuses. This module makes these dataclasses and adds what spans them. It runs whenever the workflow is read, and
so imports neither torch nor librosa, and nothing of the user's.
"""

import ast
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..attacks.settings import DOMAINS, AttackSettings
from ..classifiers.building import ModelSettings
from ..detector.cue import CueSettings
from ..detector.settings import Architecture, TrainingSettings
from ..errors import ConfigError, VeracityError, hint, plain, quoted, shortened
from ..experiments.control_names import IN_ANY_CASE
from ..experiments.pen.shapes import LETTERS, SHAPES, shape_named
from ..explainers.lime import LimeSettings, checked_samples, effective_samples
from ..explainers.settings import ASKED, LIME, READ_OFF, check_needs, explainers_of
from ..games.evaluators import checked_for_all
from ..games.grid import DIRECT_EXACT_SEGMENTS, SegmentGrid, checked_for_sets
from ..jobs.callables import path_of_jobs, spec_of
from ..songs.settings import FrontEnd, excerpt_samples, first_inner_frame
from ..songs.synthesis import SynthesisSettings

FULL_SCALE = 2  # the largest change of a sample that leaves it within +-1


def check_together(config: Mapping[str, Any], *, n_songs: Mapping[str, int] | None) -> None:
    """Check what in a configuration depends on more than one key.

    Parameters
    ----------
    config : mapping
        That has passed `veracity.jobs.config.check`.
    n_songs : mapping of str to int, or None
        Number of songs of each split; None when the corpus is still to be downloaded.

    Raises
    ------
    ConfigError
        Names the keys that do not go together, and the cure.
    """
    detector, sizes = config["detector"], config["frontend"]
    if not config["model"]["build"]:  # else there is no detector
        Architecture(**detector["architecture"]).dense_kernel(sizes["excerpt_frames"], sizes["n_mels"])
    frontend = FrontEnd(**sizes)
    if frontend.hop_samples > frontend.frame_samples:
        raise ConfigError(
            f"frontend.hop_samples {frontend.hop_samples} is more than frontend.frame_samples {frontend.frame_samples}, so "
            "that some audio lies in no frame: lower it"
        )
    TrainingSettings(**detector["training"])
    _check_attacked(detector)
    for domain in DOMAINS:
        AttackSettings(**config["attacks"][domain])
    tried = {"attacks": [config["attacks"]["waveform"]["eps"]], "tuning": config["tuning"]["waveform"]["eps"]}
    for key, eps in tried.items():
        if max(eps) > FULL_SCALE:
            raise ConfigError(f"{key}.waveform.eps is {plain(max(eps))}, where full scale is 1: give at most {FULL_SCALE}")
    _check_lengths(config, frontend)
    _check_model(config)
    _check_lime(config, frontend)
    _check_truth(config)
    _check_drawings(config["drawings"])
    if both := set(config["corpus"]["words"]["sing"]) & set(config["corpus"]["words"]["nosing"]):
        raise ConfigError(f"corpus.words says that {quoted(min(both))} is sing and nosing: leave it in one of them")
    if config["model"]["predict"]:
        check_callable(config["model"]["predict"])
    _check_explainers(config)
    _check_controls(config, frontend)
    if n_songs is not None:
        _check_songs(config, n_songs)


def _check_attacked(detector: Mapping[str, Any]) -> None:
    """Check that the detector that is attacked is one of those that are there."""
    attacked, n = detector["attacked"], detector["n_seeds"]
    if detector["checkpoint"] and attacked != "seed0":
        raise ConfigError(
            f"detector.attacked is {attacked}, and detector.checkpoint is given, which has no seeds: set checkpoint to null to "
            "train, or leave attacked out"
        )
    if not detector["checkpoint"] and attacked not in (names := [f"seed{seed}" for seed in range(n)]):
        raise ConfigError(
            f"detector.attacked is {attacked}, and detector.n_seeds {n} trains {names[0]}"
            + (f" to {names[-1]}" if n > 1 else "")
            + ": raise n_seeds, or attack one of these"
        )


def _check_lengths(config: Mapping[str, Any], frontend: FrontEnd) -> None:
    """Check that synthetic songs and the attacked part of songs are as long as what is looked at at once."""
    parts = {"attacks.seconds": config["attacks"]["seconds"]}
    if config["corpus"]["kind"] == "synthetic":
        songs = SynthesisSettings(**config["corpus"]["synthetic"], sample_rate=frontend.sample_rate)
        parts["corpus.synthetic.seconds"] = songs.seconds
    apart = config["attacks"]["scope"] == "excerpt"
    for key, seconds in parts.items():
        needed = _samples_needed(frontend, apart=apart and key == "attacks.seconds")
        if seconds is not None and round(seconds * frontend.sample_rate) < needed:
            raise ConfigError(
                f"{key} {plain(seconds)} is too short for frontend.excerpt_frames {frontend.excerpt_frames}, which are "
                f"{frontend.excerpt_seconds:.2f} s: give at least {math.ceil(100 * needed / frontend.sample_rate) / 100:.2f}"
            )


def _samples_needed(frontend: FrontEnd, *, apart: bool) -> int:
    """Return how many samples hold one excerpt, or one whose windows see nothing else, and more than the reflections."""
    if apart:
        return excerpt_samples(first_inner_frame(frontend), frontend).stop
    return max(frontend.excerpt_frames * frontend.hop_samples, frontend.frame_samples // 2 + 1)


def _check_lime(config: Mapping[str, Any], frontend: FrontEnd) -> None:
    """Check the grid of segments, and all that is asked of it."""
    lime = LimeSettings(**config["lime"])
    shape = (frontend.excerpt_frames, frontend.n_mels)
    if config["model"]["build"]:  # the shape of its representation is known when it is built
        shape = (lime.n_time, lime.n_band)
    grid = lime.grid(*shape)
    n, shown = grid.n_segments, f"lime.n_time {grid.n_time} times lime.n_band {grid.n_band}"
    if lime.exact:
        checked_for_all(grid)
    checked_for_sets(n)
    weighted = effective_samples(lime.n_samples, n, lime.kernel_width)
    if weighted < n + 1:
        raise ConfigError(
            f"lime.n_samples {lime.n_samples} with lime.kernel_width {plain(lime.kernel_width)} weigh as much as "
            f"{weighted:.2g} masks, which determine no weights of {n} segments: raise one of them"
        )
    for k in config["localised"]["k"]:
        if k > n:
            raise ConfigError(f"localised.k holds {shortened(k)}, the grid has only {n} segments ({shown}): use smaller k")
    for n_samples in config["stability"]["n_samples"]:
        checked_samples(n_samples, n, "stability.n_samples")
    if lime.exact and config["stability"]["n_samples"] and (why := lacks_masks(config)):
        raise ConfigError(
            f"the stability study needs all masks, and {why}: set stability.n_samples to [], or use fewer segments"
        )


def _check_truth(config: Mapping[str, Any]) -> None:
    """Check that the explainers whose contrasts are declared are scored."""
    asked = explainers_of(config["explainers"])
    known = {*READ_OFF, *(f"{one.name}{ASKED}" if one.name in READ_OFF else one.name for one in asked)}
    for key in ("tested", "against"):
        for name in config["truth"][key]:
            explainer, _, fill = name.partition(":")
            if explainer not in known and not (key == "against" and name == "random"):
                raise ConfigError(
                    f"truth.{key} holds {quoted(name)}, which is not among explainers{hint(explainer, known)}: add it there"
                )
            fills = (
                {"mean", "zero", "min", "clean"}
                if explainer in READ_OFF
                else {one.fill for one in asked if one.name == explainer}
            )
            if fill and fill not in fills:
                raise ConfigError(
                    f"truth.{key} holds {quoted(name)}, which is asked about {', '.join(sorted(fills))}: correct it"
                )
            if fill not in ("", "clean", *config["lime"]["fills"]):
                raise ConfigError(f"truth.{key} holds {quoted(name)}, and lime.fills holds no {fill}: add it there")


def lacks_masks(config: Mapping[str, Any]) -> str:
    """Return why not all masks can be evaluated, as far as is known without building a classifier of one's own; or nothing."""
    lime = config["lime"]
    if not lime["exact"]:
        return "lime.exact is false"
    why = "model.predict" if config["model"]["predict"] else "lime.evaluator direct" if lime["evaluator"] == "direct" else ""
    n = lime["n_time"] * lime["n_band"]
    if not why or n <= DIRECT_EXACT_SEGMENTS:
        return ""
    shown = f"lime.n_time {lime['n_time']} times lime.n_band {lime['n_band']}"
    return f"with {why} only those of up to {DIRECT_EXACT_SEGMENTS} segments are evaluated, {shown} is {n}"


def _check_model(config: Mapping[str, Any]) -> None:
    """Check the classifier of one's own, as far as that can be done without building it."""
    own = config["model"]
    if own["threshold"] is not None and not (own["build"] or own["predict"]):
        raise ConfigError(
            "model.threshold is given, and there is no model.build or model.predict: set detector.threshold instead"
        )
    settings = ModelSettings(**{key: own[key] for key in ("build", "label", "threshold", "hop_seconds")})
    if own["predict"] and isinstance(own["threshold"], str):
        raise ConfigError("model.threshold is arg max, and model.predict gives one probability: give a number, or null")
    if not settings.build:
        if own["label"]:
            raise ConfigError("model.label is given, and there is no model.build that has labels: set both, or null")
        return
    if own["predict"]:
        raise ConfigError("model.build and model.predict are both given: leave one, the other null")
    if not own["label"]:
        raise ConfigError("model.label is null: name the label of model.build that is explained; tables call it so, too")
    check_callable(settings.build, "model.build")
    for domain in DOMAINS:
        if config["attacks"][domain]["precision"] != "float32":
            raise ConfigError(f"attacks.{domain}.precision is for the paper's detector alone: set float32 with model.build")


def _check_explainers(config: Mapping[str, Any]) -> None:
    """Check that explainers can be found, and can be asked about the model that is explained."""
    explainers = explainers_of(config["explainers"])
    for one in explainers:
        if one.stored and not os.path.isdir(one.stored):  # noqa: PTH112 - no name is too long for it
            raise ConfigError(f"explainers: {one.name} has stored {quoted(one.stored)}, which is no folder: give one")
        if one.call:
            check_callable(one.call, f"explainers: {one.name}, call", one.options)
    missing = {"the values of all masks": why} if (why := lacks_masks(config)) else {}
    if config["model"]["predict"]:
        missing |= dict.fromkeys(("gradients", "layers"), "model.predict is known by its predictions alone")
    check_needs(explainers, missing)


def _check_controls(config: Mapping[str, Any], frontend: FrontEnd) -> None:
    """Check that controls can be made: what is planted, where, on which grids, and who is asked."""
    asked, n = config["controls"], config["lime"]["n_time"] * config["lime"]["n_band"]
    if not asked["all"]:
        return  # a run that does not make them is not stopped over them; their jobs say the same
    of_model = "build" if config["model"]["build"] else "predict"
    if config["model"][of_model]:
        raise ConfigError(f"controls.all is true, and controls need the paper's detector: set it or model.{of_model} back")
    confined = {key: value for key, value in asked["confined"].items() if key != "segments"}
    AttackSettings(**confined)
    if asked["confined"]["segments"] > n:
        raise ConfigError(f"controls.confined.segments is {asked['confined']['segments']}, a grid has {n}: lower it")
    CueSettings(**asked["cue"]).n_samples(frontend, n_time=config["lime"]["n_time"])
    for name in (name for name in asked["names"] if "x" in name):
        n_time, n_band = map(int, name.removeprefix("grid_").split("x"))
        try:
            checked_for_all(SegmentGrid(n_time, n_band, frontend.excerpt_frames, frontend.n_mels))
        except ConfigError as error:
            raise ConfigError(f"controls.names holds {name}: {error}") from None
    explainers = explainers_of([LIME, *asked["explainers"]])
    check_needs(explainers, {"the values of all masks": why} if (why := lacks_masks(config)) else {})
    for one in explainers:
        if one.stored:
            raise ConfigError(f"controls.explainers: {one.name} is stored for the study's own excerpts: leave it out")
        if one.name in IN_ANY_CASE:
            raise ConfigError(f"controls.explainers: {one.name} is asked in any case: leave it out")
        check_callable(str(one.call), f"controls.explainers: {one.name}, call", one.options)


def _check_drawings(drawings: Mapping[str, Any]) -> None:
    if not drawings["shapes"] and not drawings["folder"]:
        raise ConfigError("drawings.shapes is empty, and drawings.folder is null: nothing could be drawn; give one of them")
    for name in drawings["shapes"]:
        try:
            shape_named(name)
        except VeracityError:
            raise ConfigError(
                f"drawings.shapes holds {quoted(name)}, which is no shape{hint(name, SHAPES)}: choose from "
                f"{', '.join(SHAPES)}, or {LETTERS}TEXT for any text"
            ) from None
    folder = drawings["folder"]
    if folder and not os.path.exists(folder):  # noqa: PTH110 - no name is too long for it
        raise ConfigError(f"drawings.folder {quoted(folder)} does not exist: give a file or a folder of drawings, or null")
    if folder and os.path.isdir(folder) and not any(os.scandir(folder)):  # noqa: PTH112
        raise ConfigError(f"drawings.folder {quoted(folder)} is empty: put drawings there, or give null")


def _check_songs(config: Mapping[str, Any], n_songs: Mapping[str, int]) -> None:
    """Check that there are songs where some are needed."""
    splits, detector = config["attacks"]["splits"], config["detector"]
    needs_detector = not config["model"]["build"]
    if not any(n_songs.get(split) for split in splits):
        having = [split for split, n in n_songs.items() if n]
        cure = f"name {' or '.join(having)}" if having else "add songs to its filelists"
        raise ConfigError(f"the corpus has no songs in attacks.splits {list(splits)}: {cure}")
    if detector["checkpoint"] or not needs_detector:
        return  # it needs no training, and may know its threshold
    if config["corpus"]["kind"] == "audio":
        raise ConfigError(
            "corpus.kind audio has no lists of songs to train on and detector.checkpoint is null: give a checkpoint, or a "
            "corpus in the Jamendo layout (corpus.kind: folder)"
        )
    if not n_songs.get("train"):
        raise ConfigError(
            "the corpus has no songs to train on (filelists/train) and detector.checkpoint is null: "
            "add songs, or give a checkpoint"
        )
    if detector["threshold"] is None and not n_songs.get("valid"):
        raise ConfigError(
            "the corpus has no songs to tune the threshold on (filelists/valid) and detector.threshold is null: "
            "add songs, or set a threshold"
        )


def check_callable(target: str, key: str = "model.predict", options: Iterable[str] = ()) -> None:
    """Check that a callable can be imported by a job and takes keyword arguments, without importing it.

    Parameters
    ----------
    target : str
        ``module:callable``.
    key : str
        That holds it, for messages.
    options : iterable of str
        Names of keyword arguments that it is to be given.

    Raises
    ------
    ConfigError
        When there is no such module where jobs look for one, or when its source defines no such name or one without such
        arguments.
    """
    module, _, name = target.partition(":")
    spec = spec_of(module, path_of_jobs())
    if spec is None or (spec.origin is None and spec.submodule_search_locations is not None):  # a folder without code
        raise ConfigError(f"{key} {quoted(target)}: no module {shortened(module)} is found: put its folder on PYTHONPATH")
    source = Path(spec.origin or "")
    if source.suffix != ".py" or not source.is_file():
        return  # compiled or in an archive: what it defines is known when it is imported
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f"line {line} of {source}" if line else source
        raise ConfigError(f"{key} {quoted(target)}: {where} is no Python: mend it") from None
    except OSError as error:
        raise ConfigError(f"{key} {quoted(target)}: {source} cannot be read ({error.strerror}): mend that") from None
    defined = {*_names_of(tree), *(name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names)}
    if name not in defined and not defined & {"*", "__getattr__"}:
        raise ConfigError(
            f"{key} {quoted(target)}: {source} defines no {shortened(name)}{hint(name, defined)}: name what it defines"
        )
    defines = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if len(defines) == 1 and not defines[0].decorator_list and not defines[0].args.kwarg:
        takes = defines[0].args
        known = [argument.arg for argument in (*takes.args[1:], *takes.kwonlyargs)]
        for option in options:
            if option not in known:
                raise ConfigError(
                    f"{key} {quoted(target)} takes no option {quoted(option)}{hint(option, known)}: "
                    + (f"choose of {', '.join(known)}" if known else "it has none")
                )


def _names_of(node: ast.AST) -> Iterator[str]:
    """Yield the names that a module's statements bind, ``*`` where more may be bound than can be told."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
        elif isinstance(child, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in child.names)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.Name) and child.id in ("globals", "exec", "vars", "setattr"):
            yield "*"
        elif not isinstance(child, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            yield from _names_of(child)
