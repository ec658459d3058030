"""Initialisation as a pass over a built module: a word, a generator, and what follows each layer.

Every parameter has a generator of its own, seeded from one draw of the given one and from its
path: nets that share paths and shapes share draws, whatever else differs between them.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from undertow.core.activation import FACTS
from undertow.core.errors import UsageError, unknown
from undertow.core.words import INIT_SHORT, INITS
from undertow.nn import norm
from undertow.nn.activation import word_of

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
LSUV_TOLERANCE = 0.1  # of the output's std: Mishkin & Matas 2016, algorithm 1
LSUV_ROUNDS = 10  # as its authors' code; a layer linear in its weight needs one
SEEDS = 2**62  # the draw that seeds all parameters is below this


@dataclass(frozen=True, slots=True)
class Law:
    """A distribution: "normal" or "uniform" of mean 0, "orthogonal", or "constant".

    `scale` is the standard deviation, for "orthogonal" the gain, for "constant" the value.
    """

    kind: str
    scale: float


ZERO = Law("constant", 0.0)
Scheme: TypeAlias = Callable[[str, nn.Module, str], tuple[Law, Law]]
"""(path, layer, word of the following activation) -> law of the weight, law of the bias."""


def parse_init(word: str) -> str:
    """The long form of an init word: "he" is "he-normal", "normal:1e-2" is "normal:0.01".

    Raises:
        UsageError: an unknown word, or a STD that is no number above 0.
    """
    word = INIT_SHORT.get(word, word)
    kind, _, std = word.partition(":")
    if kind != "normal":
        if word not in INITS:
            raise unknown("init", word, INITS)
        return word
    try:
        value = float(std)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UsageError(f"init={word!r} needs a standard deviation above 0, as normal:0.01")
    return f"normal:{value:g}"


def fans(weight: Tensor) -> tuple[int, int]:
    """Fan-in and fan-out of a weight by torch's count: axes 1 and 0 times the kernel's area."""
    area = math.prod(weight.shape[2:])
    return weight.shape[1] * area, weight.shape[0] * area


def following(model: nn.Module) -> dict[str, str]:
    """Path of every layer with weights -> word of the activation it feeds.

    That is the next activation in order of registration; "identity" behind the last one and for
    the paths in the model's own `heads`.
    """
    word, found = "identity", {}
    for path, module in reversed(list(model.named_modules())):
        word = word_of(module) or word
        if isinstance(module, WEIGHTED):
            found[path] = word
    heads = {path: "identity" for path in getattr(model, "heads", ()) if path in found}
    return dict(reversed(found.items())) | heads


def initialise(
    model: nn.Module,
    word: str,
    generator: torch.Generator,
    *,
    acts: Mapping[str, str] | None = None,
    paper: Scheme | None = None,
    batch: Tensor | None = None,
) -> None:
    """Draw every weight of `model` anew, in place; norms and prelu slopes go to their start.

    Args:
        model: any module; layers other than linear, convolution, norm and prelu are left alone.
        word: an init word. "orthogonal" and "he-*" read the activation that follows a layer;
            biases are 0 for all words but "torch" and "paper". "lsuv" without `batch` is
            "orthogonal" alone.
        generator: one number is drawn from it; the global random state is not touched.
        acts: path -> activation word where it is known better than by order of registration.
        paper: what the word "paper" means for this model.
        batch: inputs for "lsuv".

    Raises:
        UsageError: an unknown word, or "paper" for a model that has no such recipe.
    """
    law = scheme(word, paper)
    seed = int(torch.randint(SEEDS, (), generator=generator, device=generator.device))
    fed = {**following(model), **(acts or {})}
    with torch.no_grad():
        for path, module in model.named_modules():
            if isinstance(module, WEIGHTED):
                laws = law(path, module, fed[path])
                _draw(module, path, laws, seed)
            elif norm.word_of(module) not in ("", "lrn") or isinstance(module, nn.PReLU):
                _restart(module)
    if word == "lsuv" and batch is not None:
        lsuv(model, lambda net: net(batch))


def scheme(word: str, paper: Scheme | None = None) -> Scheme:
    """The laws of an init word.

    Raises:
        UsageError: an unknown word, or "paper" where there is none.
    """
    word = parse_init(word)
    if word == "paper":
        if paper is None:
            allowed = ", ".join(w for w in INITS if w != "paper")
            raise UsageError(f"init='paper' has no meaning for this model; choose {allowed}")
        return paper
    if word == "torch":
        return _torch_default
    if word in ("orthogonal", "lsuv"):
        return lambda path, layer, act: (Law("orthogonal", gain(act)), ZERO)
    if word.startswith("normal:"):
        std = float(word.removeprefix("normal:"))
        return lambda path, layer, act: (Law("normal", std), ZERO)
    kind = "uniform" if word.endswith("uniform") else "normal"
    rule = _VARIANCES[word.split("-")[0]]
    return lambda path, layer, act: (
        Law(kind, math.sqrt(rule(*fans(_weight(layer)), _negative_slope(act)))),
        ZERO,
    )


_VARIANCES: dict[str, Callable[[int, int, float], float]] = {  # fan-in, fan-out, negative slope
    "xavier": lambda fan_in, fan_out, a: 2 / (fan_in + fan_out),
    "he": lambda fan_in, fan_out, a: 2 / ((1 + a * a) * fan_in),
    "lecun": lambda fan_in, fan_out, a: 1 / fan_in,
}


def gain(act: str) -> float:
    """The forward gain of an activation word; 1 for one we do not know."""
    return FACTS[act].gain if act in FACTS else 1.0


def _negative_slope(act: str) -> float:
    return (FACTS[act].negative_slope or 0.0) if act in FACTS else 0.0


def _torch_default(path: str, layer: nn.Module, act: str) -> tuple[Law, Law]:
    """U(±1/√fan_in) for weight and bias alike: variance 1/(3·fan_in)."""
    law = Law("uniform", 1 / math.sqrt(3 * fans(_weight(layer))[0]))
    return law, law


def fill(tensor: Tensor, law: Law, generator: torch.Generator) -> None:
    """Overwrite a tensor with draws of a law; drawn on the generator's device and copied over."""
    fresh = tensor if tensor.device == generator.device else torch.empty_like(tensor, device="cpu")
    if law.kind == "normal":
        fresh.normal_(0, law.scale, generator=generator)
    elif law.kind == "uniform":
        bound = math.sqrt(3) * law.scale
        fresh.uniform_(-bound, bound, generator=generator)
    elif law.kind == "orthogonal":
        nn.init.orthogonal_(fresh, law.scale, generator=generator)
    else:
        fresh.fill_(law.scale)
    if fresh is not tensor:
        tensor.copy_(fresh)


