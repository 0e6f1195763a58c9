import subprocess
import sys

import pytest
from utils.command import assert_one_line, run

import ratlp


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"ratlp {ratlp.__version__}\n"


def test_help_names_the_subcommands(capsys):
    assert run("--help") == 0
    assert "reproduce" in capsys.readouterr().out


def test_as_a_module():
    done = subprocess.run([sys.executable, "-m", "ratlp", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ratlp {ratlp.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["reproduce", "--nonsense"], "No such option: --nonsense"),
        (["reproduce", "--seeds", "many"], "--seeds"),
        (["reproduce", "--seeds", "1"], "--seeds"),
        (["reproduce", "--epochs", "0"], "--epochs"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert run(*arguments) == 2
    captured = assert_one_line(capsys, message)
    assert captured.out == ""


def test_without_the_extra_the_error_gives_the_install_command(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    assert run("--version") == 2
    assert "pip install 'ratlp[cli]'" in capsys.readouterr().err


def test_the_command_starts_without_torch():
    code = "import sys, ratlp.cli; sys.exit('torch' in sys.modules)"  # so that it answers Ctrl-C at once
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_interrupt_during_the_imports_is_one_line(capsys, monkeypatch):
    class Interrupting:
        def find_spec(self, name, path=None, target=None):
            if name == "ratlp.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "ratlp.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    assert run("--version") == 130
    assert capsys.readouterr().err.startswith("ratlp: interrupted")


def test_without_arguments_the_help_is_shown(capsys):
    assert run() == 0
    assert "reproduce" in capsys.readouterr().out
