"""Games over the segments of an excerpt: which are switched on, what the model answers, and what all answers tell."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
