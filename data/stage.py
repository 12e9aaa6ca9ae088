"""What every stage's process does: end when its parent ends, publish its folder by one rename.

DVC killed with SIGKILL leaves the stage's command running, and what that writes later would be
recorded by the next `dvc repro` as its own. So a stage watches its parent (dvc.yaml starts it with
`exec`, which makes DVC itself the parent) and checks once more just before it publishes.
"""

import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from data.errors import DataError, GateRefused

FAILED, REFUSED, ORPHANED = 1, 3, 4
# Names a file for the status and the message of a stage that fails: DVC's own output holds both
# somewhere in its text.
FAILURE = "ESPALIER_STAGE_FAILURE"
PARENT = "ESPALIER_STAGE_PARENT"  # the process that started the stage, which may be gone by now


def run(work: Callable[[str, Path], None], place: Path) -> None:
    """The entry point of a stage: `work(name, folder)` for the dataset named on the command line.

    `work` fills a temporary folder, which becomes `place / name` when it returns, and also when it
    raises GateRefused: the report of a refusal is to be read. Any other error leaves nothing.
    Ends the process with 0, with 3 when the gate refused, with 1 on an error, printed in one line.

    Args:
        work: the stage's function.
        place: the folder of its outputs.
    """
    parent = end_with_parent()
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m data.{work.__name__} DATASET")
    name = sys.argv[1]
    folder = _temporary(place, name)
    try:
        status = _status(work, name, folder)
        if status != FAILED:
            _publish(folder, place / name, parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


def _status(work: Callable[[str, Path], None], name: str, folder: Path) -> int:
    """Do the work; the exit status, with the error printed."""
    try:
        work(name, folder)
    except GateRefused as refusal:
        status, message = REFUSED, str(refusal)
    except (DataError, OSError) as error:
        status, message = FAILED, f"{work.__name__} {name}: {' '.join(str(error).split())}"
    except Exception as error:  # a defect of ours, or of what reads the data: it is told as well
        traceback.print_exc()
        status = FAILED
        message = f"{work.__name__} {name} ended with {type(error).__name__}: {error}"
    else:
        return 0
    print(message, file=sys.stderr)
    if path := os.environ.get(FAILURE):
        failure = json.dumps({"status": status, "message": message})
        Path(path).write_text(failure, encoding="utf-8")
    return status


def end_with_parent() -> int:
    """End this process a moment after its parent has ended, however that ended; its parent's id."""
    parent = int(os.environ.get(PARENT) or os.getppid())
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    return parent


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(ORPHANED)


def _temporary(place: Path, name: str) -> Path:
    for left_over in place.glob(f".{name}.*"):  # by a stage that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    folder = place / f".{name}.{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


def _publish(folder: Path, target: Path, parent: int) -> None:
    if os.getppid() != parent:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(ORPHANED)
    if target.exists():  # DVC removes it beforehand, a run by hand does not
        shutil.rmtree(target)
    folder.rename(target)
