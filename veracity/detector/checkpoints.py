"""Checkpoints of a detector: ours, which carry their own settings, and bare state dictionaries."""

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..jobs.tensors import load_tensors, save_tensors
from ..songs.frontend import FrontEnd
from .model import Detector
from .settings import Architecture

FORMAT = "veracity detector 1"


@dataclass(frozen=True)
class Checkpoint:
    """A detector with what is needed to use it.

    Attributes
    ----------
    detector : Detector
    threshold : float or None
        "sing" is P(sing) > threshold; None when none was tuned.
    settings : dict
        What it was trained with; empty for a foreign checkpoint.
    """

    detector: Detector
    threshold: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: str | os.PathLike, checkpoint: Checkpoint) -> None:
    """Write a checkpoint that carries its own settings; identical content gives identical bytes."""
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
    """Load a checkpoint of ours, or a state dictionary with the names of the published implementation.

    Parameters
    ----------
    path : path-like
    architecture, frontend : optional
        What a bare state dictionary does not tell; the paper's by default. A checkpoint of ours tells its own, and one
        that contradicts `architecture` is refused.

    Raises
    ------
    CheckpointError
        When the file is damaged or of another architecture.
    """
    content = load_tensors(path)
    ours = isinstance(content, dict) and content.get("format") == FORMAT
    if ours:
        own = Architecture(**content["architecture"])
        if architecture is not None and own != architecture:
            raise CheckpointError(f"{path} holds {own}, the configuration asks for {architecture}: set detector.architecture")
        detector = Detector(own, FrontEnd(**content["frontend"]))
        state = content["state_dict"]
    else:
        detector = Detector(architecture, frontend)
        state = content.get("state_dict", content) if isinstance(content, dict) else content
    _load_state(detector, state, path)
    extra = {"threshold": content["threshold"], "settings": content["settings"]} if ours else {}
    return Checkpoint(detector.eval(), **extra)


def _load_state(detector: Detector, state: Any, path: str | os.PathLike) -> None:
    """Copy weights by name; unused convolutions may be absent, anything else must fit."""
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no dictionary of weights: give a .pt with the detector's state dictionary")
    own = detector.state_dict()
    used = {name for name in own if detector.architecture.layers == "ismir2016" or "_16" not in name}
    wrong = [
        f"{name} {tuple(state[name].shape) if name in state else 'is missing'}, expected {tuple(own[name].shape)}"
        for name in sorted(used)
        if not name.endswith("num_batches_tracked") and (name not in state or state[name].shape != own[name].shape)
    ]
    unknown = sorted(set(state) - set(own))
    if wrong or unknown:
        complaint = wrong[0] if wrong else f"{unknown[0]} is unknown"
        raise CheckpointError(
            f"{path} is not a checkpoint of {detector.architecture} ({complaint}; {len(wrong) + len(unknown)} such): "
            "set detector.architecture or give another file"
        )
    kept = {name: tensor for name, tensor in state.items() if tensor.shape == own[name].shape}
    if any(not torch.isfinite(kept[name]).all() for name in kept if name in used):
        raise CheckpointError(f"{path} holds weights that are not finite: train again or give another file")
    detector.load_state_dict({**own, **kept})
