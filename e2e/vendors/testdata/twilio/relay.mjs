// A program for ConversationRelay, as Twilio's page describes it: twilio checks the
// signature of the upgrade, ws speaks WebSocket. It prints its address, then each frame.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import twilio from "twilio";
import { WebSocketServer } from "ws";

const { TOKEN, STORY } = process.env;
const server = createServer();
const sockets = new WebSocketServer({ noServer: true });

// authentic says whether the upgrade was signed with our token.
function authentic(request) {
  const url = `ws://${request.headers.host}${request.url}`;
  const signature = request.headers["x-twilio-signature"] ?? "";
  assert.ok(!twilio.validateRequest(TOKEN + "x", signature, url, {}), "another token fits the signature");
  return twilio.validateRequest(TOKEN, signature, url, {});
}

function answer(frame, send) {
  switch (frame.type) {
    case "setup":
      for (const member of ["sessionId", "callSid", "accountSid", "from", "to", "direction", "callType", "callStatus"]) {
        assert.equal(typeof frame[member], "string", member);
      }
      return send({ type: "text", token: "Hello there.", last: true });
    case "prompt":
      assert.equal(frame.last, true);
      if (/story/.test(frame.voicePrompt)) {
        for (const word of STORY.split(/(?<= )/)) send({ type: "text", token: word, last: false });
        return send({ type: "text", token: "", last: true });
      }
      send({ type: "text", token: "Fine with me.", last: true });
      return send({ type: "sendDigits", digits: "4w2" });
    case "dtmf":
      send({ type: "text", token: "Goodbye.", last: true });
      return send({ type: "end" });
  }
}

server.on("upgrade", (request, socket, head) => {
  if (!authentic(request)) {
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    return;
  }
  sockets.handleUpgrade(request, socket, head, (ws) => {
    console.log(JSON.stringify({ type: "open" }));
    ws.on("message", (raw) => {
      console.log(String(raw));
      answer(JSON.parse(raw), (frame) => ws.send(JSON.stringify(frame)));
    });
  });
});
server.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${server.address().port}/relay`));
