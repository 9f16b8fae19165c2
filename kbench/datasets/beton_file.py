"""Writing a `.beton`, sample by sample and in order, so that it can go on after an interruption.

The format is FFCV's, version 2: header, descriptions of the fields, a row for every sample, pages
with the samples' bytes, and a table of these. No sample crosses the border of a page. FFCV's own
writer hangs when a worker fails and gives files that differ from run to run.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from ffcv.types import (
    ALLOC_TABLE_TYPE,
    CURRENT_VERSION,
    TYPE_ID_HANDLER,
    FieldDescType,
    HeaderType,
    get_metadata_type,
)
from numpy.typing import NDArray

DIGEST_SIZE = 16
FLUSH_SIZE = 2**26


class BetonFile:
    """A beton that is being written.

    Until `finish`, the samples are in `<path>.partial`, and what is known of them in
    `<path>.journal`: 16 bytes of origin, then a row for every sample whose bytes are on disk.

    Args:
        path: Where the beton will be.
        origin: 16 bytes that say what it is made from; a partial file of another origin is
            written anew.
        fields: FFCV's fields, the one with the bytes first, by name.
        num_samples: N.
        page_size: Bytes of a page, a power of 2; no sample may be longer.

    Attributes:
        count: Samples that are there already.
    """

    def __init__(
        self,
        path: Path,
        origin: bytes,
        fields: Mapping[str, Any],
        num_samples: int,
        page_size: int = 2**23,
    ) -> None:
        self.path, self.origin, self.fields = path, origin, fields
        self.num_samples, self.page_size = num_samples, page_size
        self.metadata_type = get_metadata_type(list(fields.values()))
        self.row_type = np.dtype(
            [("metadata", self.metadata_type), ("ptr", "<u8"), ("size", "<u8")]
        )
        self._partial = path.with_name(f"{path.name}.partial")
        self._journal = path.with_name(f"{path.name}.journal")
        self._metadata_start = HeaderType.itemsize + len(fields) * FieldDescType.itemsize
        metadata_end = self._metadata_start + num_samples * self.metadata_type.itemsize
        self._offset = -(-metadata_end // page_size) * page_size
        self._rows = self._resume()
        self.count = len(self._rows)
        self._fresh: list[NDArray[np.void]] = []
        self._flushed = self._offset

    def __enter__(self) -> "BetonFile":
        self._partial.touch()
        self._file = self._partial.open("r+b", buffering=2**22)
        if not self.count:
            self._file.truncate(0)
            self._journal.write_bytes(self.origin)
        self._file.truncate(self._offset)
        self._file.seek(self._offset)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, metadata: tuple[tuple[int, ...], int], data: NDArray[np.uint8]) -> None:
        """Append a sample.

        Args:
            metadata: A value for every field; the first one without the bytes' place, in which it
                ends.
            data: The bytes.

        Raises:
            ValueError: If they do not fit into a page.
            OSError: If they cannot be written.
        """
        if data.nbytes > self.page_size:
            message = f"a sample of {data.nbytes:,} bytes is longer than {self.page_size:,}"
            raise ValueError(message)
        room = self.page_size - self._offset % self.page_size
        if data.nbytes > room:
            self._offset += room
            self._file.seek(self._offset)
        first, *others = metadata
        place = (*first, self._offset) if first else self._offset
        row = np.array(((place, *others), self._offset, data.nbytes), self.row_type)
        self._file.write(data.data)
        self._offset += data.nbytes
        self._fresh.append(row)
        self.count += 1
        if self._offset - self._flushed >= FLUSH_SIZE:
            self._flush()

    def finish(self) -> None:
        """Complete the file, bring it to disk and give it its name."""
        self._flush()
        self._file.write(self._table().tobytes())
        self._file.seek(0)
        self._file.write(self._head(table=self._offset))
        self._file.write(np.ascontiguousarray(self._rows["metadata"]).tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.replace(self.path)
        self._journal.unlink()

    def discard(self) -> None:
        """Delete what is there so far."""
        self._partial.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)

    def _resume(self) -> NDArray[np.void]:
        """Return the rows of an interrupted run whose bytes are there; move behind them."""
        none = np.empty(0, self.row_type)
        if not (self._partial.is_file() and self._journal.is_file()):
            return none
        content = self._journal.read_bytes()
        rest = content[DIGEST_SIZE:]
        count = len(rest) // self.row_type.itemsize
        if content[:DIGEST_SIZE] != self.origin or not 0 < count <= self.num_samples:
            return none
        rows = np.frombuffer(rest[: count * self.row_type.itemsize], self.row_type)
        end = int(rows["ptr"][-1] + rows["size"][-1])
        if self._partial.stat().st_size < end:
            return none
        # A row that was cut short would shift the next ones.
        os.truncate(self._journal, DIGEST_SIZE + count * self.row_type.itemsize)
        self._offset = end
        return rows

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._fresh:
            rows = np.array(self._fresh, self.row_type)
            with self._journal.open("ab") as journal:
                journal.write(rows.tobytes())
            self._rows = np.concatenate([self._rows, rows])
            self._fresh = []
        self._flushed = self._offset

    def _table(self) -> NDArray[np.void]:
        table = np.zeros(len(self._rows), ALLOC_TABLE_TYPE)
        table["sample_id"] = np.arange(len(self._rows))
        table["ptr"], table["size"] = self._rows["ptr"], self._rows["size"]
        return table

    def _head(self, table: int) -> bytes:
        header = np.zeros((), HeaderType)
        header["version"], header["num_fields"] = CURRENT_VERSION, len(self.fields)
        header["page_size"], header["num_samples"] = self.page_size, self.num_samples
        header["alloc_table_ptr"] = table
        numbers = {kind: number for number, kind in TYPE_ID_HANDLER.items()}
        descriptions = np.zeros(len(self.fields), FieldDescType)
        for description, (name, field) in zip(descriptions, self.fields.items(), strict=True):
            description["type_id"] = numbers[type(field)]
            description["name"][: len(name)] = np.frombuffer(name.encode(), np.uint8)
            description["arguments"] = field.to_binary()[0]
        return header.tobytes() + descriptions.tobytes()
