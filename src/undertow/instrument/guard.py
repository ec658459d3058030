"""A fault of ours inside a user's training becomes a note, never the training's end."""

from types import TracebackType

MAX_NOTES = 20  # a fault tends to repeat: more of them say nothing new


class Guard:
    """A context in which an error becomes a note; made once, as it is entered at every step."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a sentence once."""
        if text not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(text)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.note(f"watch: {type(error).__name__}: {error}")
        return True
