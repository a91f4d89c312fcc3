// The WebSocket of voices: sound, Flush, Clear, Close, warnings, errors.
import assert from "node:assert/strict";
import { DeepgramClient } from "@deepgram/sdk";

const url = process.env.STANDIN_WEBSOCKET_URL;
const client = new DeepgramClient({ apiKey: process.env.STANDIN_KEY, reconnect: false,
  environment: { base: process.env.STANDIN_URL, production: url, agent: url, agentRest: process.env.STANDIN_URL } });

async function faults(...lines) {
  const answer = await fetch(process.env.STANDIN_URL + "/standin/faults", { method: "POST", body: lines.join("\n") });
  assert.equal(answer.status, 204);
}

// open returns a socket and what came over it.
async function open(encoding = "mulaw", sample_rate = 8000) {
  const socket = await client.speak.v1.createConnection({ model: "aura-2-thalia-en", encoding, sample_rate, reconnectAttempts: 0, Authorization: "Token " + process.env.STANDIN_KEY });
  const got = { bytes: 0, messages: [], closed: null, wake: () => {} };
  socket.on("message", (m) => {
    if (m?.type) got.messages.push(m);
    else got.bytes += m.size ?? m.byteLength ?? m.length;
    got.wake();
  });
  socket.on("error", () => {});
  socket.on("close", (event) => { got.closed = event; got.wake(); });
  socket.connect();
  await socket.waitForOpen();
  return { socket, got };
}

// until waits for a condition on what came.
async function until(got, condition) {
  while (!condition()) {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("nothing came: " + JSON.stringify(got.messages))), 10000);
      got.wake = () => { clearTimeout(timer); resolve(); };
    });
  }
}
const types = (got) => got.messages.map((m) => m.type);

// Two words of five letters are 460 ms of tone words.
for (const [encoding, rate, bytes] of [["mulaw", 8000, 3680], ["linear16", 16000, 14720]]) {
  const { socket, got } = await open(encoding, rate);
  socket.sendText({ type: "Speak", text: "hello world" });
  socket.sendFlush({ type: "Flush" });
  await until(got, () => types(got).includes("Flushed"));
  assert.equal(got.bytes, bytes);
  assert.equal(got.messages[0].type, "Metadata");
  assert.match(got.messages[0].request_id, /^[0-9a-f-]{36}$/);
  socket.sendClear({ type: "Clear" });
  await until(got, () => types(got).includes("Cleared"));
  socket.sendClose({ type: "Close" });
  await until(got, () => got.closed !== null);
}

const many = await open();
for (let i = 0; i < 21; i++) {
  many.socket.sendText({ type: "Speak", text: "a" });
  many.socket.sendFlush({ type: "Flush" });
}
await until(many.got, () => types(many.got).includes("Warning"));
many.socket.close();

await faults("close?status=1008&reason=DATA-0001&after=1&times=1");
const failing = await open();
failing.socket.sendText({ type: "Speak", text: "hello world hello world" });
failing.socket.sendFlush({ type: "Flush" });
await until(failing.got, () => failing.got.closed !== null);
assert.equal(failing.got.closed.code, 1008);
failing.socket.close();
console.log("deepgram sdk: the WebSocket of voices agrees");
process.exit(0);
