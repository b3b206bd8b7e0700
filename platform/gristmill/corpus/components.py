"""Weakly and strongly connected components of a graph on 0..n-1, in linear time, without recursion."""

from collections.abc import Iterable, Sequence

Successors = Sequence[Sequence[int]]
"""For each node, the nodes it points to."""


def weak_components(num_nodes: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the components that remain when directions are ignored.

    Nodes ascend within a component, and components by their first node.
    """
    parent = list(range(num_nodes))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in pairs:
        low, high = sorted((find(one), find(other)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for node in range(num_nodes):
        groups.setdefault(find(node), []).append(node)
    return list(groups.values())


def strong_components(successors: Successors) -> list[list[int]]:
    """Return the strongly connected components (Tarjan), nodes ascending, by their first node."""
    number = [0] * len(successors)  # 0: not seen; else 1 + order of discovery
    low = [0] * len(successors)
    on_stack = [False] * len(successors)
    stack: list[int] = []
    found: list[list[int]] = []
    counter = 0
    for root in range(len(successors)):
        if number[root]:
            continue
        path = [(root, iter(successors[root]))]
        while path:
            node, rest = path[-1]
            if not number[node]:
                counter += 1
                number[node] = low[node] = counter
                stack.append(node)
                on_stack[node] = True
            for following in rest:
                if not number[following]:
                    path.append((following, iter(successors[following])))
                    break
                if on_stack[following]:
                    low[node] = min(low[node], number[following])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == number[node]:
                    component = _pop_down_to(node, stack)
                    for member in component:
                        on_stack[member] = False
                    found.append(sorted(component))
    return sorted(found)


def _pop_down_to(node: int, stack: list[int]) -> list[int]:
    start = len(stack) - 1
    while stack[start] != node:
        start -= 1
    component = stack[start:]
    del stack[start:]
    return component
