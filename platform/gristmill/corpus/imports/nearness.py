"""Which of several files a name means: the one that shares most of its path with who asks."""

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def shared(one: str, other: str) -> int:
    """Return how many leading parts two folders share."""
    count = 0
    for left, right in zip(one.split("/"), other.split("/"), strict=False):
        if left != right or not left:
            break
        count += 1
    return count


def nearest(items: Iterable[Item], folder: str, where: Callable[[Item], str]) -> list[Item]:
    """Return the items whose folder shares the most with `folder`, in their given order."""
    scored = [(shared(where(item), folder), item) for item in items]
    best = max((score for score, _item in scored), default=0)
    return [item for score, item in scored if score == best]
