"""Suspected, supported, tried in vain, pairs, luck, rank, what is excluded."""

from dataclasses import replace

from tests.cases.records import RAW, check, experiment, falling, layers
from undertow.core.finding import Cause, Experiment
from undertow.core.record import Record
from undertow.diagnosis.causes.standing import ranked
from undertow.diagnosis.engine import diagnose

SIGMOID = layers(act="sigmoid", w2=1.0)


def sick(*experiments: Experiment) -> Record:
    return check(grad_l2=falling(0.3), layers=SIGMOID, experiments=experiments)


def found(record: Record) -> list[Cause]:
    return list(diagnose(record).causes)


def test_supported_where_the_factor_alone_clears_and_rivals_are_excluded() -> None:
    record = sick(
        experiment("initialisation", "no change", ("init", "he-normal"), variant="he-normal"),
        experiment("activation", "clears", ("act", "relu"), variant="relu", deviates=True),
        experiment("learning-rate", "worse", ("lr", 1.0), variant="× 10"),
        experiment("decoy", "no change", variant="same init, drawn again"),
    )
    first = found(record)[0]
    assert (first.name, first.standing) == ("activation", "supported")
    assert "with relu alone the net learns the batch (loss over" in first.because
    assert [e.variant for e in first.excluded] == ["he-normal", "× 10"]


def test_a_factor_tried_in_vain_is_no_cause() -> None:
    vain = experiment("activation", "no change", ("act", "relu"))
    assert "activation" not in [c.name for c in found(sick(vain))]
    half = experiment("activation", "helps", ("act", "tanh"))
    assert "activation" in [c.name for c in found(sick(vain, half))]
    untested = replace(vain, outcome="not tested")
    assert "activation" in [c.name for c in found(sick(untested))]


def test_a_pair_says_needs_both() -> None:
    both = experiment(
        "activation + initialisation",
        "clears",
        ("act", "relu"),
        ("init", "he-normal"),
        variant="relu, he-normal",
    )
    vain = experiment("activation", "no change", ("act", "relu"))
    causes = {c.name: c for c in found(sick(vain, both))}
    assert causes["activation"].standing == causes["initialisation"].standing == "supported"
    assert "needs both activation and initialisation: with relu, he-normal the net learns" in (
        causes["activation"].because
    )


def test_a_pair_says_nothing_beside_a_single_change_or_a_pair_without_a_norm() -> None:
    edits: tuple[tuple[str, str], ...] = (("act", "relu"), ("init", "he-normal"))
    both = experiment("activation + initialisation", "clears", *edits)
    normed = experiment(
        "normalisation + depth", "clears", ("norm", "batch"), ("skip", "projection")
    )
    alone = experiment("initialisation", "clears", ("init", "he-normal"), deviates=True)
    assert "activation" not in [c.name for c in found(check(experiments=(both, alone)))]
    names = [c.name for c in found(check(experiments=(both, normed)))]
    assert names == ["initialisation", "activation"]
    assert [c.name for c in found(check(experiments=(normed,)))] == ["depth", "normalisation"]


def test_the_deviating_factor_outranks_a_generic_cure() -> None:
    record = check(
        grad_l2=falling(0.5),
        experiments=(
            experiment("normalisation", "clears", ("norm", "batch")),
            experiment("initialisation", "clears", ("init", "he-normal"), deviates=True),
        ),
    )
    names = [c.name for c in found(record)]
    assert names.index("initialisation") < names.index("normalisation")
    assert names[0] == "initialisation"


def test_a_generic_cure_without_suspicion_is_no_cause_beside_a_deviating_one() -> None:
    off = experiment("learning-rate", "clears", ("lr", 0.01), deviates=True)
    generic = experiment("activation", "clears", ("act", "tanh"))
    assert [c.name for c in found(check(experiments=(off, generic)))] == ["learning-rate"]
    assert [c.name for c in found(check(experiments=(generic,)))] == ["activation"]


def test_adam_and_clipping_are_no_evidence_of_the_rate() -> None:
    adam = experiment("learning-rate", "clears", ("optimizer", "adam"), ("lr", 1e-3), deviates=True)
    clip = experiment("learning-rate", "clears", ("clip_norm", 1.0), deviates=True)
    assert found(check(experiments=(adam, clip))) == []


def test_where_a_new_draw_also_clears_a_redrawn_factor_is_not_supported() -> None:
    works = experiment("activation", "clears", ("act", "relu"), deviates=True)
    luck = experiment("decoy", "clears")
    (first, *_) = [c for c in found(sick(works, luck)) if c.name == "activation"]
    assert first.standing == "suspected"


def test_an_activation_that_is_nowhere_off_stands_behind_the_norm_that_also_cures() -> None:
    swap = experiment("activation", "clears", ("act", "tanh"))
    norm = experiment("normalisation", "clears", ("norm", "batch"))
    assert [c.name for c in found(check(experiments=(swap, norm)))] == [
        "normalisation",
        "activation",
    ]


def test_among_the_suspected_the_mechanisms_own_factors_lead() -> None:
    loose = [Cause(n, (), n, ()) for n in ("learning-rate", "normalisation")]
    assert next(c.name for c in ranked(check(), "exploding", loose)) == "normalisation"
    assert next(c.name for c in ranked(check(), "lr-high", loose)) == "learning-rate"


def test_a_suspected_flat_activation_stands_before_the_initialisation() -> None:
    record = check(grad_l2=falling(0.2), layers=layers(act="sigmoid", w2=1 / 3))
    names = [c.name for c in diagnose(record).causes]
    assert names[:2] == ["activation", "initialisation"]


def test_rank_by_convention_among_equals() -> None:
    names = ("depth", "activation", "learning-rate", "initialisation", "input-scale", "bias")
    loose = [Cause(n, (), n, ()) for n in names]
    order = [c.name for c in ranked(check(input=RAW), "healthy", loose)]
    assert order == list(reversed(names))
    first = ranked(check(), "lr-high", loose)[0]
    assert first.name == "learning-rate"
