"""Microsoft Agent Framework under its own spans and events: an agent with tools, and a stream."""

import os

os.environ |= {"ENABLE_INSTRUMENTATION": "true", "ENABLE_SENSITIVE_DATA": "true", "ENABLE_OTEL": "true"}

from agent_framework import observability
from agent_framework.openai import OpenAIChatCompletionClient

from journey import *

telemetry = tracing("agent-framework-app")
observability.enable_instrumentation(enable_sensitive_data=True)


async def application(url):
    def agent(model, name="weather"):
        client = OpenAIChatCompletionClient(model=model, base_url=f"{url}/v1", api_key="none")
        return client.as_agent(name=name, instructions="Be brief.", tools=[get_weather, refund])

    await agent(MODEL).run(HELLO)
    await agent(MODEL).run(WEATHER)
    async for _ in agent(MODEL).run(HELLO, stream=True):
        pass
    with attempt("refund"):
        await agent(MODEL).run(REFUND)
    with attempt("unknown model"):
        await agent(UNKNOWN_MODEL, "unknown").run(HELLO)


run(application, telemetry, script=PLAIN + TOOL + PLAIN + FAILING_TOOL)
