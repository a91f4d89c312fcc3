import { baseUrl, equal, key } from "./check.js";
import { Api } from "./generated/swagger-typescript-api/api.js";

const { v1 } = new Api({ baseUrl, baseApiParams: { headers: { Authorization: `Bearer ${key}` } } });

const { data: voice } = await v1.voiceControllerCreateVoice({ type: "voice_flite", voice: "slt" });
const { data: action } = await v1.actionControllerCreateAction({
  type: "action_transfer_call", config: { phone_number: "+12025550123" },
});
equal(action.config.phone_number, "+12025550123");
const { data: account } = await v1.accountConnectionControllerCreateAccountConnection({
  type: "account_connection_twilio", credentials: { twilio_account_sid: "AC1", twilio_auth_token: "token" },
});
equal(account.credentials.twilio_auth_token, "token");
const { data: webhook } = await v1.webhookControllerCreateWebhook({
  url: "https://hook.example/in", subscriptions: ["event_transcript"],
});
const { data: database } = await v1.vectorDatabaseControllerCreateVectorDatabase({
  index: "i", api_key: "k", api_environment: "e",
});
const { data: agent } = await v1.agentControllerCreateAgent({
  prompt: { content: "Be kind." }, voice: voice.id, actions: [action.id], webhook: webhook.id, vector_database: database.id,
});
equal([agent.language, agent.max_idle_check_count], ["en", 2]);

// What was read and is sent back changes nothing.
const { data: read } = await v1.agentControllerGetAgent({ id: agent.id });
equal((await v1.agentControllerUpdateAgent({ id: agent.id }, read)).data, read);

const { data: number } = await v1.numberControllerBuyNumber({});
const { data: placed } = await v1.numberControllerUpdateNumber(
  { phone_number: number.number }, { example_context: {}, inbound_agent: agent.id },
);
equal(placed.inbound_agent?.id, agent.id);
const { data: linked } = await v1.numberControllerLinkNumber({
  phone_number: "+12025550177", telephony_account_connection: account.id,
});
equal([linked.active, linked.outbound_only, linked.carrier_state], [true, false, "unverified"]);

const { data: call } = await v1.callControllerCreateCall({
  from_number: number.number, to_number: "+12025550199", agent: agent.id,
});
const { data: calls } = await v1.callControllerListCalls({ size: 1 });
equal([calls.total, calls.items[0]?.id, calls.items[0]?.agent], [1, call.id, agent.id]);

const missing = await v1.agentControllerGetAgent({ id: "none" }).then(() => undefined, (r) => r);
equal([missing?.status, missing?.error?.message], [404, "id names no agent in this environment"]);
