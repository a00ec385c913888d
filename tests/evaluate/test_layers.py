"""The evaluator's parts look one way: reading, sums, results; what shows them stands above, and nothing goes in a circle.

Between folders imports inside functions count too.
"""

import ast

import pytest

from .. import ROOT

EVALUATE = ROOT / "src" / "logitloss" / "evaluate"


def nodes(tree, everywhere):
    """The nodes below, but for what only a type checker runs; with `everywhere`, within functions too."""
    for node in ast.iter_child_nodes(tree):
        of_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not of_types and (everywhere or not isinstance(node, ast.FunctionDef)):
            yield node
            yield from nodes(node, everywhere)


def imports(root, everywhere=True):
    """For each module of the package in `root`, by its path in dots, those that it imports."""
    paths = {path.relative_to(root).with_suffix("").as_posix().replace("/", "."): path for path in root.rglob("*.py")}
    modules = {name.removesuffix("__init__").rstrip("."): path for name, path in paths.items()}
    found = {}
    for name, path in modules.items():
        package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
        here, targets = ["logitloss", "evaluate", *filter(None, package)], set()
        for node in nodes(ast.parse(path.read_text()), everywhere):
            if isinstance(node, ast.Import):
                targets |= {(alias.name, "") for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                start = here[: len(here) + 1 - node.level] if node.level else []
                base = ".".join(filter(None, [*start, node.module]))
                targets |= {(base, alias.name) for alias in node.names}
        found[name] = set()
        for base, attribute in targets:
            inside = (
                f"{base}.{attribute}".removeprefix("logitloss.evaluate."),
                base.removeprefix("logitloss.evaluate."),
            )
            found[name] |= {next((target for target in inside if target in modules), name)} - {name}
    return found


def circles(graph):
    """The modules that import themselves by way of others."""

    def reachable(start):
        seen, todo = set(), list(graph[start])
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += graph[name]
        return seen

    return sorted(name for name in graph if name in reachable(name))


def wings(graph):
    """The same between folders, and files that stand in none."""
    found = {}
    for name, others in graph.items():
        wing = name.partition(".")[0]
        found.setdefault(wing, set()).update({other.partition(".")[0] for other in others} - {wing})
    return found


def test_no_module_imports_itself_by_way_of_others_as_it_is_imported():
    assert circles(imports(EVALUATE, everywhere=False)) == []


def test_no_wing_imports_itself_by_way_of_others():
    assert circles(wings(imports(EVALUATE))) == []


def test_results_import_nothing_that_shows_them_and_ask_for_it_in_one_place():
    assert not {name for name in imports(EVALUATE)["results"] if name.startswith("display")}
    assert (EVALUATE / "results.py").read_text().count("logitloss.evaluate.display") == 1


@pytest.mark.parametrize("layer", ["results", "display"])
def test_what_shows_results_reads_and_counts_nothing(layer):
    graph = imports(EVALUATE)
    below = {"errors", "output", "results", "intervals", "calibration", "display"}
    for name, others in graph.items():
        if name.partition(".")[0] == layer:
            assert {other.partition(".")[0] for other in others} <= below, name


def test_these_tests_can_fail(tmp_path):
    (tmp_path / "display").mkdir()
    (tmp_path / "results.py").write_text("def f():\n    from logitloss.evaluate.display import table\n")
    (tmp_path / "display" / "__init__.py").write_text("from logitloss.evaluate.display import table\n")
    (tmp_path / "display" / "table.py").write_text("from ..results import f\n")
    (tmp_path / "score.py").write_text("import logitloss.evaluate.results\nif TYPE_CHECKING:\n    import display\n")
    graph = imports(tmp_path)
    assert graph["results"] == {"display.table"}
    assert graph["display.table"] == {"results"}
    assert circles(graph) == ["display.table", "results"]
    assert circles(wings(graph)) == ["display", "results"]
    assert circles(imports(tmp_path, everywhere=False)) == []
    (tmp_path / "results.py").write_text("from logitloss.evaluate.display import table\n")
    assert circles(imports(tmp_path, everywhere=False)) == ["display.table", "results"]
    assert graph["display"] == {"display.table"}
    assert graph["score"] == {"results"}
