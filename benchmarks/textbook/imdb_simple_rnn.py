"""A simple recurrent network on IMDB as a textbook writes it: 100 words a text, 5 epochs.

python -m benchmarks.textbook.imdb_simple_rnn --seed 0
"""

import argparse
import json
import time

import keras
from keras import layers

from data import prepared
from models.inputs.texts import TextInputs

WORDS, LENGTH = 10_000, 100


def main(seed: int) -> None:
    keras.utils.set_random_seed(seed)
    dataset = prepared.read(prepared.PREPARED / "imdb")
    train, test = dataset.splits["train"], dataset.splits["test"]
    inputs = TextInputs.fit(train["text"], dataset.facts["labels"], WORDS, LENGTH)
    x_train, x_test = inputs.to_tensor(train["text"]), inputs.to_tensor(test["text"])
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(WORDS, 32),
            layers.SimpleRNN(64),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    started = time.perf_counter()
    model.fit(x_train, train["label"], epochs=5, batch_size=32, verbose=0)
    seconds = time.perf_counter() - started
    _, accuracy = model.evaluate(x_test, test["label"], verbose=0)
    print(json.dumps({"fit_seconds": seconds, "test_accuracy": accuracy}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
