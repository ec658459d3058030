"""A plan's net as its training starts: built, then what the plan says of the start."""

import torch
from torch import Tensor, nn

from undertow.core.plan import Plan
from undertow.models import build_plan
from undertow.nn.init import lsuv
from undertow.nn.layout import layout
from undertow.nn.residual import zero_gamma
from undertow.nn.revive import revive
from undertow.nn.surgery import zero_biases


def starts_by(plan: Plan) -> bool:
    """Whether the start of a plan is set by what its layers put out, so that real inputs count."""
    return plan.choices.init == "lsuv" or plan.train.revive_units


def started(plan: Plan, inputs: Tensor) -> nn.Module:
    """The net of a plan with `lsuv`, `reset_bias`, `revive_units` and `zero_gamma` carried out.

    Args:
        plan: of a zoo net; its seed gives every draw.
        inputs: a batch it will be trained on.

    Raises:
        UsageError: the plan cannot be built, or the net has no place for one of these.
    """

    def run(net: nn.Module) -> object:
        with torch.no_grad():
            return net(inputs)

    net = build_plan(plan, tuple(inputs.shape[1:]))
    if plan.choices.init == "lsuv":
        lsuv(net, run)
    if plan.train.reset_bias:
        zero_biases(net)
    if plan.train.revive_units:
        revive(net, layout(net), run, plan.seed)
    if plan.train.zero_gamma:
        zero_gamma(net)
    return net
