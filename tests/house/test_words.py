"""Names and docstrings: documented in public, named by what they are."""

import ast
import re

from .source import Source

EMPTY_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)(_|$)")
PATH_OF_A_MACHINE = re.compile(r"(?<![\w.~])/(opt|work|root|home|mnt|srv)/\w")


def is_public(name: str) -> bool:
    parts = [part for part in name.split(".") if not (part.startswith("__") and part != "__init__")]
    return not any(part.startswith("_") for part in parts)


def inside_function(tree: ast.Module) -> set[ast.AST]:
    """Everything defined within a function: private by nature."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    outer = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return {inner for node in outer for inner in ast.walk(node) if inner is not node}


def test_everything_public_has_a_docstring(sources: list[Source]) -> None:
    bare = []
    for source in sources:
        if source.text.strip() and not ast.get_docstring(source.tree):
            bare.append(str(source.path))
        hidden = inside_function(source.tree)
        for name, node in source.functions():
            special = node.name.startswith("__") and node.name.endswith("__")
            if is_public(name) and not special and node not in hidden:
                documented = ast.get_docstring(node) or is_overload(node)
                bare += [] if documented else [f"{source.path}:{name}"]
        classes = [n for n in ast.walk(source.tree) if isinstance(n, ast.ClassDef)]
        bare += [
            f"{source.path}:{node.name}"
            for node in classes
            if is_public(node.name) and node not in hidden and not ast.get_docstring(node)
        ]
    assert not bare, f"no docstring: {bare}"


def is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(mark).endswith("overload") for mark in node.decorator_list)


def test_first_lines_end_as_sentences(sources: list[Source]) -> None:
    for source in sources:
        text = ast.get_docstring(source.tree)
        assert text is None or text.split("\n")[0].strip(), f"{source.path}: empty first line"


def test_no_module_is_named_for_nothing(sources: list[Source]) -> None:
    found = []
    for source in sources:
        classes = [n.name for n in ast.walk(source.tree) if isinstance(n, ast.ClassDef)]
        for name in [*source.path.with_suffix("").parts, *classes]:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
            found += [f"{source.path}: {name}"] if EMPTY_NAMES.search(words) else []
    assert not found, f"names that say nothing: {found}"


def test_no_public_parameter_is_named_kwargs(sources: list[Source]) -> None:
    found = []
    for source in sources:
        for name, node in source.functions():
            arguments = node.args
            given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            names = {arg.arg for arg in [*given, arguments.kwarg, arguments.vararg] if arg}
            if is_public(name) and "kwargs" in names:
                found.append(f"{source.path}:{name}")
    assert not found


def test_no_path_of_a_machine(sources: list[Source]) -> None:
    found = {str(s.path): m.group() for s in sources if (m := PATH_OF_A_MACHINE.search(s.text))}
    assert not found, f"paths that exist on one machine only: {found}"
