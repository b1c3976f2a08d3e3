"""Print how the source is organised: folders, importers, lines, docstrings and words.

Usage: `python tools/structure.py [--details] [FOLDER ...]`, by default `src` and `model`.
"""

import argparse
import ast
import io
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PACKAGES = (REPO / "src", REPO / "model")
FOLDER_LIMIT, FILE_LIMIT = 13, 400

FORBIDDEN_WORDS = frozenset(
    "adopt adopted alternative alternatives carried carry doubt doubtful doubts doubted follow "
    "followed followers follows fork forked forks mark marks meaning meanings pen ranked recall "
    "recalled remembered said say saying says sure surely surest told tell tells unsaid unsure "
    "windowed".split()
)
"""Words that no identifier contains: see the table of words in CONTRIBUTING.md."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def source_files(folders: Iterable[Path]) -> list[Path]:
    """List the Python files below some folders."""
    return sorted(path for folder in folders for path in Path(folder).rglob("*.py"))


def module_name(path: Path) -> str:
    """Return the dotted name under which a file below `src` or `model` is imported."""
    root = next(root for root in PACKAGES if path.is_relative_to(root))
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def code_lines(path: Path) -> int:
    """Count the lines of a file that are neither blank, comment nor docstring."""
    text = path.read_text(encoding="utf-8")
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and _is_text(node.value):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (*silent, tokenize.ENDMARKER):
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - skipped)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def importers(paths: Iterable[Path]) -> dict[str, set[str]]:
    """Map each module to the modules that import it, those only for type checking included."""
    names = {module_name(path): path for path in paths}
    found: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for target in _imported(ast.parse(path.read_text(encoding="utf-8")), names):
            if target != name:
                found[target].add(name)
    return found


def _imported(tree: ast.Module, names: Iterable[str]) -> Iterator[str]:
    known = set(names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = {f"{node.module}.{alias.name}" for alias in node.names} & known
            yield from modules
            if node.module in known and len(modules) < len(node.names):
                yield node.module


def single_importers(paths: Iterable[Path]) -> dict[str, str]:
    """Map each module that only one other module imports to that module.

    Packages (`__init__`) neither count as modules nor, where they list their public names, as
    importers.
    """
    paths = list(paths)
    packages = {module_name(path) for path in paths if path.name == "__init__.py"}
    single = {}
    for name, users in importers(paths).items():
        if name not in packages and len(users) == 1:
            single[name] = next(iter(users))
    return single


def defined_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """List the identifiers that a module defines, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.alias(asname=str()):
                yield str(node.asname), node.lineno


def words_of(identifier: str) -> list[str]:
    """Split an identifier into its words, in lower case."""
    return [word.lower() for word in _WORD.findall(identifier)]


def forbidden_identifiers(path: Path) -> list[tuple[str, int]]:
    """List the identifiers of a file, its own name included, that contain a forbidden word."""
    names = [(path.stem, 1), *defined_names(ast.parse(path.read_text(encoding="utf-8")))]
    return [(name, line) for name, line in names if FORBIDDEN_WORDS.intersection(words_of(name))]


def first_words(paths: Iterable[Path]) -> Counter[str]:
    """Count the first words of docstrings of functions and methods."""
    counts: Counter[str] = Counter()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                counts.update((ast.get_docstring(node) or "").split()[:1])
    return counts


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=list(PACKAGES))
    parser.add_argument("--details", action="store_true", help="list what is only counted")
    arguments = parser.parse_args()
    paths = source_files(folder.resolve() for folder in arguments.folders)
    _print_sizes(paths)
    in_packages = source_files(PACKAGES)
    single = {
        name: user
        for name, user in single_importers(in_packages).items()
        if name in {module_name(path) for path in set(paths) & set(in_packages)}
    }
    print(f"modules with a single importer: {len(single)}")
    bad = [(path, name, line) for path in paths for name, line in forbidden_identifiers(path)]
    print(f"identifiers with a forbidden word: {len(bad)}")
    words = ", ".join(f"{word} {n}" for word, n in first_words(paths).most_common(30))
    print(f"first words of docstrings: {words}")
    if arguments.details:
        for name, user in sorted(single.items()):
            print(f"  {name} <- {user}")
        for path, name, line in bad:
            print(f"  {path.relative_to(REPO)}:{line} {name}")


def _print_sizes(paths: list[Path]) -> None:
    lines = {path: code_lines(path) for path in paths}
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        folders[path.parent].append(path)
    print(f"{len(paths)} files, {sum(lines.values())} lines of code")
    for folder, files in sorted(folders.items()):
        n = sum(path.name != "__init__.py" for path in files)
        total = sum(lines[path] for path in files)
        note = f"  more than {FOLDER_LIMIT}" if n > FOLDER_LIMIT else ""
        print(f"  {folder.relative_to(REPO)}: {n} modules, {total} lines{note}")
    for path in paths:
        n = len(path.read_text(encoding="utf-8").splitlines())
        if n > FILE_LIMIT:
            print(f"  {path.relative_to(REPO)}: {n} lines, more than {FILE_LIMIT}")


if __name__ == "__main__":
    main()
