# Parley's server, for a PostgreSQL and a bus of yours: the embedded PostgreSQL is not in it.
#
#   docker build -t parley --build-arg VERSION=$(git describe --always) .

# The version that `.ci/run` tests with; patch releases come with a new build.
ARG PYTHON=python:3.11-slim-bookworm

ARG NODE=node:22-bookworm-slim

FROM ${NODE} AS pages
WORKDIR /parley/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-fund --no-audit
COPY web ./
COPY schema.graphql /parley/
RUN npm run build

FROM ${PYTHON} AS build
WORKDIR /parley
# No package is built here: what has no wheel for the platform is refused, so no compiler is ever missing.
COPY requirements/server.txt ./
RUN python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
        --require-hashes --only-binary :all: -r server.txt \
    && rm server.txt
COPY alembic.ini LICENSE ./
COPY migrations migrations
COPY domain domain
COPY persistence persistence
COPY schema schema
COPY api api
COPY --from=pages /parley/web/dist web/dist
# Compiled once: the file system of a server is read-only. unchecked-hash: nobody changes a source afterwards.
# Readable whatever the umask was of whoever cloned the tree.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib /parley \
    && chmod -R a+rX /venv /parley

FROM ${PYTHON}
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Parley" \
    org.opencontainers.image.description="The backend for talking to people you do not know yet: one GraphQL API" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}"
# A number that no account of a usual host has. The code belongs to root: a server can write to /data and /tmp alone.
RUN groupadd --gid 10101 parley \
    && useradd --uid 10101 --gid parley --no-create-home --home-dir /data --shell /usr/sbin/nologin parley \
    && install --directory --owner parley --group parley --mode 0700 /data \
    && python -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel
COPY --from=build /venv /venv
COPY --from=build /parley /parley
WORKDIR /parley
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PARLEY_ENVIRONMENT=production \
    PARLEY_PORT=8000 \
    PARLEY_DATA_DIR=/data
USER 10101:10101
EXPOSE 8000
STOPSIGNAL SIGTERM
# Alive, not ready: a server whose database is away shall not be killed for it. http.client, because urllib.request may ask a proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "-ISc", "from http.client import HTTPConnection as C; from os import environ as e; c = C('127.0.0.1', int(e['PARLEY_PORT']), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "api"]
CMD ["serve"]
