"""The Anthropic SDK, with tools and a stream, under the instrumentation that the argument names.

    anthropic_app.py openinference|openllmetry
"""

import sys

from anthropic import Anthropic

from journey import *

CLAUDE = "claude-sonnet-4-5"
telemetry = tracing(f"anthropic-{sys.argv[1]}")
if sys.argv[1] == "openinference":
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
else:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
AnthropicInstrumentor().instrument(tracer_provider=telemetry)
TOOLS = [{"name": name, "description": name, "input_schema": {"type": "object"}} for name in ("get_weather", "refund")]


def answered(client, text):
    """A turn with tools."""
    messages = [{"role": "user", "content": text}]
    about = {"model": CLAUDE, "max_tokens": 100, "system": "Be brief.", "tools": TOOLS}
    answer = client.messages.create(messages=messages, **about)
    messages.append({"role": "assistant", "content": answer.content})
    results = []
    for block in answer.content:
        if block.type == "tool_use":
            result = {"type": "tool_result", "tool_use_id": block.id}
            try:
                result["content"] = {"get_weather": get_weather, "refund": refund}[block.name](**block.input)
            except ValueError as error:
                result |= {"content": str(error), "is_error": True}
            results.append(result)
    return client.messages.create(messages=[*messages, {"role": "user", "content": results}], **about)


def application(url):
    client = Anthropic(base_url=url, api_key="none", max_retries=0)
    hello = {"max_tokens": 100, "messages": [{"role": "user", "content": HELLO}]}
    client.messages.create(model=CLAUDE, **hello)
    answered(client, WEATHER)
    list(client.messages.create(model=CLAUDE, stream=True, **hello))
    with client.messages.stream(model=CLAUDE, **hello) as stream:
        stream.get_final_message()
    answered(client, REFUND)
    with attempt("unknown model"):
        client.messages.create(model=UNKNOWN_MODEL, **hello)


run(application, telemetry, script=PLAIN + TOOL + PLAIN + PLAIN + FAILING_TOOL)
