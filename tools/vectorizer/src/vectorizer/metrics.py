"""What a worker counts, for Prometheus."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server

EMBEDDED = Counter("vectorizer_rows_embedded", "Rows whose embedding was written", ["vectorizer"])
SETTLED = Counter("vectorizer_rows_settled", "Rows that needed none: no text, gone, or changed meanwhile", ["vectorizer"])
FAILED = Counter("vectorizer_rows_failed", "Failures of single rows", ["vectorizer"])
SET_ASIDE = Counter("vectorizer_rows_set_aside", "Rows that failed for good", ["vectorizer"])
UNAVAILABLE = Counter("vectorizer_model_unavailable", "Times the model could not be used", ["vectorizer"])
WAITING = Gauge("vectorizer_rows_waiting", "Rows in the queue when last counted", ["vectorizer"])
LAG = Histogram("vectorizer_lag_seconds", "From the change of a row to its embedding", ["vectorizer"],
                buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200))
BATCH = Histogram("vectorizer_batch_seconds", "Duration of batches", ["vectorizer"])


def serve(port, address="127.0.0.1"):
    return start_http_server(port, addr=address)


def count(name, result, seconds):
    EMBEDDED.labels(name).inc(result.embedded)
    SETTLED.labels(name).inc(result.settled)
    FAILED.labels(name).inc(result.retried + result.set_aside)
    SET_ASIDE.labels(name).inc(result.set_aside)
    BATCH.labels(name).observe(seconds)
    for lag in result.lags:
        LAG.labels(name).observe(lag)


__all__ = ["REGISTRY", "count", "serve"]
