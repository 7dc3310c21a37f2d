//! The steps of one record: from who began it to how it ended, each with its part of the record.

use vouchlog_record::{
    Agent, Approval, ApprovalState, AuthorityMode, Body, Commitment, Content, Credential, CredentialStatus,
    Data, DataSource, Field, Hop, Initiator, InitiatorCheck, Model, Override, PolicyDecision, PolicyPhase,
    Record, RoleSession, Usage, Workload, WorkloadAssertion,
};

use crate::numbers::count;
use crate::phrases::{describe, joined, listed, name, named, names, time, word};
use crate::step_list::{StepLine, StepList, StepText};
use crate::timeline::{State, Step};
use crate::{content, decisions, events, tools};

/// The steps of a record, in the order in which they happen.
pub(crate) fn steps(record: &Record) -> Vec<StepLine> {
    let body = &record.body;
    let mut steps = StepList::default();
    steps.group(Step::Initiator, "/initiator", 0, &body.initiator, |it| StepText::shown(initiator(it, body)));
    steps.group(Step::Workload, "/workload", 0, &body.workload, |it| StepText::shown(workload(it, body)));
    steps.group(Step::Credential, "/credential", 0, &body.credential, |it| {
        StepText::shown(credential(it, body))
    });
    steps.list(Step::Credential, "/credentials", 0, &body.credentials, |it| {
        StepText::shown(credential_words(it))
    });
    steps.group(Step::Prompt, "/input", 0, &body.input, messages);
    data_and_sources(&mut steps, &body.data);
    let tools = body.tools.value().map_or(&[][..], Vec::as_slice);
    let is_of_a_tool = |decision: &PolicyDecision| tools::target(decision, tools).is_some();
    decisions::add(&mut steps, body, |decision| !is_of_a_tool(decision) && !is_on_output(decision));
    steps.one_or_many(Step::Approval, "/approval", &body.approval, approval);
    if body.r#override != Field::NotApplicable {
        steps.one_or_many(Step::Override, "/override", &body.r#override, overridden);
    }
    steps.group(Step::Escalation, "/escalation", 0, &body.escalation, |to| {
        StepText::shown(format!("passed on to {}", names(to)))
    });
    steps.group(Step::Model, "/model", 0, &body.model, |it| StepText::shown(model(it, body.usage.value())));
    steps.group(Step::Answer, "/output", 0, &body.output, answer);
    tools::add(&mut steps, body);
    decisions::add(&mut steps, body, |decision| !is_of_a_tool(decision) && is_on_output(decision));
    events::add(&mut steps, body);
    steps.group(Step::Outcome, "/outcome", 0, &body.outcome, |it| {
        let state = describe(&it.state, word);
        let effect = describe(&it.effect, |effect| format!("effect: {}", word(effect)));
        let error = describe(&it.error, |error| format!("error: {}", name(error)));
        let end = body.time.value().map_or(&Field::Absent, |time| &time.end);
        let message = describe(&it.message, |message| format!("“{}”", name(message)));
        StepText::shown(joined([state, effect, error, message], "; ")).at(end)
    });
    steps.0
}

fn is_on_output(decision: &PolicyDecision) -> bool {
    decision.phase.value() == Some(&PolicyPhase::Output)
}

fn data_and_sources(steps: &mut StepList, field: &Field<Data>) {
    steps.group(Step::Data, "/data", 0, field, |it| StepText::shown(data_words(it)));
    let Some(data) = field.value() else { return };
    steps.list(Step::Retrieval, "/data/sources", 0, &data.sources, source);
}

/// Who began it, and how one knows.
pub(crate) fn initiator_words(it: &Initiator) -> String {
    let who = joined([named(&it.sub), named(&it.iss).map(|iss| format!("at {iss}"))], " ");
    let kind = describe(&it.kind, word);
    let check = describe(&it.verified_by, |check| match check {
        InitiatorCheck::Header => "from a header, not verified".to_owned(),
        InitiatorCheck::SelfAsserted => "self-asserted by the caller, not verified".to_owned(),
        check => format!("verified by {}", word(check)),
    });
    let sponsor = named(&it.sponsor).map(|sponsor| format!("accountable: {sponsor}"));
    let behind = named(&it.end_user).map(|user| format!("for end user {user}"));
    let pseudonym = named(&it.pseudonym).map(|name| format!("under the pseudonym {name}"));
    joined([Some(joined([Some(who), kind, check], ", ")), behind, pseudonym, sponsor], "; ")
}

fn initiator(it: &Initiator, body: &Body) -> String {
    let session = body.session.value().map(|session| {
        let alive = yes_no(&session.verified, "session verified", "session not verified");
        let how = describe(&session.amr, |amr| format!("signed in with {}", names(amr)));
        joined([alive, how, yes_no(&session.shared, "shared by several people", "")], ", ")
    });
    let device = body.device.value().map(|device| {
        let id = named(&device.id).map(|id| format!("device {id}"));
        joined([id, describe(&device.posture, word), named(&device.client_app)], ", ")
    });
    joined([Some(initiator_words(it)), session, device], "; ")
}

