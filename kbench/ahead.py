"""Work that threads do a little ahead of its use."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def compute_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, num_threads: int, ahead: int
) -> Generator[Result, None, None]:
    """Yield a function's results in the order of the items.

    Where the results are no longer asked for, the threads end with what they have begun.

    Args:
        function: What the threads call; its exceptions are raised here.
        items: Its arguments.
        num_threads: Threads.
        ahead: Results that are computed before they are asked for.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
