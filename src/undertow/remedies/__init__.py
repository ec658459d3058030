"""Remedies: changes as data, with what each costs and how often it worked. No torch."""

from undertow.core.finding import Remedy
from undertow.remedies.activation import ELU, LEAKY_RELU, RELU, TANH
from undertow.remedies.bias import RESET_BIAS, REVIVE_UNITS
from undertow.remedies.clipping import CLIP_NORM, CLIP_VALUE
from undertow.remedies.head import FIX_HEAD, FIX_LOSS
from undertow.remedies.initialisation import HE_INIT, LSUV_INIT, ORTHOGONAL_INIT, XAVIER_INIT
from undertow.remedies.input import STANDARDISE_INPUT
from undertow.remedies.learning_rate import ADAM, LOWER_LR, RAISE_LR, WARM_UP
from undertow.remedies.normalisation import BATCH_NORM, GROUP_NORM
from undertow.remedies.penalty import L1, L2
from undertow.remedies.structure import AUX_HEAD, SHALLOWER, SKIP, WIDER, ZERO_GAMMA

REMEDIES: tuple[Remedy, ...] = (
    RELU,
    LEAKY_RELU,
    TANH,
    ELU,
    HE_INIT,
    XAVIER_INIT,
    ORTHOGONAL_INIT,
    LSUV_INIT,
    RESET_BIAS,
    REVIVE_UNITS,
    BATCH_NORM,
    GROUP_NORM,
    SKIP,
    ZERO_GAMMA,
    AUX_HEAD,
    SHALLOWER,
    WIDER,
    LOWER_LR,
    RAISE_LR,
    WARM_UP,
    CLIP_NORM,
    CLIP_VALUE,
    L1,
    L2,
    ADAM,
    STANDARDISE_INPUT,
    FIX_HEAD,
    FIX_LOSS,
)
