// The socket of voices, for which the client has types and no code: what our driver
// says there and what the stand-in answers must be what those types allow, and hold
// nothing else. Members that are null count as absent.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import types from "@elevenlabs/elevenlabs-js/serialization/index.js";

const strict = { unrecognizedObjectKeys: "fail" };

// The types refuse what is wrong.
assert.throws(() => types.InitializeConnection.parseOrThrow({ text: "not a space" }, strict));
assert.throws(() => types.AudioOutput.parseOrThrow({ audio: "AAAA", novelty: 1 }, strict));

const messages = JSON.parse(readFileSync("messages.json", "utf8"));
for (const { type, message } of messages) {
  for (const [name, value] of Object.entries(message)) if (value === null) delete message[name];
  types[type].parseOrThrow(message, strict);
}
const count = (type) => messages.filter((m) => m.type === type).length;
for (const type of ["InitializeConnection", "SendText", "CloseConnection", "AudioOutput", "FinalOutput"]) {
  assert.ok(count(type) > 0, `no ${type}`);
}
assert.ok(messages.some((m) => m.message.alignment?.chars.length > 0), "no times of words");
console.log(`elevenlabs-js: ${messages.length} messages of the socket are of its types`);
