from gristmill.evaluation.code_match import compare, identifiers, statement


def test_a_python_statement_ends_where_the_text_first_parses_and_the_line_ends() -> None:
    assert statement("x = ", "f(\n    1,\n)\ny = 2\n", "python") == "f(\n    1,\n)"
    assert statement("x = ", "f(1", "python") == "f(1"


def test_a_bracket_statement_keeps_its_first_mark_unless_it_starts_with_it() -> None:
    assert statement("", "foo(bar); baz();", "java") == "foo(bar);"
    assert statement("", "} catch (E e) {", "java") == "} catch (E e) {"
    assert statement("", "a b c", "csharp") == "a b c"


def test_lines_are_compared_without_comments_and_blank_lines() -> None:
    assert compare("  f(x)  # why\n\n", "f(x)", "python").exact
    assert compare(
        'open("http://a")', 'open("http://b")', "java"
    ).exact  # the comment rule's oddity
    found = compare("self.name(value)", "self.title(value)", "python")
    assert not found.exact and not found.identifiers_exact
    assert found.identifiers_f1 == 2 * 2 / 6
    assert found.similarity == 0.79
    assert compare("", "x", "python").similarity == 0.0


def test_identifiers_are_words_that_are_no_keywords_and_in_no_string() -> None:
    assert identifiers('if name in "text": return other_1 + 2', "python") == ["name", "other_1"]
    assert identifiers("public int Foo;", "csharp") == ["Foo"]
