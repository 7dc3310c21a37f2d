import { encodeHex, decodeEntry, VerifyError } from "./verify/index.js";
import { audit, AUDITED_AT_ONCE } from "./auditing.js";
import { growthChart } from "./charts.js";
import { at, cell, digest, h, note, put, row, status, table } from "./dom.js";
import { gatewaysOf, stateOf } from "./gateways.js";
import { compareHeads } from "./heads.js";
import { isContradicted, open } from "./page.js";
import {} from "./survey.js";
import { askWitness, lineOf } from "./witnesses.js";
import { recall } from "./trust.js";
import { ago, count, grouped, moment } from "./words.js";
const POINTS = 16;
async function main() {
    const opened = await open();
    if (opened === null)
        return;
    put(at("origin"), opened.known.trust.origin);
    showFacts(opened, null);
    await Promise.all([showWitnesses(opened), showEntries(opened)]);
}
function panel(name, value, ...rest) {
    return h("div", { class: "panel pad fact" }, h("h2", { class: "k" }, name), h("p", { class: "v" }, value), rest);
}
function showFacts(opened, last) {
    const { signed, known, cosigned } = opened;
    const now = Date.now();
    const newest = cosigned.newest === null ? null : Number(cosigned.newest) * 1000;
    const age = newest !== null ? `newest cosignature ${ago(newest, now)}` : last !== null ? `last entry ${ago(last.time, now)}, by the log's clock` : "it states no time";
    put(at("facts"), panel("Newest checkpoint", count(signed.head.size, "entry", "entries"), h("p", {}, known.affirm("Signed by the log")), h("p", {}, age), h("p", {}, "Root ", digest(encodeHex(signed.head.root), "the root hash"))), quorum(opened), visit(opened));
}
function quorum({ known, cosigned }) {
    const { policy } = known.trust;
    if (policy === null)
        return panel("Witness quorum", "Not checked", h("p", {}, status("unk", "No policy")), h("p", {}, "Enter a witness policy below. Without one, a log that shows different trees to different readers goes unnoticed."));
    const value = `${cosigned.by.length} of ${policy.witnesses.length} cosigned`;
    if (cosigned.forged.length > 0)
        return panel("Witness quorum", value, h("p", {}, status("bad", "Forged cosignature")), h("p", {}, `The line of ${cosigned.forged.map(({ name }) => name).join(", ")} does not verify.`));
    if (policy.isQuorumNone)
        return panel("Witness quorum", value, h("p", {}, status("unk", "No quorum is asked for")));
    return panel("Witness quorum", value, h("p", {}, cosigned.quorum ? known.affirm("Quorum met") : status("bad", "No quorum")), h("p", {}, "By the policy below."));
}
function visit(opened) {
    const { comparison, size, at: time, isKept } = opened.visit;
    if (comparison === null) {
        return panel("Your last visit", "None", h("p", {}, status("mute", "First visit")), h("p", {}, isKept ? "This browser now remembers the checkpoint. At your next visit this page checks that the log still contains it." : "This browser keeps nothing for this page, so a later visit cannot be compared with this one."));
    }
    const shown = {
        same: [null, "Unchanged", "The log serves the checkpoint that you saw."],
        consistent: [null, "Consistent", "The tree that you saw is contained in today's log: checked in this browser."],
        smaller: ["bad", "The log became smaller", "It serves less than you saw."],
        fork: ["bad", "Not consistent", "The log shows another history than you saw."],
        unproven: ["warn", "Not proven", "The log does not serve the hashes that would show it."],
    }[comparison];
    const [tone, words, text] = shown;
    return panel("Your last visit", count(size, "entry", "entries"), h("p", {}, tone === null ? opened.known.affirm(words) : status(tone, words)), h("p", {}, `${moment(time)}. ${text}`));
}
async function showWitnesses(opened) {
    const { policy } = opened.known.trust;
    if (policy === null || policy.witnesses.length === 0) {
        const names = [...new Set(opened.signed.note.lines.map(({ name }) => name))].filter((name) => name !== opened.known.trust.origin);
        put(at("witnesses"), h("div", { class: "pad" }, note("unk", names.length === 0 ? "The checkpoint carries no cosignature, and no policy names witnesses."
            : `The checkpoint carries lines in the names of ${names.join(", ")}. They were not checked: no policy gives their keys.`)));
        return;
    }
    const lines = await Promise.all(policy.witnesses.map((witness) => lineOf(witness, opened.signed, opened.known.trust)));
    const draw = (answers, forked) => {
        put(at("witnesses"), table("Witnesses", ["Witness", "State", "Last size cosigned", "Entries behind", "Cosigned"], [2, 3, 4], policy.witnesses.map((witness, place) => witnessRow(opened, witness, { line: lines[place], answer: answers[place] ?? null, isForked: forked[place] ?? false }))));
    };
    draw([], []);
    const answers = await Promise.all(policy.witnesses.map((witness) => askWitness(witness, opened.known.trust)));
    const forked = await Promise.all(answers.map(async (answer) => answer.state === "head" && (await compareHeads(opened.read, answer.signed.head, opened.signed.head)) === "fork"));
    draw(answers, forked);
}
function witnessRow({ known, signed }, { name, key }, { line, answer, isForked }) {
    const served = answer?.state === "head" ? answer : null;
    const size = line.state === "verified" ? signed.head.size : served?.signed.head.size ?? null;
    const seconds = line.state === "verified" ? line.seconds : served?.seconds ?? null;
    const behind = size === null ? null : signed.head.size > size ? signed.head.size - size : 0n;
    const state = isForked ? status("bad", "Saw another history")
        : line.state === "forged" ? status("bad", "Forged cosignature")
            : line.state === "verified" ? known.affirm("Cosigned this checkpoint")
                : served !== null ? status("warn", behind === 0n ? "Cosigned, not shown by the log" : "Lagging")
                    : answer === null ? status("mute", "Not on this checkpoint")
                        : answer.state === "bad" ? status("bad", "Serves a bad checkpoint")
                            : status("unk", answer.state === "nothing" ? "Knows nothing of this log" : "Not responding");
    return row([name, h("span", { class: "sub" }, "Key ", h("code", {}, key.id), ` · ${key.type === 0x06 ? "ML-DSA-44" : "Ed25519"}`)], h("td", { role: "cell", class: "full" }, state), cell("Last size", true, size === null ? "–" : grouped(size)), cell("Behind", true, behind === null ? "–" : grouped(behind)), cell("Cosigned", true, seconds === null ? "–" : ago(Number(seconds) * 1000, Date.now())));
}
async function showEntries(opened) {
    const { size } = opened.signed.head;
    if (size === 0n)
        return put(at("growth"), h("p", { class: "soft" }, "The log is empty."));
    if (size <= AUDITED_AT_ONCE && !isContradicted(opened)) {
        try {
            showAudited(opened, await audit(opened, [], "all", () => undefined).done);
            return;
        }
        catch (error) {
            put(at("numbers"), h("div", { class: "pad" }, note("warn", `The log could not be read completely: ${error instanceof Error ? error.message : ""}.`)));
        }
    }
    const marks = await sample(opened);
    showGrowth(marks, `${count(marks.length, "entry", "entries")} were read, each with its inclusion proof.`);
    showFacts(opened, marks[marks.length - 1] ?? null);
    const hint = [h("a", { href: "explorer/audit.html" }, "Audit the log"), " in this browser to count its statements, streams and gateways: that reads all of it."];
    put(at("numbers"), h("dl", { class: "nums-row" }, number("Entries", grouped(size)), ...lastAudit(opened)), h("p", { class: "pad s soft" }, hint));
    put(at("gateways"), h("p", { class: "pad s soft" }, "The gateways are shown after an audit. ", h("a", { href: "explorer/streams.html" }, "Read the streams"), "."));
}
function lastAudit({ root, known }) {
    let value;
    try {
        value = JSON.parse(recall(root, `audit:${known.fingerprint}`) ?? "null");
    }
    catch {
        return [];
    }
    const whole = (name) => (Number.isSafeInteger(Number(value[name])) ? Number(value[name]) : 0);
    if (value === null || typeof value !== "object")
        return [];
    const found = whole("findings");
    return [
        number("Statements", grouped(whole("statements"))), number("Streams", grouped(whole("streams"))), number("Gateway keys", grouped(whole("gateways"))),
        number("Your last audit", found === 0 ? "No findings" : count(found, "finding"), `${count(whole("size"), "entry", "entries")}, ${moment(whole("at"))}`, found > 0 ? "bad" : ""),
    ];
}
async function sample({ prover, signed }) {
    const last = signed.head.size - 1n;
    const indexes = [...new Set(Array.from({ length: POINTS }, (_, place) => (last * BigInt(place)) / BigInt(POINTS - 1)))];
    const marks = await Promise.all(indexes.map(async (index) => {
        try {
            const { bytes } = await prover.entry(index);
            return { time: decodeEntry(bytes).loggedAt, index: Number(index) };
        }
        catch (error) {
            if (error instanceof VerifyError)
                return null;
            throw error;
        }
    }));
    return marks.filter((mark) => mark !== null);
}
function showGrowth(marks, words) {
    put(at("growth"), growthChart(marks) ?? h("p", { class: "soft" }, "There are too few entries with a time to draw a curve."));
    put(at("growth-words"), words);
}
const number = (name, value, more = null, tone = "") => h("div", {}, h("dt", {}, name), h("dd", { class: tone === "" ? null : tone }, value, more === null ? null : [" ", h("small", {}, more)]));
function showAudited(opened, { report, survey }) {
    showGrowth(survey.growth, "Every entry was read and checked.");
    const lastMark = survey.growth[survey.growth.length - 1];
    if (survey.last !== null && lastMark !== undefined)
        showFacts(opened, { ...lastMark, time: survey.last });
    const gaps = report.findings.filter(({ kind }) => kind === "stream-gap" || kind === "head-without-entries").length;
    const losses = report.streams.reduce((sum, { declaredLosses }) => sum + declaredLosses, 0);
    const found = report.findings.length;
    const gateways = gatewaysOf(report, survey);
    put(at("numbers"), h("dl", { class: "nums-row" }, number("Statements", grouped(report.statements)), number("Gateways", grouped(gateways.length), `${count(report.gateways, "key")} enrolled`), number("Streams", grouped(report.streams.length), `${report.streams.filter(({ closed, succeededBy }) => !closed && succeededBy === null).length} open`), number("Declared losses", grouped(losses)), number("Gaps", grouped(gaps), null, gaps > 0 ? "bad" : ""), number(opened.known.isConfirmed ? "Audit" : "Audit, by an unconfirmed key", found === 0 ? "No findings" : count(found, "finding"), null, found > 0 ? "bad" : "")));
    if (found > 0) {
        const first = report.findings[0];
        at("alarms").append(note("warn", h("b", {}, `The audit has ${count(found, "finding")}. `), `${first.words} `, h("span", { class: "code" }, first.kind), " ", h("a", { href: "explorer/audit.html" }, "See all"), "."));
    }
    put(at("gateways"), gateways.length === 0 ? h("p", { class: "pad s soft" }, "No gateway has opened a stream.") : table("Gateways", ["Gateway", "State", "Statements", "Last entry", "Attributable"], [2, 3, 4], gateways.map((gateway) => {
        const { tone, words, sub } = stateOf(gateway);
        return row(h("a", { href: `explorer/streams.html#stream-${gateway.streams[0]?.report.stream ?? 0}` }, gateway.name), h("td", { role: "cell", class: "full" }, status(opened.known.tone(tone), words), sub === null ? null : h("span", { class: "sub" }, sub)), cell("Statements", true, grouped(gateway.statements)), cell("Last entry", true, gateway.last === null ? "–" : ago(gateway.last, Date.now())), cell("Attributable", true, gateway.interactions === 0 ? "–" : `${Math.floor((100 * gateway.attributable) / gateway.interactions)} % of ${grouped(gateway.interactions)}`));
    })));
}
await main();
