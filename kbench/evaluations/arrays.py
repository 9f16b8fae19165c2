"""Arrays that an evaluation leaves beside its numbers."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from kbench.files import write_bytes


def write_arrays(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """Replace an .npz file in one step; an array for every tensor, under its name.

    Equal arrays make equal files, whenever they are written.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, tensor in arrays.items():
            member = io.BytesIO()
            np.save(member, tensor.detach().cpu().numpy(), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")
            archive.writestr(entry, member.getvalue(), zipfile.ZIP_DEFLATED)
    write_bytes(path, content.getvalue())
