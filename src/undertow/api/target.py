"""What a MODEL word stands for: a zoo net with its plan, or a user's own build function."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Edit, Plan
from undertow.data.arrays import Arrays, load
from undertow.data.split import hold_back
from undertow.experiment.pair import Source
from undertow.experiment.trials import Trials, ready_case
from undertow.models import build_plan, card, resolve
from undertow.preflight import Case, Deadline, guarded

FORMS = "a zoo name (undertow models), module:callable or file.py:callable"


@dataclass(frozen=True)
class CodeBuild:
    """A user's build function by address, so that a worker process can find it again."""

    address: str

    def __call__(self, seed: int) -> nn.Module:
        """The built module; the seed is passed on where the function takes one.

        Raises:
            UsageError: what the function returns is no module.
        """
        function = find(self.address)
        net = _called(function, seed)
        if not isinstance(net, nn.Module):
            raise UsageError(f"{self.address} returns {type(net).__name__}, not an nn.Module")
        return net


def _called(function: Callable[..., Any], seed: int) -> Any:
    """What a build function returns; a seed goes to `seed`, else to what must be given."""
    wanted = signature(function).parameters.values()
    if any(p.name == "seed" and p.kind is not p.POSITIONAL_ONLY for p in wanted):
        return function(seed=seed)
    takes = any(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in wanted
    )
    return function(seed) if takes else function()


def find(address: str) -> Callable[..., Any]:
    """The callable at `module:callable` or `file.py:callable`.

    Raises:
        UsageError: no such file, module or callable, or the code fails while it is loaded.
    """
    where, _, name = address.rpartition(":")
    try:
        module = (
            _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
        )
    except UsageError:
        raise
    except Exception as error:  # a user's own code, which may raise anything
        raise UsageError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        own = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise UsageError(f"{where} has no callable {name!r}; it has {', '.join(own) or 'none'}")
    return function


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"{path} does not exist; give {FORMS}")
    name = f"undertow_user_{path.stem}_{abs(hash(str(path.resolve())))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def source(wanted: Plan, data: Arrays) -> Source:
    """What a plan as typed and the data make: everything a build or a training needs.

    Args:
        wanted: `model` may also be `module:callable` or `file.py:callable`; None is filled from
            the card and the data.
        data: gives classes, channels and size.

    Raises:
        UsageError: an unknown model, options on a module given as code, sizes that do not fit.
    """
    training = wanted.train
    if ":" in wanted.model:
        _refuse_options(wanted)
        lr = 0.02 if training.lr is None else training.lr
        return Source(
            None,
            replace(training, lr=lr),
            CodeBuild(wanted.model),
            edits=_with_outputs(wanted, data),
            remedies=wanted.remedies,
        )
    made = card(wanted.model)
    plan = replace(
        wanted,
        model=made.name,
        classes=wanted.classes or data.classes or data.y[0].numel(),
        in_channels=data.shape[0],
    )
    plan = resolve(plan, data.shape)
    return Source(plan, plan.train)


def _with_outputs(wanted: Plan, data: Arrays) -> tuple[Edit, ...]:
    """The edits of a user's own net, and a head of the classes typed, or of the data on weights."""
    asked = wanted.classes or (data.classes if wanted.train.weights is not None else 0)
    if not asked or any(e.field == "head" for e in wanted.edits):
        return wanted.edits
    return (*wanted.edits, Edit("head", f"outputs:{asked}"))


def _refuse_options(wanted: Plan) -> None:
    given = [k for k in Choices.__dataclass_fields__ if getattr(wanted.choices, k) is not None]
    given += [k for k, _ in wanted.sizes]
    if given:
        words = ", ".join(f"--{k.replace('_', '-')}" for k in given)
        raise UsageError(
            f"{words} cannot be set on {wanted.model}: its own code builds it; change it there"
        )


def data_for(data: str | None, size: str | None) -> Arrays:
    """The data a command was given: a source, or random input of a size with ten classes.

    Raises:
        UsageError: both or neither given, or a size that is none.
    """
    if data is not None and size is not None:
        raise UsageError("--data and --size exclude each other; give one")
    if data is None and size is None:
        raise UsageError("give --data (digits, synthetic:CxHxW:CLASSES, .npz) or --size as 3x64x64")
    return (
        load(data) if data is not None else load(f"synthetic:{'x'.join(map(str, shape(size)))}:10")
    )


def shape(size: str | None) -> tuple[int, ...]:
    """`3x64x64`, `64` (three channels) or `20` for features, as a shape.

    Raises:
        UsageError: not whole numbers above 0.
    """
    parts = str(size).split("x")
    if not all(p.isdigit() and int(p) > 0 for p in parts) or len(parts) not in (1, 3):
        raise UsageError(f"--size {size} is no input size; give one as 3x64x64 or 64")
    numbers = tuple(int(p) for p in parts)
    return (3, numbers[0], numbers[0]) if len(numbers) == 1 else numbers


def net_for(wanted: Plan, size: str | None) -> tuple[nn.Module, tuple[int, ...]]:
    """A built net and the input shape it is shown with; the card's own where none is given.

    Raises:
        UsageError: an unknown model, or no size for a module given as code.
    """
    if ":" in wanted.model:
        _refuse_options(wanted)
        if size is None:
            raise UsageError(f"{wanted.model} does not say what it takes; give --size as 3x64x64")
        return CodeBuild(wanted.model)(0), shape(size)
    given = card(wanted.model).input if size is None else shape(size)
    return build_plan(replace(wanted, in_channels=given[0]), given), given


def case(made: Source, arrays: Arrays, name: str, seed: int) -> Case:
    """The pre-flight case of a source on its first batch, as training would feed it."""
    how = replace(trials(arrays, None), seeds=(seed,))
    with guarded(seed):
        return replace(ready_case(made, how), source=name)


def trials(
    arrays: Arrays,
    validation: float | None,
    *,
    steps: int = 0,
    seeds: int = 1,
    budget_s: float = 0.0,
    tell: Callable[[str], None] = lambda _: None,
) -> Trials:
    """How a proof is run, with a share of the data held back."""
    kept, held = (arrays, None) if validation is None else hold_back(arrays, validation, 0)
    return Trials(kept, held, steps, tuple(range(seeds)), Deadline(budget_s), tell=tell)