/// What executed, and how one knows.
pub(crate) fn workload_words(it: &Workload) -> String {
    let id = joined([named(&it.id), named(&it.instance).map(|instance| format!("({instance})"))], " ");
    let agent = it.agent.value().map(agent_words);
    let check = describe(&it.method, |method| match method {
        WorkloadAssertion::SelfAsserted => "self-asserted, not verified".to_owned(),
        WorkloadAssertion::None => "identity not asserted".to_owned(),
        method => format!("identity by {}", word(method)),
    });
    let issuer = named(&it.issuer).map(|issuer| format!("of {issuer}"));
    let checked = describe(&it.verified_by, |by| format!("checked by {}", word(by)));
    let check = joined([check, issuer, checked], " ");
    joined([Some(id), agent, Some(check), yes_no(&it.shared, "shared by several programs", "")], ", ")
}

fn agent_words(it: &Agent) -> String {
    let called = named(&it.name).or_else(|| named(&it.id)).map(|called| format!("agent {called}"));
    let blueprint = named(&it.blueprint).map(|blueprint| format!("of blueprint {blueprint}"));
    let tenant = named(&it.tenant).map(|tenant| format!("in tenant {tenant}"));
    let sponsor = named(&it.sponsor).map(|sponsor| format!("accountable: {sponsor}"));
    joined([Some(joined([called, named(&it.version), blueprint, tenant], " ")), sponsor], ", ")
}

fn workload(it: &Workload, body: &Body) -> String {
    let authority = body.authority.value().map(|authority| {
        let mode = describe(&authority.mode, |mode| match mode {
            AuthorityMode::OnBehalfOf => "on behalf of the initiator".to_owned(),
            AuthorityMode::Autonomous => "for itself".to_owned(),
            AuthorityMode::Connector => "through a connector".to_owned(),
        });
        let chain = describe(&authority.chain, |chain| {
            let shown = |hop: &Hop| hop.principal().map_or_else(|| "(not shown)".to_owned(), name);
            let hops: Vec<_> = chain.iter().take(8).map(shown).collect();
            format!("via {}", hops.join(" → "))
        });
        let purpose = named(&authority.purpose).map(|purpose| format!("purpose: {purpose}"));
        joined([mode, chain, purpose], ", ")
    });
    joined([Some(workload_words(it)), authority], "; ")
}

