"""Five models on three datasets as a textbook writes them in plain Keras.

    python -m benchmarks.textbook mnist_ann --seed 0

Prints a line of JSON: the seconds of the fit and the accuracy on the test split.
"""

import argparse
import json
import time

import keras
from keras import layers

from data import prepared
from models.inputs.texts import TextInputs

WORDS, LENGTH = 10_000, 100


def dense(side: int, *units: int) -> list:
    """Pictures of one channel through dense layers to ten classes."""
    hidden = [layers.Dense(one, activation="relu") for one in units]
    return [keras.Input((side, side, 1)), layers.Flatten(), *hidden, *classes()]


def convolutional(*filters: int) -> list:
    """Pictures of MNIST through pooled convolutions to ten classes."""
    stack: list = [keras.Input((28, 28, 1))]
    for one in filters:
        stack += [layers.Conv2D(one, 3, activation="relu"), layers.MaxPooling2D()]
    return [*stack, layers.Flatten(), *classes()]


def classes() -> list:
    return [layers.Dense(10, activation="softmax")]


def recurrent(layer: type) -> list:
    """Words through a recurrent layer to one probability."""
    words = [keras.Input((LENGTH,), dtype="int32"), layers.Embedding(WORDS, 32)]
    return [*words, layer(64), layers.Dense(1, activation="sigmoid")]


# By name, which begins with the dataset's: the layers, and the epochs.
MODELS = {
    "mnist_ann": (lambda: dense(28, 128, 64), 10),
    "mnist_cnn": (lambda: convolutional(32, 64), 5),
    "imdb_simple_rnn": (lambda: recurrent(layers.SimpleRNN), 5),
    "imdb_lstm": (lambda: recurrent(layers.LSTM), 5),
    "digits_ann": (lambda: dense(8, 64, 32), 20),
}


def main(name: str, seed: int) -> None:
    keras.utils.set_random_seed(seed)
    dataset = prepared.read(prepared.PREPARED / name.split("_")[0])
    train, test = dataset.splits["train"], dataset.splits["test"]
    if "text" in train:
        loss = "binary_crossentropy"
        inputs = TextInputs.fit(train["text"], dataset.facts["labels"], WORDS, LENGTH)
        x_train, x_test = inputs.to_tensor(train["text"]), inputs.to_tensor(test["text"])
    else:
        loss = "sparse_categorical_crossentropy"
        x_train, x_test = (split["image"].astype("float32") / 255 for split in (train, test))
    stack, epochs = MODELS[name]
    model = keras.Sequential(stack())
    model.compile("adam", loss, metrics=["accuracy"])
    started = time.perf_counter()
    model.fit(x_train, train["label"], epochs=epochs, batch_size=32, verbose=0)
    seconds = time.perf_counter() - started
    _, accuracy = model.evaluate(x_test, test["label"], verbose=0)
    print(json.dumps({"fit_seconds": seconds, "test_accuracy": accuracy}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.model, arguments.seed)
