# A server for a lab. Build: docker build -t neural-divergence .
# Run: docker run -p 8501:8501 -v nd:/cache neural-divergence
FROM python:3.12-slim

RUN useradd --create-home --uid 10001 app && mkdir /cache && chown app /cache
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
# Jobs, own bundles and runs are kept in the volume, beside what ships with the project.
RUN cp -r cache/. /cache/ && chown -R app /cache
# By its number, which every host can resolve.
USER 10001
VOLUME /cache
ENV ND_CACHE=/cache ND_LOG=json OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/api/health', timeout=3)"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "streamlit", "run", "asgi.py", "--server.address", "0.0.0.0"]
