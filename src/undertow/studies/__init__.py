"""Layer 6: questions put to networks, each a file of declarative data on one engine.

`NAMES` lists the studies by hand; a study is loaded when it is asked for, so that listing what is
stored needs no torch.
"""

from importlib import import_module
from importlib.resources import files

from undertow.core.errors import unknown
from undertow.studies.study import Study

NAMES = (
    "activations",
    "anatomy",
    "bottleneck",
    "nonlinearity",
    "vanishing",
    "init",
    "exploding",
    "batchnorm",
    "skip-gradient",
    "zero-gamma",
    "saturation",
    "jacobian",
    "optimizer-mask",
    "exploding-cause",
    "remedies-exploding",
    "remedies-vanishing",
    "degradation",
    "zero-centred",
    "speed-to-target",
    "dying-relu",
    "leaky-slope",
    "sparsity",
    "symmetry",
    "learning-rate",
    "input-scale",
    "aux",
    "residual-block",
    "residual-size",
    "lesion",
    "shortcut-types",
    "preact",
    "pooling",
    "parts",
    "small-filters",
    "lrn",
    "depth-ladder",
    "vgg-init",
    "alexnet-init",
    "probe",
    "transfer",
    "calibration",
    "activation-cost",
    "pareto",
    "one-by-one",
    "branch-ablation",
    "fault-suite",
)

__all__ = ["NAMES", "Study", "source_of", "studies", "study"]


def study(name: str) -> Study:
    """The study of a name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    if name not in NAMES:
        raise unknown("study", name, NAMES)
    found: Study = import_module(f"undertow.studies.{name.replace('-', '_')}").STUDY
    return found


def studies() -> tuple[Study, ...]:
    """Every study, in the order of the list."""
    return tuple(study(name) for name in NAMES)


def source_of(name: str) -> bytes:
    """The text of a study's own file; b"" for a study that is not of the list."""
    file = files("undertow.studies") / f"{name.replace('-', '_')}.py"
    return file.read_bytes() if file.is_file() else b""
