"""Test bench for explanations in audio classification.

The packages are the stages of the experiment in the order of the data flow: `songs`, `detector`, `attacks`, `games`,
`explainers`, `experiments`, `results`. `classifiers` contains the interface of user-supplied models, `jobs` the infrastructure
of jobs, `workflow` the support for the Snakefile, `planning` the prediction of costs, and `page` the drawing page. Each module
can be used from a notebook. ``import veracity`` loads no modules, and therefore neither torch nor librosa, until an attribute
such as ``veracity.explainers.lime.fit_exact`` is accessed.
"""

import pkgutil

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, [module.name for module in pkgutil.iter_modules(__path__) if module.name != "__main__"]
)
