"""Classifiers of one's own that are attacked and explained: the interface, adapters for torch modules, one label of several."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
