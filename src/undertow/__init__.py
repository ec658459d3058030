"""Undertow: see what runs back under the waves. Build, check, watch, repair and train deep nets.

Every public name is loaded on first use, so that importing the package costs nothing.
"""

import sys
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undertow.api.apply import apply as apply
    from undertow.api.build import build as build
    from undertow.api.build import models as models
    from undertow.api.check import check as check
    from undertow.api.diagnose import diagnose as diagnose
    from undertow.api.evaluate import evaluate as evaluate
    from undertow.api.explain import explain as explain
    from undertow.api.export import export as export
    from undertow.api.predict import predict as predict
    from undertow.api.prove import prove as prove
    from undertow.api.repair import repair as repair
    from undertow.api.study import studies as studies
    from undertow.api.study import study as study
    from undertow.api.summary import summary as summary
    from undertow.api.train import train as train
    from undertow.api.watch import watch as watch
    from undertow.core.errors import UndertowError as UndertowError
    from undertow.report.report import Report as Report

__all__ = [
    "Report",
    "UndertowError",
    "apply",
    "build",
    "check",
    "diagnose",
    "evaluate",
    "explain",
    "export",
    "models",
    "predict",
    "prove",
    "repair",
    "studies",
    "study",
    "summary",
    "train",
    "watch",
]
_HOMES = {
    "Report": "undertow.report.report",
    "UndertowError": "undertow.core.errors",
    "models": "undertow.api.build",
    "studies": "undertow.api.study",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for."""
    if name == "__version__":
        return version("undertow")
    if name not in __all__:
        raise AttributeError(f"module 'undertow' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, f"undertow.api.{name}")), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """This package: a public verb is never hidden by the folder of the same name.

    Python sets every loaded sub-package as an attribute of its parent, so that the first import
    of `undertow.train` or `undertow.models` would put a module where the function belongs.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name not in __all__ or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
