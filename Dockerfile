# One image for every role; the command says which: python start.py [all|api|worker|beat]. docs/deploy.md explains.

FROM python:3.12-slim-bookworm AS packages

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /build
COPY requirements.txt ./
# The requirements name pytest for those who work on a checkout; the image has no tests, and installs nothing later.
RUN python -m venv /venv \
    && /venv/bin/pip install --require-hashes --only-binary :all: -r requirements.txt \
    && /venv/bin/pip uninstall --yes pytest pluggy iniconfig pip


FROM python:3.12-slim-bookworm

LABEL org.opencontainers.image.title="Celeriac" \
      org.opencontainers.image.description="Run this code, or call this URL: now, later or on a cron." \
      org.opencontainers.image.licenses="MIT"

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

RUN groupadd --gid 10001 celeriac \
    && useradd --uid 10001 --gid celeriac --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin celeriac \
    && install -d -o celeriac -g celeriac -m 0700 /celeriac/var

WORKDIR /celeriac

COPY --from=packages /venv /venv
COPY celery_app.py start.py ./
COPY app ./app
COPY tasks ./tasks
COPY sandbox ./sandbox
RUN python -m compileall -q .

# By number, so that Kubernetes can see that it is not root. Nothing but /celeriac/var and /tmp is ever written.
USER 10001:10001

# Without compose: everything in one container, its data in the volume. Binding to all addresses needs a key.
ENV HOST=0.0.0.0
VOLUME /celeriac/var
EXPOSE 5001
STOPSIGNAL SIGTERM
# Of the command below. One that runs a single role has a check of its own: docker-compose.yml, deploy/helm.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "app.launch.alive", "all"]
CMD ["python", "start.py"]
