"""The words of a report."""

from undertow.core.words import MECHANISMS, STANDINGS, VERDICTS
from undertow.report.glossary import GLOSSARY, HEADLINES, slug, used


def test_every_mechanism_standing_and_verdict_is_explained() -> None:
    assert set(HEADLINES) == set(MECHANISMS)
    assert {*STANDINGS, *VERDICTS} <= set(GLOSSARY)


def test_only_words_that_occur_are_listed() -> None:
    assert list(used("the DECOY arm, supported")) == ["decoy", "supported"]


def test_slugs_are_unique() -> None:
    assert slug("|dL/dh|") == "dl-dh"
    assert slug("<b>") == "b"
    assert len({slug(word) for word in GLOSSARY}) == len(GLOSSARY)
