"""Real calls, spans and exports: the OpenAI SDK under OpenTelemetry's own instrumentation of it.

    pip install -r requirements-openai-v2.txt
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 python3 openai_v2.py

The usual variables say where to: `OTEL_EXPORTER_OTLP_PROTOCOL` (`grpc`, the default, or `http/protobuf`),
`OTEL_EXPORTER_OTLP_COMPRESSION` (gzip unless set), `OTEL_EXPORTER_OTLP_HEADERS`. Content goes out on spans and on events unless
`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says otherwise.
"""

import os

# Read when the instrumentation is imported.
os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
os.environ.setdefault("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT")
os.environ.setdefault("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", "true")

from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor  # noqa: E402

import application  # noqa: E402

if __name__ == "__main__":
    application.run(OpenAIInstrumentor())
