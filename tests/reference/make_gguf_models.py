"""The golden models of tests/fixtures/models as llama.cpp's own converter writes them: tests/fixtures/gguf/NAME.gguf.

    python3 tests/reference/make_gguf_models.py LLAMA_CPP NAME...

LLAMA_CPP is a folder with llama.cpp's sources (they stand in the source package of llama-cpp-python on PyPI). The
models have no tokenizer, so the files have none either. Needs what llama.cpp's converter needs: torch, transformers.
"""

import pathlib
import sys

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"


def main():
    sources = pathlib.Path(sys.argv[1])
    sys.path[:0] = [str(sources), str(sources / "gguf-py")]
    import torch
    torch.set_num_threads(1)
    import gguf
    from conversion import get_model_class
    from conversion.base import ModelBase

    for name in sys.argv[2:]:
        folder = FIXTURES / "models" / name
        hparams = ModelBase.load_hparams(folder, False)
        kind = get_model_class(hparams["architectures"][0])
        bf16 = name.endswith("bf16")
        # Whatever the family's own way to read a vocabulary: there is none here.
        model_class = type(kind.__name__, (kind,), {"set_vocab": lambda self: None, "model_arch": kind.model_arch})
        out = FIXTURES / "gguf" / f"{name}.gguf"
        model = model_class(folder, gguf.LlamaFileType.MOSTLY_BF16 if bf16 else gguf.LlamaFileType.ALL_F32, out)
        model.write()
        print(out.name, out.stat().st_size)


if __name__ == "__main__":
    main()
