"""The command that repeats a record."""

from dataclasses import replace

from tests.golden import report_samples as samples
from undertow.core.plan import Plan, TrainChoices
from undertow.core.record import OptimizerFacts, Record
from undertow.report.commands import command


def test_a_plan_is_typed_out() -> None:
    assert command("repair", samples.sick().record) == (
        "undertow repair conv --depth 12 --pool-at 4,8 --act sigmoid --init xavier-uniform "
        "--lr 0.02 --data digits"
    )


def test_a_training_has_its_length_and_a_check_has_not() -> None:
    plan = Plan("mlp", train=TrainChoices(epochs=3, standardise=False, clip_norm=1.0), seed=4)
    record = Record(plan=plan, facts=(("data", "my data.npz"),))
    assert command("train", record) == (
        "undertow train mlp --clip-norm 1.0 --epochs 3 --no-standardise --seed 4 "
        "--data 'my data.npz'"
    )
    assert "--epochs" not in command("check", record)


def test_options_as_typed_win() -> None:
    record = samples.sick().record
    typed = replace(record, facts=(("data", "digits"), ("options", "--act sigmoid")))
    assert command("check", typed) == "undertow check conv --act sigmoid --data digits"


def test_a_file_and_a_module_in_memory() -> None:
    file = Record("check", "net.py:build", optimizer=OptimizerFacts("Adam", 0.001))
    assert command("check", file) == "undertow check net.py:build --optimizer adam --lr 0.001"
    assert command("repair", Record("check", "Net")) == "ut.repair(build, data)"
    assert command("train", Record("run", "runs/a")) == "ut.diagnose('runs/a')"
