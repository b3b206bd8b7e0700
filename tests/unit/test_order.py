"""The laws of an order: dependencies first where there is no cycle, one answer for one graph."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.imports import Edge
from gristmill.corpus.order import Order, order, violations

WAYS: tuple[Order, ...] = ("scc", "paper", "path", "random")
paths = [f"{folder}/{name}.py" for folder in ("lib", "tests") for name in "abcdef"]
edge = st.builds(
    Edge,
    st.sampled_from(paths),
    st.sampled_from(paths),
    st.sampled_from(["import", "local", "type_only"]),
    st.just("Python"),
    st.just(1),
)
graphs = st.lists(edge, max_size=30)


def imports(*pairs: str, kind: str = "import") -> list[Edge]:
    return [Edge(*pair.split(" > "), kind, "Python", 1) for pair in pairs]  # type: ignore[arg-type]


@pytest.mark.parametrize("how", WAYS)
@settings(max_examples=60, deadline=None)
@given(edges=graphs)
def test_every_file_once_in_its_component_whatever_the_input_order(
    how: Order, edges: list[Edge]
) -> None:
    found = order(paths, edges, how, seed=3, repository="r")
    shuffled = random.Random(5)
    again = order(
        shuffled.sample(paths, len(paths)), shuffled.sample(edges, len(edges)), how, 3, "r"
    )
    assert found == again
    assert sorted(path for part in found for path in part) == paths
    assert [min(part) for part in found] == sorted(min(part) for part in found)
    home = {path: index for index, part in enumerate(found) for path in part}
    assert all(home[edge.importer] == home[edge.imported] for edge in edges)
    assert found == order(paths, edges, how, 3, "r")


@pytest.mark.parametrize("how", ["scc", "paper"])
@given(edges=graphs)
def test_without_cycles_dependencies_come_first(how: Order, edges: list[Edge]) -> None:
    forward = [edge for edge in edges if edge.importer > edge.imported]
    assert violations(order(paths, forward, how), forward).num_broken == 0


@given(st.permutations(paths), st.lists(st.booleans(), min_size=12, max_size=12))
def test_where_there_is_a_choice_a_weak_edge_breaks(ring: list[str], weak: list[bool]) -> None:
    edges = [
        Edge(one, other, "local" if each else "import", "Python", 1)
        for one, other, each in zip(ring, ring[1:] + ring[:1], weak, strict=True)
    ]
    ordered = order(paths, edges)
    assert violations(ordered, edges).num_broken == 1
    strong = [edge for edge in edges if not edge.weak]
    assert violations(ordered, strong).num_broken == (not any(weak))


@settings(max_examples=30, deadline=None)
@given(edges=graphs)
def test_a_test_that_nobody_imports_stands_right_behind_what_it_needs(edges: list[Edge]) -> None:
    kept = [edge for edge in edges if not edge.imported.startswith("tests/")]
    for part in order(paths, kept):
        for index, path in enumerate(part):
            if path.startswith("tests/") and index:
                needed = {edge.imported for edge in kept if edge.importer == path}
                before = index - 1
                while part[before].startswith("tests/"):
                    before -= 1
                assert part[before] in needed


def test_ties_go_to_the_path() -> None:
    edges = imports("d > b", "d > c", "b > a", "c > a")
    assert order("dcba", edges) == [["a", "b", "c", "d"]]
    assert order("dcba", edges, "paper") == [["a", "b", "c", "d"]]


def test_the_papers_rule_starts_beside_a_cycle_and_scc_starts_in_it() -> None:
    # b and c import each other; a needs b only, so that its in-degree ties with theirs
    edges = imports("b > c", "c > b", "a > b")
    assert order("abc", edges, "paper") == [["a", "b", "c"]]
    assert violations(order("abc", edges, "paper"), edges).num_broken == 2
    assert order("abc", edges) == [["b", "c", "a"]]


def test_a_local_import_closes_no_cycle() -> None:
    edges = imports("a > b", "b > c") + imports("c > a", kind="local")
    assert order("abc", edges) == [["c", "b", "a"]]


def test_tests_follow_what_they_test() -> None:
    names = ["pkg/a.py", "pkg/b.py", "pkg/c.py", "tests/test_a.py", "tests/test_b.py"]
    edges = imports(
        "pkg/b.py > pkg/a.py", "pkg/c.py > pkg/b.py",
        "tests/test_a.py > pkg/a.py", "tests/test_b.py > pkg/b.py", "tests/test_b.py > pkg/a.py",
    )  # fmt: skip
    assert order(names, edges) == [
        ["pkg/a.py", "tests/test_a.py", "pkg/b.py", "tests/test_b.py", "pkg/c.py"]
    ]


@pytest.mark.parametrize(
    ("test", "subject"),
    [
        ("net/a_test.go", "net/a.go"),
        ("src/test/java/p/ATest.java", "src/main/java/p/A.java"),
        ("src/a.test.ts", "src/a.ts"),
        ("src/a_test.cc", "src/a.cc"),
        ("spec/models/a_spec.rb", "lib/models/a.rb"),
        ("test/test-a.c", "src/a.c"),
        ("Lib.Tests/ATests.cs", "Lib/A.cs"),
    ],
)
def test_tests_follow_their_subject_in_every_language(test: str, subject: str) -> None:
    base, last = "base/base.h", "zoo/zoo.c"
    edges = imports(f"{subject} > {base}", f"{test} > {base}", f"{last} > {base}")
    assert order([base, test, subject, last], edges) == [[base, subject, test, last]]


def test_a_test_stays_behind_all_that_it_needs() -> None:
    edges = imports("src/b.cc > src/a.cc", "src/a_test.cc > src/b.cc", "src/c.cc > src/b.cc")
    names = ["src/a.cc", "src/a_test.cc", "src/b.cc", "src/c.cc"]
    assert order(names, edges) == [["src/a.cc", "src/b.cc", "src/a_test.cc", "src/c.cc"]]


def test_random_depends_on_seed_and_repository_only() -> None:
    names = [f"{index:02}" for index in range(20)]
    edges = imports(*(f"{a} > {b}" for a, b in pairwise(names)))
    one = order(names, edges, "random", 1, "r")
    assert one == order(names, edges, "random", 1, "r")
    assert one != order(names, edges, "random", 2, "r")
    assert one != order(names, edges, "random", 1, "s")


def test_edges_to_files_that_were_dropped_do_not_count() -> None:
    edges = imports("a > b", "b > gone", "gone > a")
    assert order(["a", "b", "c"], edges) == [["b", "a"], ["c"]]
    found = violations([["a", "b"], ["c"]], edges)
    assert (found.num_edges, found.num_broken, found.share) == (1, 1, 1.0)
    assert violations([], []).share == 0


def test_a_cycle_of_ten_thousand_files_breaks_one_edge() -> None:
    names = [f"{index:05}" for index in range(10_000)]
    edges = imports(*(f"{a} > {b}" for a, b in zip(names, names[1:] + names[:1], strict=True)))
    assert violations(order(names, edges), edges).num_broken == 1
