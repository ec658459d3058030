"""`undertow models` and `undertow summary` print what the cards say."""

import json

from tests.unit.cli.command import run
from undertow.models import CARDS


def said(*words: str) -> str:
    """What a command prints."""
    found = run(*words)
    assert found.code == 0, found.err
    return found.out


def test_every_card_is_listed() -> None:
    lines = said("models").splitlines()
    assert [line.split()[0] for line in lines[1:]] == [c.name for c in CARDS]
    (googlenet,) = [line for line in lines if line.startswith("googlenet")]
    assert "6,624,904" in googlenet
    assert "13,004,888 with auxiliary heads" in googlenet


def test_json_holds_every_variant() -> None:
    (card,) = json.loads(said("models", "googlenet", "--json"))
    assert [v["parameters"] for v in card["variants"]] == [6_624_904, 13_378_280]
    assert card["variants"][1]["other"]["parameters"] == 6_998_552
    (file,) = card["weights"]
    assert (file["tag"], file["top1"], file["transform_input"]) == ("imagenet", 69.778, True)
    assert file["preprocessing"]["resize"] == 256
    assert card["smallest"] == 15


def test_a_summary_takes_variant_and_heads() -> None:
    words = ("summary", "googlenet", "--variant", "paper", "--aux", "1")
    text = said(*words)
    assert "10,189,440 parameters, 1,582,671,872 multiply-adds" in text
    found = json.loads(said(*words, "--json"))
    assert found["parameters"] == 10_189_440
    assert found["rows"][0]["field"] == [7]
    assert found["saved"] > 0
