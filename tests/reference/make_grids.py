"""src/kernels/grids.inl: the grids of IQ1, IQ2 and IQ3 blocks, from the values the `gguf` package has for them.

    pip install gguf numpy
    python tests/reference/make_grids.py > src/kernels/grids.inl
"""
from gguf import quants


def hexadecimal(cls, bits):
    """Each entry as a number whose lowest `bits` bits are the place of its first value among the grid's levels."""
    cls.init_grid()
    levels = list(cls.grid_map)
    digits = cls.grid_shape[1] * bits // 4
    place = lambda entry: sum(levels.index(int(value)) << bits * i for i, value in enumerate(entry))
    return "".join(f"{place(entry):0{digits}x}" for entry in cls.grid.reshape(cls.grid_shape))


print("// Made by tests/reference/make_grids.py from the `gguf` package's values.")
for name, bits in ("IQ1_S", 2), ("IQ2_XXS", 2), ("IQ2_XS", 2), ("IQ2_S", 2), ("IQ3_XXS", 3), ("IQ3_S", 3):
    text = hexadecimal(getattr(quants, name), bits)
    lines = [f'    "{text[i:i + 112]}"' for i in range(0, len(text), 112)]
    print(f"constexpr std::string_view k{name.title().replace('_', '')}Hex =\n" + "\n".join(lines) + ";")
