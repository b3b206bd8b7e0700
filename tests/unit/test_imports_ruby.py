"""Ruby: how a file is named by what loads it, along which paths it is looked up, which constants load it."""

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse
from gristmill.corpus.imports.zeitwerk import Constants, underscore


def edges(
    files: dict[str, str], configs: dict[str, str] | None = None
) -> set[tuple[str, str, str]]:
    sources = [SourceFile(path, "Ruby", text) for path, text in files.items()]
    found = import_edges(sources, configs=configs)
    return {(edge.importer, edge.imported, edge.kind) for edge in found}


@pytest.mark.parametrize(
    ("statement", "target", "kind"),
    [
        ("require 'a/b'", "a/b", "import"),
        ("require_relative '../a'", "@../a", "import"),
        ("load 'a.rb'", "a.rb", "import"),
        ("Kernel.require 'a'", "a", "import"),
        ("autoload :A, 'a'", "a", "local"),
        ("module M\n  autoload :HTMLPage\nend", "m/html_page", "local"),
        ("def f\n  require 'a'\nend", "a", "local"),
        ("require File.expand_path('../a', __FILE__)", "@a", "import"),
        ("require File.expand_path('../a', __dir__)", "@../a", "import"),
        ("require File.join(File.dirname(__FILE__), 'a', 'b')", "@a/b", "import"),
        ("require File.dirname(__FILE__) + '/a'", "@a", "import"),
        ('require "#{__dir__}/a"', "@a", "import"),
    ],
)
def test_what_a_call_loads_is_read_where_its_text_tells(
    statement: str, target: str, kind: str
) -> None:
    (found,) = parse("Ruby", statement).imports
    assert (found.target, found.kind) == (target, kind)


@pytest.mark.parametrize(
    "statement",
    ["require name", 'require "a#{b}"', "obj.require 'a'", "# require 'a'", "'require'"],
)
def test_the_rest_loads_nothing(statement: str) -> None:
    assert parse("Ruby", statement).imports == ()


def test_the_importers_own_gem_comes_first() -> None:
    files = {
        f"{gem}/lib/{name}.rb": text
        for gem in ("one", "two")
        for name, text in (("main", "require 'part'\nrequire 'other'"), ("part", ""))
    }
    files["two/lib/other.rb"] = ""
    configs = {"one/one.gemspec": "", "two/two.gemspec": "s.require_paths = %w[lib]"}
    assert edges(files, configs) == {
        ("one/lib/main.rb", "one/lib/part.rb", "import"),
        ("one/lib/main.rb", "two/lib/other.rb", "import"),
        ("two/lib/main.rb", "two/lib/part.rb", "import"),
        ("two/lib/main.rb", "two/lib/other.rb", "import"),
    }


def test_tests_find_their_helper_and_code_does_not() -> None:
    files = {
        "spec/a/b_spec.rb": "require 'spec_helper'",
        "spec/spec_helper.rb": "",
        "lib/a.rb": "require 'spec_helper'",
    }
    assert edges(files) == {("spec/a/b_spec.rb", "spec/spec_helper.rb", "import")}


def test_constants_load_files_only_where_something_loads_them_by_name() -> None:
    files = {
        "lib/shed.rb": "module Shed\n  def self.f\n    Rake.new\n  end\nend\n",
        "lib/shed/rake.rb": "module Shed\n  class Rake\n  end\nend\n",
    }
    assert edges(files) == set()
    files["lib/shed.rb"] = (
        "require 'zeitwerk'\nZeitwerk::Loader.for_gem.setup\n" + files["lib/shed.rb"]
    )
    assert edges(files) == {("lib/shed.rb", "lib/shed/rake.rb", "same_package")}


def test_a_constant_is_looked_up_from_the_innermost_module_outwards() -> None:
    paths = ["config/application.rb", "app/models/user.rb", "app/models/a/user.rb"]
    constants = Constants({path: frozenset() for path in paths}, [])
    found = [
        constants.find("app/models/user.rb", nesting, name)
        for nesting, name in (("A::B", "User"), ("A", "::User"), ("", "A::User::K"), ("", "Other"))
    ]
    assert found == ["app/models/a/user.rb", "app/models/user.rb", "app/models/a/user.rb", None]


def test_a_constant_with_a_spelling_of_its_own_is_known_by_who_defines_it() -> None:
    declared = {
        "config/application.rb": frozenset[str](),
        "app/models/ui.rb": frozenset({"UserInterface"}),
    }
    found = Constants(declared, []).find("app/models/x.rb", "", "UserInterface")
    assert found == "app/models/ui.rb"


@pytest.mark.parametrize(
    ("name", "path"),
    [("User", "user"), ("HTTPClient", "http_client"), ("Admin::V2Page", "admin/v2_page")],
)
def test_paths_spell_constants(name: str, path: str) -> None:
    assert underscore(name) == path


def test_a_module_has_the_constants_that_it_defines() -> None:
    parsed = parse("Ruby", "module A\n  class B::C < D\n    E = 1\n  end\n  ::F = G\nend\n")
    assert parsed.declared >= {"A", "A::B::C", "A::B::C::E"}
    assert "A::B::C|D" in parsed.used
