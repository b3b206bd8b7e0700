"""Connected components of more edges than a machine holds: star after star, over partition files.

Every task first contracts the edges it has: each of its components becomes a star around the smallest
id. Then two steps take turns, as in Kiveris et al., "Connected components in MapReduce and beyond"
(2014): the large star links every larger neighbour of a node to the node's smallest neighbour, the
small star contracts what each bucket holds of edges grouped by their larger end. No step makes edges,
and the number of turns grows with the logarithm of the longest chain. It is done when every node is
either the smallest of its neighbours or has one neighbour alone. With one bucket the first contraction
does it all. A node's neighbours must fit in a task's memory, which bounds a cluster, not the corpus.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gristmill.corpus.exchange import Exchange, Work, buckets_of
from gristmill.corpus.grouping import first_of_pairs, group_numbers, groups
from gristmill.corpus.shingles import U64


def contract(left: U64, right: U64) -> tuple[U64, U64]:
    """Return stars with the same components: each id but its component's smallest, and that one."""
    if len(left) == 0:
        return left, right
    ends = np.concatenate((left, right))
    order, starts = groups(ends)
    number = np.empty(len(ends), dtype=np.int64)
    number[order] = group_numbers(len(ends), starts)
    nodes = ends[order[starts]]
    a, b = number[: len(left)], number[len(left) :]
    edges = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(len(nodes), len(nodes)))
    num_components, label = connected_components(edges, directed=False)
    least = np.full(num_components, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(least, label, nodes)
    roots = least[label]
    members = nodes != roots
    return nodes[members], roots[members]


def edge_table(left: U64, right: U64) -> pa.Table:
    """Return pairs of ids as a table."""
    return pa.table({"left": left, "right": right})


def ends_of(table: pa.Table | None) -> tuple[U64, U64]:
    """Return the pairs of ids of a table."""
    if table is None:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    return table["left"].to_numpy(), table["right"].to_numpy()


@dataclass(frozen=True)
class Union:
    """The components of the edges that lie in a stage, any edge in any bucket."""

    exchange: Exchange
    edges: str
    """The stage that holds them. Of what is made here only `labels` is left."""
    num_buckets: int

    def run(self, work: Work) -> str:
        """Return the stage of the stars: `left` an id, `right` its component's smallest, by bucket of left.

        The smallest ids themselves are not among the rows.
        """
        numbers = range(self.num_buckets)
        work(self._begin, numbers)
        turn = 0
        while True:
            unfinished = sum(work(_Turn(self, turn).large, numbers))
            self.exchange.drop(self.stage("both", turn))
            if not unfinished:
                return self.stage("star", turn)
            work(_Turn(self, turn).small, numbers)
            self.exchange.drop(self.stage("star", turn))
            turn += 1

    def stage(self, kind: str, turn: int) -> str:
        """Return the name of a stage of a turn."""
        return f"{self.edges}-{kind}-{turn}"

    def _begin(self, bucket: int) -> None:
        if not self.exchange.has(self.stage("both", 0), bucket):
            self.send_both(0, bucket, *contract(*ends_of(self.exchange.read(self.edges, bucket))))

    def send_both(self, turn: int, writer: int, left: U64, right: U64) -> None:
        """Write edges to the buckets of both their ends."""
        a, b = np.concatenate((left, right)), np.concatenate((right, left))
        to = buckets_of(a, self.num_buckets)
        self.exchange.write(
            self.stage("both", turn), writer, edge_table(a, b), to, self.num_buckets
        )


@dataclass(frozen=True)
class _Turn:
    union: Union
    turn: int

    def large(self, bucket: int) -> int:
        """Link a node's larger neighbours to its smallest; return how many nodes are in no star yet."""
        union = self.union
        node, neighbour = ends_of(union.exchange.read(union.stage("both", self.turn), bucket))
        kept = first_of_pairs(node, neighbour)
        node, neighbour = node[kept], neighbour[kept]
        order, starts = groups(node)
        node, neighbour = node[order], neighbour[order]
        if len(node):
            firsts = node[starts]
            least = np.minimum(np.minimum.reduceat(neighbour, starts), firsts)
            sizes = np.diff(starts, append=len(node))
            unfinished = int(np.count_nonzero((least < firsts) & (sizes > 1)))
            target = np.repeat(least, sizes)
            larger = neighbour > node
            neighbour, target = neighbour[larger], target[larger]
        else:
            target, unfinished = neighbour, 0
        # a leaf of a finished star sends nothing; its centre sends the leaf
        to = buckets_of(neighbour, union.num_buckets)
        rows = edge_table(neighbour, target)
        union.exchange.write(union.stage("star", self.turn), bucket, rows, to, union.num_buckets)
        return unfinished

    def small(self, bucket: int) -> None:
        """Contract the edges whose larger ends lie in this bucket."""
        union = self.union
        edges = ends_of(union.exchange.read(union.stage("star", self.turn), bucket))
        union.send_both(self.turn + 1, bucket, *contract(*edges))
