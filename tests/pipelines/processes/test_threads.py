import os
import subprocess
import sys

import pytest

from pipelines.processes import threads
from pipelines.runtime import environment

# As a process does it that fits with two threads, and then with one.
SCRIPT = """
import os
from pipelines.processes import threads
from pipelines.runtime import environment

environment.apply()
print(threads.use(2), os.environ["TF_NUM_INTRAOP_THREADS"])
import tensorflow
print(threads.use(2), threads.use(1))
"""


@pytest.mark.slow
def test_a_process_keeps_the_number_that_tensorflow_began_with():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=environment.ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "2", "True", "False"], done.stderr


def test_a_function_runs_in_a_process_of_its_own():
    assert threads.in_own_process(os.getpid) != os.getpid()
