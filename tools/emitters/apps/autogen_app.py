"""AutoGen under its own spans and those of the OpenAI SDK: agents with tools, and a hand-over in a swarm."""

import os

os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.teams import Swarm
from autogen_core.models import ModelFamily
from autogen_ext.models.openai import OpenAIChatCompletionClient
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

from journey import *

telemetry = tracing("autogen-app")
OpenAIInstrumentor().instrument()
HANDOVER = [{"tool": "transfer_to_clerk", "arguments": {}}, "The clerk is here."]


async def application(url):
    info = {"vision": False, "function_calling": True, "json_output": True, "structured_output": False, "family": ModelFamily.UNKNOWN}

    def client(model):
        return OpenAIChatCompletionClient(model=model, base_url=f"{url}/v1", api_key="none", max_retries=0, model_info=info)

    def agent(model, **more):
        return AssistantAgent("weather", client(model), tools=[get_weather, refund], reflect_on_tool_use=True, **more)

    await agent(MODEL).run(task=HELLO)
    await agent(MODEL).run(task=WEATHER)
    clerk = AssistantAgent("clerk", client(MODEL))
    await Swarm([agent(MODEL, handoffs=["clerk"]), clerk], termination_condition=TextMentionTermination("is here")).run(task="Get me the clerk.")
    with attempt("refund"):
        await agent(MODEL).run(task=REFUND)
    with attempt("unknown model"):
        await agent(UNKNOWN_MODEL).run(task=HELLO)


run(application, telemetry, script=PLAIN + TOOL + HANDOVER + FAILING_TOOL)
