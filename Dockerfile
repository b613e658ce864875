# An image that audits models in mounted folders on the CPU, as a user without rights and without a network:
#
#   docker build -t gptaudit --build-arg TORCH_INDEX=URL .
#   docker run --rm --network none -v "$PWD:/audit" gptaudit run hf:./my-model --policy policy.toml -o audits/my-model
#
# TORCH_INDEX is the package index of torch's CPU builds; without it the default index gives a build for CUDA,
# which works too and is several gigabytes larger. The folder that is mounted must be writable for user 1000, or
# for the one that `docker run --user` names.
FROM python:3.12-slim AS build
COPY . /src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /dist /src

FROM python:3.12-slim
ARG TORCH_INDEX=
COPY constraints.txt /tmp/
# Without what torch needs, since its own index has few versions of that: it comes with the rest, from the default index.
RUN python -m pip install --no-cache-dir --no-deps --constraint /tmp/constraints.txt \
    ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    python -m pip install --no-cache-dir --constraint /tmp/constraints.txt /dist/*.whl \
 && useradd --create-home --uid 1000 auditor
USER auditor
WORKDIR /audit
ENV HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["gptaudit"]
