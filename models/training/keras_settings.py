"""Keras' process-wide settings, which a user's `keras.json` or environment may have changed."""

import keras


def pin() -> None:
    """Give Keras the settings that every fit is made with.

    `~/.keras/keras.json` may name another float type, order of axes or epsilon, and
    `KERAS_MAX_EPOCHS` may end a fit early. Each changes a fit's weights and is no part of its
    fingerprint. The backend alone is the user's choice, and part of it.
    """
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)
