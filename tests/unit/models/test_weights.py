"""The table of published files is whole and names cards that exist."""

import re

from undertow.models import CARDS, card
from undertow.models.weights import WEIGHTS, named, tagged, tags

PUBLISHED = [w for w in WEIGHTS if w.tag.startswith("imagenet")]


def test_every_file_has_a_card_a_digest_and_an_address() -> None:
    for entry in WEIGHTS:
        assert re.fullmatch(r"[0-9a-f]{8}", entry.digest), entry.file
        assert entry.url == entry.address + entry.file
        assert entry.url.startswith("https://")
        assert entry.preprocessing.crop == card(entry.model).input[1]
    assert len({w.file for w in WEIGHTS}) == len(WEIGHTS)
    assert len({(w.model, w.tag) for w in WEIGHTS}) == len(WEIGHTS)


def test_cards_know_their_tags() -> None:
    for found in CARDS:
        assert found.weights == tags(found.name) == tuple(w.tag for w in found.files)
    assert card("resnet50").weights == ("imagenet", "imagenet-v2")
    assert card("resnext101_64x4d").weights == ("imagenet-v2",)
    assert card("googlenet").weights == ("imagenet",)
    assert card("plain18").weights == ()
    assert len(PUBLISHED) == 20 + 8 + 1


def test_preprocessing_travels_with_the_file() -> None:
    resize = {(w.model, w.tag): w.preprocessing.resize for w in PUBLISHED}
    assert resize["resnet50", "imagenet"] == 256
    assert resize["resnet50", "imagenet-v2"] == 232
    assert resize["inception_v3", "imagenet"] == 342
    transformed = {w.model for w in WEIGHTS if w.transform_input}
    assert transformed == {"googlenet", "inception_v3"}


def test_a_file_is_known_by_its_name() -> None:
    first = tagged("vgg13", "imagenet")
    assert first is not None
    assert first.url == "https://download.pytorch.org/models/vgg13-19584684.pth"
    assert named("vgg13-19584684.pth") is first
    assert named("cifar-resnet20-12fca82f.th") is tagged("cifar_resnet20", "cifar10")
    assert named("mine.pth") is None
