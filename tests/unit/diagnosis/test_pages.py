"""Pages load by id and by word, and an unknown one names the nearest."""

import pytest

from undertow.core.errors import UsageError
from undertow.diagnosis.pages import page


def test_by_id_and_by_word_in_any_case() -> None:
    assert page("UT101").startswith("# UT101 vanishing-gradient: ")
    assert page("vanishing-gradient") == page("UT101") == page("ut101")


@pytest.mark.parametrize("id", ["UT999", "", "vanish", "../UT101"])
def test_unknown(id: str) -> None:
    with pytest.raises(UsageError, match="finding="):
        page(id)
