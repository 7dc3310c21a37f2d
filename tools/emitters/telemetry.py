"""OpenTelemetry's SDK as the application uses it: traces and logs over OTLP, gzipped, and an account of what was exported."""

import os

from opentelemetry import baggage, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def otlp():
    """The exporters' classes, by `OTEL_EXPORTER_OTLP_PROTOCOL`."""
    os.environ.setdefault("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    elif protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    else:
        raise SystemExit(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; this knows grpc and http/protobuf")
    return OTLPSpanExporter, OTLPLogExporter


def counting(exporter, results):
    """The exporter, and each export's result in `results`: a batch processor tells nobody of a failure."""
    export = exporter.export

    def counted(batch):
        result = export(batch)
        results.append((len(batch), result.name == "SUCCESS"))
        return result

    exporter.export = counted
    return exporter


class Attribution(SpanProcessor):
    """Copies who and which session from the baggage onto each span, and remembers the ids of the span that ended last."""

    def __init__(self):
        self.last = None

    def on_start(self, span, parent_context=None):
        for name in ("session.id", "user.id"):
            if value := baggage.get_baggage(name, parent_context):
                span.set_attribute(name, value)

    def on_end(self, span):
        self.last = span.get_span_context()


class Telemetry:
    """Providers for the whole process."""

    def __init__(self, service):
        span_exporter, log_exporter = otlp()
        resource = Resource.create({"service.name": service, "service.version": "1.4.2"})
        self.spans, self.logs = [], []
        self.attribution = Attribution()
        self.tracing = TracerProvider(resource=resource)
        self.tracing.add_span_processor(self.attribution)
        self.tracing.add_span_processor(BatchSpanProcessor(counting(span_exporter(), self.spans)))
        self.logging = LoggerProvider(resource=resource)
        self.logging.add_log_record_processor(BatchLogRecordProcessor(counting(log_exporter(), self.logs)))
        trace.set_tracer_provider(self.tracing)
        set_logger_provider(self.logging)

    def last_span(self):
        """Trace and span id of the call that has just been made."""
        ended = self.attribution.last
        return {"trace": f"{ended.trace_id:032x}", "span": f"{ended.span_id:016x}"}

    def finish(self):
        """Exports what waits; how many spans and log records the other side took, and whether it took all."""
        self.tracing.shutdown()
        self.logging.shutdown()
        results = self.spans + self.logs
        sent = [sum(count for count, ok in kept if ok) for kept in (self.spans, self.logs)]
        return {"spans": sent[0], "log_records": sent[1], "all_taken": all(ok for _, ok in results)}
