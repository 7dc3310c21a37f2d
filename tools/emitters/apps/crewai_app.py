"""CrewAI under OpenInference's instrumentations of CrewAI and of the OpenAI SDK: crews of one agent."""

import os

os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "CREWAI_TESTING": "true"}

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from openinference.instrumentation.crewai import CrewAIInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor

from journey import *

telemetry = tracing("crewai-app", set_global=False)
CrewAIInstrumentor().instrument(tracer_provider=telemetry)
OpenAIInstrumentor().instrument(tracer_provider=telemetry)


def crew(url, model, text, tools):
    llm = LLM(model=f"openai/{model}", base_url=f"{url}/v1", api_key="none", max_retries=0)
    agent = Agent(role="assistant", goal="Answer.", backstory="You answer briefly.", llm=llm, tools=tools, max_retry_limit=0)
    return Crew(agents=[agent], tasks=[Task(description=text, expected_output="A sentence.", agent=agent)])


def application(url):
    tools = [tool("get_weather")(get_weather), tool("refund")(refund)]
    crew(url, MODEL, HELLO, []).kickoff()
    crew(url, MODEL, WEATHER, tools).kickoff()
    with attempt("refund"):
        crew(url, MODEL, REFUND, tools).kickoff()
    with attempt("unknown model"):
        crew(url, UNKNOWN_MODEL, HELLO, []).kickoff()


run(application, telemetry)
