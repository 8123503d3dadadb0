"""Cost of a run before it starts: the work of its jobs, the cost of a unit of work on this machine, and the prediction."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
