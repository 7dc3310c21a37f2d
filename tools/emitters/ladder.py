"""A program that climbs the ladder of `vouchlog doctor`: it makes calls of a model with what a number of steps add.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python3 ladder.py openai_v2 executor,authorized,credential

The steps have the lines that `doctor` gives, and what they state is true here: tokens are signed and checked, the issuer is asked whether
they are active, the program checks its own identity document before it states it, and a policy decides on each prompt and each answer.
Without steps nothing is stated. The policy is told to the collector with the step `known`.
"""

import contextlib
import json
import os
import re
import sys
import time
import urllib.request

SDK, STEPS = sys.argv[1], set(filter(None, sys.argv[2].split(",") if len(sys.argv) > 2 else []))
KNOWN = {"executor", "authorized", "credential", "data", "policy", "known", "content"}
if STEPS - KNOWN:
    raise SystemExit(f"no such step: {', '.join(sorted(STEPS - KNOWN))}")

# Read when the instrumentation is imported.
if "content" in STEPS:
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"

import openai  # noqa: E402
from opentelemetry import trace  # noqa: E402

import calls  # noqa: E402
from identity import WORKLOAD, IdentityProvider  # noqa: E402
from telemetry import Telemetry  # noqa: E402

SERVICE = "support-bot"
# Seconds that clocks are taken to differ where nothing is stated.
CLOCK_ERROR = 1


class Policy:
    """No prompt and no answer may have the number of a card in it."""

    id, version = "no-card-numbers", "3"

    def decide(self, phase, text):
        return ("deny", "card_number") if re.search(r"\b(?:\d[ -]?){16}\b", text) else ("allow", "clean")

    def tell(self, endpoint, since):
        """Says which policy is in force, and since when."""
        record = {"kind": "configuration", "configuration": {
            "subject": "policy", "id": self.id, "version": self.version, "in_force_from": since}}
        request = urllib.request.Request(f"{endpoint}/v1/records", json.dumps(record).encode(), {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()


class Program:
    def __init__(self, provider, client):
        self.provider, self.client, self.policy = provider, client, Policy()
        self.tracer = trace.get_tracer(SERVICE)

    def answer(self, token, exchange):
        """One request of a person, with the lines of the steps around the call of the model."""
        claims = self.provider.verify(token)
        scopes = claims["scope"].split()
        if not STEPS & {"authorized", "credential", "data", "policy"}:
            return self.call(exchange)
        with self.tracer.start_as_current_span("request") as span:
            if "authorized" in STEPS:
                span.set_attribute("user.id", claims["sub"])
                span.set_attribute("evidence.initiator.kind", "human")
                span.set_attribute("evidence.initiator.iss", claims["iss"])
                span.set_attribute("evidence.initiator.verified_by", "oidc")
                span.set_attribute("session.id", claims["sid"])
                span.set_attribute("evidence.session.verified", True)
                span.set_attribute("evidence.session.shared", False)
                span.set_attribute("evidence.session.auth_time", claims["auth_time"])
                span.set_attribute("evidence.authority.mode", "on_behalf_of")
                span.set_attribute("evidence.authority.task", claims["txn"])
                span.set_attribute("evidence.delegation.chain", [claims["sub"], WORKLOAD])
                span.set_attribute("evidence.delegation.scopes", json.dumps([scopes, scopes]))
                span.set_attribute("evidence.approval.required", False)
            if "credential" in STEPS:
                if not self.provider.introspect(token)["active"]:
                    raise PermissionError("the token is not active")
                span.set_attribute("evidence.credential.status.method", "introspection")
                span.set_attribute("evidence.credential.status.checked_at", time.time())
                span.set_attribute("evidence.credential.status.result", "active")
                span.set_attribute("evidence.credential.id", claims["jti"])
                span.set_attribute("evidence.credential.type", "access_token")
                span.set_attribute("evidence.credential.aud", claims["aud"])
                span.set_attribute("evidence.credential.scope", claims["scope"])
                span.set_attribute("evidence.credential.iat", claims["iat"])
                span.set_attribute("evidence.credential.exp", claims["exp"])
            if "data" in STEPS:
                span.set_attribute("evidence.data.input_class", ["public"])
                span.set_attribute("evidence.data.output_class", ["public"])
                span.set_attribute("evidence.data.approved_for", ["public"])
                span.set_attribute("evidence.data.retrieved", False)
                span.set_attribute("evidence.override.none", True)
                span.set_attribute("evidence.input.truncated", False)
                span.set_attribute("evidence.output.truncated", False)
                span.set_attribute("evidence.agent.none", True)
            if "policy" not in STEPS:
                return self.call(exchange)
            self.decide("input", json.dumps(exchange["request_body"]["messages"]))
            seen = self.call(exchange)
            self.decide("output", seen["text"])
            return seen

    def decide(self, phase, text):
        with self.tracer.start_as_current_span("policy") as span:
            verdict, reason = self.policy.decide(phase, text)
            span.set_attribute("evidence.policy.id", self.policy.id)
            span.set_attribute("evidence.policy.version", self.policy.version)
            span.set_attribute("evidence.policy.phase", phase)
            span.set_attribute("evidence.policy.verdict", verdict)
            span.set_attribute("evidence.policy.enforced", verdict)
            span.set_attribute("evidence.policy.reason", reason)
        if verdict == "deny":
            raise PermissionError(reason)

    def call(self, exchange):
        return calls.answered(exchange, self.client.chat.completions.create(**exchange["request_body"]))


def identify(provider):
    """States the program's identity once its own document has been checked."""
    claims = provider.verify(provider.svid())
    os.environ["OTEL_RESOURCE_ATTRIBUTES"] = ",".join([
        f"evidence.workload.id={claims['sub']}", "evidence.workload.method=jwt_svid",
        "evidence.workload.verified=true", "evidence.workload.shared=false"])


def instrumentor():
    if SDK == "openai_v2":
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    elif SDK == "openllmetry":
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    else:
        raise SystemExit(f"no such SDK: {SDK}")
    return OpenAIInstrumentor()


def plain(exchange):
    """Whether it asks for one answer in text, without tools, and gets it."""
    return exchange["status"] == 200 and set(exchange["kinds"]) <= {"chat", "streaming"} and not exchange["request_body"].get("n")


def main():
    exchanges = [turn[0] for turn in calls.turns() if plain(turn[0])]
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(IdentityProvider().serving())
        url = stack.enter_context(calls.provider())
        if "executor" in STEPS:
            identify(provider)
        if "known" in STEPS:
            Policy().tell(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], since)
        telemetry = Telemetry(SERVICE)
        instrumentor().instrument()
        program = Program(provider, openai.OpenAI(base_url=url, api_key="none", max_retries=0))
        # Each person has a session of their own, and each request a token.
        tokens = [provider.access_token(provider.sign_in(f"u-{20931 + number}")) for number in range(len(exchanges))]
        # Issuers count whole seconds, and clocks differ: a token that is used at once may have been used before it was issued.
        time.sleep(CLOCK_ERROR + 1)
        made = [program.answer(token, exchange) for token, exchange in zip(tokens, exchanges)]
    calls.report(made, **telemetry.finish())


if __name__ == "__main__":
    main()
