"""Work folders: locked, removed only where matgym made what is in them; outputs that exist are not replaced."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from matgym.errors import DamagedFileWarning, DatasetError, ExecutionError, FormatError, KeptFilesWarning
from matgym.work import LOCK, MARKER, alone_in, work_folder

ROOT = Path(__file__).parents[1]
PIECES = ("parts/part-*.json",)


def begun(output, **settings):
    """Leave unfinished work behind, as an interrupted call does."""
    with pytest.raises(KeyboardInterrupt), work_folder(output, pieces=PIECES, **settings) as work:  # noqa: PT012
        (work.folder / "parts").mkdir()
        (work.folder / "parts" / "part-0.json").write_text("{}")
        raise KeyboardInterrupt
    return work.folder


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_unfinished_work_is_kept_with_its_marker_and_removed_at_the_end(tmp_path):
    output = tmp_path / "out.bin"
    folder = begun(output)
    assert names(tmp_path) == [
        "out.bin.work",
        f"out.bin.work/{MARKER}",
        "out.bin.work/parts",
        "out.bin.work/parts/part-0.json",
    ]
    with work_folder(output, pieces=PIECES) as work:
        assert work.folder == folder
        assert work.files() == [folder / "parts" / "part-0.json"]
        assert (folder / LOCK).exists()
        work.begin_output()
        output.write_text("done")
    assert names(tmp_path) == ["out.bin"]


def test_a_folder_of_the_user_is_no_work_folder(tmp_path):
    """In 0.1 it was removed with all that was in it."""
    mine = tmp_path / "out.bin.work"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years")
    with pytest.raises(FormatError, match=r"out\.bin\.work was not made by matgym and holds thesis\.txt"):
        begun(tmp_path / "out.bin")
    assert names(tmp_path) == ["out.bin.work", "out.bin.work/thesis.txt"]


@pytest.mark.parametrize("place", ["", "parts"])
def test_a_file_of_the_user_in_a_work_folder_stays(tmp_path, place):
    output = tmp_path / "out.bin"
    mine = begun(output) / place / "thesis.txt"
    mine.write_text("years")
    with (
        pytest.warns(KeptFilesWarning, match=r"stays, because matgym did not write"),
        work_folder(output, pieces=PIECES),
    ):
        pass
    assert mine.read_text() == "years"
    assert names(tmp_path) == sorted(
        {"out.bin.work", str(mine.parent.relative_to(tmp_path)), str(mine.relative_to(tmp_path))}
    )


def test_work_that_failed_before_its_first_piece_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), work_folder(tmp_path / "out.bin", pieces=PIECES):
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_an_output_is_replaced_only_with_force_or_by_the_call_that_began_to_write_it(tmp_path):
    first, second = outputs = (tmp_path / "a.bin", tmp_path / "a.json")
    second.write_text("mine")
    with pytest.raises(FormatError, match=r"a\.json exists: name another file, or replace it by --force"):
        begun(first, outputs=outputs)
    assert names(tmp_path) == ["a.json"]
    with work_folder(first, outputs=outputs, force=True):
        second.write_text("ours")
    second.unlink()
    with pytest.raises(KeyboardInterrupt), work_folder(first, outputs=outputs) as work:  # noqa: PT012
        work.begin_output()
        first.write_text("one of two")
        raise KeyboardInterrupt
    (work.folder / MARKER).write_text("")
    with pytest.warns(DamagedFileWarning), work_folder(first, outputs=outputs) as work:
        assert work.begun
    assert names(tmp_path) == ["a.bin"]


def test_an_input_is_never_an_output(tmp_path):
    mine, link = tmp_path / "a.bin", tmp_path / "b.bin"
    mine.write_text("mine")
    link.symlink_to(mine)
    for output in (mine, link):
        with pytest.raises(FormatError, match="is also an input: name another file"):
            begun(output, inputs=[mine], force=True)


def test_work_with_other_settings_raises(tmp_path):
    begun(tmp_path / "a.bin", identity={"seed": 0})
    with pytest.raises(
        DatasetError, match="unfinished work with other settings: finish it by the same call, or remove"
    ):
        begun(tmp_path / "a.bin", identity={"seed": 1})
    with work_folder(tmp_path / "a.bin", pieces=PIECES, identity={"seed": 0}):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", range(1, 7))
def test_a_call_that_is_killed_while_it_removes_its_folder_can_be_repeated(tmp_path, number):
    code = (
        "import os, sys; from pathlib import Path; from matgym.work import work_folder\n"
        "removed = []\n"
        "def hook(event, arguments):\n"
        "    if event in {'os.remove', 'os.rmdir'} and begun:\n"
        "        removed.append(arguments[0])\n"
        "        if len(removed) == int(sys.argv[2]): os.kill(os.getpid(), 9)\n"
        "begun = False; sys.addaudithook(hook)\n"
        "with work_folder(Path(sys.argv[1]), pieces=['parts/part-*.json']) as work:\n"
        "    work.begin_output(); Path(sys.argv[1]).write_text('done'); begun = True\n"
    )
    output = tmp_path / "a.bin"
    begun(output)
    killed = subprocess.run(
        [sys.executable, "-c", code, str(output), str(number)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert killed.returncode == -9
    with contextlib.suppress(FormatError), work_folder(output, pieces=PIECES):  # it may say that the output exists
        pass
    assert names(tmp_path) == ["a.bin"]


def test_pieces_without_the_identity_of_their_marker_are_not_used(tmp_path):
    folder = begun(tmp_path / "a.bin", identity={"seed": 0})
    (folder / MARKER).write_text("{")
    with (
        pytest.warns(DamagedFileWarning, match=f"{MARKER} is damaged"),
        work_folder(tmp_path / "a.bin", pieces=PIECES, identity={"seed": 1}) as work,
    ):
        assert not work.files()
    assert names(tmp_path) == []


def test_a_second_call_is_refused_while_the_first_one_lives(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from matgym.work import work_folder\n"
        "with work_folder(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)\n"
    )
    output = tmp_path / "a.bin"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(output)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    with pytest.raises(ExecutionError, match=r"another call writes .*a\.bin; wait until it ends or stop it"):
        begun(output)
    process.kill()
    process.wait()
    process.stdout.close()
    assert (tmp_path / "a.bin.work" / MARKER).exists()  # left by the killed process
    with work_folder(output):
        pass
    assert names(tmp_path) == []


def _contend(folder, seconds, log):
    """Enter and leave the same folder, and note the times within."""
    until = time.monotonic() + seconds
    with Path(log).open("a", encoding="ascii") as file:
        while time.monotonic() < until:
            try:
                with alone_in(Path(folder), "busy", whole=True):
                    entered = time.monotonic_ns()
                    time.sleep(0.0002)
                    file.write(f"{entered} {time.monotonic_ns()}\n")
            except ExecutionError:
                pass


def test_no_two_hold_a_folder_at_once_though_each_removes_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    logs = [tmp_path / f"{i}.log" for i in range(3)]
    crowd = [context.Process(target=_contend, args=(str(tmp_path / "work"), 1.5, str(log))) for log in logs]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
        assert one.exitcode == 0
    spans = sorted(tuple(map(int, line.split())) for log in logs for line in log.read_text().splitlines())
    assert len(spans) > 100
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert not (tmp_path / "work").exists()
