"""Turns the official MANO pickle into an .npz file that knuckle reads.

    pip install numpy
    python3 tools/mano_to_npz.py MANO_RIGHT.pkl mano_right.npz

Registered users of https://mano.is.tue.mpg.de find MANO_RIGHT.pkl and MANO_LEFT.pkl in the model's archive. The licence forbids passing
on either the pickle or what is made of it.

The pickle was written by Python 2 and holds objects of chumpy and of scipy.sparse. Neither package is needed: stand-ins take the few
numbers that matter out of them. Nothing else in the pickle is run: classes that are not named here are refused. Arrays are written as
they are in the file, in metres and radians, doubles as doubles.
"""

import pickle
import sys

import numpy as np

ARRAYS = {
    "v_template": (778, 3),
    "shapedirs": (778, 3, 10),
    "posedirs": (778, 3, 135),
    "J_regressor": (16, 778),
    "weights": (778, 16),
    "kintree_table": (2, 16),
    "hands_components": (45, 45),
    "hands_mean": (45,),
    "f": (1538, 3),
}


# What Python itself makes plain objects and bytes of.
PLAIN = {
    ("_codecs", "encode"),
    ("copy_reg", "_reconstructor"),
    ("__builtin__", "object"),
    ("collections", "OrderedDict"),
}


class StandIn:
    """An object of a class that need not be installed: its attributes."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __setstate__(self, state):
        self.__dict__.update(state if isinstance(state, dict) else {})


class Chumpy(StandIn):
    """A constant of chumpy (attribute x), or a selection of one's elements (a, idxs, preferred_shape)."""

    def array(self):
        if hasattr(self, "idxs"):
            chosen = dense(self.a).ravel()[np.asarray(self.idxs)]
            return chosen.reshape(getattr(self, "preferred_shape", chosen.shape))
        if hasattr(self, "x"):
            return dense(self.x)
        raise ValueError(f"a chumpy object of another kind, with {sorted(self.__dict__)}")


class Columns(StandIn):
    """A sparse matrix by columns."""

    def array(self):
        shape = self._shape if hasattr(self, "_shape") else self.shape
        matrix = np.zeros(shape)
        for column in range(shape[1]):
            entries = slice(self.indptr[column], self.indptr[column + 1])
            np.add.at(matrix[:, column], self.indices[entries], self.data[entries])
        return matrix


def dense(value):
    return value.array() if hasattr(value, "array") else np.asarray(value)


class Reader(pickle.Unpickler):
    """Reads what MANO's pickle is made of, and nothing else."""

    def find_class(self, module, name):
        package = module.split(".")[0]
        if package == "chumpy":
            return Chumpy
        if package == "scipy" and name in ("csc_matrix", "csc_array"):
            return Columns
        if package == "numpy" and name in ("ndarray", "dtype", "_reconstruct", "scalar"):
            return super().find_class(module, name)
        if (module, name) in PLAIN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a MANO file")


def convert(source, target):
    with open(source, "rb") as file:
        model = Reader(file, encoding="latin1").load()
    arrays = {}
    for name, shape in ARRAYS.items():
        if name not in model:
            sys.exit(f"{source}: the array {name} is missing")
        array = dense(model[name])
        # Some releases hold more directions of shape than the ten in use.
        if name == "shapedirs" and array.ndim == 3:
            array = array[:, :, : shape[2]]
        if array.shape != shape:
            sys.exit(f"{source}: {name}: expected {shape}, got {array.shape}")
        arrays[name] = np.ascontiguousarray(array)
    np.savez_compressed(target, **arrays)
    print(f"{target}: {len(arrays)} arrays")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(sys.argv[1], sys.argv[2])
