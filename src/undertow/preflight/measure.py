"""All tiers of the pre-flight on copies of a case; the result is a record, not a judgement."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from torch import Tensor, nn, optim

from undertow.core.codec import decode, encode
from undertow.core.derive import line_at, line_best
from undertow.core.errors import EnvironmentFaultError, UndertowError, UsageError
from undertow.core.finding import Symptom
from undertow.core.learned import learned
from undertow.core.record import CUT, OptimizerFacts, Record, Scalars
from undertow.instrument.constant import const_loss
from undertow.instrument.lossfn import Called, LossMode, leads_to
from undertow.instrument.probe import Probe
from undertow.nn import optimizer as optimizers
from undertow.nn.loss import word_of
from undertow.nn.memory import short_of_memory
from undertow.preflight import static, tiers
from undertow.preflight.case import Case, Deadline
from undertow.preflight.gap import eval_gap

FAR = 100.0  # a best step this many times off the user's own is suspicious
FATAL = ("label-error", "loss-mismatch")  # static findings after which nothing can be run


def measure(case: Case, *, probe_steps: int = 50, deadline: Deadline) -> Record:
    """The record of a case: start statistics, line probe, curvature on suspicion, probe steps.

    Call inside `guarded(seed)`. What the budget cut is named in the notes as not tested.

    Raises:
        UsageError: the forward pass or the loss fails, or the loss is no scalar.
    """
    net = case.fresh()
    head, loss = _first_pass(case, net)
    if loss is None:
        return as_written(head)
    record, net = _start_statistics(case, head)
    make = case.optimizer or tiers.base_optimizer()
    if case.optimizer is not None:
        own = optimizers.facts(_optimizer(case, make, net), case.clip_norm)
        record = replace(record, optimizer=own)
    if not _has_gradient(net):
        return as_written(replace(record, static=(*record.static, static.no_gradient())))
    if not math.isfinite(record.first_loss or 0.0):
        return as_written(record)
    tiers.clip(net, case.clip_norm)
    points = tiers.line(case, net, make, deadline)
    record = replace(record, line=points)
    record, make = _rate(case, record, make)
    record = _shadow_step(case, record, make)
    if _suspicious(record) and not deadline.over:
        record = replace(record, curvature=tiers.curvature(case, case.fresh()))
    return as_written(_probe_steps(case, record, make, probe_steps, deadline))


def as_written(record: Record) -> Record:
    """The record with its numbers as a file would hold them, 6 significant digits."""
    return decode(Record, encode(record))


def _first_pass(case: Case, net: nn.Module) -> tuple[Record, Tensor | None]:
    """Static findings and the constant answer's loss; no loss where it may not be called."""
    try:
        out = static.output_of(case, net)
    except UndertowError:
        raise
    except Exception as error:
        raise _failed(case, "forward", error) from error
    found = list(static.before_loss(case, out))
    head = Record(
        kind="check",
        source=case.source,
        plan=case.plan,
        loss=case.loss,
        input=static.input_facts(case, out),
        static=tuple(found),
    )
    if any(s.name in FATAL and s.evidence[0].stat == "label" for s in found):
        return head, None
    calls = list[Called]()
    with LossMode(calls.append) if case.pair is None else nullcontext():
        loss = _loss(case, net)
    found += (*static.after_loss(case, loss), *eval_gap(case))
    first = loss.detach().item()
    constant, word = None, case.loss
    if case.pair is not None and case.loss_fn is not None and isinstance(out, Tensor):
        constant = const_loss(case.loss_fn, out.detach(), case.pair[1])
    elif calls and leads_to(loss, calls[-1].result):  # inside the user's own step
        constant, word = _caught(calls[-1], first)
    head = replace(
        head, static=tuple(found), const_loss=constant, first_loss=first, loss=word or head.loss
    )
    return head, loss if loss.requires_grad else None


def _caught(call: Called, loss: float) -> tuple[float | None, str]:
    """The constant answer's loss of a call seen inside a step, by the step's own scale; its word.

    A step may hand on a share of what the loss function returned.
    """
    value = const_loss(call.loss, call.outputs.values, call.labels)
    whole = float(call.value)
    share = loss / whole if whole else 1.0
    return None if value is None else value * share, word_of(call.loss) if call.whole else ""


