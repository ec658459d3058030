"""How many of the last batches before a verdict are answered right: where a loss alone misleads.

Answers are kept in the ten steps up to a verdict and compared with the labels of the same step:
those told, or those its loss function was called with where that was seen.
"""

from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from undertow.core.derive import SMOOTH
from undertow.instrument.calls import first_tensor, is_compiled, unwrapped
from undertow.instrument.suspicion import VERDICT, is_verdict
from undertow.instrument.trace import Hook

LOGITS = 2  # dimensions of (N, C) outputs


class Guesses:
    """The classes a net answers with in the 10 steps up to each verdict; hooked in these only.

    A compiled net is left alone: a hook put on later is passed over, or compiles it anew.

    Args:
        net: the module that trains; wrappers are looked through.
    """

    def __init__(self, net: nn.Module) -> None:
        self._net, self._whole = unwrapped(net), net
        self._handle: RemovableHandle | None = None
        self._latest: Tensor | None = None

    def prepare(self, step: int) -> None:
        """Hook the net where the step about to begin is one of these, else take the hook off."""
        ahead = -step % VERDICT  # at every step of every training: only hundreds can be verdicts
        wanted = ahead < SMOOTH and is_verdict(step + ahead)
        if not wanted:
            self.stop()
        elif self._handle is None and not is_compiled(self._whole):
            self._handle = self._net.register_forward_hook(Hook(self._answered))

    def stop(self) -> None:
        """Take the hook off."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def taken(self) -> Tensor | None:
        """(N,) the classes answered in the step that ends now; None where it was not hooked."""
        latest, self._latest = self._latest, None
        return latest

    def _answered(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        out = first_tensor(output)
        if out is None or out.ndim != LOGITS or out.shape[1] < LOGITS or not out.requires_grad:
            return
        self._latest = out.detach().argmax(1)


def share_right(guesses: Tensor | None, labels: object) -> float | None:
    """Share of (N,) guesses equal to (N,) class numbers; None where these are something else."""
    if guesses is None or not isinstance(labels, Tensor) or labels.shape != guesses.shape:
        return None
    if labels.is_floating_point() or not labels.numel():
        return None
    return float((guesses == labels.to(guesses.device)).sum()) / labels.numel()
