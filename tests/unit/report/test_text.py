"""The terminal text: what it must say, and how it folds, wraps and falls back to ASCII."""

from dataclasses import replace

import pytest

from tests.golden import report_samples as samples
from undertow.core.finding import Diagnosis, Reading
from undertow.core.record import Record
from undertow.report import Report
from undertow.report.text import FOLD, cut, kept, verdict_text


def test_short_nets_are_shown_whole_and_long_ones_folded() -> None:
    short, long = samples.sick(FOLD - 1), samples.sick(50)
    assert "more" not in short.to_text().split("✖")[0]
    text = long.to_text()
    table = text.split("✖")[0]
    assert "conv1 " in table
    assert "conv50 " in table
    assert "fc " in table
    assert "conv25 " in table, "the last flagged layer ends its stretch and stays"
    assert "conv10 " not in table
    assert "… 21 more · gradient ×" in table
    assert len(text.splitlines()) < 45


def test_a_lone_flagged_layer_is_never_folded_away() -> None:
    report = samples.sick(40)
    symptom = replace(report.symptoms[0], name="dead-units", layers=("conv20",))
    one = replace(report, diagnosis=replace(report.diagnosis, symptoms=(symptom,)))
    from undertow.report.findings import marks

    assert 19 in kept(one.layers, marks(one))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "no-such-encoding"])
def test_ascii_where_the_terminal_lacks_signs(encoding: str) -> None:
    text = samples.repaired().to_text(encoding=encoding)
    assert text.isascii()
    assert "v " in text
    assert "x UT101" in text
    assert "ok repaired" in text


def test_unknown_letters_survive_in_ascii() -> None:
    report = replace(samples.healthy(), record=replace(samples.healthy().record, source="réseau"))
    assert r"r\xe9seau" in report.to_text(encoding="ascii")


def test_colour_adds_nothing_but_codes() -> None:
    import re

    plain, coloured = samples.repaired().to_text(), samples.repaired().to_text(color=True)
    assert coloured != plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


@pytest.mark.parametrize("width", [60, 80, 120])
def test_sentences_stay_within_the_width(width: int) -> None:
    for line in samples.sick().to_text(width=width).splitlines():
        sentence = line.startswith(("✖", "  mechanism", "  cause", "  excluded", " " * 13))
        assert not sentence or len(line) <= width, line


def test_a_command_is_one_line() -> None:
    line = next(x for x in samples.sick().to_text(width=60).splitlines() if " next " in x)
    assert line.endswith("--data digits")


def test_watching_gives_no_verdict() -> None:
    text = Report(Diagnosis("vanishing", watching=True), Record(kind="run")).to_text()
    assert "watching" in text
    assert "100" in text
    assert "✖" not in text
    assert "✔" not in text


def test_untested_is_said() -> None:
    text = samples.healthy().to_text()
    assert "your data (random input): add --data" in text
    assert "learning rate (no optimiser was given)" in text
    assert "depth 3 layers (budget)" in samples.sick().to_text()


def test_remedies_show_what_was_measured_here_else_what_was_measured_before() -> None:
    text = samples.sick().to_text()
    assert "1  batch-norm  on this batch decay 9.4 → -0.1 decades, loss 1.00 → .12" in text
    assert "worked in 16 of 47 nets (measured before)" in text
    assert "no measured rate" in text


def test_a_pair_is_named_only_where_no_single_factor_clears() -> None:
    report = samples.sick()
    assert "needs both" not in report.to_text()
    fewer = tuple(e for e in report.record.experiments if e.factor != "normalisation")
    both = replace(report, record=replace(report.record, experiments=fewer))
    assert "needs both activation + initialisation relu, he-normal" in both.to_text()


def test_three_seeds_rest_on_normality_and_ten_do_not() -> None:
    verdict = samples.proven()
    assert "With 3 seeds no sign test" in verdict_text(verdict)
    assert "sign test" not in verdict_text(replace(verdict, seeds=tuple(range(10))))


def test_a_verdict_without_trials_still_prints() -> None:
    verdict = replace(samples.proven(), trials=(), effect=None, decoy=None, word="not-shown")
    assert "✖ not-shown   batch-norm" in verdict_text(verdict)


def test_readings_that_were_not_taken_leave_no_arrow() -> None:
    report = samples.sick()
    bare = tuple(
        replace(e, before=Reading("", None), after=Reading("", None))
        for e in report.record.experiments
    )
    assert "None" not in replace(report, record=replace(report.record, experiments=bare)).to_text()


def test_no_promise_is_made() -> None:
    for make in (samples.sick, samples.repaired, samples.run, samples.healthy):
        words = make().to_text().lower().split()
        assert not {"cures", "always", "best"} & set(words)


def test_long_names_lose_their_middle() -> None:
    assert cut("a" * 40 + "z", 11) == "aaaaa…aaaaz"