/// The credential, its window, and whether it was revoked as far as somebody looked.
pub(crate) fn credential_words(it: &Credential) -> String {
    let what = joined([describe(&it.r#type, word), named(&it.id)], " ");
    let issuer = named(&it.issuer).map(|issuer| format!("issued by {issuer}"));
    let from = it.nbf.value().or(it.iat.value());
    let window = match (from, it.exp.value()) {
        (Some(from), Some(exp)) => Some(format!("valid from {} until {}", time(*from), time(*exp))),
        (None, Some(exp)) => Some(format!("valid until {}", time(*exp))),
        (Some(from), None) if it.exp.is_absent() => {
            Some(format!("valid from {}, without expiry", time(*from)))
        }
        _ => describe(&it.exp, |_| String::new()).map(|state| format!("valid until {state}")),
    };
    let binding = describe(&it.binding, |binding| format!("bound by {}", word(binding)));
    let scope = describe(&it.scope, |scope| format!("allows {}", names(scope)));
    let proof = yes_no(&it.proof_verified, "with proof of possession", "without proof of possession");
    let txn = named(&it.txn).map(|txn| format!("for transaction {txn}"));
    let role = it.role_session.value().map(role_words);
    joined(
        [
            Some(joined([Some(what), issuer, window, binding, proof, scope, txn], ", ")),
            role,
            describe(&it.status, status),
        ],
        "; ",
    )
}

fn role_words(it: &RoleSession) -> String {
    let session = named(&it.name).map(|name| format!("session {name}"));
    let role = named(&it.role).map(|role| format!("of role {role}"));
    let source = named(&it.source_identity).map(|source| format!("for {source}"));
    joined([session, role, source], " ")
}

fn credential(it: &Credential, body: &Body) -> String {
    let grant = body.grant.value().map(|grant| {
        joined([describe(&grant.kind, |kind| format!("{} grant", word(kind))), named(&grant.id)], " ")
    });
    joined([Some(credential_words(it)), grant], "; ")
}

/// One of two words, or what became of the field.
fn yes_no(field: &Field<bool>, yes: &str, no: &str) -> Option<String> {
    describe(field, |it| if *it { yes } else { no }.to_owned())
}

fn status(it: &CredentialStatus) -> String {
    let result = describe(&it.result, word);
    let at = describe(&it.checked_at, |at| format!("when checked at {}", time(*at)));
    let how = describe(&it.method, |how| format!("by {}", word(how)));
    joined([result, at, how], " ")
}

/// What went into the model, or came out of it.
fn messages(it: &Content) -> StepText {
    let (words, state) = content_or_commitment(&it.content, &it.commitment);
    let place = named(&it.r#ref).map(|place| format!("stored at {place}"));
    let cut = yes_no(&it.truncated, "truncated", "");
    StepText { words: joined([Some(words), place, cut], "; "), at: None, state }
}

/// Content in words, and whether it is here.
pub(crate) fn content_or_commitment(
    content: &Field<serde_json::Value>,
    commitment: &Field<Commitment>,
) -> (String, State) {
    let committed = commitment.value().map(|commitment| format!("commitment {}", name(commitment.as_str())));
    let (words, state) = match content {
        Field::Value(value) => return (content::line(value), State::Shown),
        Field::Redacted => ("withheld", State::Redacted),
        Field::Erased => ("erased", State::Erased),
        Field::NotApplicable => ("not applicable", State::NotApplicable),
        Field::Absent if committed.is_some() => ("not stored here", State::Absent),
        Field::Absent => return (String::new(), State::Absent),
    };
    (joined([Some(words.to_owned()), committed], "; "), state)
}

fn answer(it: &Content) -> StepText {
    let StepText { words, at, state } = messages(it);
    let refused = yes_no(&it.refusal, "the model refused", "");
    let finish = describe(&it.finish, |why| format!("finished: {}", names(why)));
    StepText { words: joined([Some(words), refused, finish], "; "), at, state }
}

pub(crate) fn data_words(it: &Data) -> String {
    let input = describe(&it.input_class, |classes| format!("in: {}", names(classes)));
    let output = describe(&it.output_class, |classes| format!("out: {}", names(classes)));
    let resources = describe(&it.resources, |resources| format!("resources: {}", names(resources)));
    let redacted = yes_no(&it.redacted_input, "redacted before the model saw it", "");
    let unlisted = match (it.retrieved.value(), &it.sources) {
        (Some(true), Field::Absent) => Some("data was retrieved; its sources are not recorded".to_owned()),
        _ => None,
    };
    joined([input, output, resources, redacted, unlisted], "; ")
}

fn source(it: &DataSource) -> StepText {
    let which = joined([named(&it.id), named(&it.document)], " / ");
    let class = describe(&it.class, |class| format!("class {}", name(class)));
    let query = describe(&it.query, |query| format!("asked “{}”", name(query)));
    let (text, state) = content_or_commitment(&it.content, &it.digest);
    let state = if it.content.is_absent() { State::Shown } else { state };
    StepText {
        words: joined([Some(joined([Some(which), class], ", ")), query, Some(text)], "; "),
        at: it.start.value().copied(),
        state,
    }
}

fn approval(it: &Approval) -> StepText {
    if it.state.value() == Some(&ApprovalState::NotRequired) {
        return StepText::shown("not required".to_owned());
    }
    let required = yes_no(&it.required, "required", "not required");
    let state = describe(&it.state, word);
    let by = named(&it.approver).map(|approver| format!("by {approver}"));
    let kind = describe(&it.approver_kind, |kind| format!("({})", word(kind)));
    let source = describe(&it.source, |source| format!("via {}", word(source)));
    let given = joined([state, by, kind, source], " ");
    let call = named(&it.target).map(|call| format!("for the call {call}"));
    let until = describe(&it.expires, |until| format!("valid until {}", time(*until)));
    let ticket = named(&it.r#ref);
    let why = describe(&it.rationale, |why| format!("“{}”", name(why)));
    StepText::shown(joined([required, Some(given), call, until, ticket, why], "; ")).at(&it.at)
}

fn overridden(it: &Override) -> StepText {
    let by = named(&it.by).unwrap_or_else(|| "an unnamed party".to_owned());
    let from = describe(&it.from, word).unwrap_or_else(|| "a decision".to_owned());
    let to = describe(&it.to, |to| format!(" to {}", word(to))).unwrap_or_default();
    let reason = named(&it.reason).map(|reason| format!("reason: {reason}"));
    let text = describe(&it.reason_text, |text| format!("“{}”", name(text)));
    StepText::shown(joined([Some(format!("{by} changed {from}{to}")), reason, text], "; ")).at(&it.at)
}

fn model(it: &Model, usage: Option<&Usage>) -> String {
    let served = named(&it.served).or_else(|| {
        named(&it.requested)
            .map(|asked| format!("{asked} requested; the model that answered is not recorded"))
    });
    let of = named(&it.provider).map(|provider| format!("of {provider}"));
    let asked = named(&it.requested)
        .filter(|asked| it.served.value().is_some() && Some(asked) != named(&it.served).as_ref());
    let asked = asked.map(|asked| format!("requested: {asked}"));
    let routing = named(&it.routing).map(|why| format!("routing: {why}"));
    let tokens = usage.map(|usage| {
        let input = describe(&usage.input_tokens, |n| count(*n, "token in", "tokens in"));
        let output = describe(&usage.output_tokens, |n| count(*n, "token out", "tokens out"));
        listed(&[input, output].into_iter().flatten().collect::<Vec<_>>())
    });
    joined([Some(joined([served, of], " ")), asked, routing, tokens], "; ")
}
