"""Names and classes: built in, installed by others, or given as module:Class."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spark.agents.bash import BashAgent
from spark.errors import RequestError
from spark.models.openai import OpenAIModel
from spark.plugins import BUILT_IN, Kind, known, load

AGENT = "class Mine:\n    name = 'mine'\n    def run(self): ...\n    class Inner:\n        def run(self): ...\nNOT_A_CLASS = 3\n"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module of the user's, and nothing of it left in the interpreter afterwards."""
    (tmp_path / "my_plugins.py").write_text(AGENT)
    (tmp_path / "broken_plugins.py").write_text("def (")
    (tmp_path / "needy_plugins.py").write_text("import no_such_module_anywhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("my_plugins", "needy_plugins", "broken_plugins", "installed_plugins"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def install(site: Path, package: str, group: str, name: str, value: str) -> None:
    """What pip leaves of a package with an entry point."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")


def test_built_in_names() -> None:
    assert load("agents", "bash") is BashAgent
    assert load("models", "openai") is OpenAIModel


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in BUILT_IN.items() for name in names])
def test_every_built_in_name_loads(kind: Kind, name: str) -> None:
    assert load(kind, name).__module__.startswith(f"spark.{kind}.")


def test_module_and_class(elsewhere: Path) -> None:
    assert load("agents", "my_plugins:Mine").name == "mine"
    assert load("agents", "my_plugins:Mine.Inner").__name__ == "Inner"
    assert sys.path[-1] == str(elsewhere)


def test_an_entry_point_of_another_package(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = elsewhere / "site"
    install(site, "one", "spark.agents", "mine", "installed_plugins:Mine")
    install(site, "two", "spark.agents", "bash", "installed_plugins:Mine")
    install(site, "three", "spark.models", "mine", "installed_plugins:Mine")
    (site / "installed_plugins.py").write_text(AGENT)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    assert load("agents", "mine").__module__ == "installed_plugins"
    assert load("agents", "bash") is BashAgent
    assert "mine" in known("agents")
    assert "mine" not in known("sandboxes")


def test_two_packages_with_one_name(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one", "two"):
        install(elsewhere / "site", package, "spark.agents", "mine", f"{package}:Mine")
    monkeypatch.setattr(sys, "path", [str(elsewhere / "site"), *sys.path])
    with pytest.raises(RequestError, match="one:Mine") as refused:
        load("agents", "mine")
    assert "two:Mine" in refused.value.message


@pytest.mark.parametrize(
    ("kind", "name", "said", "hint"),
    [
        ("agents", "bsh", "nothing is called 'bsh'", "did you mean bash?"),
        ("sandboxes", "zzz", "nothing is called 'zzz'", "there are docker, local; or give module:Class"),
        ("agents", ":Mine", "nothing is called", "module:Class"),
        ("agents", "my_plugins:Min", "holds no 'Min'", "did you mean Mine?"),
        ("agents", "my_plugins:NOT_A_CLASS", "method 'run', found 3", ""),
        ("models", "my_plugins:Mine", "method 'complete'", ""),
        ("agents", "no_such_plugins:X", "No module named 'no_such_plugins'", ""),
        ("agents", "needy_plugins:X", "No module named 'no_such_module_anywhere'", ""),
        ("agents", "broken_plugins:X", "SyntaxError", ""),
        ("agents", "..up:X", "nothing is called", "module:Class"),
    ],
)
def test_what_cannot_be_loaded(elsewhere: Path, kind: Kind, name: str, said: str, hint: str) -> None:
    with pytest.raises(RequestError) as refused:
        load(kind, name)
    assert said in refused.value.message
    assert hint in refused.value.hint
