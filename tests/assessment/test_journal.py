import json

import pytest

from ratlp.assessment import Journal
from ratlp.errors import InputError
from ratlp.evaluation import Record

IDENTITY = {"model": "c0ffee", "settings": {"seed": 0, "eps": [0.1]}}


def record(start=0):
    return Record("run", "pgd", start, start + 2, 2, (0, 1), forwards=4, gradients=2, seconds=0.5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "unfinished.jsonl"


def test_what_was_kept_is_found_again(path):
    with Journal(path, IDENTITY) as journal:
        journal.keep("attacks")(record(0))
        journal.keep("curve")(record(2))
        journal.keep("attacks")(record(4))
        assert journal.value("checks", lambda: [1, None]) == [1, None]
    with Journal(path, IDENTITY) as journal:
        assert journal.records("attacks") == (record(0), record(4))
        assert journal.records("curve") == (record(2),)
        assert journal.records("distances") == ()
        assert journal.value("checks", pytest.fail) == [1, None]
        assert journal.found == 4


def test_each_line_is_on_disk_before_work_goes_on(path):
    with Journal(path, IDENTITY) as journal:
        for count in range(1, 4):
            journal.keep("attacks")(record(count))
            assert len(path.read_bytes().splitlines()) == 1 + count


@pytest.mark.parametrize("cut", range(1, 40, 4))
def test_a_line_that_was_cut_off_counts_for_nothing_and_does_not_spoil_the_next(path, cut):
    with Journal(path, IDENTITY) as journal:
        journal.keep("attacks")(record(0))
        journal.keep("attacks")(record(2))
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(path, IDENTITY) as journal:
        assert journal.records("attacks") == (record(0),)
        journal.keep("attacks")(record(4))
    with Journal(path, IDENTITY) as journal:
        assert journal.records("attacks") == (record(0), record(4))


@pytest.mark.parametrize("left", [0, 5, 30])
def test_a_header_that_was_cut_off_begins_anew(path, left):
    with Journal(path, IDENTITY) as journal:
        journal.keep("attacks")(record())
    path.write_bytes(path.read_bytes()[:left])
    with Journal(path, IDENTITY) as journal:
        assert journal.found == 0
    assert json.loads(path.read_bytes().splitlines()[0])["identity"] == IDENTITY


@pytest.mark.parametrize(
    ("identity", "named"),
    [
        ({**IDENTITY, "model": "other"}, "other model (c0ffee)"),
        ({**IDENTITY, "settings": {"seed": 1, "eps": [0.1]}}, "other seed (0)"),
        ({**IDENTITY, "settings": {"seed": 0, "eps": [0.2]}}, r"other eps ([0.1])"),
        ({"model": "c0ffee"}, "other settings"),
        ({**IDENTITY, "version": 2}, "other version (None)"),
    ],
)
def test_another_runs_work_is_refused_and_kept(path, identity, named):
    with Journal(path, IDENTITY) as journal:
        journal.keep("attacks")(record())
    before = path.read_bytes()
    with pytest.raises(InputError) as error:
        Journal(path, identity)
    assert named in str(error.value)
    assert "delete the file" in str(error.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"my notes", b"my notes\n", b"[1]\n", b'{"schema": "other/1"}\n', b"\xff\xfe\n"])
def test_somebody_elses_file_is_refused_and_kept(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match="unfinished work must be this run's own"):
        Journal(path, IDENTITY)
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b'{"stage": "attacks", "record": {"run": "a"}}'])
def test_a_damaged_line_is_refused(path, line):
    with Journal(path, IDENTITY) as journal:
        journal.keep("attacks")(record())
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(InputError, match="is damaged"):
        Journal(path, IDENTITY)


def failing(journal):
    with journal:
        raise ZeroDivisionError


def test_an_error_before_anything_is_finished_leaves_no_file(path):
    with pytest.raises(ZeroDivisionError):
        failing(Journal(path, IDENTITY))
    assert not path.exists()


def test_an_error_afterwards_keeps_it_and_removal_is_the_end(path):
    journal = Journal(path, IDENTITY)
    journal.keep("attacks")(record())
    with pytest.raises(ZeroDivisionError):
        failing(journal)
    with Journal(path, IDENTITY) as journal:
        assert journal.found == 1
        journal.remove()
    assert not path.exists()


def test_a_folder_in_its_place(path):
    path.mkdir()
    with pytest.raises(InputError, match="finished work must be kept in"):
        Journal(path, IDENTITY)


def test_a_full_disk_is_one_line(path, monkeypatch):
    with Journal(path, IDENTITY) as journal:

        def full(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("ratlp.assessment.journal.os.fsync", full)
        with pytest.raises(InputError, match="No space left on device"):
            journal.keep("attacks")(record())
