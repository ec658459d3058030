"""A change as text: what to edit in one's own code."""

from collections.abc import Iterable

from undertow.core.plan import Edit, Plan
from undertow.experiment.pair import Source

MODULES = {
    "relu": "nn.ReLU()",
    "leaky-relu": "nn.LeakyReLU(0.01)",
    "tanh": "nn.Tanh()",
    "elu": "nn.ELU()",
    "sigmoid": "nn.Sigmoid()",
    "gelu": "nn.GELU()",
    "selu": "nn.SELU()",
    "silu": "nn.SiLU()",
    "softplus": "nn.Softplus()",
    "prelu": "nn.PReLU(init=0.25)",
    "mish": "nn.Mish()",
    "hard-swish": "nn.Hardswish()",
    "identity": "nn.Identity()",
}
NORMS = {"batch": "nn.BatchNorm2d(width)", "group": "nn.GroupNorm(groups, width)"}
LAYERS = {  # a layer without and with a norm behind it
    "conv": (
        "nn.Conv2d(c, width, 3, padding=1)",
        "nn.Conv2d(c, width, 3, padding=1, bias=False)",
    ),
    "linear": ("nn.Linear(features, width)", "nn.Linear(features, width, bias=False)"),
    "any": ("layer", "layer"),
}
INITS = {
    "he-normal": "nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')",
    "xavier-uniform": "nn.init.xavier_uniform_(layer.weight)",
    "orthogonal": "nn.init.orthogonal_(layer.weight, gain)",
}
CALLS = {
    "cross-entropy": "nn.functional.cross_entropy(logits, labels)",
    "mse": "nn.functional.mse_loss(outputs, targets)",
    "bce": "nn.functional.binary_cross_entropy_with_logits(logits, targets)",
}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
FIXED = {
    "reset_bias": ["+ nn.init.zeros_(layer.bias)  # of every layer that feeds an activation"],
    "skip": [
        "- x = block(x)",
        "+ x = x + block(x)  # norm, act, layer, twice; a 1x1 where shapes differ",
    ],
    "standardise": ["+ x = (x - mean) / std  # of the training set, per channel or feature"],
    "revive_units": [
        "+ dead = (layer(x) <= 0).all(0)  # units that never fire on a batch, layer by layer",
        "+ nn.init.kaiming_normal_(rows := layer.weight.data[dead], nonlinearity='relu')",
        "+ layer.weight.data[dead], layer.bias.data[dead] = rows, 0.01",
    ],
    "zero_gamma": ["+ nn.init.zeros_(block.last_norm.weight)  # of every residual block"],
    "aux": [
        "+ half = aux_head(h.flatten(2).mean(2))  # h: the layer half-way; training only",
        "- loss = criterion(net(x), y)",
        "+ loss = criterion(net(x), y) + 0.3 * criterion(half, y)",
    ],
    "clip_norm": [
        "+ nn.utils.clip_grad_norm_(net.parameters(), {value})  # between backward() and step()"
    ],
    "clip_value": [
        "+ nn.utils.clip_grad_value_(net.parameters(), {value})  # between backward() and step()"
    ],
    "l1": [
        "- loss = criterion(net(x), y)",
        "+ loss = criterion(net(x), y) + {value} * sum(p.abs().sum() for p in net.parameters())",
    ],
    "l2": ["+ for group in optimizer.param_groups: group['weight_decay'] = {value}"],
    "warm_up": [
        "+ warm_up = torch.optim.lr_scheduler.LambdaLR(",
        "+     optimizer, lambda step: min(1.0, (step + 1) / {value})",
        "+ )",
        "+ warm_up.step()  # after every optimizer.step()",
    ],
}


def recipe(edits: Iterable[Edit], before: Source) -> str:
    """The edits as lines to take out (-) and put in (+), then the same as options of a plan."""
    edits = tuple(edits)
    lines = [line for e in edits for line in _lines(e, before)]
    if before.plan is not None:
        words = " ".join(_word(e) for e in edits)
        lines.append(
            f"# the same for the built net: undertow train {before.plan.model} ... {words}"
        )
    return "\n".join(lines)


def _word(e: Edit) -> str:
    """The option of an edit: a flag where it is one."""
    option = f"--{e.field.replace('_', '-')}"
    if e.field == "aux":
        return f"{option} {int(e.value or 0)}"
    return option if e.value is True else f"{option} {e.value}"


def _lines(e: Edit, before: Source) -> list[str]:
    held = before.choices if before.plan is None else before.plan
    was = held.get(e.field) if isinstance(held, Plan) else getattr(held, e.field, None)
    made = {
        "act": _act,
        "norm": _norm,
        "init": _init,
        "optimizer": _optimizer,
        "head": _head,
        "loss": _loss,
        "lr": _rate,
    }.get(e.field)
    if made is not None:
        return made(e, was, before)
    if e.field in FIXED:
        return [line.format(value=e.value) for line in FIXED[e.field]]
    return [f"- {e.field} = {was}", f"+ {e.field} = {e.value}"]


def _act(e: Edit, was: object, _: Source) -> list[str]:
    return [
        f"- {MODULES.get(str(was), 'the activation')}",
        f"+ {MODULES.get(str(e.value), str(e.value))}",
    ]


def _norm(e: Edit, _: object, before: Source) -> list[str]:
    plan = before.plan
    act = "activation" if plan is None else MODULES.get(str(plan.get("act")), "activation")
    flat = plan is not None and plan.model == "mlp"
    old, new = LAYERS["linear" if flat else "conv" if plan is not None else "any"]
    norm = NORMS.get(str(e.value), f"a {e.value} norm")
    norm = norm.replace("2d", "1d" if flat else "2d" if plan is not None else "1d or 2d")
    return [f"- {old}, {act}", f"+ {new}, {norm}, {act}"]


def _init(e: Edit, _: object, __: Source) -> list[str]:
    call = INITS.get(str(e.value), f"{e.value} on layer.weight")
    return [
        "+ for layer in the convolutions and linear layers:",
        f"+     {call}",
        "+     nn.init.zeros_(layer.bias)",
    ]


def _head(e: Edit, _: object, __: Source) -> list[str]:
    ending, _, outputs = str(e.value).partition(":")
    lines = [f"+ nn.Linear(features, {outputs})  # the last layer: an output a class"] * bool(
        outputs
    )
    new = ["+ nn.Sigmoid()"] if ending == "sigmoid" else []
    return [*lines, "- nn.Softmax() or what else stands behind the last linear layer", *new]


def _loss(e: Edit, was: object, before: Source) -> list[str]:
    named = getattr(before.loss, "__name__", type(before.loss).__name__)
    old = was or (named if before.loss is not None else "the loss")
    return [f"- loss = {old}", f"+ loss = {CALLS.get(str(e.value), e.value)}"]


def _rate(e: Edit, was: object, _: Source) -> list[str]:
    return [
        f"- lr = {was}",
        f"+ lr = {e.value}",
        "+ for group in optimizer.param_groups: group['lr'] = lr",
    ]


def _optimizer(e: Edit, was: object, before: Source) -> list[str]:
    own = "..." if before.optimizer is not None else f"{str(was).upper()}(...)"
    return [
        f"- optimizer = {own}",
        f"+ optimizer = torch.optim.{OPTIMIZERS.get(str(e.value), e.value)}(net.parameters())",
    ]
