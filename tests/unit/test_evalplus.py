from gristmill.evaluation.evalplus import Oracle


def test_equal_answers_are_right_and_floats_within_a_millionth() -> None:
    oracle = Oracle("humaneval", "f", 0)
    assert oracle.right([1], [1, 2], [1, 2])
    assert not oracle.right([1], [1.0000001], 1)
    assert oracle.right([1], 0.30000001, 0.3)
    assert not oracle.right([1], 0.31, 0.3)


def test_the_tolerance_stays_on_and_then_types_count() -> None:
    oracle = Oracle("humaneval", "f", 0)
    assert not oracle.right([1], 3.0000001, 3)
    oracle.right([1], 1.0, 1.5)
    assert oracle.tolerance == 1e-6
    assert not oracle.right([1], 3.0000001, 3)  # a float where an int is wanted
    assert oracle.right([1], [3.0000001], [3.0])


def test_oracles_of_single_tasks() -> None:
    root = Oracle("humaneval", "find_zero", 1e-4)
    assert root.right([[-6.0, 11.0, -6.0, 1.0]], 1.0, 3.0)
    assert not root.right([[1.0, 1.0]], "x", -1.0)
    assert Oracle("mbpp", "Diff", 0).right([], [2, 1], [1, 2])
    assert Oracle("mbpp", "check_str", 0).right([], object(), True)
    assert Oracle("mbpp", "sum_div", 0).right([8], 0, 7)
    assert Oracle("mbpp", "surface_Area", 0).right([3, 4], 35, 33)
    assert Oracle("mbpp", "digit_distance_nums", 0).right([1, 23], 4, 5)


def test_an_answer_that_equals_everything_was_made_elsewhere() -> None:
    assert not Oracle("humaneval", "f", 0).right([1], None, 5)
