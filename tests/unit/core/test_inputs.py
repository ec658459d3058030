"""What a checkpoint says of its inputs survives JSON, in both forms, to every digit."""

import json

import pytest

from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs, read

THIRD = (1 / 3, 0.2, 0.1)


@pytest.mark.parametrize(
    "inputs",
    [
        Inputs((3, 224, 224), 256 / 224, (0.0, 1.0), THIRD, THIRD),
        Inputs((1, 8, 8), None, None, (4.884,), (6.016,)),
        Inputs((20,)),
        Inputs((3, 32, 32), transform="mine"),
    ],
)
def test_told_and_read_are_inverse(inputs: Inputs) -> None:
    assert read(json.loads(json.dumps(inputs.told()))) == inputs


def test_reads_what_stands_beside_published_weights() -> None:
    told = {"crop": 224, "resize": 232, "mean": list(THIRD), "std": list(THIRD)}
    assert read(told) == Inputs((3, 224, 224), 232 / 224, (0.0, 1.0), THIRD, THIRD)
    assert read({**told, "resize": None}) == Inputs((3, 224, 224), 1.0, (0.0, 1.0), THIRD, THIRD)


def test_nothing_said_is_none_and_damage_is_an_error() -> None:
    assert read(None) is None
    assert read({}) is None
    with pytest.raises(UsageError, match="--size"):
        read({"shape": "big"})


def test_words_name_the_resize_and_the_crop() -> None:
    said = Inputs((3, 224, 224), 256 / 224, (0.0, 1.0), THIRD, THIRD).words()
    assert said.startswith("3x224x224; shorter side 256, centre; values 0 to 1; mean 0.3333")
