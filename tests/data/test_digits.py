from ratlp.data import Digits


def test_digits_are_pixels_with_a_stratified_split() -> None:
    source = Digits()
    assert (source.name, source.features, source.classes) == ("digits", (64,), 10)
    assert source.image == (1, 8, 8)
    assert (source.bounds, source.units) == ((0.0, 1.0), "pixel intensity, 0 to 1")
    assert source.split_rule == "stratified 80/20, drawn anew for each seed"
    split = source.draw(0)
    assert len(split.x_train) + len(split.x_test) == 1797
    assert len(split.x_test) == 360
    assert (split.x_train.min(), split.x_train.max()) == (0, 1)
    assert split.y_test.bincount().float().std() < 2  # about 36 of each
