"""Google ADK under its own spans, with Gemini: an agent with tools, and a hand-over to another agent.

    google_adk_app.py default|content|legacy

`content` switches content on, which is off by default; `legacy` asks for the names that ADK 1 had.
"""

import os
import sys

if sys.argv[1] == "content":
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_AND_EVENT"
elif sys.argv[1] == "legacy":
    os.environ["ADK_TELEMETRY_SCHEMA_VERSION_OPT_IN"] = "1"

from google.adk.agents import LlmAgent
from google.adk.runners import InMemoryRunner
from google.genai import types

from journey import *

GEMINI = "gemini-2.5-flash"
telemetry, events = tracing("google-adk-app"), logging_of("google-adk-app")
handover = [{"tool": "transfer_to_agent", "arguments": {"agent_name": "clerk"}}, "The clerk is here."]


async def turn(runner, text):
    session = await runner.session_service.create_session(app_name=runner.app_name, user_id=USER)
    message = types.Content(role="user", parts=[types.Part(text=text)])
    async for _ in runner.run_async(user_id=USER, session_id=session.id, new_message=message):
        pass


async def application(url):
    os.environ |= {"GOOGLE_GEMINI_BASE_URL": url, "GOOGLE_GENAI_USE_VERTEXAI": "0"}
    clerk = LlmAgent(model=GEMINI, name="clerk", description="Knows orders.", instruction="Be brief.")
    agent = LlmAgent(model=GEMINI, name="weather", instruction="Be brief.", tools=[get_weather, refund], sub_agents=[clerk])
    runner = InMemoryRunner(agent=agent, app_name="weather-app")
    for text in (HELLO, WEATHER, "Get me the clerk."):
        await turn(runner, text)
    with attempt("refund"):
        await turn(runner, REFUND)
    with attempt("unknown model"):
        await turn(InMemoryRunner(agent=LlmAgent(model=f"gemini-{UNKNOWN_MODEL}", name="unknown"), app_name="unknown"), HELLO)


run(application, telemetry, events, script=PLAIN + TOOL + handover + FAILING_TOOL)
