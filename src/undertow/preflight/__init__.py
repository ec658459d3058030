"""Layer 4: what a few batches on a copy say before training; nothing of the user's is changed."""

from undertow.preflight.case import Case, Deadline, guarded, make_case
from undertow.preflight.measure import measure

__all__ = ["Case", "Deadline", "guarded", "make_case", "measure"]
