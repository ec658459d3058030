"""Two reports side by side: only what differs, told where and in which number."""

import json
import math
from dataclasses import replace

from tests.golden import report_samples as samples
from undertow.core.codec import encode
from undertow.core.record import Record
from undertow.report import Report
from undertow.report.compare import Comparison, Difference, compare


def changed(report: Report, **fields: object) -> Report:
    return replace(report, record=replace(report.record, **fields))  # type: ignore[arg-type]


def test_a_report_equals_itself() -> None:
    found = compare(samples.sick(), samples.sick())
    assert found.equal
    assert found.to_text().count("no difference") == 4


def test_only_what_differs_of_the_plan_is_shown() -> None:
    a = samples.sick()
    assert a.record.plan is not None
    other = replace(a.record.plan, seed=4, train=replace(a.record.plan.train, lr=0.5))
    found = compare(a, changed(a, plan=other))
    assert [(d.what, d.b) for d in found.plan] == [("train lr", 0.5), ("seed", 4)]
    assert not found.layers
    assert not found.profile
    text = found.to_text()
    assert "train lr" in text
    assert "0.5" in text


def test_layers_of_one_only_and_changed_activations() -> None:
    a = samples.sick(12)
    layers = tuple(replace(y, act="relu") for y in a.record.layers[:-2])
    found = compare(a, changed(a, layers=layers))
    assert Difference("", "layers", 13.0, 11.0) in found.layers
    assert Difference("fc", "", "Linear", None) in found.layers
    text = found.to_text()
    assert "conv1–conv11 activation" in text
    assert text.count("activation") == 1 + text.count("activation (")


def test_the_profile_is_of_the_last_step_sampled_in_both() -> None:
    a, b = (samples.sick() for _ in range(2))
    slow, fast = samples.snapshot(4, 12, 0.5), samples.snapshot(4, 12, 1.0)
    last = samples.snapshot(8, 12, 1.0)
    a = changed(a, snapshots=(slow,))
    b = changed(b, snapshots=(fast, last))
    found = compare(a, b)
    assert found.step == 4
    whole = {d.what: (d.a, d.b) for d in found.profile if not d.where}
    lost, none = whole["decay"]
    assert isinstance(lost, float)
    assert math.isclose(lost, 11 * math.log10(2), rel_tol=1e-4)
    assert isinstance(none, float)
    assert abs(none) < 1e-5
    assert not [d for d in found.profile if d.what == "act_rms"]  # alike within 5 %


def test_no_common_step_is_said() -> None:
    found = compare(samples.sick(), changed(samples.sick(), snapshots=()))
    assert found.step == -1
    assert "no step was sampled in both" in found.to_text()


def test_deep_nets_fold_and_ascii_holds() -> None:
    a = changed(samples.sick(40), snapshots=(samples.snapshot(0, 40, 0.5),))
    b = changed(samples.sick(40), snapshots=(samples.snapshot(0, 40, 0.9),))
    text = compare(a, b, ("left", "right")).to_text(encoding="ascii")
    assert text.isascii()
    assert "more" in text
    assert len(text.splitlines()) < 40
    assert text.startswith("A  left\nB  right")


def test_not_measured_and_not_finite_are_two_things() -> None:
    bad = samples.snapshot(0, 12, 0.5, dead=math.nan)
    a, b = (changed(samples.sick(), snapshots=(bad,)) for _ in range(2))
    assert not [d for d in compare(a, b).profile if d.what == "dead"]
    assert json.dumps(encode(compare(a, b)))
    empty = Report(a.diagnosis, Record())
    assert isinstance(compare(empty, empty), Comparison)
