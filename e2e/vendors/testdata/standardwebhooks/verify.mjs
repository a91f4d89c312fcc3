// Reads deliveries.json: what was signed, with which secret a receiver verifies it, and
// whether it is genuine. Each must be taken for what it is.
import { readFileSync } from "node:fs";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const deliveries = JSON.parse(readFileSync("deliveries.json", "utf8"));
let genuine = 0;
for (const { name, secret, headers, body, valid } of deliveries) {
  let verified;
  try {
    const read = new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
    verified = JSON.stringify(read) === JSON.stringify(JSON.parse(Buffer.from(body, "base64").toString()));
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    verified = false;
  }
  if (verified !== valid) throw new Error(`${name}: verified ${verified}, want ${valid}`);
  if (valid) genuine++;
}
console.log(`${genuine} of ${deliveries.length} deliveries are genuine, as they should be`);
