"""The same calls as `openai_v2.py` makes, under OpenLLMetry's instrumentation of the OpenAI SDK.

    pip install -r requirements-openllmetry.txt
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 python3 openllmetry.py

`TRACELOOP_TRACE_CONTENT=false` keeps content out of the spans.
"""

from opentelemetry.instrumentation.openai import OpenAIInstrumentor

import application

if __name__ == "__main__":
    application.run(OpenAIInstrumentor())
