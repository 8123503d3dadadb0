"""Which explainers are judged: the ready ones by name, and one's own; needs neither torch nor NumPy.

References
----------
Every ready explainer names its method's paper in the module that holds it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from ..errors import ConfigError, hint, one_of, quoted, within

QuestionFill = Literal["mean", "zero", "min", "clean"]
CLEAN: Final = "clean"  # the fill of the perturbation game
LIME = "lime"  # the paper's, which is a stage of its own
NAME = re.compile(r"[a-z][a-z0-9_]*")
#: What tables call something else.
#: What no explainer can be: the best ranking, and the best, an expected random and the worst set of each k.
BOUNDS = ("best_ranking", "best_set", "random_set", "worst_set")
ASKED = "_asked"
RESERVED = (*BOUNDS, LIME, "lime_exact", "norm", "best", "best_found", "random", "random_sampled", "worst", "sampled", "exact")
#: What the truth study reads off games that are evaluated in any case; an explainer of that name that is asked, too, is told as
#: "<name>_asked" there.
READ_OFF = (
    *("norm", "lime", "lime_exact", "lime_difference", "lime_exact_difference", "shapley", "banzhaf"),
    *("lime_logit", "shapley_logit", "banzhaf_logit", "smallest_set"),
)
#: What every control reads off its games, beside what it asks.
IN_ANY_CASE = ("norm", LIME, "lime_exact", "shapley")
POSITIVE, AS_MANY = "_positive", "_as_many"  # endings of what tables make of a name


@dataclass(frozen=True)
class ExplainerSettings:
    """One explainer as it is asked.

    Attributes
    ----------
    name : str
        In tables, figures and file names: small letters, digits and underscores.
    call : str or None
        ``module:callable``.
    stored : str or None
        Instead of `call`: a folder of attributions, ``<domain>/<song>.npz`` with ``weights``,
        shape (n_excerpts, n_segments), and the ``start_frame`` of each excerpt.
    fill : {"mean", "zero", "min", "clean"}
        What absent segments hold. ``clean`` is the clean excerpt: the question is then the perturbation game itself, which only
        privileged explainers may be asked.
    privileged : bool
        May it see the clean excerpt?
    signed : bool
        Do weights above zero speak for the label? If not, only their order counts, and "all segments of positive weight" says
        nothing.
    budget : int or None
        Rows of the model that it may read for an excerpt; None for as many as it takes.
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
                f"an explainer is named {quoted(self.name)}: give a name of small letters, digits and underscores, with `name:`"
            )
        if self.name in RESERVED or self.name.endswith((POSITIVE, AS_MANY, ASKED)):
            raise ConfigError(f"an explainer is named '{self.name}', which tables would take for something else: rename it")
        what = f"of the explainer '{self.name}'"
        one_of(self.fill, get_args(QuestionFill), f"fill {what}")
        for name in ("call", "stored"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                raise ConfigError(f"{name} {what} is {quoted(value)}: give a text")
        if self.stored and (self.options or self.budget is not None or self.fill != "mean"):
            raise ConfigError(f"the explainer '{self.name}' is stored, and asked nothing: leave options, budget, fill out")
        if (self.call is None) == (self.stored is None):
            raise ConfigError(f"the explainer '{self.name}' needs either call, as in my_module:explain, or stored, a folder")
        if self.fill == CLEAN and not self.privileged:
            raise ConfigError(
                f"the explainer '{self.name}' is asked with the clean excerpt as fill, and is not privileged to see it: "
                "set privileged: true, or another fill"
            )
        for name in ("privileged", "signed"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} {what} is {quoted(getattr(self, name))}: give true or false")
        if not isinstance(self.options, Mapping):
            raise ConfigError(f"options {what} is {quoted(self.options)}: give keyword arguments")
        if self.budget is not None:
            within(self.budget, 0, 2**40, f"budget {what}", whole=True)


def _ready(module: str, function: str, **settings: Any) -> dict[str, Any]:
    return {"call": f"veracity.explainers.{module}:{function}", **settings}


_CLEAN = {"fill": CLEAN, "privileged": True}
#: The explainers that come with veracity, by name; what is given in the configuration takes precedence.
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


_NEEDS = {"exact": "the values of all masks", "gradients": "gradients", "layers": "layers"}


def check_needs(explainers: Sequence[ExplainerSettings], missing: Mapping[str, str]) -> None:
    """Refuse ready explainers that the explained model cannot answer.

    Parameters
    ----------
    explainers : sequence of ExplainerSettings
    missing : mapping of str to str
        Of "the values of all masks", "gradients" and "layers", those that the model does not give, and why.

    Raises
    ------
    ConfigError
        Names the explainer.
    """
    for one in explainers:
        module = (one.call or "").removeprefix("veracity.explainers.").partition(":")[0]
        need = _NEEDS.get(module, "")
        if need in missing:
            raise ConfigError(f"explainers holds {one.name}, which needs {need}, and {missing[need]}: leave one of them out")


def stored_file(explainer: ExplainerSettings, domain: str, song: str) -> Path:
    """Return the file of a song's stored attributions."""
    assert explainer.stored is not None
    return Path(explainer.stored) / domain / f"{song}.npz"


KEYS = ("name", "call", "stored", "fill", "privileged", "signed", "budget", "options")


def explainers_of(configured: Sequence[Any]) -> list[ExplainerSettings]:
    """Read the key ``explainers`` of the configuration.

    Parameters
    ----------
    configured : sequence of str or mapping
        Ready explainers by name; ``module:callable``, named after the callable; or mappings with the keys of
        `ExplainerSettings`, whose ``call`` may also be the name of a ready one. "lime", the paper's LIME, is a stage of its
        own and left out here.

    Returns
    -------
    list of ExplainerSettings

    Raises
    ------
    ConfigError
        When one is not known, or two have the same name.
    """
    if LIME not in configured:
        raise ConfigError("explainers holds no lime, whose tables and figures are the paper's: add it")
    found = [_settings_of(item) for item in configured if item != LIME]
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"two explainers are named '{twice}': give one of them another name, with `name:`")
    return found


