"""Test bench for explanations in audio classification.

The packages are the stages of the experiment, in the order in which data flows: `songs`, `detector`, `attacks`, `games`,
`explainers`, `experiments`, `results`; `jobs` holds what is no science and `planning` foresees costs. Each module is one idea
and can be used from a notebook: ``import veracity`` loads none of them (and neither torch nor librosa) until an attribute is
asked for, as in ``veracity.explainers.lime.fit_exact``.
"""

import pkgutil

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, [module.name for module in pkgutil.iter_modules(__path__) if module.name != "__main__"]
)
