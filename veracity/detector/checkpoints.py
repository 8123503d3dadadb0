"""Checkpoints of a detector: veracity checkpoints, which contain their settings, and bare state dictionaries."""

import os
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from torch import Tensor

from ..errors import CheckpointError, ConfigError, quoted, shortened, within
from ..jobs.tensors import load_tensors, save_tensors
from ..songs.frontend import FrontEnd
from .model import Detector
from .network import Network
from .pretrained import checkpoint_path
from .settings import Architecture

FORMAT = "veracity detector 1"


def _exactly(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


#: Schema of a veracity checkpoint; the settings classes validate the values in it.
SCHEMA = Draft202012Validator(
    _exactly(
        format={"const": FORMAT},
        architecture=_exactly(layers={"type": "string"}, zero_mean={"type": "boolean"}),
        frontend=_exactly(**{f.name: {} for f in fields(FrontEnd)}),
        threshold={"type": ["number", "null"]},
        settings={"type": "object"},
        state_dict={"type": "object"},
    )
)
#: Keys under which training programs store a state dictionary next to the state of the optimiser and other entries.
CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "weights")
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
COUNTS = (torch.int64, torch.int32)


@dataclass(frozen=True)
class Checkpoint:
    """Detector with its threshold and the settings that produced it.

    Attributes
    ----------
    detector : Detector
        The trained detector.
    threshold : float or None
        Decision threshold: "sing" is P(sing) > threshold. None if no threshold was tuned.
    settings : dict
        Settings of the training or import that produced the detector; empty for a bare state dictionary.
    """

    detector: Detector
    threshold: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.threshold is not None:
            within(self.threshold, 0, 1, "threshold")


def save_checkpoint(path: str | os.PathLike, checkpoint: Checkpoint) -> None:
    """Write a checkpoint that contains its settings; identical content gives identical bytes."""
    detector = checkpoint.detector
    content = {
        "format": FORMAT,
        "architecture": asdict(detector.architecture),
        "frontend": asdict(detector.frontend),
        "threshold": checkpoint.threshold,
        "settings": checkpoint.settings,
        "state_dict": {name: tensor.detach().cpu().contiguous() for name, tensor in detector.state_dict().items()},
    }
    save_tensors(path, content)


def load_checkpoint(
    path: str | os.PathLike, *, architecture: Architecture | None = None, frontend: FrontEnd | None = None
) -> Checkpoint:
    """Load a veracity checkpoint, or a state dictionary with the parameter names of the published implementation.

    A state dictionary may be stored under one of `CONTAINERS`, and its names may share a prefix (``module.``, ``model.``,
    ``_orig_mod.``). Weights of other precisions are converted to float32.

    Parameters
    ----------
    path : path-like
        Path to the checkpoint file, or "pretrained" for the detector that is part of the package.
    architecture : Architecture, optional
        Architecture of a bare state dictionary, by default the paper's. A veracity checkpoint must agree with it if it is
        given.
    frontend : FrontEnd, optional
        Front end of a bare state dictionary, by default the paper's. A veracity checkpoint must agree with it if it is given.

    Returns
    -------
    Checkpoint
        Detector in evaluation mode. The threshold is None for a bare state dictionary.

    Raises
    ------
    CheckpointError
        If the file is damaged, has another architecture or front end, or contains invalid settings or weights.
    """
    path = checkpoint_path(path)
    content = load_tensors(path)
    if not _is_ours(content):
        detector = _detector(architecture, frontend, _found_weights(content, path), path)
        return Checkpoint(detector.eval())
    _check_ours(content, path)
    try:
        stored = Architecture(**content["architecture"]), FrontEnd(**content["frontend"])
        _compare(stored[0], architecture, "detector.architecture", path)
        _compare(stored[1], frontend, "frontend", path)
        detector = _detector(*stored, content["state_dict"], path)
        return Checkpoint(detector.eval(), threshold=content["threshold"], settings=content["settings"])
    except ConfigError as error:
        problem = str(error).removesuffix(".")
        raise CheckpointError(f"{path}: invalid settings ({problem}). Train again, or give another file.") from None


#: Types from which `as_network` obtains a detector; a string or path names a checkpoint file.
AnyDetector = Network | Detector | Checkpoint | str | os.PathLike


def as_network(detector: AnyDetector) -> Network:
    """Return the network of a detector, given as a network, module, checkpoint or path to a checkpoint file."""
    if isinstance(detector, Network):
        return detector
    if isinstance(detector, str | os.PathLike):
        detector = load_checkpoint(detector)
    return (detector.detector if isinstance(detector, Checkpoint) else detector).network()


