"""Semantic Kernel under its own spans and events: agents with a plugin."""

import os

os.environ["SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE"] = "true"

import logging

from openai import AsyncOpenAI
from opentelemetry.sdk._logs import LoggingHandler
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function

from journey import *

telemetry, events = tracing("semantic-kernel-app"), logging_of("semantic-kernel-app")
logging.getLogger("semantic_kernel").setLevel(logging.INFO)
logging.getLogger().addHandler(LoggingHandler(logger_provider=events))


class Shop:
    """A plugin."""

    get_weather = staticmethod(kernel_function(name="get_weather", description="Weather in a city")(get_weather))
    refund = staticmethod(kernel_function(name="refund", description="Refunds an order")(refund))


async def application(url):
    def agent(model, plugins=()):
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        service = OpenAIChatCompletion(ai_model_id=model, async_client=client)
        return ChatCompletionAgent(service=service, name="weather", instructions="Be brief.", plugins=list(plugins))

    await agent(MODEL).get_response(HELLO)
    await agent(MODEL, [Shop()]).get_response(WEATHER)
    async for _ in agent(MODEL).invoke_stream(HELLO):
        pass
    with attempt("refund"):
        await agent(MODEL, [Shop()]).get_response(REFUND)
    with attempt("unknown model"):
        await agent(UNKNOWN_MODEL).get_response(HELLO)


def named(entry):
    """Functions of a plugin are called by both names."""
    return entry if isinstance(entry, str) else {**entry, "tool": f"Shop-{entry['tool']}"}


run(application, telemetry, events, script=[named(it) for it in PLAIN + TOOL + PLAIN + FAILING_TOOL])
