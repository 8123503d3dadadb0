"""Games over the segments of an excerpt: masks, evaluators, exact tables, and solution concepts."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
