"""Every layer that export writes itself computes what Keras computes, on 256 inputs."""

from collections import Counter

import pytest
from keras import layers
from translation import PICTURE, ROW, SERIES, check, model_of, tensor_of

from models.export.graph import activations, recurrent, translate

ACTIVATIONS = activations.OPERATORS | activations.COMPOSED


def _two(x):
    return [x, layers.Dense(x.shape[-1])(x)]


def _two_convolved(x):
    return [layers.Conv2D(4, 3, padding="same")(x) for _ in range(2)]


# At least one use of every layer in the table.
LAYERS = [
    (ROW, layers.Dense(3, activation="softmax")),
    (SERIES, layers.Dense(3, use_bias=False)),
    (SERIES, layers.Activation("tanh")),
    (ROW, layers.ReLU()),
    (ROW, layers.ReLU(negative_slope=0.3)),
    (ROW, layers.LeakyReLU(0.1)),
    (PICTURE, layers.Activation("gelu")),
    (SERIES, layers.Softmax(axis=1)),
    (PICTURE, layers.Flatten()),
    (SERIES, layers.Reshape((2, -1))),
    (PICTURE, layers.Permute((3, 1, 2))),
    (ROW, layers.RepeatVector(3)),
    (PICTURE, layers.Conv2D(5, 3, padding="same", activation="relu")),
    (PICTURE, layers.Conv2D(5, (3, 2), strides=2, padding="same", activation="softmax")),
    (PICTURE, layers.Conv2D(5, 2, dilation_rate=2, use_bias=False)),
    (PICTURE, layers.Conv2D(6, 3, groups=3)),
    (SERIES, layers.Conv1D(5, 3, strides=2, padding="same")),
    (SERIES, layers.Conv1D(5, 3, dilation_rate=2, padding="causal")),
    (SERIES, layers.Conv1D(5, 2, dilation_rate=4, padding="causal", activation="gelu")),
    (PICTURE, layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")),
    (SERIES, layers.DepthwiseConv1D(3, use_bias=False, activation="silu")),
    (PICTURE, layers.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=2)),
    (PICTURE, layers.SeparableConv2D(5, (3, 2), activation="relu", use_bias=False)),
    (SERIES, layers.SeparableConv1D(5, 3, dilation_rate=2, padding="same")),
    (PICTURE, layers.Conv2DTranspose(5, 3, strides=2, padding="same", activation="relu")),
    (PICTURE, layers.Conv2DTranspose(5, (2, 4), strides=(3, 2), use_bias=False)),
    (PICTURE, layers.Conv2DTranspose(5, 3, dilation_rate=2, padding="same")),
    (PICTURE, layers.Conv2DTranspose(5, 2, strides=3, padding="same")),
    (SERIES, layers.Conv1DTranspose(5, 4, strides=3, padding="same")),
    (PICTURE, layers.UpSampling2D((2, 3))),
    (SERIES, layers.UpSampling1D(3)),
    (PICTURE, layers.ZeroPadding2D(((1, 2), (0, 3)))),
    (SERIES, layers.ZeroPadding1D((2, 1))),
    (PICTURE, layers.Cropping2D(((1, 2), (0, 3)))),
    (SERIES, layers.Cropping1D(2)),
    (PICTURE, layers.MaxPooling2D(padding="same")),
    (PICTURE, layers.MaxPooling2D((3, 2), strides=1)),
    (SERIES, layers.MaxPooling1D(3, padding="same")),
    (PICTURE, layers.AveragePooling2D(3, padding="same")),
    (SERIES, layers.AveragePooling1D(4, padding="same")),
    (PICTURE, layers.GlobalMaxPooling2D(keepdims=True)),
    (SERIES, layers.GlobalMaxPooling1D()),
    (PICTURE, layers.GlobalAveragePooling2D()),
    (SERIES, layers.GlobalAveragePooling1D(keepdims=True)),
    (PICTURE, layers.BatchNormalization()),
    (ROW, layers.BatchNormalization(scale=False, center=False)),
    (SERIES, layers.LayerNormalization()),
    (ROW, layers.LayerNormalization(scale=False, center=False)),
    (SERIES, layers.TimeDistributed(layers.Dense(3, activation="relu"))),
    (ROW, layers.ActivityRegularization(0.2)),
    (ROW, layers.AlphaDropout(0.2)),
    (ROW, layers.Dropout(0.2)),
    (ROW, layers.GaussianDropout(0.2)),
    (ROW, layers.GaussianNoise(0.2)),
    (PICTURE, layers.RandomBrightness(0.2)),
    (PICTURE, layers.RandomContrast(0.2)),
    (PICTURE, layers.RandomFlip()),
    (PICTURE, layers.RandomRotation(0.2)),
    (PICTURE, layers.RandomTranslation(0.2, 0.2)),
    (PICTURE, layers.RandomZoom(0.2)),
    (SERIES, layers.SpatialDropout1D(0.2)),
    (PICTURE, layers.SpatialDropout2D(0.2)),
    *((ROW, layers.Activation(name)) for name in ACTIVATIONS),
]
MERGED = [
    (SERIES, layers.Concatenate(axis=1)),
    (ROW, layers.Add()),
    (ROW, layers.Subtract()),
    (ROW, layers.Multiply()),
    (ROW, layers.Maximum()),
    (ROW, layers.Minimum()),
    (SERIES, layers.Average()),
]


