"""What the fork server imports, for its effect, before it starts the first worker.

A signal to the whole process group, as a batch system sends it, must not end the server: its
workers would lose their parent, and the executor their exit statuses. It ends when the process that
it serves does.
"""

import signal

# What a worker would otherwise import each time.
import torch.utils.serialization.config  # noqa: F401

import kbench.run_cell  # noqa: F401

for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
