"""The names that people read, for the names that the results carry."""

from collections.abc import Mapping
from typing import Any, Final

from ratlp.experiments.results import METHODS, METRICS, Method, Metric

METHOD_LABELS: Final[dict[Method, str]] = {"standard": "Standard training", "ratlp": "RAT-LP"}

METRIC_LABELS: Final[dict[Metric, str]] = {
    "clean": "Clean",
    "input_fgsm": "Input FGSM",
    "latent_fgsm": "Latent FGSM",
}

PARAMETER_LABELS: Final[dict[str, str]] = {
    "eps_z": "Training budget eps_z",
    "m": "Latent dimension m",
    "lambda": "Adversarial weight lambda",
}

BOUND_LABELS: Final[dict[str, str]] = {
    "paper": "Paper, taken literally",
    "paper_normalised": "Paper, latent rescaled to L_g = 1",
    "right_constants": "With the right constants",
    "pairwise": "Pairwise, tighter",
}

_FACT_LABELS: Final[dict[str, str]] = {
    "n_train": "Training points",
    "n_test": "Test points",
    "features": "Input shape",
    "bounds": "Bounds of the inputs",
    "units": "An input step of 1.0 is",
    "split_rule": "Split",
    "hidden": "Hidden widths of the encoder",
    "latent": "Latent dimension m",
    "eps": "Training budget eps_z",
    "weight": "Adversarial weight lambda",
    "lr": "Learning rate of Adam",
}

_KIND_LABELS: Final[dict[str, str]] = {"moons": "Two Moons", "digits": "scikit-learn's digits"}


def data_label(data: Mapping[str, Any]) -> str:
    """The name of the data in a sentence; a file's or folder's name stays as it is.

    Example:
        >>> data_label({"kind": "moons", "name": "moons"}), data_label({"kind": "file", "name": "moons"})
        ('Two Moons', 'moons')
    """
    return _KIND_LABELS.get(data["kind"], str(data["name"]))


def method_in_text(method: Method) -> str:
    """The method inside a sentence.

    Example:
        >>> method_in_text("standard"), method_in_text("ratlp")
        ('standard training', 'RAT-LP')
    """
    return METHOD_LABELS[method].replace("Standard", "standard")


def metric_in_text(metric: Metric) -> str:
    """The metric inside a sentence.

    Example:
        >>> metric_in_text("input_fgsm")
        'input FGSM'
    """
    label = METRIC_LABELS[metric]
    return label[0].lower() + label[1:]


def key_label(key: str) -> str:
    """The label of a fact about the data or the training.

    Example:
        >>> key_label("n_train"), key_label("weight_decay")
        ('Training points', 'Weight decay')
    """
    words = key.replace("_", " ").strip()
    return _FACT_LABELS.get(key, words[:1].upper() + words[1:])


def number_key(method: Method, metric: Metric) -> str:
    """The key of one of Table 1's six numbers in `SearchRow.numbers`.

    Example:
        >>> number_key("standard", "clean")
        'standard_clean'
    """
    return f"{method}_{metric}"


NUMBER_LABELS: Final[dict[str, str]] = {
    number_key(method, metric): f"{METHOD_LABELS[method]}, {metric_in_text(metric)}"
    for method in METHODS
    for metric in METRICS
}