def _draw(layer: nn.Module, path: str, laws: tuple[Law, Law], seed: int) -> None:
    for name, law in zip(("weight", "bias"), laws, strict=True):
        parameter = getattr(layer, name)
        if parameter is not None:
            own = zlib.crc32(f"{seed}/{path}.{name}".encode())
            fill(parameter, law, torch.Generator().manual_seed(own))
            if parametrize.is_parametrized(layer, name):
                setattr(layer, name, parameter)  # filled was a value computed from its originals


def _restart(module: Any) -> None:
    module.reset_parameters()  # no draws: scales 1, shifts 0, statistics and slopes at their start


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def lsuv(model: nn.Module, run: Callable[[nn.Module], object]) -> dict[str, float]:
    """Scale every layer until its outputs have standard deviation 1 ± 0.1, in place.

    One forward pass: a layer is scaled before the layers behind it run. Norms normalise by the
    batch, dropout is off; statistics and modes are as before afterwards. A layer whose output
    does not vary is left alone.

    Args:
        model: any module whose weights are drawn already (orthogonal in the source).
        run: one forward pass on a batch of real inputs.

    Returns:
        Path -> standard deviation of its output before scaling.

    Source: Mishkin & Matas 2016, algorithm 1.
    """
    before: dict[str, float] = {}

    def scale(path: str) -> Callable[[Any, Any, Tensor], Tensor]:
        def hook(layer: Any, args: Any, out: Tensor) -> Tensor:
            for _ in range(LSUV_ROUNDS):
                std = float(out.std())
                before.setdefault(path, std)
                if not 0 < std < math.inf or abs(std - 1) <= LSUV_TOLERANCE:
                    break
                layer.weight.div_(std)
                out = layer.forward(*args)
            return out

        return hook

    layers = [(p, m) for p, m in model.named_modules() if isinstance(m, WEIGHTED)]
    handles = [layer.register_forward_hook(scale(path)) for path, layer in layers]
    try:
        with torch.no_grad(), _normalising_by_batch(model):
            run(model)
    finally:
        for handle in handles:
            handle.remove()
    return before


@contextmanager
def _normalising_by_batch(model: nn.Module) -> Iterator[None]:
    """Norms in training mode, all else in evaluation; modes and buffers restored."""
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        for module, _ in modes:
            module.training = bool(norm.word_of(module))
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for buffer, value in buffers:
            buffer.copy_(value)
