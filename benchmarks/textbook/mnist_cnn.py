"""A convolutional network on MNIST as a textbook writes it: 32 and 64 filters, 5 epochs.

python -m benchmarks.textbook.mnist_cnn --seed 0
"""

import argparse
import json
import time

import keras
from keras import layers

from data import prepared


def main(seed: int) -> None:
    keras.utils.set_random_seed(seed)
    splits = prepared.read(prepared.PREPARED / "mnist").splits
    train, test = splits["train"], splits["test"]
    x_train = train["image"].astype("float32") / 255
    x_test = test["image"].astype("float32") / 255
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    started = time.perf_counter()
    model.fit(x_train, train["label"], epochs=5, batch_size=32, verbose=0)
    seconds = time.perf_counter() - started
    _, accuracy = model.evaluate(x_test, test["label"], verbose=0)
    print(json.dumps({"fit_seconds": seconds, "test_accuracy": accuracy}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
