# kbench on the CPU, pinned by constraints.txt. What runs here is the reproducible smoke run:
#   docker build -t kbench . && docker run --rm kbench
# Other suites, with data and results kept outside (the results folder writable by user 1000):
#   docker run --rm -v "$PWD/data:/data:ro" -e KBENCH_DATA=/data -v "$PWD/results:/kbench/results" \
#       kbench run suites/cifar10.yaml --scale small
# The base needs Python >= 3.11 with venv; scripts/build_image.sh makes one without a registry.
ARG BASE=python:3.11-slim
FROM ${BASE}

RUN useradd --create-home --uid 1000 kbench \
    && install --directory --owner=kbench --group=kbench /kbench /kbench/results
WORKDIR /kbench
COPY . ./

# The secret is the builder's pip.conf, where it needs one to reach a package index.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf,required=false \
    python3 -m venv /opt/kbench \
    && /opt/kbench/bin/pip install --no-cache-dir --constraint constraints.txt . \
    && rm -rf build kbench.egg-info kbench

ENV PATH=/opt/kbench/bin:${PATH} PYTHONUNBUFFERED=1
USER kbench
ENTRYPOINT ["kbench"]
CMD ["run", "suites/smoke.yaml"]
