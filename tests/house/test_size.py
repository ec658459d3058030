"""Files, functions and arguments stay small."""

import statistics

from .source import Function, Source

FILE, FUNCTION, MEDIAN, ARGUMENTS = 400, 50, 12, 7


def length(node: Function) -> int:
    """Lines of a function without its docstring."""
    first = node.body[0]
    end, start = node.end_lineno or node.lineno, node.lineno
    documented = getattr(getattr(first, "value", None), "value", None)
    if isinstance(documented, str):
        return end - start + 1 - ((first.end_lineno or first.lineno) - first.lineno + 1)
    return end - start + 1


def test_files_are_short(sources: list[Source]) -> None:
    long = {str(s.path): n for s in sources if (n := len(s.text.splitlines())) > FILE}
    assert not long, f"over {FILE} lines: {long}"


def test_functions_are_short(sources: list[Source]) -> None:
    sizes = {f"{s.path}:{name}": length(f) for s in sources for name, f in s.functions()}
    long = {name: n for name, n in sizes.items() if n > FUNCTION}
    assert not long, f"over {FUNCTION} lines without docstring: {long}"
    assert statistics.median(sizes.values()) <= MEDIAN


def test_arguments_are_few(sources: list[Source]) -> None:
    many = []
    for source in sources:
        if source.path.parts[2] == "api":  # its signatures are those of the public surface
            continue
        for name, node in source.functions():
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([arg for arg in given if arg.arg not in {"self", "cls"}])
            if count > ARGUMENTS:
                many.append(f"{source.path}:{name} has {count}")
    assert not many