def ready(name: str, **changes: Any) -> ExplainerSettings:
    """Return a ready explainer, with some of its settings changed; raises ConfigError when there is none of that name."""
    if name not in READY:
        raise ConfigError(
            f"there is no explainer {quoted(name)}{hint(name, READY)}: docs/explainers.md lists those that come along"
        )
    return ExplainerSettings(**{"name": name, **READY[name], **changes})


def _settings_of(item: Any) -> ExplainerSettings:
    if isinstance(item, str):
        if item in READY:
            return ExplainerSettings(item, **READY[item])
        if ":" not in item:
            raise ConfigError(
                f"there is no explainer {quoted(item)}{hint(item, READY)}: docs/explainers.md lists those that come along, "
                "module:callable is one of your own"
            )
        return ExplainerSettings(re.sub(r"\W", "_", item.rpartition(":")[2]).strip("_").lower(), call=item)
    if not isinstance(item, Mapping):
        raise ConfigError(f"explainers holds {quoted(item)}: give names, module:callable, or mappings with name and call")
    if unknown := [key for key in item if key not in KEYS]:
        raise ConfigError(f"an explainer has the unknown key {quoted(unknown[0])}: choose of {', '.join(KEYS)}")
    given = dict(item)
    called = given.get("call")
    if called is not None and not isinstance(called, str):
        raise ConfigError(f"explainers: call is {quoted(called)}: give the name of a ready one, or module:callable")
    if called in READY:
        given = {**READY[called], **given, "call": READY[called]["call"]}
        given.setdefault("name", called)
    elif isinstance(called, str) and ":" not in called:
        raise ConfigError(f"there is no explainer {quoted(called)}: give a ready one or module:callable{hint(called, READY)}")
    if "name" not in given:
        given = {**given, "name": _settings_of(called).name if isinstance(called, str) else None}
    return ExplainerSettings(**given)
