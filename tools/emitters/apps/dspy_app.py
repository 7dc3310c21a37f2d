"""DSPy under OpenInference's instrumentation: a prediction, and ReAct with tools."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # It would fetch one.

import dspy
from openinference.instrumentation.dspy import DSPyInstrumentor

from journey import *

telemetry = tracing("dspy-app")
DSPyInstrumentor().instrument(tracer_provider=telemetry)


def fields(**values):
    """An answer in the format of DSPy's chat adapter."""
    return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()) + "\n\n[[ ## completed ## ]]"


def step(tool, arguments):
    return fields(next_thought="I use a tool.", next_tool_name=tool, next_tool_args=arguments)


def application(url):
    def chat(model):
        return dspy.LM(f"openai/{model}", api_base=f"{url}/v1", api_key="none", cache=False, num_retries=0)

    dspy.configure(lm=chat(MODEL))
    dspy.Predict("question -> answer")(question=HELLO)
    agent = dspy.ReAct("question -> answer", tools=[get_weather, refund], max_iters=2)
    agent(question=WEATHER)
    with attempt("refund"):
        agent(question=REFUND)
    with attempt("unknown model"), dspy.context(lm=chat(UNKNOWN_MODEL)):
        dspy.Predict("question -> answer")(question=HELLO)


run(
    application,
    telemetry,
    script=[
        fields(answer=HELLO_ANSWER),
        step("get_weather", '{"city": "Paris"}'), step("finish", "{}"), fields(reasoning="It was found.", answer=WEATHER_ANSWER),
        step("refund", '{"order": "8841"}'), step("finish", "{}"), fields(reasoning="It failed.", answer=REFUND_ANSWER),
    ],
)
