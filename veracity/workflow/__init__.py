"""Support for the Snakefile: model of the configuration, stages and runs, and checks before the first job."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
