"""Count the code of the core: what a reader must hold in the head. `python tests/core_size.py` prints it per file.

The core is node.py, graph.py, ops/base.py and whatever of minigrad they import when loaded, over any number of steps;
operators.py (one-liners) and the __init__.py files (lists of names) aside. Code is what remains without blank lines,
comments and docstrings.
"""

import ast
import io
import tokenize
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
START = ["minigrad.node", "minigrad.graph", "minigrad.ops.base"]
ASIDE = {"minigrad.operators"}
MOST = 750

SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    r"""The number of lines that hold code.

    >>> code_lines('def f(x):\n    "Twice x."\n\n    # a comment\n    return 2 * x  # another\n')
    2
    """
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.update(range(node.lineno, node.end_lineno + 1 if node.end_lineno else node.lineno))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def path_of(module: str) -> Path | None:
    """The file of a module of minigrad, None for a package or anything else."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return path if module.startswith("minigrad.") and path.exists() else None


def imports(nodes: Iterable[ast.AST], module: str, is_package: bool = False) -> list[str]:
    """The names a module imports when it is loaded: not inside functions, not under `if TYPE_CHECKING`."""
    found: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{absolute(node, module, is_package)}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            found += imports(node.orelse, module, is_package)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found += imports(ast.iter_child_nodes(node), module, is_package)
    return found


def absolute(node: ast.ImportFrom, module: str, is_package: bool = False) -> str:
    """The full name of the module an import takes its names from."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    package = package[: len(package) + 1 - node.level] if node.level else []
    return ".".join(package + ([node.module] if node.module else []))


def core() -> dict[str, int]:
    """The lines of code of every module of the core, in the order a reader meets them."""
    sizes: dict[str, int] = {}
    todo = list(START)
    while todo:
        module = todo.pop(0)
        path = path_of(module)
        if path is None or module in sizes or module in ASIDE:
            continue
        source = path.read_text("utf-8")
        sizes[module] = code_lines(source)
        for name in imports([ast.parse(source)], module):
            todo += [name, name.rpartition(".")[0]]  # a module, or a name inside one
    return sizes


def main() -> None:
    """Print the table."""
    sizes = core()
    for module, lines in sizes.items():
        print(f"{lines:5}  {module}")
    print(f"{sum(sizes.values()):5}  in all, of {MOST}")


if __name__ == "__main__":
    main()