def _loss(case: Case, net: nn.Module) -> Tensor:
    try:
        loss = case.run(net)
    except UndertowError:
        raise
    except Exception as error:
        raise _failed(case, "loss", error) from error
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        given = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise UsageError(f"the loss of {case.source} is {given}, not a scalar; reduce it (mean)")
    return loss


def _failed(case: Case, where: str, error: Exception) -> UndertowError:
    shapes = ""
    if case.pair is not None:
        x, y = case.pair
        shapes = f" on x {tuple(x.shape)} {x.dtype}, y {tuple(y.shape)} {y.dtype}"
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if short_of_memory(error):
        return EnvironmentFaultError(
            f"{case.source} runs out of memory in its {where}{shapes}: {type(error).__name__}: "
            f"{first}; give batches of fewer or smaller samples"
        )
    return UsageError(
        f"{case.source} fails in its {where}{shapes}: {type(error).__name__}: {first}; "
        "give data of the shape it takes"
    )


def _start_statistics(case: Case, head: Record) -> tuple[Record, nn.Module]:
    """Tier 0: one forward and backward under the probe; the net keeps its gradients."""
    net = case.fresh()
    probe = Probe(net)
    with probe.sampling():
        loss = case.run(net)
        loss.backward()
    snap = probe.read(0)
    equal: Sequence[Symptom] = [replace(s, note=True) for s in static.symmetric(net)]
    value = loss.detach().item()
    record = replace(
        head,
        layers=probe.layers,
        snapshots=(snap,),
        first_loss=value,
        metrics=(Scalars(0, loss=value),),
        static=(*head.static, *equal),
    )
    return record, net


def _optimizer(case: Case, make: optimizers.Factory, net: nn.Module) -> optim.Optimizer:
    """The user's optimiser on a copy, made once to see that it can be."""
    try:
        made = make(net.parameters())
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"the optimizer cannot be made for {case.source}: {error}; give one of its parameters"
        ) from error
    if isinstance(made, optim.LBFGS):
        raise UsageError("LBFGS takes several passes a step; check with SGD or Adam instead")
    return made


def _has_gradient(net: nn.Module) -> bool:
    return any(p.grad is not None for p in net.parameters())


def _rate(
    case: Case, record: Record, make: optimizers.Factory
) -> tuple[Record, optimizers.Factory]:
    """Without an optimiser, the line probe's best plain SGD step takes its place."""
    if case.optimizer is not None:
        return record, make
    rate = tiers.BASE * (line_best(record) or 1.0)
    facts = (*record.facts, ("line_lr", f"{tiers.BASE:g}"), ("probe_lr", f"{rate:g}"))
    unknown = OptimizerFacts(clip_norm=case.clip_norm)
    return replace(record, optimizer=unknown, facts=facts), tiers.base_optimizer(rate)


def _shadow_step(case: Case, record: Record, make: optimizers.Factory) -> Record:
    """The snapshot again with `update_ratio`: one real step of the optimiser on a copy."""
    net = case.fresh()
    probe = Probe(net)
    with probe.sampling():
        case.run(net).backward()
    probe.before_update()
    tiers.clip(net, case.clip_norm)
    make(net.parameters()).step()
    return replace(record, snapshots=(probe.read(0),))


def _suspicious(record: Record) -> bool:
    """Whether the rate is worth six Hessian products: not Adam, and the step looks off."""
    if record.optimizer.adaptive or record.optimizer.lr is None:
        return False
    own, best = line_at(record, 1.0), line_best(record)
    falls = own is not None and record.first_loss is not None and own < record.first_loss
    return not falls or best is None or best >= FAR or best <= 1 / FAR


def _probe_steps(
    case: Case, record: Record, make: optimizers.Factory, steps: int, deadline: Deadline
) -> Record:
    if steps <= 0:
        return record
    if deadline.over:
        return _cut(record, 0, steps)
    losses = tiers.one_batch(
        case, case.fresh(), make, record.const_loss, steps=steps, deadline=deadline
    )
    tested = replace(record, one_batch=losses, probe_steps=steps)
    short = deadline.over and len(losses) <= steps and math.isfinite(losses[-1])
    return _cut(record, len(losses), steps) if short and learned(tested) is False else tested


def _cut(record: Record, taken: int, steps: int) -> Record:
    """The record without probe steps that ended too early to tell whether the net learns."""
    why = f"{taken} of {steps} probe steps"
    notes = (*record.notes, f"probe steps not tested (budget): {why}")
    return replace(record, notes=notes, facts=(*record.facts, (CUT, why)))
