"""Judgement: a record in, symptoms, mechanism and causes out. No torch."""

from undertow.core.finding import Cause, Symptom
from undertow.core.rule import Rule
from undertow.diagnosis.causes.activation import activation
from undertow.diagnosis.causes.batch import batch
from undertow.diagnosis.causes.bias import bias
from undertow.diagnosis.causes.depth import depth
from undertow.diagnosis.causes.head import labels, loss, output_head
from undertow.diagnosis.causes.initialisation import initialisation
from undertow.diagnosis.causes.input_scale import input_scale
from undertow.diagnosis.causes.learning_rate import learning_rate
from undertow.diagnosis.causes.normalisation import normalisation
from undertow.diagnosis.symptoms.collapse import signal_collapse
from undertow.diagnosis.symptoms.dead import dead_units
from undertow.diagnosis.symptoms.exploding import exploding_gradient
from undertow.diagnosis.symptoms.nonfinite import non_finite
from undertow.diagnosis.symptoms.overfit import overfit
from undertow.diagnosis.symptoms.progress import no_progress, oscillation
from undertow.diagnosis.symptoms.saturated import saturated_units
from undertow.diagnosis.symptoms.static import (
    eval_gap,
    head_mismatch,
    input_range,
    label_error,
    loss_mismatch,
    symmetric_weights,
)
from undertow.diagnosis.symptoms.still import unchanged_parameters, zero_gradient
from undertow.diagnosis.symptoms.vanishing import vanishing_gradient

SYMPTOMS: tuple[Rule[Symptom], ...] = (
    vanishing_gradient,
    exploding_gradient,
    signal_collapse,
    dead_units,
    saturated_units,
    zero_gradient,
    unchanged_parameters,
    non_finite,
    no_progress,
    oscillation,
    overfit,
    head_mismatch,
    loss_mismatch,
    label_error,
    input_range,
    symmetric_weights,
    eval_gap,
)
CAUSES: tuple[Rule[Cause], ...] = (
    output_head,
    loss,
    labels,
    batch,
    bias,
    input_scale,
    initialisation,
    learning_rate,
    activation,
    depth,
    normalisation,
)
