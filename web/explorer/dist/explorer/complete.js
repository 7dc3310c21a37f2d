import { decodeEntry, encodeBase64, encodeHex, openEnrolment, openGenesis, Operators, refuse, verifyCompletenessFile, VerifyError } from "./verify/index.js";
export const MAX_SPAN = 1 << 18;
const MAX_RUNS = 1 << 14;
const spelled = ({ first, entries, left, right }) => ({ first: Number(first), entries: entries.map(encodeBase64), left: left.map(encodeHex), right: right.map(encodeHex) });
export async function proveComplete(opened, survey, stream, onProgress) {
    const { prover, known, signed } = opened;
    const seen = survey.streams.find(({ id }) => id === stream) ?? refuse("no-entry", `stream ${stream} was not read`);
    const one = async (index) => prover.run(BigInt(index), [(await prover.entry(BigInt(index))).bytes]);
    const [genesis, opening] = [await one(0), await one(stream)];
    const operators = await Promise.all(survey.operators.map(one));
    const enrolment = await one(await enrolmentOf(opened, survey, stream));
    const runs = await runsOf(opened, stream, seen.last.index, onProgress);
    const value = {
        format: "vouchlog/v1 completeness", origin: known.trust.origin, from: 0, to: Number(signed.head.size), checkpoint: signed.note.note,
        genesis: spelled(genesis), ...(operators.length === 0 ? {} : { operators: operators.map(spelled) }),
        streams: [{ enrolment: spelled(enrolment), opening: spelled(opening), entries: runs.map(spelled) }],
    };
    const file = `${JSON.stringify(value)}\n`;
    onProgress("Checking the file");
    return { shown: await verifyCompletenessFile(new TextEncoder().encode(file), known.trust), file };
}
async function enrolmentOf({ prover, known }, survey, stream) {
    const { trust } = known;
    const read = async (index) => {
        const entry = decodeEntry((await prover.entry(BigInt(index))).bytes);
        return "note" in entry ? entry : refuse("entry", `entry ${index} carries no note`);
    };
    const gateway = (await read(stream)).note.split("\n").find((line) => line.startsWith("gateway "))?.slice("gateway ".length);
    const operators = new Operators((await openGenesis((await read(0)).note, [trust.log], trust.crypto)).operator);
    for (const index of survey.operators)
        await operators.take(BigInt(index), (await read(index)).note, trust.origin, trust.crypto);
    const candidates = survey.enrolments.filter(({ index, vkey }) => index < stream && vkey === gateway).reverse();
    for (const { index } of candidates) {
        try {
            await openEnrolment((await read(index)).note, trust.origin, operators.at(BigInt(index)), trust.crypto);
            return index;
        }
        catch (error) {
            if (!(error instanceof VerifyError))
                throw error;
        }
    }
    return refuse("note", `no enrolment of the gateway of stream ${stream} was found`);
}
async function runsOf({ prover, signed }, stream, last, onProgress) {
    if (last - stream > MAX_SPAN)
        refuse("too-large", `the stream spans more than ${MAX_SPAN} entries: use \`vouchlog prove-complete\``);
    const runs = [];
    let held = null;
    const flush = async () => {
        if (held === null)
            return;
        if (runs.length >= MAX_RUNS)
            refuse("too-large", `the stream is in more than ${MAX_RUNS} pieces: use \`vouchlog prove-complete\``);
        runs.push(await prover.run(BigInt(held.first), held.entries));
        held = null;
    };
    const end = Math.min(last + 1, Number(signed.head.size));
    for (let bundle = Math.floor((stream + 1) / 256); bundle * 256 < end; bundle++) {
        onProgress(`Reading entry ${bundle * 256}`);
        const entries = await prover.bundle(BigInt(bundle));
        for (const [place, bytes] of entries.entries()) {
            const index = bundle * 256 + place;
            if (index <= stream || index >= end || !belongs(bytes, stream)) {
                await flush();
                continue;
            }
            held ??= { first: index, entries: [] };
            held.entries.push(bytes);
        }
    }
    await flush();
    return runs;
}
function belongs(bytes, stream) {
    try {
        const entry = decodeEntry(bytes);
        return "stream" in entry && entry.stream === stream;
    }
    catch (error) {
        if (error instanceof VerifyError)
            return false;
        throw error;
    }
}
