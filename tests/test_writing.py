"""Files that are written: whole or absent, on the disk, through links, with the permissions of the process."""

import os
import resource
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from matgym.errors import DamagedFileWarning, FormatError, OutputError
from matgym.files import SCRATCH, STALE_S, check_output, remove_scratch_of, set_aside, write_text

ROOT = Path(__file__).parents[1]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(value):
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("value", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path, value, expected):
    """In 0.1 every file could be read by all users, whatever the umask."""
    with umask(value):
        write_text(tmp_path / "a.json", "{}")
    assert mode(tmp_path / "a.json") == expected


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    (tmp_path / "a.json").write_text("old")
    (tmp_path / "a.json").chmod(0o640)
    write_text(tmp_path / "a.json", "new")
    assert mode(tmp_path / "a.json") == 0o640
    assert (tmp_path / "a.json").read_text() == "new"


def test_symbolic_links_are_followed(tmp_path):
    """In 0.1 the link was replaced, and the file that it named stayed as it was."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.json").write_text("old")
    for link, target in (("a.json", "there/real.json"), ("b.json", "a.json"), ("c.json", "there/new.json")):
        (tmp_path / link).symlink_to(target)
        write_text(tmp_path / link, link)
        assert (tmp_path / link).is_symlink()
    assert (tmp_path / "there" / "real.json").read_text() == "b.json"
    assert (tmp_path / "there" / "new.json").read_text() == "c.json"
    (tmp_path / "loop.json").symlink_to("loop.json")
    with pytest.raises(OutputError, match=r"loop\.json cannot be written"):
        write_text(tmp_path / "loop.json", "x")
    with pytest.raises(FormatError, match=r"cannot be written: "):
        check_output(tmp_path / "loop.json")
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(SCRATCH)]


def test_a_device_or_a_pipe_is_no_output(tmp_path):
    """In 0.1 root's output to /dev/null replaced the device by a file."""
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/null"), tmp_path / "pipe"):
        with pytest.raises(FormatError, match="is a device or a pipe: name a file"):
            check_output(path)


def test_outputs_that_exist_or_are_inputs_are_refused(tmp_path):
    mine = tmp_path / "a.json"
    mine.write_text("mine")
    with pytest.raises(FormatError, match="exists: name another file, or replace it by --force"):
        check_output(mine, force=False)
    check_output(mine)
    with pytest.raises(FormatError, match="is also an input"):
        check_output(tmp_path / "x" / ".." / "a.json" if (tmp_path / "x").mkdir() is None else mine, inputs=[mine])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_read_only_file_or_folder_is_said_before_the_work(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from matgym.files import check_output\n"
        "os.setuid(65534)\n"
        "check_output(Path(sys.argv[1]))\n"
    )
    tmp_path.chmod(0o755)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "a.json").write_text("mine")
    for name, reason in (("b.json", "is not writable"), ("open/a.json", "is read-only"), ("open/b.json", "")):
        # By a path that another user may enter, whatever the permissions of pytest's folders.
        descriptor = os.open(tmp_path, os.O_RDONLY)
        done = subprocess.run(
            [sys.executable, "-c", code, f"/proc/self/fd/{descriptor}/{name}"], cwd=ROOT, pass_fds=[descriptor],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        )  # fmt: skip
        os.close(descriptor)
        assert (reason in done.stderr) if reason else not done.returncode, done.stderr


def test_content_and_entry_are_on_the_disk_before_the_call_returns(tmp_path, monkeypatch):
    """In 0.1 a loss of power could leave an empty file under the final name."""
    synced, real, replaced = [], os.fsync, Path.replace

    def fsync(descriptor):
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    def replace(path, target):
        synced.append("replace")
        return replaced(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_text(tmp_path / "a.json", "{}")
    file, then, folder = synced
    assert Path(file).name.startswith(SCRATCH)
    assert (then, folder) == ("replace", str(tmp_path))
    synced.clear()
    write_text(tmp_path / "a.json", "{}", durable=False)
    assert synced == ["replace"]


def test_a_full_disk_is_a_sentence_and_keeps_what_was_there(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "a.json").write_text("old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"a\.json cannot be written: .*; free some space and repeat the call"):
            write_text(tmp_path / "a.json", "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.json": "old"}


def test_what_killed_writers_left_goes_and_nothing_else(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from matgym.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as scratch: os.kill(os.getpid(), 9)\n"
    )
    target = tmp_path / ("a" * 240 + ".safetensors")
    subprocess.run([sys.executable, "-c", code, str(target)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(SCRATCH)
    assert left.suffix == ".safetensors"  # by which writers choose the format
    (tmp_path / ".matgym-mine").write_text("mine")
    write_text(target, "a")
    assert left.exists()  # its writer may be alive
    os.utime(left, (time.time() - 2 * STALE_S,) * 2)
    write_text(target, "b")
    assert not left.exists()
    subprocess.run([sys.executable, "-c", code, str(target)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    remove_scratch_of(target)
    assert {path.name for path in tmp_path.iterdir()} == {target.name, ".matgym-mine"}


def test_a_damaged_file_is_renamed_with_a_sentence(tmp_path):
    (tmp_path / "part.json").write_text("{")
    with pytest.warns(DamagedFileWarning) as said:
        set_aside(tmp_path / "part.json", "it is cut\noff")
    sentence = "is damaged (it is cut off): it is now part.json.damaged, and is computed again"
    assert str(said[0].message) == f"{tmp_path / 'part.json'} {sentence}"
    assert [path.name for path in tmp_path.iterdir()] == ["part.json.damaged"]
