"""Commands in processes that a server forks, which has imported Reachbook already: as real as others, and begun in no time."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["reachbook.cli", "reachbook.working"])


def run(
    arguments: Sequence[str], environment: Mapping[str, str], *, cwd: Path | None = None, stdin: bytes = b"", timeout: float
) -> subprocess.CompletedProcess[bytes]:
    """`reachbook ARGUMENTS` to its end. Raises TimeoutExpired."""
    with tempfile.TemporaryDirectory() as folder:
        pipes = Path(folder)
        (pipes / "0").write_bytes(stdin)
        process = FORKS.Process(target=_become, args=(list(arguments), dict(environment), str(cwd or Path.cwd()), folder))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        return subprocess.CompletedProcess(list(arguments), process.exitcode, (pipes / "1").read_bytes(), (pipes / "2").read_bytes())


def _become(arguments: list[str], environment: dict[str, str], cwd: str, folder: str) -> None:
    """What a new process of the command would be."""
    os.setsid()
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_CREAT), (2, os.O_WRONLY | os.O_CREAT | os.O_APPEND)):
        file = os.open(f"{folder}/{number}", flags)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["reachbook", *arguments]
    from reachbook.cli import main

    main()
