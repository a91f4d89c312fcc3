-- +goose Up
ALTER TABLE prompts ADD COLUMN resource_key TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE UNIQUE INDEX prompts_unique_resource_key ON prompts (environment_id, resource_key) WHERE resource_key <> '';
CREATE INDEX prompts_by_resource_key ON prompts (environment_id, resource_key);
ALTER TABLE actions ADD COLUMN resource_key TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE UNIQUE INDEX actions_unique_resource_key ON actions (environment_id, resource_key) WHERE resource_key <> '';
CREATE INDEX actions_by_resource_key ON actions (environment_id, resource_key);
ALTER TABLE agents ADD COLUMN resource_key TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE UNIQUE INDEX agents_unique_resource_key ON agents (environment_id, resource_key) WHERE resource_key <> '';
CREATE INDEX agents_by_resource_key ON agents (environment_id, resource_key);

-- +goose Down
DROP INDEX agents_by_resource_key;
DROP INDEX agents_unique_resource_key;
ALTER TABLE agents DROP COLUMN resource_key;
DROP INDEX actions_by_resource_key;
DROP INDEX actions_unique_resource_key;
ALTER TABLE actions DROP COLUMN resource_key;
DROP INDEX prompts_by_resource_key;
DROP INDEX prompts_unique_resource_key;
ALTER TABLE prompts DROP COLUMN resource_key;
