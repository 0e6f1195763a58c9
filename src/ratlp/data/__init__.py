"""Data for the experiments and the command: small built-in sources and files of the user.

A `Source` knows the shape, the range and the units of its inputs and draws one train/test
split per seed. The same seed gives bit-equal tensors, and no global random state is touched.

    >>> from ratlp.data import load_source
    >>> source = load_source("moons")
    >>> split = source.draw(seed=0)
    >>> split.x_train.shape, split.y_test.shape
    (torch.Size([800, 2]), torch.Size([200]))

`load_source` takes `"moons"`, `"digits"`, a folder of IDX files (MNIST, Fashion-MNIST),
or a `.npz`, `.csv` or `.parquet` file. Whatever is wrong with a file is one line of an
`InputError`.
"""

from ratlp.data.digits import Digits
from ratlp.data.load import load_source
from ratlp.data.moons import Moons
from ratlp.data.source import Source, Split

__all__ = [
    "Source",
    "Split",
    "load_source",
    "Digits",
    "Moons",
]