def _named(cases: list[tuple]):
    names = [type(layer).__name__ for _, layer in cases]
    return pytest.mark.parametrize(("shape", "layer"), cases, ids=names)


@_named(LAYERS)
def test_a_layer_computes_the_same(shape, layer, tmp_path):
    model = model_of(shape, layer)
    translate.build(model)  # on its own, without tf2onnx
    check(model, tensor_of(shape), tmp_path / "model.onnx")


@_named(MERGED)
def test_tensors_are_merged_the_same(shape, layer, tmp_path):
    model = model_of(shape, lambda x: layer(_two(x)))
    translate.build(model)
    check(model, tensor_of(shape), tmp_path / "model.onnx")


@pytest.mark.parametrize("layer", [layers.Add(), layers.Average(), layers.Concatenate()])
def test_what_convolutions_give_is_merged_where_their_channels_are(layer, tmp_path):
    model = model_of(PICTURE, lambda x: layers.MaxPooling2D()(layer(_two_convolved(x))))
    found = check(model, tensor_of(PICTURE), tmp_path / "model.onnx")
    assert found["Transpose"] == 3  # each convolution's input, and the output


@pytest.mark.parametrize("mode", ["count", "multi_hot"])
def test_words_are_counted_the_same(mode, tmp_path):
    model = model_of((11,), layers.CategoryEncoding(30, output_mode=mode), "int32")
    check(model, tensor_of((11,), "int32"), tmp_path / "model.onnx")


def test_every_layer_in_the_tables_is_tried():
    tried = {type(layer).__name__ for _, layer in LAYERS + MERGED}
    elsewhere = set(recurrent.LAYERS) | {"CategoryEncoding", "Embedding", "MultiHeadAttention"}
    assert tried | elsewhere == set(translate.LAYERS)


def _normalized(layer):
    return lambda x: layers.ReLU()(layers.BatchNormalization()(layer(x)))


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        (ROW, layers.Dense(4)),
        (ROW, layers.Dense(4, use_bias=False)),
        (SERIES, layers.Conv1D(4, 3, padding="causal")),
        (PICTURE, layers.Conv2D(4, 3, use_bias=False)),
        (PICTURE, layers.DepthwiseConv2D(3, depth_multiplier=2)),
        (PICTURE, layers.SeparableConv2D(4, 3)),
        (PICTURE, layers.Conv2DTranspose(4, 3, strides=2)),
    ],
)
def test_a_normalisation_goes_into_the_weights_before_it(shape, layer, tmp_path):
    found = check(model_of(shape, _normalized(layer)), tensor_of(shape), tmp_path / "model.onnx")
    assert not found["Mul"]
    assert found["Add"] == (shape == ROW)  # the bias of a dense layer


def test_a_map_that_is_also_read_as_it_is_is_written_twice(tmp_path):
    def through(x):
        y = layers.Dense(4)(x)
        return layers.Add()([y, layers.BatchNormalization()(y)])

    found = check(model_of(ROW, through), tensor_of(ROW), tmp_path / "model.onnx")
    assert found["MatMul"] == 2


def test_channels_change_places_at_the_edges_alone(tmp_path):
    """And what follows a convolution is left for ONNX Runtime to make one with it."""

    def block(x):
        x = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        return layers.Dropout(0.2)(layers.MaxPooling2D()(x))

    model = model_of(PICTURE, lambda x: layers.Flatten()(block(block(x))))
    assert check(model, tensor_of(PICTURE), tmp_path / "model.onnx")["Transpose"] == 2
    model = model_of(PICTURE, lambda x: layers.GlobalMaxPooling2D()(block(x)))
    found = check(model, tensor_of(PICTURE), tmp_path / "model.onnx")
    assert found == Counter(["Transpose", "Conv", "Relu", "MaxPool", "ReduceMax"])
