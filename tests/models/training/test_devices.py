"""Data-parallel training, on processors that stand in for accelerators."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# A process can be given several logical processors only before its framework starts.
PROGRAM = """
import os, sys
os.environ["KERAS_BACKEND"] = {backend!r}
import numpy as np
if {backend!r} == "tensorflow":
    import tensorflow
    cpu = tensorflow.config.list_physical_devices("CPU")[0]
    two = [tensorflow.config.LogicalDeviceConfiguration()] * 2
    tensorflow.config.set_logical_device_configuration(cpu, two)
import keras
from models import architectures
from models.training import devices, optimisation
keras.utils.set_random_seed(0)
random = np.random.default_rng(0)
x = random.random((64, 8, 8, 1), np.float32)
y = (x.mean(axis=(1, 2, 3)) > 0.5).astype(np.int64)
parameters = architectures.resolve("image", "ann", {{"epochs": 3, "batch_size": 16}}, {{}})

def losses(names):
    keras.utils.set_random_seed(0)
    with devices.data_parallel(16, names) as replicas:
        model = architectures.module("image", "ann").build(8, 8, 1, 2)
        optimisation.compile_model(model, parameters, 12, True, replicas)
        return model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]

alone, together = losses([]), losses(["cpu:0", "cpu:1"])
with devices.data_parallel(15, ["cpu:0", "cpu:1"]) as replicas:
    assert replicas == 1  # 15 rows are not divided evenly by two
print(alone, together)
assert np.allclose(alone, together, rtol=1e-3), (alone, together)
"""


@pytest.mark.parametrize("backend", ["tensorflow"])
def test_two_devices_compute_what_one_does(backend):
    program = PROGRAM.format(backend=backend)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
