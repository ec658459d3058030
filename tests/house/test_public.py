"""The public names resolve, the words are the stable ones, and the README's code runs."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import undertow

WORDS = {
    "SYMPTOMS": """vanishing-gradient exploding-gradient signal-collapse dead-units saturated-units
        zero-gradient unchanged-parameters non-finite no-progress oscillation overfit head-mismatch
        loss-mismatch label-error input-range symmetric-weights eval-gap""",
    "MECHANISMS": """vanishing exploding dead saturated lr-high lr-low input-scale head data
        degradation healthy""",
    "CAUSES": """activation initialisation bias depth normalisation learning-rate input-scale
        output-head loss labels batch""",
    "REMEDIES": """relu leaky-relu tanh elu he-init xavier-init orthogonal-init lsuv-init reset-bias
        revive-units batch-norm group-norm skip zero-gamma aux-head shallower wider lower-lr
        raise-lr warm-up clip-norm clip-value l1 l2 adam standardise-input fix-head fix-loss""",
    "ACTIVATIONS": """sigmoid tanh relu leaky-relu prelu elu selu gelu silu mish softplus
        hard-swish identity""",
    "INITS": """torch paper xavier-uniform xavier-normal he-uniform he-normal lecun-normal
        orthogonal lsuv normal:STD""",
    "NORMS": "none batch group layer instance lrn",
    "SKIPS": "none zero-pad projection all-projection",
    "LOSSES": "cross-entropy bce mse l1 huber",
    "VERDICTS": "repaired improved not-shown worse",
}
IDS = [f"UT{number}" for number in [*range(101, 112), *range(201, 207)]]


@pytest.mark.parametrize("name", WORDS)
def test_words_are_the_stable_ones(name: str) -> None:
    words = getattr(importlib.import_module("undertow.core.words"), name)
    have = [word for word in words if word != "normal"]
    want = [word for word in WORDS[name].split() if name != "INITS" or word != "normal:STD"]
    assert [word for word in have if not word.startswith("normal:")] == want


def test_every_symptom_has_its_id() -> None:
    assert len(IDS) == len(WORDS["SYMPTOMS"].split())


def test_public_names_resolve() -> None:
    assert undertow.__all__
    assert len(set(undertow.__all__)) == len(undertow.__all__)
    for name in undertow.__all__:
        assert getattr(undertow, name) is not None
    assert set(undertow.__all__) <= set(dir(undertow))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = undertow.no_such_name


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/repair.md"])
def test_the_code_of_a_page_runs(page: str, root: Path, python: Callable[..., str]) -> None:
    text = (root / page).read_text(encoding="utf-8")
    fences = re.findall(r"^```python run\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert fences, f"{page} shows no ```python run"
    for code in fences:
        python("-c", code)
