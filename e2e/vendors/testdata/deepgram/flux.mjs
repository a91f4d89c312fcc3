// Flux: turns with their states, Configure, a forced end of a turn, and the end.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DeepgramClient } from "@deepgram/sdk";

const base = process.env.STANDIN_WEBSOCKET_URL;
const client = new DeepgramClient({ apiKey: process.env.STANDIN_KEY, environment: { base: process.env.STANDIN_URL, production: base, agent: base, agentRest: process.env.STANDIN_URL } });
const sound = readFileSync("speech-16000.s16");
const silence = Buffer.alloc(640);

const socket = await client.listen.v2.connect({
  model: "flux-general-multi", encoding: "linear16", sample_rate: 16000, eot_threshold: "0.7", eager_eot_threshold: "0.4", eot_timeout_ms: "5000",
  keyterm: ["Sidetone"], language_hint: ["en"], reconnectAttempts: 0, Authorization: `Token ${process.env.STANDIN_KEY}`,
});
const heard = [];
const closed = new Promise((resolve) => socket.on("close", resolve));
socket.on("message", (m) => heard.push(m));
socket.on("error", () => {});
socket.connect();
await socket.waitForOpen();

function send(bytes) {
  for (let at = 0; at < bytes.length; at += 640) socket.sendMedia(bytes.subarray(at, at + 640));
}

async function until(what, test) {
  for (let i = 0; i < 500; i++) {
    if (test()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`${what} did not come: ${JSON.stringify(heard)}`);
}

const turns = (event) => heard.filter((m) => m.type === "TurnInfo" && m.event === event);
const pause = (n) => { for (let i = 0; i < n; i++) send(silence); };

await until("Connected", () => heard[0]?.type === "Connected");
send(sound);
pause(18); // eager, and then the caller goes on
send(sound);
pause(60);
await until("EndOfTurn", () => turns("EndOfTurn").length === 1);
assert.equal(turns("StartOfTurn").length, 1);
assert.ok(turns("Update").length > 0);
assert.ok(turns("EagerEndOfTurn").length > 0);
assert.ok(turns("TurnResumed").length > 0);
const end = turns("EndOfTurn")[0];
assert.equal(end.transcript, "good morning good morning");
assert.equal(end.trigger, "model");
assert.equal(end.turn_index, 0);
assert.deepEqual(end.languages_hinted, ["en"]);
assert.ok(end.words.every((w) => w.end > w.start));

socket.sendConfigure({ type: "Configure", thresholds: { eot_threshold: 0.9 }, keyterms: ["trunk"] });
await until("ConfigureSuccess", () => heard.some((m) => m.type === "ConfigureSuccess"));
socket.sendConfigure({ type: "Configure", thresholds: { eot_threshold: 9 } });
await until("ConfigureFailure", () => heard.some((m) => m.type === "ConfigureFailure"));

send(sound);
pause(5);
socket.sendForceEndTurn({ type: "ForceEndTurn" });
await until("the forced end", () => turns("EndOfTurn").length === 2);
assert.equal(turns("EndOfTurn")[1].trigger, "manual");
assert.equal(turns("EndOfTurn")[1].turn_index, 1);

heard.forEach((m, i) => assert.equal(m.sequence_id, i));
socket.sendCloseStream({ type: "CloseStream" });
const { code } = await closed;
assert.equal(code, 1005);
console.log("listen v2: ok");
process.exit(0);
