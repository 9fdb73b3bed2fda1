"""The forms in which people have data: read as what they are, or refused with a remedy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import optim
from optim.errors import ConfigError
from optim.models import batches as module
from optim.models.batches import MOST, as_batches


@pytest.fixture
def model(keras):
    inputs = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)), name="small")


@pytest.fixture
def two_inputs(keras):
    a, b = keras.Input((4,), name="a"), keras.Input((6,), name="b")
    joined = keras.layers.Concatenate()([keras.layers.Dense(2)(a), keras.layers.Dense(2)(b)])
    return keras.Model([a, b], joined, name="two")


@pytest.fixture
def targets():
    return np.array([0, 1, 0, 1])


def ranges(model):
    """The activation ranges of a quantized model."""
    return {
        weight.name: float(weight.numpy())
        for weight in model.weights
        if weight.name.endswith(("_min:0", "_max:0")) and not weight.shape.rank
    }


def quantized(model, data):
    return ranges(optim.quantize_model(model, calibration_data=data))


FUNCTIONS = {
    "quantize_model": lambda model, data: optim.quantize_model(model, calibration_data=data),
    "calibrate": lambda model, data: optim.calibrate(optim.quantize_model(model), data),
    "calibrate batch_norm": lambda model, data: optim.calibrate(
        optim.quantize_model(model), data, batch_norm=True
    ),
    "export": lambda model, data: optim.export(model, optimize="int8", representative_data=data),
    "debug": lambda model, data: optim.debug(model, data),
}


@pytest.fixture(params=FUNCTIONS)
def function(request):
    return FUNCTIONS[request.param]


def test_a_dataset_that_repeats_is_refused(function, model, photos):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(photos).batch(2).repeat()
    with pytest.raises(ConfigError, match=r"never ends: say \.take\(n\)"):
        function(model, data)
    function(model, data.take(2))


def test_a_generator_without_end_is_refused(function, model, photos, monkeypatch):
    monkeypatch.setattr(module, "MOST", 5)

    def forever():
        while True:
            yield photos

    for data in (forever(), forever):
        with pytest.raises(ConfigError, match=r"goes on after 5 batches.*itertools\.islice"):
            function(model, data)
    function(model, itertools.islice(forever(), 6))


def test_a_dataset_of_unknown_length_is_bounded(model, photos, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(module, "MOST", 5)
    spec = tf.TensorSpec((None, 8, 8, 3))
    endless = tf.data.Dataset.from_generator(
        lambda: itertools.repeat(photos), output_signature=spec
    )
    with pytest.raises(ConfigError, match=r"goes on after 5 batches.*\.take\(n\)"):
        optim.quantize_model(model, calibration_data=endless)
    ends = tf.data.Dataset.from_generator(lambda: [photos] * 5, output_signature=spec)
    assert quantized(model, ends) == quantized(model, photos)


def test_a_cycle_is_refused_at_once(function, model, photos):
    with pytest.raises(ConfigError, match=r"never ends: give itertools\.islice"):
        function(model, itertools.cycle([photos]))


def test_the_bound_lets_as_many_batches_pass():
    assert len(list(as_batches(iter(range(MOST)), "data"))) == MOST
    with pytest.raises(ConfigError, match=f"goes on after {MOST} batches"):
        list(as_batches(iter(range(MOST + 1)), "data"))


def test_steps_end_what_does_not(model, photos):
    import tensorflow as tf

    expected = quantized(model, photos)
    repeated = tf.data.Dataset.from_tensors(photos).repeat()
    for data in (repeated, itertools.cycle([photos])):
        for batch_norm in (False, True):
            made = optim.quantize_model(model)
            assert ranges(optim.calibrate(made, data, steps=2, batch_norm=batch_norm)) == expected
    assert optim.debug(model, repeated, steps=2).samples == 8


def test_iterators_of_keras_are_read_once(function, keras, model, photos, targets):
    generator = keras.preprocessing.image.ImageDataGenerator()
    flow = generator.flow(photos, targets, batch_size=2, shuffle=False)
    assert next(iter(flow))[0].shape == (2, 8, 8, 3)  # it goes on for ever
    function(model, flow)
    assert quantized(model, flow) == quantized(model, [photos[:2], photos[2:]])


def test_a_sequence_of_keras_has_its_length(keras, model, photos, targets):
    class Pairs(keras.utils.Sequence):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return photos[2 * index % 4 :][:2], targets[:2]  # any index has a batch

    assert len(list(as_batches(Pairs(), "data"))) == 2
    assert quantized(model, Pairs()) == quantized(model, [photos[:2], photos[2:]])


def test_an_iterator_with_a_length_is_read_so_far(photos):
    class Loader:
        def __len__(self):
            return 3

        def __iter__(self):
            return itertools.repeat(photos)

    batches = as_batches(Loader(), "data")
    assert len(list(batches)) == len(list(batches)) == len(batches) == 3


def test_whole_arrays_are_read_as_fit_does(function, model, photos, targets):
    function(model, (photos, targets))
    function(model, (photos, targets, np.ones(4)))


def test_whole_arrays_give_the_ranges_of_the_inputs(two_inputs, model, photos, targets, rng):
    assert quantized(model, (photos, targets)) == quantized(model, photos)
    a, b = (rng.normal(size=(5, n)).astype("float32") for n in (4, 6))
    expected = quantized(two_inputs, {"a": a, "b": b})
    for data in ((a, b), ([a, b], targets), ({"b": b, "a": a}, targets), [[a, b]], [(a, b)]):
        assert quantized(two_inputs, data) == expected
    with pytest.raises(ConfigError, match=r"has 1 input\(s\).*dict by name or a list"):
        quantized(two_inputs, [a, b])


def test_a_tuple_that_can_be_read_in_two_ways_is_refused(function, model, photos):
    with pytest.raises(ConfigError, match=r"Give the inputs alone.*batches as a list"):
        function(model, (photos, photos))


def test_a_tuple_of_pairs_is_batches(model, photos, targets):
    pairs = ((photos[:2], targets[:2]), (photos[2:], targets[2:]))
    assert quantized(model, pairs) == quantized(model, [photos[:2], photos[2:]])


def test_datasets_of_pairs_and_of_names(two_inputs, model, photos, targets, rng):
    import tensorflow as tf

    pairs = tf.data.Dataset.from_tensor_slices((photos, targets)).batch(4)
    assert quantized(model, pairs) == quantized(model, photos)
    named = {"b": rng.normal(size=(5, 6)), "a": rng.normal(size=(5, 4))}
    data = tf.data.Dataset.from_tensor_slices((named, np.zeros(5))).batch(5)
    assert quantized(two_inputs, data) == quantized(two_inputs, named)


def test_memory_maps(function, model, photos, tmp_path):
    np.save(tmp_path / "photos.npy", photos)
    mapped = np.load(tmp_path / "photos.npy", mmap_mode="r")
    function(model, mapped)
    assert quantized(model, mapped) == quantized(model, photos)


@pytest.mark.parametrize("data", ["images/", b"images/"])
def test_a_path_is_no_data(function, model, data):
    with pytest.raises(
        ConfigError, match=r"images/.*expected arrays.*image_dataset_from_directory"
    ):
        function(model, data)


def test_names_of_files_are_no_data(function, model):
    with pytest.raises(ConfigError, match="expected an array of numbers, got str"):
        function(model, ["a.jpg", "b.jpg"])
