import { count, day } from "./words.js";
export const NO_GATEWAY = "(no verified gateway)";
export function gatewaysOf(report, survey) {
    const seen = new Map(survey.streams.map((stream) => [stream.id, stream]));
    const byName = new Map();
    for (const stream of report.streams) {
        const name = stream.gateway ?? NO_GATEWAY;
        const findings = report.findings.filter(({ place }) => place.stream === BigInt(stream.stream));
        const shown = { report: stream, seen: seen.get(stream.stream) ?? null, findings };
        byName.set(name, [...(byName.get(name) ?? []), shown]);
    }
    return [...byName].map(([name, streams]) => {
        const weeks = streams.flatMap((stream) => [...(stream.seen?.weeks.values() ?? [])]);
        const times = streams.flatMap((stream) => (stream.seen === null ? [] : [stream.seen.last.time]));
        return {
            name, streams,
            statements: streams.reduce((sum, stream) => sum + stream.report.statements, 0),
            last: times.length === 0 ? null : times.reduce((one, other) => Math.max(one, other)),
            interactions: weeks.reduce((sum, week) => sum + week.interactions, 0),
            attributable: weeks.reduce((sum, week) => sum + week.attributable, 0),
        };
    });
}
export function streamState({ report, seen, findings }) {
    const gap = findings.find(({ kind }) => kind !== "silent-stream" && kind !== "stale-checkpoint");
    const silent = findings.find(({ kind }) => kind === "silent-stream");
    if (!report.isComplete || gap !== undefined)
        return { tone: "bad", words: gap?.kind === "stream-gap" || gap === undefined ? "Gap" : "Contradicted", sub: gap?.words ?? null };
    if (report.declaredLosses > 0) {
        const first = seen?.losses[0];
        return { tone: "warn", words: "Declared loss", sub: `${count(report.declaredLosses, "declaration")}${first === undefined ? "" : `, first on ${day(first.time)}`}` };
    }
    if (silent !== undefined)
        return { tone: "warn", words: "Silent", sub: silent.words };
    if (report.isRevoked)
        return { tone: "mute", words: "Key revoked", sub: null };
    if (report.closed)
        return { tone: "mute", words: "Closed", sub: null };
    if (report.succeededBy !== null)
        return { tone: "mute", words: "Continued", sub: `by stream ${report.succeededBy}` };
    return { tone: "ok", words: "Open", sub: null };
}
const WORSE = ["bad", "warn", "unk", "ok", "mute"];
export function stateOf({ streams }) {
    const states = streams.map(streamState);
    return states.reduce((worst, state) => (WORSE.indexOf(state.tone) < WORSE.indexOf(worst.tone) ? state : worst), states[0] ?? { tone: "mute", words: "No stream", sub: null });
}