def _is_ours(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    return str(content.get("format")).startswith("veracity detector") or {"architecture", "frontend"} <= content.keys()


def _check_ours(content: dict[str, Any], path: str | os.PathLike) -> None:
    """Raise CheckpointError if the keys or types of a veracity checkpoint are invalid."""
    written = content.get("format")
    if isinstance(written, str) and written.startswith("veracity detector") and written != FORMAT:
        raise CheckpointError(
            f"{path}: must have the format {FORMAT!r} of this version of veracity, got {quoted(written)}. "
            "Use the version that wrote it, or train again."
        )
    if (wrong := best_match(SCHEMA.iter_errors(content))) is not None:
        where = ".".join(map(str, wrong.absolute_path))
        raise CheckpointError(
            f"{path}: invalid content ({f'{where}: ' if where else ''}{shortened(wrong.message, 120)}). "
            "Train again, or give another file."
        )


def _compare(stored: Any, expected: Any, key: str, path: str | os.PathLike) -> None:
    """Raise CheckpointError if the settings of a checkpoint differ from the requested ones."""
    if expected is None or stored == expected:
        return
    pairs = {f"{key}.{f.name}": (getattr(stored, f.name), getattr(expected, f.name)) for f in fields(stored)}
    different = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    differences = ", ".join(f"{name} {mine} instead of {other}" for name, (mine, other) in different.items())
    raise CheckpointError(
        f"{path}: does not match the configuration, got {differences}. Set {', '.join(different)} as in the checkpoint, or "
        "give another file."
    )


def _found_weights(content: Any, path: str | os.PathLike) -> dict[Any, Any]:
    """Return the state dictionary in the content of a file, without the common prefix of its names."""
    weights = content
    while isinstance(weights, dict) and not all(isinstance(value, Tensor) for value in weights.values()):
        keys = [key for key in CONTAINERS if isinstance(weights.get(key), dict)]
        if len(keys) > 1:
            raise CheckpointError(
                f"{path}: must contain weights under one key, got {' and '.join(keys)}. Save one of them alone."
            )
        weights = weights[keys[0]] if keys else None
    if not isinstance(weights, dict) or not weights:
        raise CheckpointError(f"{path}: contains no dictionary of weights. Give a .pt file with the state dictionary.")
    first = next((name for name in weights if isinstance(name, str) and name.endswith("conv1.weight")), "")
    prefix = first.removesuffix("conv1.weight")
    if all(isinstance(name, str) and name.startswith(prefix) for name in weights):
        return {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return weights


def _detector(
    architecture: Architecture | None, frontend: FrontEnd | None, state: dict[Any, Any], path: str | os.PathLike
) -> Detector:
    """Create a detector from named weights; unused convolutions may be absent, everything else must fit."""
    with torch.device("meta"):  # names and shapes without allocating memory
        initial = Detector(architecture, frontend).state_dict()
    _check_fit(state, initial, architecture or Architecture(), path)
    detector = Detector(architecture, frontend)
    initial = detector.state_dict()
    fitting = [name for name in state if state[name].shape == initial[name].shape]
    detector.load_state_dict({**initial, **{name: _converted(name, state[name], initial[name], path) for name in fitting}})
    return detector


def _check_fit(state: dict[Any, Any], expected: dict[str, Tensor], architecture: Architecture, path: str | os.PathLike) -> None:
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(f"{path}: must contain a dictionary of named weights, got {quoted(name)}. Give another file.")
        if (kind := _strange_kind(name, tensor)) is not None:
            raise CheckpointError(
                f"{path}: weights must be dense floating-point tensors, got {shortened(name)} ({kind}). Save those of the "
                "trained detector in this form."
            )
    used = {name for name in expected if architecture.layers == "ismir2016" or "_16" not in name}
    wrong = [
        f"{name} {tuple(state[name].shape) if name in state else 'is missing'}, expected {tuple(expected[name].shape)}"
        for name in sorted(used)
        if not name.endswith("num_batches_tracked") and (name not in state or state[name].shape != expected[name].shape)
    ]
    unknown = sorted(set(state) - set(expected))
    if wrong or unknown:
        complaint = wrong[0] if wrong else f"{shortened(unknown[0])} is unknown"
        raise CheckpointError(
            f"{path}: does not match {architecture} ({complaint}; {len(wrong) + len(unknown)} differences). Set "
            "detector.architecture, frontend.n_mels and frontend.excerpt_frames as in the checkpoint, or give another file."
        )


def _strange_kind(name: str, tensor: Tensor) -> str | None:
    """Return the reason why a tensor cannot be a weight of the detector, or None if it can."""
    if tensor.is_quantized:
        return "quantised"
    if tensor.is_meta:
        return "without values"
    if tensor.is_nested or tensor.layout != torch.strided:
        return "nested" if tensor.is_nested else f"{tensor.layout}".removeprefix("torch.").replace("_", " ")
    admitted = COUNTS if name.endswith("num_batches_tracked") else FLOATS
    return None if tensor.dtype in admitted else f"{tensor.dtype}".removeprefix("torch.")


def _converted(name: str, tensor: Tensor, expected: Tensor, path: str | os.PathLike) -> Tensor:
    """Return weights in the expected type, or raise CheckpointError if they are not finite or a variance is negative."""
    converted = tensor.detach().to(expected.dtype)
    if not torch.isfinite(converted).all():
        raise CheckpointError(f"{path}: weights of {name} are not finite. Train again, or give another file.")
    if name.endswith("running_var") and (converted < 0).any():
        raise CheckpointError(f"{path}: variances of {name} are below zero. Train again, or give another file.")
    return converted
