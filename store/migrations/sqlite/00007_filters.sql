-- +goose Up
-- A list with a filter is newest first still: the index of a filter is in that
-- order, so that neither common nor rare values make it read what it leaves out.
DROP INDEX calls_by_carrier_id;
CREATE INDEX calls_by_carrier_id ON calls (environment_id, carrier_id, created, id);
CREATE INDEX calls_by_from_number_created ON calls (environment_id, from_number, created, id);
CREATE INDEX calls_by_to_number_created ON calls (environment_id, to_number, created, id);
DROP INDEX numbers_by_live_label;
DROP INDEX numbers_by_live_inbound_agent_id;
DROP INDEX numbers_by_live_provider;
DROP INDEX numbers_by_live_outbound_only;
CREATE INDEX numbers_by_live_label ON numbers (environment_id, active, label, created, id);
CREATE INDEX numbers_by_live_inbound_agent_id ON numbers (environment_id, active, inbound_agent_id, created, id);
CREATE INDEX numbers_by_live_provider ON numbers (environment_id, active, provider, created, id);
CREATE INDEX numbers_by_live_outbound_only ON numbers (environment_id, active, outbound_only, created, id);

-- +goose Down
DROP INDEX numbers_by_live_outbound_only;
DROP INDEX numbers_by_live_provider;
DROP INDEX numbers_by_live_inbound_agent_id;
DROP INDEX numbers_by_live_label;
CREATE INDEX numbers_by_live_label ON numbers (environment_id, active, label);
CREATE INDEX numbers_by_live_inbound_agent_id ON numbers (environment_id, active, inbound_agent_id);
CREATE INDEX numbers_by_live_provider ON numbers (environment_id, active, provider);
CREATE INDEX numbers_by_live_outbound_only ON numbers (environment_id, active, outbound_only);
DROP INDEX calls_by_to_number_created;
DROP INDEX calls_by_from_number_created;
DROP INDEX calls_by_carrier_id;
CREATE INDEX calls_by_carrier_id ON calls (environment_id, carrier_id);
