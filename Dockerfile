# One image for the API, workers and beat; docker-compose.yml says which it is.
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /celeriac

COPY requirements.txt ./
RUN pip install -r requirements.txt

COPY celery_app.py start.py ./
COPY app ./app
COPY tasks ./tasks
COPY sandbox ./sandbox
RUN python -m compileall -q . \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin celeriac \
    && install -d -o celeriac -g celeriac -m 0700 /celeriac/var

USER celeriac

# Without compose: everything in one container, its data in the volume. Binding to all addresses needs API_KEYS.
ENV HOST=0.0.0.0
VOLUME /celeriac/var
EXPOSE 5001
STOPSIGNAL SIGTERM
CMD ["python", "start.py"]
