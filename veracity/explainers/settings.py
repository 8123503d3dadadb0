"""Settings of explainers, and the built-in explainers by name.

This module imports neither torch nor NumPy.

References
----------
The module of each built-in explainer cites the paper of its method.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from ..errors import ConfigError, hint, one_of, quoted, within

QuestionFill = Literal["mean", "zero", "min", "clean"]
CLEAN: Final = "clean"  # name of the fill that defines the perturbation game
LIME = "lime"  # LIME as in the paper, computed by a separate stage
NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Reference curves, which are not explainers: the best ranking, and the best, random (expected) and worst set of each size.
BOUNDS = ("best_ranking", "best_set", "random_set", "worst_set")
REQUESTED_SUFFIX = "_asked"
#: Names that have another meaning in tables.
RESERVED = (*BOUNDS, LIME, "lime_exact", "norm", "best", "best_found", "random", "random_sampled", "worst", "sampled", "exact")
#: Baselines that the truth study computes from games that are evaluated anyway. A configured explainer with one of these names
#: is listed as "<name>_asked".
EXACT_BASELINES = (
    *("norm", "lime", "lime_exact", "lime_difference", "lime_exact_difference", "shapley", "banzhaf"),
    *("lime_logit", "shapley_logit", "banzhaf_logit", "smallest_set"),
)
#: Baselines that every control computes from its games, in addition to the configured explainers.
ALWAYS_EVALUATED = ("norm", LIME, "lime_exact", "shapley")
POSITIVE, AS_MANY = "_positive", "_as_many"  # suffixes that tables append to the name of an explainer


@dataclass(frozen=True)
class ExplainerSettings:
    """Settings of one explainer.

    Attributes
    ----------
    name : str
        Name in tables, figures and file names: lower-case letters, digits and underscores.
    call : str or None
        Import path of the explainer, ``module:callable``.
    stored : str or None
        Folder of stored attributions, instead of `call`. It contains ``<domain>/<song>.npz`` with ``weights``, shape
        (n_excerpts, n_segments), and the ``start_frame`` of each excerpt.
    fill : {"mean", "zero", "min", "clean"}
        Content of switched-off segments, "mean" by default. With "clean", the clean excerpt, the explained game is the
        perturbation game, which requires a privileged explainer.
    privileged : bool
        Whether the explainer has access to the clean excerpt, False by default.
    signed : bool
        Whether positive weights mean evidence for the label, True by default. Otherwise only the order of the weights has a
        meaning, and results for "all segments of positive weight" are not meaningful.
    budget : int or None
        Query budget for one excerpt; None (default) for no limit.
    options : mapping
        Keyword arguments of the callable.
    """

    name: str
    call: str | None = None
    stored: str | None = None
    fill: QuestionFill = "mean"
    privileged: bool = False
    signed: bool = True
    budget: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and NAME.fullmatch(self.name) and len(self.name) <= 60):
            raise ConfigError(
                f"explainers: name must consist of lower-case letters, digits and underscores, got {quoted(self.name)}. "
                "Give another name with `name:`."
            )
        if self.name in RESERVED or self.name.endswith((POSITIVE, AS_MANY, REQUESTED_SUFFIX)):
            raise ConfigError(f"explainers: name is reserved for tables, got '{self.name}'. Give another name with `name:`.")
        key = f"explainers.{self.name}"
        one_of(self.fill, get_args(QuestionFill), f"{key}.fill")
        for name in ("call", "stored"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                cure = "Give module:callable" if name == "call" else "Give a folder"
                raise ConfigError(f"{key}.{name}: must be text, got {quoted(value)}. {cure}.")
        if self.stored and (self.options or self.budget is not None or self.fill != "mean"):
            raise ConfigError(f"{key}.stored: allows no options, budget or fill, got {quoted(self.stored)}. Leave them out.")
        if (self.call is None) == (self.stored is None):
            given = "neither" if self.call is None else "both"
            raise ConfigError(f"{key}: must have call or stored, got {given}. Give call, as in my_module:explain, or a folder.")
        if self.fill == CLEAN and not self.privileged:
            raise ConfigError(
                f"{key}.fill: requires privileged access to the clean excerpt, got '{CLEAN}'. "
                "Set privileged: true, or another fill."
            )
        for name in ("privileged", "signed"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{key}.{name}: must be true or false, got {quoted(getattr(self, name))}.")
        if not isinstance(self.options, Mapping):
            raise ConfigError(f"{key}.options: must be a mapping, got {quoted(self.options)}. Give keyword arguments.")
        if self.budget is not None:
            within(self.budget, 0, 2**40, f"{key}.budget", whole=True)


def _ready(module: str, function: str, **settings: Any) -> dict[str, Any]:
    return {"call": f"veracity.explainers.{module}:{function}", **settings}


_CLEAN = {"fill": CLEAN, "privileged": True}
#: Built-in explainers by name. Settings in the configuration take precedence.
READY: dict[str, dict[str, Any]] = {
    "lime_perturbation": _ready("surrogate", "lime", budget=8192, **_CLEAN),
    "lime_perturbation_exact": _ready("surrogate", "lime_exact", **_CLEAN),
    "lime_difference": _ready("surrogate", "lime_difference", privileged=True, budget=16384),
    "shapley": _ready("exact", "shapley"),
    "banzhaf": _ready("exact", "banzhaf"),
    "shapley_perturbation": _ready("exact", "shapley", **_CLEAN),
    "banzhaf_perturbation": _ready("exact", "banzhaf", **_CLEAN),
    "smallest_set": _ready("exact", "smallest_set", signed=False),
    "kernel_shap": _ready("sampling", "kernel_shap", budget=2048),
    "permutation_shap": _ready("sampling", "permutation_shap", budget=2048),
    "svarm": _ready("sampling", "svarm", budget=2048),
    "kadd_shap": _ready("sampling", "kadd_shap", budget=2048),
    "occlusion": _ready("single", "leave_one_out", budget=1001),
    "add_one_in": _ready("single", "add_one_in", budget=1001),
    "saliency": _ready("gradients", "saliency", signed=False, budget=2),
    "input_x_gradient": _ready("gradients", "input_x_gradient", budget=2),
    "gradient_x_difference": _ready("gradients", "gradient_x_difference", budget=2),
    "integrated_gradients": _ready("gradients", "integrated_gradients", budget=410),
    "smoothgrad": _ready("gradients", "smoothgrad", budget=100),
    "deeplift": _ready("layers", "deeplift", budget=8),
    "grad_cam": _ready("layers", "grad_cam", budget=8),
    "energy": _ready("controls", "energy", signed=False, budget=0),
    "random_order": _ready("controls", "random_order", signed=False, budget=0),
    "constant": _ready("controls", "constant", signed=False, budget=0),
    "perturbation_norm": _ready("controls", "perturbation_norm", signed=False, privileged=True, budget=0),
    "gradient_x_perturbation": _ready("gradients", "gradient_x_difference", budget=2, **_CLEAN),
    "integrated_gradients_perturbation": _ready("gradients", "integrated_gradients", budget=410, **_CLEAN),
    "greedy_forward": _ready("search", "greedy_forward", signed=False, budget=512, **_CLEAN),
    "greedy_backward": _ready("search", "greedy_backward", signed=False, budget=512, **_CLEAN),
    "beam_search": _ready("search", "beam_search", signed=False, budget=512, **_CLEAN),
    "local_search": _ready("search", "local_search", signed=False, budget=512, **_CLEAN),
    "random_search": _ready("search", "random_search", signed=False, budget=512, **_CLEAN),
}


_ALL_MASKS = "the values of all masks"
# Capabilities that explainers of this package need, by module or by function.
_NEEDS = {"exact": _ALL_MASKS, "gradients": "gradients", "layers": "layers", "surrogate:lime_exact": _ALL_MASKS}
_NEEDS |= {"difference:shapley": _ALL_MASKS, "difference:lime_logit": _ALL_MASKS}


def need_of(explainer: ExplainerSettings) -> str:
    """Return the capability of the model that a built-in explainer needs, or an empty string."""
    function = (explainer.call or "").removeprefix("veracity.explainers.")
    return _NEEDS.get(function) or _NEEDS.get(function.partition(":")[0], "")


def check_needs(explainers: Sequence[ExplainerSettings], missing: Mapping[str, str]) -> None:
    """Reject built-in explainers that the explained model does not support.

    Parameters
    ----------
    explainers : sequence of ExplainerSettings
        Explainers to check.
    missing : mapping of str to str
        Reason for each capability that the model lacks, out of "the values of all masks", "gradients" and "layers".

    Raises
    ------
    ConfigError
        If an explainer needs a missing capability. The message names the explainer.
    """
    for explainer in explainers:
        if (need := need_of(explainer)) in missing:
            raise ConfigError(
                f"explainers.{explainer.name}: requires {need}, but {missing[need]}. "
                "Leave the explainer out, or change this key."
            )


def stored_file(explainer: ExplainerSettings, domain: str, song: str) -> Path:
    """Return the path to the stored attributions of a song.

    Parameters
    ----------
    explainer : ExplainerSettings
        Explainer with stored attributions.
    domain : str
        Domain of the attack.
    song : str
        Name of the song.

    Returns
    -------
    Path
        Path to the ``.npz`` file.
    """
    assert explainer.stored is not None
    return Path(explainer.stored) / domain / f"{song}.npz"


KEYS = ("name", "call", "stored", "fill", "privileged", "signed", "budget", "options")


def explainers_of(configured: Sequence[Any]) -> list[ExplainerSettings]:
    """Parse the key ``explainers`` of the configuration.

    Parameters
    ----------
    configured : sequence of str or mapping
        Explainers in one of three forms: the name of a built-in explainer; ``module:callable``, named after the callable; or a
        mapping with the keys of `ExplainerSettings`, whose ``call`` may also be the name of a built-in explainer. "lime" must
        be included and is omitted from the result, because LIME has a separate stage.

    Returns
    -------
    list of ExplainerSettings
        Settings of each explainer except "lime".

    Raises
    ------
    ConfigError
        If "lime" is missing, an explainer is unknown or invalid, or two explainers have the same name.
    """
    if LIME not in configured:
        raise ConfigError(
            f"explainers: must contain lime, which the paper's tables and figures require, got {quoted(configured)}. Add it."
        )
    explainers = [_settings_of(item) for item in configured if item != LIME]
    names = [explainer.name for explainer in explainers]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"explainers: names must differ, got '{twice}' twice. Rename one of them with `name:`.")
    return explainers


def ready(name: str, **changes: Any) -> ExplainerSettings:
    """Return a built-in explainer with some settings changed, or raise ConfigError if no explainer has this name."""
    if name not in READY:
        raise ConfigError(
            f"explainers: unknown explainer, got {quoted(name)}. Choose one from docs/explainers.md{hint(name, READY)}."
        )
    return ExplainerSettings(**{"name": name, **READY[name], **changes})


def _settings_of(item: Any) -> ExplainerSettings:
    if isinstance(item, str):
        if item in READY:
            return ExplainerSettings(item, **READY[item])
        if ":" not in item:
            raise ConfigError(
                f"explainers: unknown explainer, got {quoted(item)}. Choose one from docs/explainers.md, or give "
                f"module:callable{hint(item, READY)}."
            )
        return ExplainerSettings(re.sub(r"\W", "_", item.rpartition(":")[2]).strip("_").lower(), call=item)
    if not isinstance(item, Mapping):
        raise ConfigError(f"explainers: must be names, module:callable, or mappings with name and call, got {quoted(item)}.")
    if unknown := [key for key in item if key not in KEYS]:
        raise ConfigError(f"explainers: unknown key, got {quoted(unknown[0])}. Choose from {', '.join(KEYS)}.")
    given = dict(item)
    called = given.get("call")
    if called is not None and not isinstance(called, str):
        raise ConfigError(f"explainers: call must be a built-in explainer or module:callable, got {quoted(called)}.")
    if called in READY:
        given = {**READY[called], **given, "call": READY[called]["call"]}
        given.setdefault("name", called)
    elif isinstance(called, str) and ":" not in called:
        raise ConfigError(
            f"explainers: unknown explainer, got {quoted(called)}. Choose one from docs/explainers.md, or give module:callable"
            f"{hint(called, READY)}."
        )
    if "name" not in given:
        given = {**given, "name": _settings_of(called).name if isinstance(called, str) else None}
    return ExplainerSettings(**given)
